//! The old side of an upgrade: starts the new process, hands over, and goes on as if nothing had happened should
//! anything go wrong.

use std::time::Duration;

use super::gate::Gate;
use super::handover::{Cause, Fate, Handed, HandoverError, Heir, LONGEST, Owner, Package, Step};
use super::program::Program;
use crate::admin::{Refused, Why};
use crate::net::now;
use crate::telemetry;

impl Gate {
    /// Lets a new process of the program's file take over; its number once it serves. This one accepts nobody any
    /// more then and is to be retired.
    ///
    /// # Errors
    /// When the new process does not come to serve; this one serves on.
    pub(super) async fn upgrade(&mut self, program: &Program, who: &str) -> Result<u32, Refused> {
        telemetry::upgrade_begins(who, &program.file.display().to_string());
        let result = self.hand_over(program).await;
        match &result {
            Ok(pid) => telemetry::upgraded(*pid),
            Err(error) => {
                self.web.keep();
                self.doors.resume();
                telemetry::upgrade_failed(who, &error.to_string());
            }
        }
        result.map_err(|error| Refused {
            why: Why::Failed,
            error: error.to_string(),
            hint: "this process serves on; `realmgate check` with the new program shows what it thinks of the file"
                .to_owned(),
        })
    }

    /// An upgrade that was dropped midway: its new process is gone, and this one accepts as before.
    pub(super) fn forget_upgrade(&mut self, who: &str) {
        self.web.keep();
        self.doors.resume();
        telemetry::upgrade_failed(who, "an order to stop came meanwhile");
    }

    async fn hand_over(&mut self, program: &Program) -> Result<u32, HandoverError> {
        let deadline = now() + LONGEST;
        let package = self.package(program).map_err(|error| HandoverError {
            step: Step::Spawn,
            cause: Cause::Start(error),
            fate: Fate::NeverStarted,
        })?;
        let mut heir = Heir::spawn(&program.file, &program.arguments, package)?;
        heir.ready(deadline).await?;
        self.doors.pause().await; // who arrives now waits in the sockets, a moment
        self.web.seal();
        heir.go().await?;
        heir.serving(deadline).await
    }

    fn package(&self, program: &Program) -> std::io::Result<Package> {
        let mut sockets = Vec::new();
        for (name, address, socket) in self.doors.share()? {
            sockets.push(Handed { owner: Owner::Listener(name), address, socket });
        }
        if let Some((address, socket)) = &program.admin {
            sockets.push(Handed { owner: Owner::Admin, address: *address, socket: socket.try_clone()? });
        }
        let clock: Duration = now().saturating_duration_since(self.started);
        Ok(Package {
            sockets,
            tickets: self.tickets.export(),
            tickets_age: self.tickets_age(),
            start: self.start,
            clock,
            registry: self.registry.snapshot(clock),
        })
    }
}

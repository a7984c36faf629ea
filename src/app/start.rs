//! From a checked configuration to a serving process: everything that can fail, in order, before anybody hears that it
//! is ready; alone, under systemd, or in the place of an older process.

use std::io;
use std::path::Path;

use tokio::sync::mpsc;

use super::gate::{Gate, StartError};
use super::handover::Predecessor;
use super::legacy::Legacy;
use super::office::Office;
use super::program::Program;
use super::run::RunOptions;
use super::serve::{Inbox, ORDERS, Serving, Signals};
use super::systemd;
use super::watching::Watching;
use crate::admin::Store;
use crate::config::Plan;
use crate::net::clock;
use crate::telemetry;

/// What is found before the first thread starts.
#[derive(Debug)]
pub(super) struct Found {
    signals: Option<Signals>,
    program: Program,
    inherited: Vec<std::net::TcpListener>,
    predecessor: Option<Predecessor>,
}

impl Found {
    /// To be asked once, at the process's start.
    ///
    /// # Errors
    /// When the operating system does not say what was started, or nobody hands over.
    pub(super) fn look(options: &RunOptions) -> Result<Self, StartError> {
        Ok(Self {
            signals: Some(Signals::take().map_err(StartError::Machine)?), // before one can come that would end it
            program: Program::new().map_err(StartError::Machine)?,
            inherited: systemd::inherited(),
            predecessor: None,
        })
        .and_then(|found| found.with_predecessor(options.take_over))
    }

    fn with_predecessor(mut self, take_over: bool) -> Result<Self, StartError> {
        if take_over {
            self.predecessor = Some(Predecessor::from_stdin().map_err(StartError::TakeOver)?);
        }
        Ok(self)
    }

    /// Tells the process before why this one does not take its place.
    pub(super) async fn refuse(self, why: &str) {
        if let Some(predecessor) = self.predecessor {
            predecessor.refuse(why).await;
        }
    }

    /// Opens, takes over, prepares and accepts.
    ///
    /// # Errors
    /// Whatever stands in the way; nothing is left running.
    pub(super) async fn start(mut self, plan: Plan, watching: Watch) -> Result<Serving, StartError> {
        match self.prepare(plan, watching).await {
            Ok(serving) => Ok(serving),
            Err(error) => {
                self.refuse(&error.to_string()).await;
                Err(error)
            }
        }
    }

    async fn prepare(&mut self, plan: Plan, watching: Watch) -> Result<Serving, StartError> {
        let signals = self.signals.take().ok_or_else(|| machine(io::Error::other("started twice")))?;
        let watching = watching.transpose().map_err(machine)?;
        let mut legacy = self.legacy(&plan).await?;
        let office = Office::open(&plan, &mut legacy)?;
        let mut program = std::mem::take(&mut self.program);
        program.admin = office.as_ref().map(Office::share).transpose().map_err(StartError::Machine)?;
        let mut gate = Gate::prepare(plan, legacy).await?;
        if let Some(predecessor) = &mut self.predecessor {
            predecessor.ready().await.map_err(StartError::TakeOver)?;
        }
        gate.access = office.as_ref().map(Office::access);
        gate.serve();
        let (orders_in, orders) = mpsc::channel(ORDERS);
        let office = office.map(|office| office.serve(gate.desk(orders_in))).transpose();
        let office = office.map_err(StartError::Machine)?;
        if let Some(predecessor) = self.predecessor.take() {
            predecessor.serving().await;
        }
        Ok(Serving { gate, program, office, inbox: Inbox { signals, orders, watching } })
    }

    async fn legacy(&mut self, plan: &Plan) -> Result<Legacy, StartError> {
        let store = Store::new(plan.gateway().state_dir());
        let package = match &mut self.predecessor {
            Some(predecessor) => Some(predecessor.receive().await.map_err(StartError::TakeOver)?),
            None => None,
        };
        // After the package: from then on the process before changes nothing any more.
        let overrides = store.read(clock()).map_err(StartError::State)?;
        for stale in plan.stale(&overrides) {
            telemetry::override_matches_nothing(&stale.to_string());
        }
        let inherited = std::mem::take(&mut self.inherited);
        Ok(Legacy { overrides, store: Some(store), inherited, package })
    }
}

/// What comes of watching the configuration, with `--watch`.
pub(super) type Watch = Option<notify::Result<Watching>>;

/// Reads what is watched from before on: no change stays unheard between the two.
pub(super) fn watched<T>(file: Option<&Path>, read: impl FnOnce() -> T) -> (Watch, T) {
    let watching = file.map(Watching::start);
    (watching, read())
}

fn machine(error: impl std::error::Error + Send + Sync + 'static) -> StartError {
    StartError::Machine(io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_change_while_the_configuration_is_read_is_heard() {
        let folder = std::env::temp_dir().join(format!("realmgate-start-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("gate.toml");
        fs::write(&file, "").expect("a file");
        let (watching, written) = watched(Some(&file), || fs::write(&file, "[gateway]"));
        written.expect("a file");
        let mut watching = watching.expect("wanted").expect("a watch");
        tokio::time::timeout(Duration::from_secs(20), watching.changed()).await.expect("a change");
        fs::remove_dir_all(&folder).expect("gone");
    }
}

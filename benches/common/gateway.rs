//! The gateway's process: started, asked, signalled, succeeded by another, ended by its own number.

use std::fs::File as Log;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::Outcome;
use crate::folder::Folder;
use crate::http;
use crate::machine;
use crate::patience::Patience;

/// The process that serves now. Dropped, it is gone with everything it started.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// Its number.
    pub(crate) pid: u32,
    program: PathBuf,
    admin: Option<SocketAddr>,
    plain: SocketAddr,
}

/// How long a gateway may take until it serves.
const START: Duration = Duration::from_secs(20);

impl Gateway {
    /// Starts `program run -c gate.toml` and waits until it serves.
    pub(crate) fn start(
        program: PathBuf,
        folder: &Folder,
        (plain, admin): (SocketAddr, Option<SocketAddr>),
        patience: &Patience,
    ) -> Outcome<Self> {
        let mut gateway = Self { pid: 0, program, admin, plain };
        gateway.start_again(folder, patience)?;
        Ok(gateway)
    }

    /// The same once more, after it has ended.
    pub(crate) fn start_again(&mut self, folder: &Folder, patience: &Patience) -> Outcome<()> {
        let fail = |error: std::io::Error| format!("cannot start {}: {error}", self.program.display());
        let log = Log::options().create(true).append(true).open(folder.log()).map_err(fail)?;
        // setpriv replaces itself by the gateway, so the number stays; the kernel ends it if this process dies first.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.program)
            .args(["run", "--log-format", "json", "-c"])
            .arg(folder.path().join("gate.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(fail)?)
            .stderr(log)
            .spawn()
            .map_err(fail)?;
        // Collected by its number like every other process of the run.
        self.pid = child.id();
        patience.wait("the gateway to serve", START, || {
            self.must_run()?;
            Ok(self.serves().then_some(()))
        })
    }

    fn serves(&self) -> bool {
        match self.admin {
            None => TcpStream::connect(self.plain).is_ok(),
            Some(admin) => http::get(admin, "/readyz").is_ok_and(|answer| answer.status == 200),
        }
    }

    /// An error if it has ended.
    pub(crate) fn must_run(&self) -> Outcome<()> {
        match machine::end_of(machine::pid(self.pid)?)? {
            None => Ok(()),
            Some((_, how)) => Err(format!("the gateway, process {}, has ended with {how}", self.pid)),
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Outcome<()> {
        machine::signal(machine::pid(self.pid)?, signal)
    }

    /// Where the API is.
    pub(crate) fn admin(&self) -> Outcome<SocketAddr> {
        self.admin.ok_or_else(|| "this scenario has no admin API".to_owned())
    }

    /// `GET /v1/status`.
    pub(crate) fn status(&self) -> Outcome<Value> {
        self.document("/v1/status")
    }

    /// A document of the API.
    pub(crate) fn document(&self, path: &str) -> Outcome<Value> {
        let answer = http::get(self.admin()?, path)?;
        if answer.status != 200 {
            return Err(format!("{path}: {} {}", answer.status, answer.body));
        }
        serde_json::from_str(&answer.body).map_err(|error| format!("{path}: {error} in {:?}", answer.body))
    }

    /// The number of the world in force.
    pub(crate) fn generation(&self) -> Outcome<u64> {
        let status = self.status()?;
        let generation = http::find(&status, "generation").and_then(Value::as_u64);
        generation.ok_or_else(|| format!("/v1/status says no generation: {status}"))
    }

    /// The process that answers the API; `None` while nobody does, as in the middle of an upgrade.
    pub(crate) fn answering_pid(&self) -> Outcome<Option<u32>> {
        let Ok(status) = self.status() else { return Ok(None) };
        let pid = http::find(&status, "pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
        pid.map(Some).ok_or_else(|| format!("/v1/status says no pid: {status}"))
    }

    /// How many reloads were refused so far; a counter that has counted nothing may be left out.
    pub(crate) fn rejected(&self) -> Outcome<u64> {
        let page = http::get(self.admin()?, "/metrics")?;
        let count = http::sample(&page.body, "realmgate_config_reloads_total{result=\"rejected\"}");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        Ok(count.unwrap_or(0.0) as u64)
    }

    /// Waits until it has ended; how, and whether with exit code 0.
    pub(crate) fn wait_for_end(&self, limit: Duration, patience: &Patience) -> Outcome<(bool, String)> {
        let pid = machine::pid(self.pid)?;
        patience.wait(&format!("process {} to end", self.pid), limit, || machine::end_of(pid))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        machine::end_all_children();
    }
}

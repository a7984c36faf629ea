//! Child processes: bound to one core, ended by their own number when the guard goes away, and by the kernel if this
//! process dies first.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::cpu;

/// The core of the proxy under test.
pub(crate) const PROXY_CORE: &str = "0";
/// The core that loader and backend share.
pub(crate) const OTHER_CORE: &str = "1";

/// A running child.
#[derive(Debug)]
pub(crate) struct Guarded {
    name: String,
    child: Child,
}

/// The nice value of the run: above the rest of the machine, where that is allowed; all roles have the same.
pub(crate) const PRIORITY: &str = "-10";

impl Guarded {
    /// Starts a program on a core, or on some; its words go to `log`, its output too unless it is wanted.
    pub(crate) fn start<S: AsRef<OsStr>>(
        cores: &str,
        program: &Path,
        words: &[S],
        log: &Path,
        keep_output: bool,
    ) -> Result<Self, String> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let fail = |error| format!("cannot start {name}: {error}");
        let file = File::options().create(true).append(true).open(log).map_err(fail)?;
        let output = if keep_output { Stdio::piped() } else { file.try_clone().map_err(fail)?.into() };
        // Each of these replaces itself by the next, so the number stays that of the program.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "--cpu-list", cores])
            .args(["nice", "--adjustment", PRIORITY, "--"])
            .arg(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(file)
            .spawn()
            .map_err(fail)?;
        Ok(Self { name, child })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it accepts connections.
    pub(crate) fn wait_for(&mut self, address: SocketAddr) -> Result<(), String> {
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if TcpStream::connect(address).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{} ended with {status} instead of listening at {address}", self.name));
            }
            pause();
        }
        Err(format!("{} does not listen at {address}", self.name))
    }

    /// Waits until it and its children are so many; their numbers.
    pub(crate) fn wait_for_family(&self, processes: usize) -> Result<Vec<u32>, String> {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            let pids = cpu::family(self.pid());
            if pids.len() == processes {
                return Ok(pids);
            }
            pause();
        }
        Err(format!("{} does not come to {processes} processes", self.name))
    }

    /// Waits for its end and gives its output; `meanwhile` is done every now and then.
    pub(crate) fn finish(
        mut self,
        limit: Duration,
        mut meanwhile: impl FnMut() -> Result<(), String>,
    ) -> Result<String, String> {
        let end = Instant::now() + limit;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < end => {
                    meanwhile()?;
                    pause();
                }
                Ok(None) => return Err(format!("{} took longer than {limit:?}", self.name)),
                Err(error) => return Err(format!("{}: {error}", self.name)),
            }
        };
        let mut text = String::new();
        if let Some(mut output) = self.child.stdout.take() {
            output.read_to_string(&mut text).map_err(|error| error.to_string())?;
        }
        if status.success() { Ok(text) } else { Err(format!("{} ended with {status}", self.name)) }
    }
}

impl Drop for Guarded {
    /// A moment to end in order (nginx takes its worker along), then by force.
    fn drop(&mut self) {
        let ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        if ended(&mut self.child) {
            return;
        }
        let asked = Command::new("kill").args(["-INT", &self.pid().to_string()]).status();
        let end = Instant::now() + Duration::from_secs(2);
        while asked.is_ok() && Instant::now() < end {
            if ended(&mut self.child) {
                return;
            }
            pause();
        }
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

//! `realmgate run` as a real process, and `realmgate ctl` in front of it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Folder, configuration};

/// A running program with an API.
pub(crate) struct Program {
    pub(crate) folder: Folder,
    pub(crate) admin: SocketAddr,
    child: Child,
    log: Receiver<String>,
}

/// What a process said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Program {
    /// Starts it; `admin` are more lines of `[admin]`.
    pub(crate) fn start(admin: &str) -> Self {
        Self::start_with(admin, &[])
    }

    /// The same with more words on its command line.
    pub(crate) fn start_with(admin: &str, words: &[&str]) -> Self {
        let folder = Folder::new();
        folder.write("gate.toml", &configuration(admin));
        folder.write("token", &format!("{}\n", super::TOKEN));
        let (child, admin, log) = run(&folder, words);
        Self { folder, admin, child, log }
    }

    /// Stops it and starts it again in the same folder.
    pub(crate) fn restart(&mut self) {
        self.stop();
        (self.child, self.admin, self.log) = run(&self.folder, &[]);
    }

    fn stop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            kill_process(pid, Signal::INT).ok();
        }
        drop(self.child.wait());
    }

    /// Whether the process that was started lives.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }

    /// The next line of its log with this message.
    pub(crate) fn logged(&self, message: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(super::BOUND).unwrap_or_else(|_| panic!("no line: {message}"));
            if line.contains(&format!("\"message\":\"{message}\"")) {
                return serde_json::from_str(&line).expect("a line of JSON");
            }
        }
    }

    /// `realmgate ctl` with its address.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Said {
        let url = format!("http://{}", self.admin);
        ctl(&[&["--admin", &url], arguments].concat())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

/// `realmgate ctl` with nothing but these arguments.
pub(crate) fn ctl(arguments: &[&str]) -> Said {
    realmgate(&[&["ctl"], arguments].concat())
}

/// The program until it ends.
pub(crate) fn realmgate(arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_realmgate"));
    let Output { status, stdout, stderr } = command.args(arguments).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: status.code(), out: text(&stdout), err: text(&stderr) }
}

/// More lines than any of these tests makes; a full pipe would hold the program.
const LINES: usize = 10_000;

fn run(folder: &Folder, words: &[&str]) -> (Child, SocketAddr, Receiver<String>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_realmgate"))
        .args(["run", "--log-format", "json", "-c"])
        .arg(folder.path("gate.toml"))
        .args(words)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let is_it = |line: &String| line.contains("\"listening\"") && line.contains("\"admin\"");
    let line = lines.by_ref().find(is_it).expect("where the API listens");
    let address = line.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let address = address.and_then(|address| address.parse().ok()).expect("an address");
    let (keep, log) = sync_channel(LINES);
    std::thread::spawn(move || lines.for_each(|line| drop(keep.try_send(line))));
    (child, address, log)
}

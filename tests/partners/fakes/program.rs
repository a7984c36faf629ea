//! `realmgate run` with partners, as a real process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Answer, Folder, Request, SECRET, answer_of};

/// A running program.
pub(crate) struct Program {
    pub(crate) folder: Folder,
    pub(crate) open: SocketAddr,
    pub(crate) admin: SocketAddr,
    text: String,
    log: Log,
    child: Child,
    /// The process that has taken over.
    heir: Option<Pid>,
}

/// What it has said since it listened, each line as it came.
type Log = Arc<Mutex<Vec<String>>>;

impl Program {
    /// Starts it with a cluster at this backend; `tables` has the partners and their routes.
    pub(crate) fn start(backend: SocketAddr, tables: &str) -> Self {
        Self::start_in(Folder::new(), "", backend, tables)
    }

    /// The same with more lines of `[listener.open]`.
    pub(crate) fn start_in(folder: Folder, listener: &str, backend: SocketAddr, tables: &str) -> Self {
        folder.write("secret", &format!("{SECRET}\n"));
        let text = format!(
            r#"
[gateway]
workers = 2
state_dir = "state"
[admin]
listen = "127.0.0.1:0"
[drain]
lame_duck = "0s"
spread = "0s"
deadline = "5s"
[listener.open]
listen = "127.0.0.1:0"
protocol = "http"
{listener}
[listener.open.limits]
connections_per_ip = 0
new_per_ip = "off"
[cluster.pay]
link = "http"
backends = [{{ address = "{backend}" }}]
[cluster.pay.health]
probe = "tcp"
{tables}"#
        );
        folder.write("gate.toml", &text);
        let log = Log::default();
        let (child, open, admin) = run(&folder, &log);
        Self { folder, open, admin, text, log, child, heir: None }
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        answer_of(self.open, request)
    }

    /// Stops it in order and starts it again in the same folder.
    pub(crate) fn restart(&mut self) {
        self.end(Signal::TERM);
        (self.child, self.open, self.admin) = run(&self.folder, &self.log);
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Starts it where it cannot: its exit code, and what it says.
    pub(crate) fn try_start(&self) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_realmgate"));
        let said = command.args(["run", "-c"]).arg(self.folder.path("gate.toml")).output();
        let said = said.expect("the program runs");
        (said.status.code(), String::from_utf8_lossy(&said.stderr).into_owned())
    }

    /// Cuts it off and starts it again in the same folder.
    pub(crate) fn cut_off(&mut self) {
        self.end(Signal::KILL);
        (self.child, self.open, self.admin) = run(&self.folder, &self.log);
    }

    /// Lets another process take over; this one ends when its connections have.
    pub(crate) fn upgrade(&mut self) {
        let answer = self.post("/v1/upgrade", "{}");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let pid = answer.json()["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        self.heir = pid.and_then(Pid::from_raw);
        assert!(self.heir.is_some(), "{}", answer.body);
    }

    /// Reloads it with its file changed.
    pub(crate) fn reload(&mut self, change: impl Fn(&str) -> String) {
        self.text = change(&self.text);
        self.folder.write("gate.toml", &self.text);
        let reloaded = self.post("/v1/reload", "{}");
        assert_eq!(reloaded.status, 200, "{}", reloaded.body);
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        let request = Request::new("POST", path, body).header("Content-Type", "application/json");
        answer_of(self.admin, &local(request, self.admin))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        answer_of(self.admin, &local(Request::new("GET", path, ""), self.admin))
    }

    /// What `GET /v1/partners` says of one; of an empty name, of those whom nobody knows.
    pub(crate) fn partner(&self, name: &str) -> Value {
        let all = self.get("/v1/partners").json();
        if name.is_empty() {
            return all["strangers"].clone();
        }
        let known = all["partners"].as_array().expect("a list");
        known.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{all}")).clone()
    }

    /// Every reason for which it has refused something, of everybody: partner, reason, times.
    pub(crate) fn refusals(&self) -> Vec<(String, String, u64)> {
        let page = self.get("/metrics").body;
        let lines = page.lines().filter_map(|line| line.strip_prefix("realmgate_partner_refused_total{"));
        let one = |line: &str| {
            let mut quoted = line.split('"').skip(1).step_by(2).map(str::to_owned);
            let count = line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a number");
            (quoted.next().expect("a partner"), quoted.next().expect("a reason"), count)
        };
        lines.map(one).filter(|(_, _, count)| *count > 0).collect()
    }

    /// How many lines of its log have these words.
    pub(crate) fn said(&self, words: &str) -> u64 {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().map(|line| u64::from(line.contains(words))).sum()
    }

    /// `realmgate ctl` with its address: what it says, and whether it could.
    pub(crate) fn ctl(&self, words: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_realmgate"));
        command.args(["ctl", "--admin", &format!("http://{}", self.admin)]).args(words);
        let said = command.output().expect("the program runs");
        let text = [said.stdout, said.stderr].concat();
        (said.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn end(&mut self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            kill_process(pid, signal).ok();
        }
        drop(self.child.wait());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end(Signal::KILL);
        if let Some(heir) = self.heir {
            kill_process(heir, Signal::KILL).ok();
        }
    }
}

/// The API wants to be asked by its own name.
fn local(request: Request, admin: SocketAddr) -> Request {
    Request { host: admin.to_string(), ..request }
}

fn run(folder: &Folder, log: &Log) -> (Child, SocketAddr, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_realmgate"))
        .args(["run", "--log-format", "json", "-c"])
        .arg(folder.path("gate.toml"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let (mut open, mut admin, mut said) = (None, None, String::new());
    while let (None, _) | (_, None) = (open, admin) {
        let line = lines.next().unwrap_or_else(|| panic!("it ended:\n{said}"));
        said += &format!("{line}\n");
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        let address = || line["address"].as_str().and_then(|address| address.parse().ok());
        match (line["message"].as_str(), line["listener"].as_str()) {
            (Some("listening"), Some("open")) => open = address(),
            (Some("listening"), Some("admin")) => admin = address(),
            _ => {}
        }
    }
    let log = Arc::clone(log);
    let keep = move |line| log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    std::thread::spawn(move || lines.for_each(keep)); // a full pipe would hold the program
    (child, open.expect("it listens"), admin.expect("it listens"))
}

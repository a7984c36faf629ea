//! `realmgate run` with partners, as a real process.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Answer, Folder, Request, SECRET, answer_of, until};

/// A running program.
pub(crate) struct Program {
    pub(crate) folder: Folder,
    pub(crate) open: SocketAddr,
    pub(crate) admin: SocketAddr,
    text: String,
    log: Log,
    life: Life,
    /// The process that has taken over.
    heir: Option<Pid>,
}

/// What it has said, each line as it came.
type Log = Arc<Mutex<Vec<String>>>;

/// It from a start to an end.
struct Life {
    child: Child,
    /// Reads what it says.
    reader: JoinHandle<()>,
    listeners: HashMap<String, SocketAddr>,
}

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
        let life = run(&folder, &log);
        let [open, admin] = ["open", "admin"].map(|name| life.listeners[name]);
        Self { folder, open, admin, text, log, life, heir: None }
    }

    /// Where another listener of its tables is.
    pub(crate) fn listener(&self, name: &str) -> SocketAddr {
        self.life.listeners[name]
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        answer_of(self.open, request)
    }

    /// Stops it in order and starts it again in the same folder.
    pub(crate) fn restart(&mut self) {
        self.life.end(Signal::TERM);
        self.start_again();
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        self.life.end(Signal::TERM);
    }

    /// Stops it in order: everything that it has said.
    pub(crate) fn whole_log(mut self) -> Vec<String> {
        self.life.end(Signal::TERM);
        until("the end of its log", || self.life.reader.is_finished());
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        self.life.end(Signal::KILL);
        self.start_again();
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
        self.admin_asked(request)
    }

    pub(crate) fn admin_asked(&self, request: Request) -> Answer {
        answer_of(self.admin, &local(request, self.admin))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.admin_asked(Request::new("GET", path, ""))
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

    fn start_again(&mut self) {
        self.life = run(&self.folder, &self.log);
        [self.open, self.admin] = ["open", "admin"].map(|name| self.life.listeners[name]);
    }
}

impl Life {
    fn end(&mut self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            kill_process(pid, signal).ok();
        }
        drop(self.child.wait());
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.end(Signal::KILL);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(heir) = self.heir {
            kill_process(heir, Signal::KILL).ok();
        }
    }
}

/// The API wants to be asked by its own name.
fn local(request: Request, admin: SocketAddr) -> Request {
    Request { host: admin.to_string(), ..request }
}

/// Starts it and waits until it is up. It says all that it can say.
fn run(folder: &Folder, log: &Log) -> Life {
    let mut child = Command::new(env!("CARGO_BIN_EXE_realmgate"))
        .args(["run", "--log-format", "json", "--log-level", "trace", "-c"])
        .arg(folder.path("gate.toml"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let log = Arc::clone(log);
    let mut lines = lines.inspect(move |line| {
        log.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
    });
    let (mut listeners, mut said) = (HashMap::new(), String::new());
    let mut is_up = false;
    while !is_up || !["open", "admin"].iter().all(|name| listeners.contains_key(*name)) {
        let line = lines.next().unwrap_or_else(|| panic!("it ended:\n{said}"));
        said += &format!("{line}\n");
        let line: Value = serde_json::from_str(&line).unwrap_or_default();
        match (line["message"].as_str(), line["listener"].as_str(), line["address"].as_str()) {
            (Some("up"), _, _) => is_up = true,
            (Some("listening"), Some(name), Some(address)) => {
                listeners.insert(name.to_owned(), address.parse().expect("an address"));
            }
            _ => {}
        }
    }
    let reader = std::thread::spawn(move || lines.for_each(drop)); // a full pipe would hold the program
    Life { child, reader, listeners }
}

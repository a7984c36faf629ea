//! What changes a running program from outside the API: its file under `--watch`, and its own successor.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::fakes::{BOUND, Program, configuration};

fn status(program: &Program) -> Value {
    serde_json::from_str(&program.ctl(&["--json", "status"]).out).expect("a status")
}

#[test]
fn a_watched_file_is_taken_when_it_is_whole() {
    let program = Program::start_with("", &["--watch"]);
    let whole = configuration("") + "\n[route.late]\nids = [4242]\ncluster = \"battle\"\n";
    let (half, rest) = whole.split_at(whole.len() - 20);
    let mut file = File::create(program.folder.path("gate.toml")).expect("a file");
    file.write_all(half.as_bytes()).expect("half of it");
    file.sync_all().expect("on disk");
    assert_eq!(status(&program)["generation"], 1, "an empty and a half file are not taken");
    file.write_all(rest.as_bytes()).expect("the rest");
    drop(file);
    let line = program.logged("in force");
    assert_eq!(line["generation"], 2);
    assert!(program.ctl(&["routes"]).out.contains("4242"));
    drop(
        OpenOptions::new().write(true).truncate(true).open(program.folder.path("gate.toml")).expect("a file"),
    );
    let line = program.logged("refused; the configuration in force stays");
    assert_eq!(line["who"], "watch");
    assert!(program.ctl(&["routes"]).out.contains("4242"), "an empty file is never taken");
}

/// A process that is no child of ours; ended by its number, whatever becomes of the test.
struct Heir(Pid);

impl Heir {
    fn end(&self) {
        kill_process(self.0, Signal::INT).ok();
        for _ in 0..BOUND.as_millis() / 10 {
            if test_kill_process(self.0).is_err() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        kill_process(self.0, Signal::KILL).ok();
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn an_upgrade_keeps_the_operators_words_and_one_that_fails_keeps_everything() {
    let program = Program::start("");
    assert_eq!(program.ctl(&["backend", "battle", "127.0.0.1:1", "drain"]).code, Some(0));
    let good = std::fs::read_to_string(program.folder.path("gate.toml")).expect("a file");
    let before = status(&program)["pid"].clone();
    program.folder.write("gate.toml", &good.replace("cluster = \"battle\"", "cluster = \"batle\""));
    let said = program.ctl(&["upgrade"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("there is no [cluster.batle]") && said.err.contains("serves on"),
        "{}",
        said.err
    );
    assert_eq!(status(&program)["pid"], before);
    program.folder.write("gate.toml", &good);
    let said = program.ctl(&["upgrade"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let after = status(&program);
    let pid = after["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let heir = Heir(pid.expect("a process"));
    assert_ne!(after["pid"], before);
    assert_eq!((&after["phase"], &after["overrides"]), (&Value::from("serving"), &Value::from(1)));
    program.logged("stopped"); // the old one has gone by itself
    assert!(said.out.contains(&after["pid"].to_string()));
    heir.end();
}

#[test]
fn a_process_that_drains_behind_an_upgrade_keeps_no_socket_of_the_api() {
    let mut program = Program::start("");
    let file = std::fs::read_to_string(program.folder.path("gate.toml")).expect("a file");
    let slow =
        file.replace("spread = \"0s\"", "spread = \"1h\"").replace("deadline = \"5s\"", "deadline = \"2h\"");
    program.folder.write("gate.toml", &slow);
    assert_eq!(program.ctl(&["reload"]).code, Some(0));
    let listener = status(&program)["listeners"][0]["address"].as_str().expect("an address").to_owned();
    // More than workers: the second of one has its moment late.
    let _players: Vec<_> = (0..3).map(|_| TcpStream::connect(&listener).expect("it listens")).collect();
    for _ in 0..BOUND.as_millis() / 10 {
        if status(&program)["sessions"] == 3 {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let said = program.ctl(&["upgrade"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let pid =
        status(&program)["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    Heir(pid.expect("a process")).end();
    let again = TcpListener::bind(program.admin);
    assert!(program.lives(), "it waits for its players");
    again.expect("the address of the API is free");
}

//! What is said of an answer that cannot be printed, and what the log is written like.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;

use rustix::process::Signal;

use crate::{Folder, GOOD, Running, realmgate, started, text};

/// A full disk, and a pipe that nobody reads any more.
fn useless() -> [Stdio; 2] {
    let full = fs::File::options().write(true).open("/dev/full").expect("there is one");
    let (reader, pipe) = std::io::pipe().expect("a pipe");
    drop(reader);
    [full.into(), pipe.into()]
}

/// What a command says whose answer goes there.
fn unprinted(arguments: &[&str]) -> [(Option<i32>, String); 2] {
    useless().map(|out| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_realmgate"));
        let output = command.args(arguments).stdout(out).output().expect("the program runs");
        (output.status.code(), text(&output.stderr))
    })
}

#[test]
fn an_answer_that_cannot_be_printed_is_told_and_a_closed_pipe_is_none() {
    let folder = Folder::new("unprinted", GOOD);
    let [full, closed] = unprinted(&["check", "-c", &folder.file().display().to_string()]);
    assert_eq!(full.0, Some(71));
    assert!(full.1.contains("done, but the answer could not be printed: No space left"), "{}", full.1);
    assert_eq!(closed, (Some(0), String::new()));
}

#[test]
fn a_gateway_whose_log_cannot_be_written_starts_reloads_and_drains_all_the_same() {
    for log in useless() {
        let folder = Folder::new("unlogged", GOOD);
        let (child, notices) = started(&folder, log);
        let nowhere = ([127, 0, 0, 1], 0).into(); // nobody reads where it listens
        let mut running = Running { child, address: nowhere, notices, log: sync_channel(0).1 };
        assert_eq!(running.notice(), "READY=1");
        running.signal(Signal::HUP);
        assert_eq!((running.notice(), running.notice()), ("RELOADING=1".to_owned(), "READY=1".to_owned()));
        running.signal(Signal::TERM);
        assert_eq!(running.notice(), "STOPPING=1");
        assert_eq!(running.child.wait().expect("it ends").code(), Some(0));
    }
}

#[test]
fn a_level_that_is_none_starts_no_gateway_that_logs_nothing() {
    let nowhere = Path::new("no-such-file.toml");
    for wrong in ["wran", "", "info,", "info,realmgate::http", "realmgate::http=debgu"] {
        let output = realmgate(&["run", "--log-level", wrong], nowhere);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{wrong}: {told}");
        assert!(told.contains("is no level; write error, warn, info, debug or trace"), "{wrong}: {told}");
    }
    for good in ["warn", "INFO", "off", "info,realmgate::http=debug", "realmgate::http=debug"] {
        let told = text(&realmgate(&["run", "--log-level", good], nowhere).stderr);
        assert!(told.contains("no-such-file.toml") && !told.contains("is no level"), "{good}: {told}");
    }
}

#[test]
fn a_log_that_is_no_terminal_has_no_colours() {
    let folder = Folder::new("colours", GOOD);
    let mut child = Command::new(env!("CARGO_BIN_EXE_realmgate"))
        .args(["run", "-c"])
        .arg(folder.file())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("listening")).expect("where it listens");
    drop(child.kill());
    drop(child.wait());
    assert!(!line.contains('\u{1b}') && line.contains("listener=\"players\""), "{line}");
}

//! A disk that is slow, or takes nothing: who waits for it, and who does not.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use crate::fakes::{Backend, Client, Folder, Program, Request, TABLES, fresh, seconds, until};

const PUBLIC: &str = "[http.open]\nlistener = \"open\"\npath = \"/open\"\ncluster = \"pay\"\n";
/// Of `open(2)`: what cannot be written at once is not waited for.
const NON_BLOCKING: i32 = 0o4000;

/// In the place of the file of nonces a pipe that is full: who writes to it waits until somebody reads.
fn full_pipe(path: &Path) -> File {
    let made = Command::new("mkfifo").arg(path).status().expect("a program of every system");
    assert!(made.success());
    let mut options = OpenOptions::new();
    let mut pipe = options.read(true).write(true).custom_flags(NON_BLOCKING).open(path).expect("a pipe");
    for piece in [&[b'\n'; 4096][..], b"\n"] {
        let full = std::iter::repeat_with(|| pipe.write(piece)).find_map(Result::err).expect("an end");
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }
    pipe
}

#[test]
fn nobody_waits_for_a_slow_disk_but_who_signs_and_nothing_goes_on_before_its_nonce_is_written() {
    let (folder, backend) = (Folder::new(), Backend::start());
    fs::create_dir(folder.path("state")).expect("a folder");
    let mut pipe = full_pipe(&folder.path("state/nonces"));
    let program = Program::start_in(folder, "", backend.address, &format!("{TABLES}{PUBLIC}"));
    // Four connections are two for each of the two threads.
    let mut clients: Vec<_> = (0..4).map(|_| Client::connect(program.open)).collect();
    let public = Request::new("GET", "/open", "");
    clients.iter_mut().for_each(|client| assert_eq!(client.ask(&public).status, 200));
    let mut signed = clients.remove(0);
    let request = fresh("adnet");
    signed.send(&request.bytes());
    until("the request at its place", || program.partner("adnet")["in_flight"] == 1);
    clients.iter_mut().for_each(|client| assert_eq!(client.ask(&public).status, 200));
    assert!(!signed.answered());
    assert_eq!(backend.seen().iter().filter(|seen| seen.line.contains("/pay/")).count(), 0);
    let mut line = vec![0; 65536];
    assert!(pipe.read(&mut line).expect("what filled it") > 0);
    assert_eq!(signed.answer().status, 200);
    assert_eq!(clients[0].ask(&request).status, 401, "once");
}

#[test]
fn who_leaves_while_its_nonce_is_written_has_used_nothing_of_the_day() {
    let (folder, backend) = (Folder::new(), Backend::start());
    fs::create_dir(folder.path("state")).expect("a folder");
    let _pipe = full_pipe(&folder.path("state/nonces"));
    let tables = TABLES.replace("[partner.adnet]", "[partner.adnet]\ndaily = 3");
    let program = Program::start_in(folder, "", backend.address, &tables);
    let mut signed = Client::connect(program.open);
    signed.send(&fresh("adnet").bytes());
    until("the request at its place", || program.partner("adnet")["used_today"] == 1);
    drop(signed);
    until("the end of the request", || program.partner("adnet")["in_flight"] == 0);
    assert_eq!(program.partner("adnet")["used_today"], 0);
}

#[test]
fn a_disk_that_takes_nothing_lets_requests_through_and_does_not_flood_the_log() {
    let (folder, backend) = (Folder::new(), Backend::start());
    let program = Program::start_in(folder, "", backend.address, TABLES);
    fs::create_dir_all(program.folder.path("state/nonces")).expect("a folder in the place of the file");
    let began = seconds();
    let request = fresh("adnet");
    assert_eq!(program.ask(&request).status, 200);
    for _ in 0..30 {
        assert_eq!(program.ask(&fresh("adnet")).status, 200);
    }
    assert_eq!(program.ask(&request).status, 401, "it is remembered in memory");
    let most = seconds() - began + 1;
    let complaints = || program.said("could not be written: a restart would forget");
    until("a complaint", || complaints() > 0);
    assert!((1..=most).contains(&complaints()), "{} in {most} seconds", complaints());
}

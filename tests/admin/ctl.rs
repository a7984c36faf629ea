//! `realmgate ctl` in front of a running program: every verb, every way to fail.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::ctl_changes::changes;
use crate::fakes::{Program, ctl, realmgate};

pub(crate) fn answer(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_read_is_a_table_for_people_and_json_for_programs() {
    let program = Program::start("");
    for (verb, head, key) in [
        (&["status"][..], "version     0.1.0, process", "sessions_by_worker"),
        (&["clusters"], "battle: shared round_robin, group b", "clusters"),
        (&["routes"], "ROUTE   IDS             CLUSTER  CLASS", "routes"),
        (&["sessions"], "SESSION  ACCOUNT  ADDRESS", "sessions"),
        (&["sessions", "--account", "ann", "--limit", "5"], "SESSION  ACCOUNT  ADDRESS", "sessions"),
        (&["account", "a/b ?&", "where"], "SESSION  ACCOUNT  ADDRESS", "sessions"),
        (&["bans"], "nobody is banned", "bans"),
        (&["overrides"], "nothing differs from the file", "overrides"),
    ] {
        let said = program.ctl(verb);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{verb:?}");
        assert!(said.out.contains(head), "{verb:?}: {}", said.out);
        let said = program.ctl(&[verb, &["--json"]].concat());
        assert_eq!(said.code, Some(0));
        assert!(answer(&said.out).get(key).is_some(), "{verb:?}: {}", said.out);
    }
}

/// A route of HTTP to a backend that is not there.
const SHOP: &str = r#"
[listener.open]
listen = "127.0.0.1:0"
protocol = "http"
[cluster.shop]
link = "http"
backends = [{ address = "127.0.0.1:1" }]
[http.shop]
listener = "open"
path = "/shop"
cluster = "shop"
breaker = { consecutive = 1, open = "60s" }
"#;

#[test]
fn clusters_say_which_route_of_http_sends_nothing_to_a_backend() {
    let program = Program::start(SHOP);
    let status = answer(&program.ctl(&["status", "--json"]).out);
    let listeners = status["listeners"].as_array().expect("a list");
    let open = listeners.iter().find(|listener| listener["name"] == "open").expect("it listens");
    let mut asker = TcpStream::connect(open["address"].as_str().expect("where")).expect("it listens");
    asker.write_all(b"GET /shop HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("a request");
    let mut told = String::new();
    asker.read_to_string(&mut told).expect("an answer");
    assert!(told.starts_with("HTTP/1.1 502 "), "{told}");
    let shop = answer(&program.ctl(&["clusters", "--json"]).out)["clusters"][2].clone();
    let breaker = &shop["backends"][0]["breakers"][0];
    assert_eq!((&breaker["route"], &breaker["state"]), (&json!("http.shop"), &json!("open")), "{shop}");
    let clusters = program.ctl(&["clusters"]).out;
    assert!(clusters.contains(" http.shop open "), "{clusters}");
}

#[test]
fn a_part_of_a_cluster_is_drained_and_waited_for() {
    let program = Program::start("");
    let said = program.ctl(&["drain", "battle", "--fraction", "1/3", "--part", "2"]);
    assert_eq!(said.out, "1 of 3 backends of battle get no new sessions:\n  127.0.0.1:2\n", "{}", said.err);
    let said = program.ctl(&["drain", "battle", "--fraction", "2/3", "--json"]);
    let drained = json!({ "cluster": "battle", "drained": ["127.0.0.1:1", "127.0.0.1:2"], "of": 3 });
    assert_eq!(answer(&said.out), drained);
    let said = program.ctl(&["wait", "battle", "127.0.0.1:2", "idle", "--timeout", "10s"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "127.0.0.1:2 of battle has no sessions\n"));
    let said = program.ctl(&["drain", "rest", "--fraction", "1/2"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("--fraction 1"), "{}", said.err);
    let said = program.ctl(&["drain", "battle", "--fraction", "1/3", "--part", "4"]);
    assert!(said.code == Some(1) && said.err.contains("a number from 1 to 3"), "{}", said.err);
    let said = program.ctl(&["wait", "battle", "127.0.0.1:9", "idle"]);
    assert!(said.code == Some(1) && said.err.contains("its backends are: 127.0.0.1:1"), "{}", said.err);
    let said = program.ctl(&["drain", "batle", "--fraction", "1"]);
    assert!(said.code == Some(1) && said.err.contains("the clusters are: battle, rest"), "{}", said.err);
}

#[test]
fn a_wait_that_is_over_says_how_many_are_left() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("a port"));
    let gate = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 1024];
        let length = stream.read(&mut request).expect("a request");
        let body = r#"{"backends":[{"address":"a:1","sessions":42}]}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).expect("an answer");
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let said = ctl(&["--admin", &url, "wait", "battle", "a:1", "idle", "--timeout", "300ms"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("a:1 of battle still has 42 sessions"), "{}", said.err);
    let request = gate.join().expect("it was asked");
    assert!(request.starts_with("GET /v1/clusters/battle HTTP/1.1\r\n"), "{request}");
}

#[test]
fn a_refusal_is_a_sentence_and_exit_code_1() {
    let program = Program::start("");
    for (verb, error, hint) in [
        (&["partner", "adnet", "disable"][..], "there is no [partner.adnet]", "the file in force has none"),
        (&["session", "00100000000000ff", "kick"], "no such session", "ctl sessions"),
        (&["account", "ann", "kick"], "no session of this account", "ctl sessions"),
        (&["backend", "batle", "127.0.0.1:1", "drain"], "there is no cluster batle", "battle"),
        (&["backend", "battle", "127.0.0.1:9", "drain"], "has no backend 127.0.0.1:9", "127.0.0.1:1"),
        (&["route", "battel", "maintenance", "off"], "there is no route battel", "battle"),
        (&["release", "activate", "z"], "no backend is in the group z", "b"),
        (&["ban", "ann", "--for", "soon"], "`for` is missing or wrong", "\"1h\""),
        (&["route", "battle", "maintenance", "on", "--until", "ten"], "`until`", "2026-11-21T10:00:00Z"),
    ] {
        let said = program.ctl(verb);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{verb:?}");
        assert!(said.err.contains(error) && said.err.contains(hint), "{verb:?}: {}", said.err);
        let said = program.ctl(&[verb, &["--json"]].concat());
        assert_eq!(said.code, Some(1));
        assert!(answer(&said.out)["error"].as_str().is_some_and(|told| told.contains(error)), "{}", said.out);
    }
}

#[test]
fn a_reload_of_a_bad_file_tells_its_mistakes() {
    let program = Program::start("");
    let path = program.folder.path("gate.toml");
    let good = std::fs::read_to_string(&path).expect("a file");
    program.folder.write("gate.toml", &good.replace("cluster = \"battle\"", "cluster = \"batle\""));
    let said = program.ctl(&["reload"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("gate.toml") && said.err.contains("batle"), "{}", said.err);
    assert!(!said.err.contains("page.html"), "{}", said.err);
    let page = "[http.page]\nlistener = \"open\"\npath = \"/\"\nfile = \"page.html\"\n\
                [listener.open]\nlisten = \"127.0.0.1:0\"\nprotocol = \"http\"\n";
    program.folder.write(
        "gate.toml",
        &format!("{}{page}", good.replace("cluster = \"battle\"", "cluster = \"batle\"")),
    );
    let said = program.ctl(&["reload"]);
    assert!(said.err.contains("batle") && said.err.contains("page.html"), "both at once: {}", said.err);
    let status = program.ctl(&["status"]).out;
    assert!(status.contains("generation  1\n"), "nothing has changed: {status}");
    assert!(
        status.contains("refused     2 mistakes in ") && status.contains("gate.toml: see the log"),
        "{status}"
    );
    program.folder.write("gate.toml", &good);
    assert_eq!(program.ctl(&["reload"]).code, Some(0));
    assert!(!program.ctl(&["status"]).out.contains("refused"), "what is on disk is in force");
}

#[test]
fn every_change_leaves_a_line_with_who_and_what_that_nobody_can_break() {
    let program = Program::start("");
    program.ctl(&["account", "ann\n\u{1b}[2J", "kick"]);
    let line = program.logged("kicked by the operator");
    let (who, whom) = (line["who"].as_str().unwrap_or_default(), line["whom"].as_str().unwrap_or_default());
    assert!(who.starts_with("127.0.0.1:") && !whom.contains(char::is_control), "{line}");
    let line = program.logged("asked through the API");
    assert_eq!((&line["what"], &line["status"]), (&json!("/v1/accounts/ann??[2J/kick {}"), &json!(404)));
    program.ctl(&["ban", &"x".repeat(900), "--for", "1h"]);
    let line = program.logged("asked through the API");
    assert_eq!(line["what"].as_str().map(str::len), Some(200), "{line}");
}

#[test]
fn a_change_that_nobody_waits_for_leaves_its_line_as_well() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = listener.local_addr().expect("a port");
    let program = Program::start("");
    // A backend that takes the connection and says nothing keeps the new world from being ready at once.
    let path = program.folder.path("gate.toml");
    let text = std::fs::read_to_string(&path).expect("a file");
    program.folder.write("gate.toml", &text.replace("127.0.0.1:3", &silent.to_string()));
    let mut stream = TcpStream::connect(program.admin).expect("it listens");
    let head = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 2";
    stream.write_all(format!("POST /v1/reload HTTP/1.1\r\n{head}\r\n\r\n{{}}").as_bytes()).expect("asked");
    drop(listener.accept().expect("the gate makes a link"));
    drop(stream);
    let line = program.logged("asked through the API");
    assert_eq!(line["what"], "/v1/reload {}", "{line}");
}

#[test]
fn the_token_is_shown_and_asked_for() {
    let program = Program::start("token_file = \"token\"");
    let token = program.folder.path("token").display().to_string();
    assert_eq!(program.ctl(&["status", "--token-file", &token]).code, Some(0));
    let said = program.ctl(&["status"]);
    assert!(said.code == Some(1) && said.err.contains("--token-file FILE"), "{}", said.err);
    let other = program.folder.write("other", "another-token-0123456789").display().to_string();
    let said = program.ctl(&["status", "--token-file", &other]);
    assert!(said.code == Some(1) && said.err.contains("has another token"), "{}", said.err);
    let line = program.logged("not let in at the API");
    assert!(line["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{line}");
    assert_eq!((&line["level"], &line["reason"]), (&json!("WARN"), &json!("token")));
    program.folder.write("token", "short");
    let said = realmgate(&["check", "-c", &program.folder.path("gate.toml").display().to_string()]);
    assert!(said.code == Some(64) && said.err.contains("shorter than 16"), "{}", said.err);
    let said = program.ctl(&["reload", "--token-file", &copy(&program, crate::fakes::TOKEN)]);
    assert!(said.code == Some(1) && said.err.contains("shorter than 16"), "{}", said.err);
    program.folder.write("token", "another-token-0123456789\n");
    assert_eq!(program.ctl(&["reload", "--token-file", &copy(&program, crate::fakes::TOKEN)]).code, Some(0));
    assert_eq!(
        program.ctl(&["status", "--token-file", &other]).code,
        Some(0),
        "a reload reads the token again"
    );
    assert_eq!(program.ctl(&["status", "--token-file", &copy(&program, crate::fakes::TOKEN)]).code, Some(1));
    let short = program.folder.write("short", "short").display().to_string();
    let said = program.ctl(&["status", "--token-file", &short]);
    assert!(said.code == Some(1) && said.err.contains("shorter than 16"), "{}", said.err);
    let said = program.ctl(&["status", "--token-file", "/nowhere/token"]);
    assert!(said.code == Some(1) && said.err.contains("/nowhere/token"), "{}", said.err);
}

#[test]
fn a_reload_reads_no_other_file_for_the_token_than_the_process_was_started_with() {
    let program = Program::start("token_file = \"token\"");
    let other = program.folder.write("other", "another-token-0123456789").display().to_string();
    let path = program.folder.path("gate.toml");
    let text = std::fs::read_to_string(&path).expect("a file");
    program.folder.write("gate.toml", &text.replace("token_file = \"token\"", "token_file = \"other\""));
    let mine = copy(&program, crate::fakes::TOKEN);
    let said = program.ctl(&["reload", "--token-file", &mine]);
    assert!(said.code == Some(0) && said.out.contains("only a restart or an upgrade"), "{}", said.err);
    assert_eq!(program.ctl(&["status", "--token-file", &other]).code, Some(1), "it is not in force");
    assert_eq!(program.ctl(&["status", "--token-file", &mine]).code, Some(0));
    program.folder.write("token", "short");
    let said = program.ctl(&["reload", "--token-file", &mine]);
    assert_eq!(said.code, Some(0), "no mistake of a file that names another one: {}", said.err);
    assert_eq!(program.ctl(&["status", "--token-file", &mine]).code, Some(0));
    program.folder.write("gate.toml", &text);
    let said = program.ctl(&["reload", "--token-file", &mine]);
    assert!(said.code == Some(1) && said.err.contains("shorter than 16"), "{}", said.err);
    program.folder.write("token", "a-third-token-0123456789");
    assert_eq!(program.ctl(&["reload", "--token-file", &mine]).code, Some(0));
    let third = copy(&program, "a-third-token-0123456789");
    assert_eq!(program.ctl(&["status", "--token-file", &third]).code, Some(0), "the file was read again");
}

#[test]
fn what_only_a_restart_changes_is_told_by_the_reload_and_by_no_change_after_it() {
    let program = Program::start("");
    let text = std::fs::read_to_string(program.folder.path("gate.toml")).expect("a file");
    program.folder.write("gate.toml", &text.replace("workers = 2", "workers = 4"));
    let waits = "gateway.workers: only a restart or an upgrade changes it";
    assert_eq!(changes(&program.ctl(&["reload", "--json"])), json!([waits]));
    let ban = changes(&program.ctl(&["ban", "ann", "--for", "1h", "--json"]));
    let lines = ban.as_array().expect("a list");
    assert!(lines.len() == 1 && !ban.to_string().contains("restart"), "{ban}");
    let same = changes(&program.ctl(&["backend", "battle", "127.0.0.1:1", "ready", "--json"]));
    assert_eq!(same, json!(["backend battle 127.0.0.1:1 ready"]));
    assert_eq!(changes(&program.ctl(&["reload", "--json"])), json!([waits]), "it still waits");
}

/// A file of its own with a token.
fn copy(program: &Program, token: &str) -> String {
    program.folder.write("mine", token).display().to_string()
}

#[test]
fn whoever_cannot_be_asked_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("a port");
    drop(taken);
    let said = ctl(&["--admin", &format!("http://{address}"), "status"]);
    assert!(
        said.code == Some(1) && said.err.contains(&format!("no gateway answers at {address}")),
        "{}",
        said.err
    );
    assert!(said.err.contains("[admin]"), "{}", said.err);
    for url in ["https://127.0.0.1:1", "http://127.0.0.1:1/v1", "ftp://x"] {
        let said = ctl(&["--admin", url, "status"]);
        assert!(said.code == Some(1) && said.err.contains("only http is spoken"), "{}", said.err);
    }
}

#[test]
fn a_verb_that_is_not_one_is_bad_usage() {
    for wrong in [
        &["stats"][..],
        &["backend", "battle", "a:1", "weight"],
        &["drain", "battle"],
        &["drain", "battle", "--fraction", "3/2"],
        &["wait", "battle", "a:1", "idle", "--timeout", "10"],
        &["release", "activate", "b", "--move", "fast"],
        &["ban", "ann"],
        &["ban", "--for", "1h"],
        &["ban", "ann", "--account", "bob", "--for", "1h"],
    ] {
        let said = ctl(wrong);
        assert_eq!((said.code, said.out.as_str()), (Some(64), ""), "{wrong:?}");
        assert!(said.err.contains("Usage") || said.err.contains("--help"), "{}", said.err);
    }
}

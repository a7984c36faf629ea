//! What `realmgate ctl` changes in a running program: in force at once, told, kept and read again.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::ctl::answer;
use crate::fakes::{Program, Said, realmgate};

#[test]
fn changes_are_in_force_at_once_and_survive_a_restart() {
    let mut program = Program::start("");
    for verb in [
        &["backend", "battle", "127.0.0.1:1", "drain"][..],
        &["backend", "battle", "127.0.0.1:2", "weight", "7"],
        &["route", "battle", "maintenance", "on", "--message", "back soon", "--retry-after", "20m"],
        &["release", "activate", "c", "--move", "natural"],
        &["ban", "192.0.2.1", "--for", "1h"],
        &["ban", "ann", "--for", "1h"],
        &["reload"],
    ] {
        let said = program.ctl(verb);
        assert_eq!(said.code, Some(0), "{verb:?}: {}", said.err);
        assert!(said.out.contains("generation"), "{verb:?}: {}", said.out);
    }
    program.restart();
    let overrides = answer(&program.ctl(&["overrides", "--json"]).out);
    let kinds: Vec<_> =
        overrides["overrides"].as_array().expect("a list").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["state", "weight", "maintenance", "release", "ban", "ban"]);
    let clusters = program.ctl(&["clusters"]).out;
    assert!(
        clusters.lines().any(|line| line.starts_with("127.0.0.1:1") && line.contains(" drain ")),
        "{clusters}"
    );
    assert!(program.ctl(&["routes"]).out.contains("back soon"));
    let bans = program.ctl(&["bans"]).out;
    assert!(bans.contains("192.0.2.1") && bans.contains("ann"), "{bans}");
    assert_eq!(program.ctl(&["ban", "ann", "--for", "0s"]).code, Some(0));
    let bans = program.ctl(&["bans"]).out;
    assert!(bans.contains("192.0.2.1") && !bans.contains("ann"), "a ban for no time lifts one: {bans}");
    assert_eq!(program.ctl(&["overrides", "clear"]).code, Some(0));
    assert_eq!(program.ctl(&["overrides"]).out, "nothing differs from the file\n");
    program.restart();
    assert_eq!(program.ctl(&["overrides"]).out, "nothing differs from the file\n");
}

#[test]
fn a_ban_is_of_the_address_that_sessions_show_and_never_of_what_only_looks_like_one() {
    let program = Program::start("");
    assert_eq!(program.ctl(&["ban", "192.0.2.9:48644", "--for", "1h"]).code, Some(0));
    let said = program.ctl(&["ban", "--account", "192.0.2.300", "--for", "1h"]);
    assert!(said.out.contains("ban account 192.0.2.300 until"), "{}{}", said.out, said.err);
    let bans = program.ctl(&["bans"]).out;
    assert!(bans.contains("address 192.0.2.9 ") && bans.contains("account 192.0.2.300 "), "{bans}");
    for slip in ["192.0.2.300", "10.0.0.0/8", "[::1]"] {
        let said = program.ctl(&["ban", slip, "--for", "1h"]);
        assert!(said.code == Some(1) && said.err.contains(&format!("{slip} is no address")), "{}", said.err);
        assert!(said.err.contains(&format!("--account {slip}")), "{}", said.err);
    }
    assert_eq!(program.ctl(&["bans"]).out, bans, "nobody else was banned");
}

#[test]
fn a_change_to_what_the_file_says_is_none_that_differs_from_it() {
    let mut program = Program::start("");
    for verb in [
        &["backend", "battle", "127.0.0.1:1", "drain"][..],
        &["backend", "battle", "127.0.0.1:2", "weight", "7"],
        &["backend", "battle", "127.0.0.1:1", "ready"],
        &["route", "battle", "maintenance", "off"],
    ] {
        assert_eq!(program.ctl(verb).code, Some(0), "{verb:?}");
    }
    let overrides = program.ctl(&["overrides"]).out;
    assert_eq!(overrides.lines().count(), 2, "{overrides}");
    assert!(overrides.contains("weight  battle 127.0.0.1:2  7"), "{overrides}");
    let said = program.ctl(&["backend", "battle", "127.0.0.1:2", "weight", "50"]);
    assert!(said.out.contains("backend battle 127.0.0.1:2: weight 7 -> 50"), "{}", said.out);
    assert_eq!(program.ctl(&["overrides"]).out, "nothing differs from the file\n");
    program.restart();
    assert_eq!(program.ctl(&["overrides"]).out, "nothing differs from the file\n");
}

#[test]
fn a_cutover_that_the_file_says_too_is_no_override_after_it_is_ordered_once_more() {
    let program = Program::start("");
    for verb in [&["release", "activate", "c"][..], &["ban", "ann", "--for", "1h"]] {
        assert_eq!(program.ctl(verb).code, Some(0), "{verb:?}");
    }
    let path = program.folder.path("gate.toml");
    let file = std::fs::read_to_string(&path).expect("a file");
    program.folder.write("gate.toml", &file.replace("active = \"b\"", "active = \"c\""));
    assert_eq!(program.ctl(&["reload"]).code, Some(0));
    assert!(program.ctl(&["overrides"]).out.contains("release"), "a reload drops nothing");
    let said = program.ctl(&["release", "activate", "c"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let overrides = answer(&program.ctl(&["overrides", "--json"]).out);
    let kinds: Vec<_> =
        overrides["overrides"].as_array().expect("a list").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["ban"], "and nothing else is lifted");
    let clusters = program.ctl(&["clusters"]).out;
    assert!(clusters.contains("battle: shared round_robin, group c"), "{clusters}");
}

#[test]
fn a_clear_names_whatever_it_drops() {
    let program = Program::start("");
    program.ctl(&["backend", "battle", "127.0.0.1:1", "drain"]);
    program.ctl(&["ban", "ann", "--for", "1h"]);
    let said = answer(&program.ctl(&["overrides", "clear", "--json"]).out);
    let changes: Vec<_> =
        said["changes"].as_array().expect("a list").iter().map(|line| line.as_str().unwrap_or("")).collect();
    let [state, ban, difference] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(*state, "dropped: backend battle 127.0.0.1:1 drain");
    assert!(ban.starts_with("dropped: ban account ann until 2"), "{ban}");
    assert_eq!(*difference, "backend battle 127.0.0.1:1: drain -> ready");
    let logged: Vec<_> = (0..3).map(|_| program.logged("changing")["changes"].to_string()).collect();
    assert!(logged.iter().any(|line| line.contains("dropped: ban account ann until")), "{logged:?}");
    assert!(program.ctl(&["overrides", "clear"]).out.contains("there was no runtime change"));
}

#[test]
fn a_ban_is_told_of_and_not_what_has_ended_by_itself() {
    let program = Program::start("");
    let soon = realmgate::config::format_moment(clock() + std::time::Duration::from_secs(2));
    let said = program.ctl(&["route", "battle", "maintenance", "on", "--until", &soon]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let is_over = |_| program.ctl(&["overrides"]).out == "nothing differs from the file\n";
    assert!((0..5000).any(is_over), "it ends by itself");
    let said = changes(&program.ctl(&["ban", "ann", "--for", "1h", "--json"]));
    let lines = said.as_array().expect("a list");
    assert!(
        lines.len() == 1 && lines[0].as_str().is_some_and(|l| l.starts_with("ban account ann until 2")),
        "{said}"
    );
    let said = changes(&program.ctl(&["ban", "ann", "--for", "0s", "--json"]));
    assert_eq!(said, json!(["ban account ann lifted"]));
}

/// What an order has changed, as the program says it.
pub(crate) fn changes(said: &Said) -> Value {
    answer(&said.out).get("changes").cloned().expect("every order has some")
}

#[expect(clippy::disallowed_methods, reason = "maintenance ends in the time of people")]
fn clock() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

#[test]
fn a_change_whose_answer_cannot_be_printed_says_that_it_is_done() {
    let program = Program::start("");
    let url = format!("http://{}", program.admin);
    let into = |out: Stdio, verb: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_realmgate"));
        let command = command.args(["ctl", "--admin", &url]).args(verb).stdout(out);
        let output = command.output().expect("the program runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let full = std::fs::File::options().write(true).open("/dev/full").expect("there is one");
    let (code, told) = into(full.into(), &["backend", "battle", "127.0.0.1:1", "drain"]);
    assert!(code == Some(1) && told.starts_with("done, but the answer could not be printed: "), "{told}");
    assert!(program.ctl(&["overrides"]).out.contains("drain"), "and so it is");
    let (reader, pipe) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert_eq!(into(pipe.into(), &["clusters"]), (Some(0), String::new()), "a pipe that was closed");
}

#[test]
fn as_many_bans_as_are_kept_are_read_at_a_start_and_one_more_is_refused() {
    let mut program = Program::start("");
    let ban = |number| json!({ "kind": "ban", "account": format!("account-{number}"), "until": "2999-01-01T00:00:00Z" });
    let bans: Vec<_> = (0..65_536).map(ban).collect();
    let kept = json!({ "version": 1, "overrides": bans }).to_string();
    std::fs::create_dir_all(program.folder.path("state")).expect("a folder");
    program.folder.write("state/overrides.json", &kept);
    program.restart();
    assert!(program.ctl(&["status"]).out.contains("overrides   65536"));
    let said = program.ctl(&["ban", "one-more", "--for", "1h"]);
    assert!(said.code == Some(1) && said.err.contains("65536 bans are in force"), "{}", said.err);
    assert!(said.err.contains("--for 0s"), "{}", said.err);
    assert_eq!(program.ctl(&["ban", "account-7", "--for", "0s"]).code, Some(0));
    assert_eq!(program.ctl(&["ban", "one-more", "--for", "1h"]).code, Some(0));
    let bans = program.ctl(&["bans"]).out;
    assert_eq!(bans.lines().filter(|line| line.starts_with("ban ")).count(), 65_536);
}

#[test]
fn a_change_that_cannot_be_kept_is_none() {
    let program = Program::start("");
    program.folder.write("state", "a file where the folder should be");
    let said = program.ctl(&["backend", "battle", "127.0.0.1:1", "drain"]);
    assert!(said.code == Some(1) && said.err.contains("[gateway] state_dir"), "{}", said.err);
    assert_eq!(program.ctl(&["overrides"]).out, "nothing differs from the file\n");
    assert!(program.ctl(&["status"]).out.contains("generation  1\n"), "nothing has changed");
}

#[test]
fn changes_that_cannot_be_read_again_keep_the_gateway_from_starting() {
    let program = Program::start("");
    assert_eq!(program.ctl(&["ban", "ann", "--for", "1h"]).code, Some(0));
    let path = program.folder.path("state/overrides.json");
    let kept = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(&path, kept.get(..kept.len() / 2).expect("half of it")).expect("a file");
    let said = realmgate(&["run", "-c", &program.folder.path("gate.toml").display().to_string()]);
    assert_eq!(said.code, Some(71));
    assert!(
        said.err.contains("overrides.json is damaged") && said.err.contains("move the file away"),
        "{}",
        said.err
    );
}

//! `realmgate demo --once` as a newcomer runs it: the built program, its exit code and its table.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

/// The last three columns of a row: frames, answers, lost.
fn counts(row: &str) -> [u64; 3] {
    let mut numbers = row
        .split_whitespace()
        .rev()
        .map(|text| text.replace(',', "").parse().unwrap_or_else(|_| panic!("no number in {row:?}")));
    let [lost, answers, frames] = [(); 3].map(|()| numbers.next().expect("three columns"));
    [frames, answers, lost]
}

/// The rows between the heading and the notice, without the rules.
fn rows(text: &str) -> Vec<&str> {
    let table = text.lines().skip_while(|line| !line.starts_with("protocol IDs")).skip(1);
    table.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("---")).collect()
}

fn number_before(text: &str, word: &str) -> u64 {
    let (before, _) = text.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {text:?}"));
    let last = before.split_whitespace().next_back().expect("a number");
    last.replace(',', "").parse().expect("a number")
}

/// "route NAME" of the gateway's own counters: frames in and out.
fn route(text: &str, name: &str) -> [u64; 2] {
    let head = format!("route {name} ");
    let line = text.lines().find(|line| line.trim_start().starts_with(&head)).expect("every route is listed");
    assert_eq!(number_before(line, " refused"), 0, "{line}");
    [number_before(line, " frames in"), number_before(line, " frames out")]
}

#[test]
fn a_demo_loses_nothing_and_its_table_adds_up() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_realmgate")).args(["demo", "--once"]).output().expect("runs");
    let text = String::from_utf8(output.stdout).expect("plain text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}\n{errors}");
    assert_eq!(errors, "");
    assert!(!text.contains('\x1b'), "a file gets no colours");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");

    let rows = rows(&text);
    let names = ["battle-1", "battle-2", "chat-1", "pay-1"];
    let [backends @ .., total, notices, heartbeats] = rows.as_slice() else { panic!("{text}") };
    assert_eq!(backends.len(), names.len(), "{text}");
    let mut sums = [0; 3];
    for (row, name) in backends.iter().zip(names) {
        assert!(row.contains(&format!(" {name} ")), "{row}");
        let found = counts(row);
        assert!(found[0] > 0 && found[2] == 0, "{row}");
        (0..3).for_each(|column| sums[column] += found[column]);
    }
    assert_eq!(counts(total), sums, "{text}");
    let [received, answered, lost] = sums;
    assert_eq!((received, lost), (answered, 0));
    assert!(
        total
            .contains(&format!("sent by players: {}", total.split_whitespace().rev().nth(2).expect("there")))
    );
    for row in [notices, heartbeats] {
        let [asked, answered, lost] = counts(row);
        assert!(asked > 0 && asked == answered && lost == 0, "{row}");
    }

    let verdict =
        text.lines().find(|line| line.starts_with("every frame reached its own cluster")).expect(&text);
    assert_eq!(number_before(verdict, " sent"), received);
    assert_eq!(number_before(verdict, " lost"), 0);
    assert_eq!(number_before(verdict, " misrouted"), 0);

    let [battle, chat, pay] = ["battle", "chat", "pay"].map(|name| route(&text, name));
    let [first, second, of_chat, of_pay] = [0, 1, 2, 3].map(|place| counts(backends[place])[0]);
    assert_eq!(battle, [first + second; 2]);
    assert_eq!(chat, [of_chat; 2]);
    assert_eq!(pay, [of_pay; 2]);
}

/// Where a game server is, from the words that open the game.
fn server(line: &str, name: &str) -> Option<SocketAddr> {
    line.split_once(name)?.1.split([' ', ',']).find(|word| !word.is_empty())?.parse().ok()
}

#[test]
fn a_demo_ends_with_1_if_a_server_was_sent_what_is_not_for_it() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_realmgate"))
        .args(["demo", "--once"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut lines = BufReader::new(demo.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let battle = lines.find_map(|line| server(&line, "battle-1 ")).expect("where the servers are");
    let mut stranger = TcpStream::connect(battle).expect("the server listens");
    stranger.write_all(&[0xff; 64]).expect("it reads");
    drop(stranger.read_to_end(&mut Vec::new())); // it is closed for that, and counted before
    let text: Vec<String> = lines.collect();
    assert_eq!(demo.wait().expect("it ends").code(), Some(1), "{text:#?}");
    let at = text.iter().position(|line| line.starts_with("NOT every frame reached its own cluster"));
    let sums = &text[at.expect("a verdict") + 1];
    assert_eq!((number_before(sums, " lost"), number_before(sums, " misrouted")), (0, 1), "{sums}");
}

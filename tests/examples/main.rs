//! The two example backends, as programs of their own: before a gate with the example's file, where players log in and
//! talk, and before the test in a gateway's place, which hears the same of both.

mod documents;
mod fakes;
mod link;
mod requests;

use std::time::Duration;

use fakes::polling::{until, until_shown};
use fakes::{Example, LOGIN, Language, NOTICE, Player, SAID, file, gate, gate_of};
use link::{Link, vector};
use realmgate::app::Gate;
use realmgate::cluster::ServingState;
use realmgate::net::BackendFacts;
use realmgate::wire::link::{LINK, Message};

const BOTH: [Language; 2] = [Language::Rust, Language::Python];
const NAMES: [&str; 4] = ["Anna", "Ben", "Cleo", "Dana"];

/// What the gate knows of its backends.
fn facts(gate: &Gate) -> Vec<BackendFacts> {
    let clusters = gate.world().cluster_facts(Duration::ZERO);
    clusters.into_iter().flat_map(|cluster| cluster.backends).collect()
}

/// Waits until the gate knows this of its backends.
async fn learns(gate: &Gate, what: &str, known: impl Fn(&[BackendFacts]) -> bool) {
    until(what, || known(&facts(gate))).await;
}

/// One says a line, and all of them hear it.
async fn talk(players: &mut [Player], by: usize, line: &str) {
    let speaker = players.get_mut(by).expect("a player");
    speaker.says(line).await;
    let heard = format!("{}: {line}", speaker.name);
    for player in players {
        player.hears(&heard).await;
    }
}

#[tokio::test]
async fn a_player_logs_in_and_talks_to_its_room_and_to_no_other() {
    for language in BOTH {
        let backend = Example::start(language);
        let gate = gate(&[&backend]).await;
        let mut anna = Player::connect(&gate).await;
        anna.log_in("Anna").await;
        anna.says("hello?").await;
        anna.hears("you are in no room: /join ROOM").await;
        anna.says("/join inn").await;
        anna.hears("you are in inn").await;
        let mut ben = Player::in_room(&gate, "Ben", "inn").await;
        let mut cleo = Player::in_room(&gate, "Cleo", "mine").await;
        ben.says("hello Anna").await;
        anna.hears("Ben: hello Anna").await;
        ben.hears("Ben: hello Anna").await;
        anna.says("/join mine").await;
        anna.hears("you are in mine").await;
        anna.says("hello Cleo").await;
        cleo.hears("Anna: hello Cleo").await;
        anna.hears("Anna: hello Cleo").await;
        ben.says("is anybody here?").await;
        ben.hears("Ben: is anybody here?").await;
        cleo.says("not there").await;
        anna.hears("Cleo: not there").await;
        gate.stop().await;
    }
}

#[tokio::test]
async fn nobody_talks_before_the_login_and_a_bad_name_is_thrown_out() {
    for language in BOTH {
        let backend = Example::start(language);
        let gate = gate(&[&backend]).await;
        let mut player = Player::connect(&gate).await;
        player.says("let me in").await;
        let (id, text) = player.next().await.expect("a notice");
        assert!(id == NOTICE && text.contains(r#""code":"login_required""#), "{text}");
        player.says_as(LOGIN, "").await;
        let (id, text) = player.next().await.expect("a notice");
        assert!(id == NOTICE && text.contains(r#""code":"unauthorized""#), "{text}");
        assert!(text.contains("a name has 1 to 128 bytes"), "{text}");
        assert!(player.next().await.is_err(), "the gate closes");
        gate.stop().await;
    }
}

#[tokio::test]
async fn a_newer_login_of_a_name_takes_its_seat() {
    for language in BOTH {
        let backend = Example::start(language);
        let gate = gate(&[&backend]).await;
        let mut elder = Player::in_room(&gate, "Anna", "inn").await;
        let mut newer = Player::in_room(&gate, "Anna", "inn").await;
        let (id, text) = elder.next().await.expect("a notice");
        assert!(id == NOTICE && text.contains(r#""code":"replaced""#), "{text}");
        assert!(elder.next().await.is_err(), "the gate closes");
        newer.says("only me").await;
        newer.hears("Anna: only me").await;
        gate.stop().await;
    }
}

#[tokio::test]
async fn rooms_span_both_backends_and_outlive_one() {
    for [goes, stays] in [BOTH, [BOTH[1], BOTH[0]]] {
        let [goes, stays] = [goes, stays].map(Example::start);
        let gate = gate(&[&goes, &stays]).await;
        let mut players = Vec::new();
        for name in NAMES {
            players.push(Player::in_room(&gate, name, "inn").await);
        }
        for by in 0..NAMES.len() {
            talk(&mut players, by, "hello").await;
        }
        let sessions: Vec<_> = facts(&gate).iter().map(|backend| backend.sessions).collect();
        assert_eq!(sessions, [2, 2], "in turn");
        // Whom the other takes over is known there: by OPEN's account, and by the attributes that it carries.
        drop(goes);
        learns(&gate, "the loss", |backends| backends[0].links == 0).await;
        for by in 0..NAMES.len() {
            talk(&mut players, by, "still here").await;
        }
        gate.stop().await;
    }
}

#[tokio::test]
async fn who_is_told_to_end_takes_nobody_new_and_lets_its_players_finish() {
    for [leaver, stayer] in [BOTH, [BOTH[1], BOTH[0]]] {
        let [leaver, stayer] = [leaver, stayer].map(Example::start);
        // Whose player is gone for good is over only when nobody can come back to it any more.
        let soon = file(&[&leaver, &stayer]).replace("resume = \"60s\"", "resume = \"1s\"");
        assert!(soon.contains("\"1s\""), "the file lets players come back");
        let gate = gate_of(soon).await;
        let mut players = vec![Player::in_room(&gate, NAMES[0], "inn").await];
        learns(&gate, "the first player", |backends| backends[0].sessions == 1).await;
        leaver.terminate();
        learns(&gate, "STATE", |backends| backends[0].state == ServingState::Leaving).await;
        players.push(Player::in_room(&gate, NAMES[1], "inn").await);
        players.push(Player::in_room(&gate, NAMES[2], "inn").await);
        let sessions: Vec<_> = facts(&gate).iter().map(|backend| backend.sessions).collect();
        assert_eq!(sessions, [1, 2]);
        talk(&mut players, 0, "the lights go out").await;
        drop(players.remove(0));
        leaver.ended().await;
        gate.stop().await;
    }
}

/// What they say, envelope by envelope, without answers to PINGs.
const CONVERSATION: [&str; 22] = [
    "link HelloAck { version: 1, name: None, boot_id: 0, capacity: None, state: Ok, max_envelope: 1048576 }",
    "session KICK 0x8003 a name has 1 to 128 bytes",
    "session KICK 0x8003 a name has 1 to 128 bytes",
    "session BIND Änne",
    "session FRAME 101 welcome, Änne",
    "session FRAME 201 you are in no room: /join ROOM",
    "session FRAME 201 you are in no room: /join ROOM",
    "session FRAME 201 the name of a room has 1 to 128 bytes",
    "session JOIN inn",
    r#"session ATTRIBUTES {"room":"inn"}"#,
    "session FRAME 201 you are in inn",
    r#"link BROADCAST Room("inn") 201 Änne: hello"#,
    "session LEAVE inn",
    "session JOIN mine 七",
    r#"session ATTRIBUTES {"room":"mine 七"}"#,
    "session FRAME 201 you are in mine 七",
    r#"link BROADCAST Room("mine 七") 201 Änne: hello"#,
    "session FRAME 201 a line has at most 1000 bytes",
    r#"link BROADCAST Room("inn") 201 Änne: here again"#,
    "session FRAME 201 you are in no room: /join ROOM",
    "session FRAME 201 you are in no room: /join ROOM",
    "link STATE Draining SIGTERM",
];

#[tokio::test]
async fn who_loses_its_connection_comes_back_to_its_room() {
    for language in BOTH {
        let backend = Example::start(language);
        let gate = gate(&[&backend]).await;
        let mut anna = Player::in_room(&gate, "Anna", "inn").await;
        let mut ben = Player::in_room(&gate, "Ben", "inn").await;
        anna.breaks().await;
        until_shown("realmgate_sessions_parked 1", || gate.metrics_page()).await;
        for line in ["Anna?", "where are you?"] {
            ben.says(line).await;
            ben.hears(&format!("Ben: {line}")).await;
        }
        let counted = anna.counted;
        assert!([1, 2].contains(&counted), "that she is in the room, and maybe her welcome");
        let (mut anna, told) = anna.comes_back(&gate).await;
        assert_eq!((&told["frames"], &told["lost"]), (&counted.into(), &0.into()), "{told}");
        assert_eq!(told["resume_ms"], 60_000, "{told}");
        anna.hears("Ben: Anna?").await;
        anna.hears("Ben: where are you?").await;
        talk(&mut [anna, ben], 0, "here again").await;
        gate.stop().await;
    }
}

/// All that a gateway may say to a chat server, and what each says to it.
async fn conversation(example: &Example) -> Vec<Vec<String>> {
    let mut link = Link::dial(example).await;
    let mut said = vec![link.hear().await];
    for types in ["open_ipv4", "attributes", "pause", "resume", "undelivered", "error", "odd_unknown_type"] {
        link.raw(&vector(types)).await;
    }
    said.push(link.hear().await);
    for line in ["not yet", "/join inn"] {
        link.player(SAID, line).await;
    }
    for name in ["", &"x".repeat(129), "Änne"] {
        link.player(LOGIN, name).await;
    }
    said.push(link.hear().await);
    for line in
        ["nobody hears", "/join", "/join ", "/join inn", "hello", "/join mine 七", "hello", &"x".repeat(1001)]
    {
        link.player(SAID, line).await;
        said.push(link.hear().await);
    }
    link.raw(&vector("close")).await;
    link.player(SAID, "gone").await;
    said.push(link.hear().await);
    for attributes in [r#"{"room":"inn"}"#, r#"{"room":7}"#, "{never JSON}"] {
        link.open(Some("Änne"), Some(attributes)).await;
        link.player(SAID, "here again").await;
        link.say(LINK, Message::GoAway { text: None }).await;
        said.push(link.hear().await);
    }
    example.terminate();
    loop {
        let lines = link.hear().await;
        if !lines.is_empty() {
            said.push(lines);
            return said;
        }
    }
}

#[tokio::test]
async fn both_say_the_same_on_a_link() {
    let [rust, python] = BOTH.map(Example::start);
    let [of_rust, of_python] = [conversation(&rust).await, conversation(&python).await];
    let lines: Vec<&str> = of_rust.iter().flatten().map(String::as_str).collect();
    assert_eq!(lines, CONVERSATION);
    assert_eq!(of_rust, of_python);
}

#[tokio::test]
async fn both_close_what_is_no_link() {
    for name in ["bad_too_long", "bad_too_short", "bad_tlv_length", "bad_torn_tlv", "bad_unknown_type"] {
        for example in BOTH.map(Example::start) {
            let mut link = Link::dial(&example).await;
            link.raw(&vector(name)).await;
            let said = link.hear().await;
            assert_eq!(said.last().map(String::as_str), Some("link ERROR 0x8004"), "{name}: {said:?}");
            link.is_closed().await;
        }
    }
}

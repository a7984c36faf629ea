//! Connections cut anywhere: every numbered frame arrives once and in order, or the loss is told exactly.

use std::rc::Rc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use realmgate::telemetry::Resumption;
use realmgate::wire::link::Message;
use tokio::task::{JoinSet, LocalSet};

use super::{Logged, Stage, admitted, claim, number_of, numbered};
use crate::fakes::{Certificates, Dedicated, Event, Frame, GateBuilder, Player};

/// What a player makes of its bytes.
#[derive(Default)]
struct Reader {
    bytes: Vec<u8>,
    /// Frames of the game that it has counted in this session.
    received: u64,
    /// The number that it waits for.
    next: u64,
}

impl Reader {
    /// Takes bytes; each numbered frame must be the next one.
    fn take(&mut self, bytes: &[u8], context: &str) {
        self.bytes.extend_from_slice(bytes);
        while let Some(frame) = self.pop() {
            assert_eq!(number_of(&frame), self.next, "{context}");
            self.next += 1;
            self.received += 1;
        }
    }

    fn pop(&mut self) -> Option<Frame> {
        let length = u32::from_be_bytes(self.bytes.get(..4)?.try_into().expect("four bytes")) as usize;
        self.bytes.get(..4 + length)?;
        let frame: Vec<u8> = self.bytes.drain(..4 + length).collect();
        Some(Frame { id: u16::from_be_bytes([frame[4], frame[5]]), body: frame[6..].to_vec() })
    }
}

/// Cuts a session's connections again and again, and follows the numbers.
async fn cut_often(stage: &Stage, tls: bool, rounds: u64, seed: u64) {
    let account = format!("player {seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let connect = async || match tls {
        true => stage.gate.tls_player().await,
        false => stage.gate.player().await,
    };
    let Logged { mut player, session, mut token } = stage.log_in(connect().await, &account).await;
    player.echo(1000, b"open").await;
    let mut reader = Reader { received: 1, ..Reader::default() };
    let mut said = 0;
    for round in 0..rounds {
        let context = format!("seed {seed} round {round}");
        for _ in 0..dice.random_range(0..20) {
            let payload = numbered(said, dice.random_range(8..3000));
            said += 1;
            stage.battle.say(session, Message::Frame { payload: &payload }).await;
        }
        if reader.next < said && dice.random_bool(0.8) {
            let bytes = player.read_some(dice.random_range(1..30_000)).await;
            reader.take(&bytes, &context);
        }
        drop(player);
        if dice.random_bool(0.2) {
            // It breaks again before it has read a byte.
            connect().await.send_raw(&claim(&token, Some(reader.received))).await;
        }
        player = connect().await;
        player.send_raw(&claim(&token, Some(reader.received))).await;
        reader.bytes.clear();
        let (frames, lost, next) = admitted(&mut player).await;
        assert_eq!(frames, reader.received + lost, "{context}");
        reader.next += lost;
        assert_eq!(frames, reader.next + 1, "{context}: what went out is what arrived or is told to be lost");
        reader.received = frames;
        token = next;
    }
    stage.say(session, said..said + 1, 8).await;
    while reader.next <= said {
        let bytes = player.read_some(50_000).await;
        assert!(!bytes.is_empty(), "seed {seed}: the connection ended");
        reader.take(&bytes, "the end");
    }
}

fn resumed(stage: &Stage) -> u64 {
    stage.gate.meters().total(|meter| meter.resumption(Resumption::Resumed))
}

#[tokio::test]
async fn cuts_at_any_byte_lose_nothing_that_is_not_told() {
    let stage = Stage::start(|gate| gate.workers(2)).await;
    cut_often(&stage, false, 300, 1).await;
    assert!(resumed(&stage) >= 300);
}

#[tokio::test]
async fn cuts_at_any_byte_of_tls_lose_nothing_that_is_not_told() {
    let certificates = Certificates::new();
    let stage = Stage::start_tls(&certificates, 2).await;
    cut_often(&stage, true, 100, 2).await;
    assert!(resumed(&stage) >= 100);
}

#[tokio::test]
async fn a_thousand_cuts_of_a_hundred_players_at_once_mix_up_nobody() {
    let stage = Rc::new(Stage::start(|gate| gate.workers(2)).await);
    let (local, mut players) = (LocalSet::new(), JoinSet::new());
    for seed in 100..200 {
        let stage = Rc::clone(&stage);
        players.spawn_local_on(async move { cut_often(&stage, false, 10, seed).await }, &local);
    }
    let ended = async {
        while let Some(ended) = players.join_next().await {
            ended.expect("no player fails");
        }
    };
    local.run_until(ended).await;
    assert!(resumed(&stage) >= 1000);
}

#[tokio::test]
async fn a_frame_that_was_written_in_part_is_sent_again_from_its_start() {
    let stage = Stage::start(|gate| gate.limit("send_buffer = \"16MiB\"")).await;
    let narrow = Player::connect_narrow(stage.gate.address()).await;
    let Logged { mut player, session, token } = stage.log_in(narrow, "ann").await;
    player.echo(1000, b"open").await;
    stage.say(session, 0..400, 20_000).await; // more than sockets hold: one frame is half out
    let mut reader = Reader { received: 1, ..Reader::default() };
    let bytes = player.read_some(3000).await;
    reader.take(&bytes, "before the cut");
    drop(player);
    stage.has_parked(1).await;
    let mut back = stage.gate.player().await;
    back.send_raw(&claim(&token, Some(reader.received))).await;
    let (frames, lost, _) = admitted(&mut back).await;
    assert!(frames < 401, "all of it went into sockets: nothing was cut");
    assert_eq!(frames - lost, reader.received);
    for number in lost..400 {
        let frame = back.recv().await;
        assert_eq!((number_of(&frame), frame.body.len()), (number, 20_000));
    }
    back.echo(1000, b"and on").await;
}

#[tokio::test]
async fn what_the_buffer_could_not_keep_is_counted_and_comes_last() {
    let stage = Stage::start(|gate| gate.limit("send_buffer = \"64KiB\"")).await;
    let Logged { mut player, session, token } = stage.log_in(stage.gate.player().await, "ann").await;
    player.echo(1000, b"open").await;
    drop(player);
    stage.has_parked(1).await;
    stage.say(session, 0..20, 8000).await;
    stage.say(session, 20..21, 8).await; // it would fit, but then what is kept had a gap
    let mut back = stage.gate.player().await;
    back.send_raw(&claim(&token, Some(1))).await;
    let (frames, lost, token) = admitted(&mut back).await;
    assert_eq!((frames, lost), (14, 13), "eight frames of 8006 bytes fit into 64 KiB");
    for number in 0..8 {
        assert_eq!(number_of(&back.recv().await), number);
    }
    stage.say(session, 21..22, 8).await;
    assert_eq!(number_of(&back.recv().await), 21);
    let undelivered = |event: &&Event| matches!(event, Event::Undelivered { reason: 7, .. });
    assert_eq!(stage.battle.events().iter().filter(undelivered).count(), 13, "the backend hears of each");
    drop(back);
    stage.has_parked(2).await;
    let mut back = stage.gate.player().await;
    back.send_raw(&claim(&token, Some(23))).await;
    let (frames, lost, _) = admitted(&mut back).await;
    assert_eq!((frames, lost), (23, 0), "what was told once is not told again");
}

#[tokio::test]
async fn what_is_kept_has_no_gap_whichever_way_it_comes() {
    let chat = Dedicated::start().await;
    let dedicated = |gate: GateBuilder| {
        gate.limit("send_buffer = \"64KiB\"").dedicated(
            "chat",
            "3000",
            &[chat.address()],
            "health.interval = \"1h\"",
        )
    };
    let stage = Stage::start(dedicated).await;
    let breaks = Player::connect_to_break(stage.gate.address()).await;
    let Logged { mut player, session, token } = stage.log_in(breaks, "ann").await;
    player.echo(1000, b"open").await;
    player.send(3000, b"open").await;
    let mut connection = chat.accept_any().await;
    assert_eq!(connection.recv().await.body, b"open");
    drop(player);
    stage.has_parked(1).await;
    stage.say(session, 0..1, 8000).await;
    stage.say(session, 1..2, 60_000).await; // it has no room
    connection.send_raw(&numbered(2, 8000)).await;
    for _ in 0..20 {
        stage.heard().await;
        let facts = stage.gate.inner().workers()[0].list(Some("ann"), 1).await;
        assert_eq!(facts[0].buffered, 8006, "it waits at its backend, behind the one that was lost");
    }
    let mut back = stage.gate.player().await;
    back.send_raw(&claim(&token, Some(1))).await;
    let (frames, lost, _) = admitted(&mut back).await;
    assert_eq!((frames, lost), (2, 1));
    assert_eq!(number_of(&back.recv().await), 0);
    assert_eq!(number_of(&back.recv().await), 2);
}

#[tokio::test]
async fn what_was_lost_on_the_way_is_told_once() {
    let stage = Stage::start(|gate| gate).await;
    let Logged { mut player, session, mut token } = stage.log_in(stage.gate.player().await, "ann").await;
    player.echo(1000, b"open").await;
    stage.say(session, 0..5, 100).await;
    for number in 0..5 {
        assert_eq!(number_of(&player.recv().await), number, "all went out");
    }
    // It says that it has had two of the six. From then on it counts from what it was told.
    for (received, expected) in [(Some(2), (6, 4)), (Some(6), (6, 0)), (None, (6, 0))] {
        drop(player);
        player = stage.gate.player().await;
        player.send_raw(&claim(&token, received)).await;
        let (frames, lost, next) = admitted(&mut player).await;
        assert_eq!((frames, lost), expected);
        token = next;
    }
}

//! What `benches/peers` judges proxies by, itself on trial: a ledger that takes a wrong answer for right would call a
//! loss a success; and a word that is lost between its processes would move a figure into another one's column.
#![allow(dead_code, reason = "the bench uses all of it")]

#[path = "../benches/peers/frame.rs"]
mod frame;
#[path = "../benches/peers/loader/ledger.rs"]
mod ledger;
#[path = "../benches/peers/orders.rs"]
mod orders;

use std::time::Duration;

use frame::{Shape, Stamp, frames_to_every_cluster};
use ledger::Ledger;
use orders::{Load, Order, Outcome};

const CONNECTION: u32 = 17;

/// So many questions, as bytes of whole frames.
fn asked(ledger: &mut Ledger, shape: &Shape, count: u64) -> Vec<Vec<u8>> {
    let ask = |at| {
        let mut frame = Vec::new();
        ledger.ask(shape, at, &mut frame);
        frame
    };
    (1..=count).map(ask).collect()
}

#[test]
fn every_answer_settles_its_question_once() {
    let (shape, mut ledger) = (Shape::new(64), Ledger::new(CONNECTION));
    let frames = asked(&mut ledger, &shape, 100);
    assert_eq!(ledger.unanswered(), 100);
    for (frame, at) in frames.iter().zip(1..) {
        assert_eq!(ledger.settle(&shape, frame), Some(at));
        assert_eq!(ledger.settle(&shape, frame), None, "the same answer again");
    }
    assert_eq!(ledger.unanswered(), 0);
}

#[test]
fn no_byte_of_an_answer_may_differ() {
    let shape = Shape::new(64);
    for place in 0..64 {
        let mut ledger = Ledger::new(CONNECTION);
        let mut frame = asked(&mut ledger, &shape, 1).remove(0);
        frame[place] ^= 1;
        assert_eq!(ledger.settle(&shape, &frame), None, "byte {place}");
        assert_eq!(ledger.unanswered(), 1);
    }
}

#[test]
fn an_answer_of_another_connection_settles_nothing() {
    let (shape, mut own, mut other) = (Shape::new(64), Ledger::new(CONNECTION), Ledger::new(CONNECTION + 1));
    let frame = asked(&mut other, &shape, 1).remove(0);
    asked(&mut own, &shape, 1);
    assert_eq!(own.settle(&shape, &frame), None);
}

#[test]
fn answers_overtake_each_other_between_clusters_only() {
    let (shape, mut ledger) = (Shape::new(64), Ledger::new(CONNECTION));
    let count = 20;
    let frames = asked(&mut ledger, &shape, count);
    let cluster = |sequence| Stamp { connection: CONNECTION, sequence }.route().0;
    let second = (1..count).find(|sequence| cluster(*sequence) == cluster(0)).expect("one of twenty");
    let foreign = (1..count).find(|sequence| cluster(*sequence) != cluster(0)).expect("one of twenty");
    let frame = |sequence| &frames[usize::try_from(sequence).expect("below twenty")];
    assert_eq!(ledger.settle(&shape, frame(foreign)), Some(foreign + 1), "of another cluster");
    assert_eq!(ledger.settle(&shape, frame(second)), None, "before the first of its cluster");
}

#[test]
fn a_greeting_reaches_every_cluster() {
    for connection in 0..1000 {
        let frames = u64::try_from(frames_to_every_cluster(connection)).expect("some");
        let met = |until| {
            let clusters = (0..until).map(|sequence| Stamp { connection, sequence }.route().0);
            clusters.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!((met(frames), met(frames - 1)), (frame::CLUSTERS.len(), frame::CLUSTERS.len() - 1));
    }
}

#[test]
fn an_order_is_read_as_it_was_written() {
    let loads = [
        Load::Closed { in_flight: 32 },
        Load::Open { per_second: 33_333.25 },
        Load::Idle,
        Load::Peak,
        Load::Handshakes { resumed: true },
    ];
    for load in loads {
        let order = Order {
            target: ([127, 0, 0, 1], 7001).into(),
            certificate: Some("/folder/certificate.pem".into()),
            load,
            connections: 1,
            first: 2,
            frame: 3,
            warm_up: Duration::from_millis(4),
            window: Duration::from_millis(5),
            silence: Duration::from_millis(6),
            cores: 7,
            proxy: vec![8, 9],
            backend: 10,
        };
        let read = Order::parse(&order.words()).expect("its own words");
        assert_eq!(format!("{read:?}"), format!("{order:?}"));
    }
    assert!(Order::parse(&["127.0.0.1:1".to_owned()]).is_err());
}

#[test]
fn an_outcome_is_read_as_it_was_told() {
    let line = "1 2 3 4 5 6 7 8 9 10 11 12 13 14";
    let outcome = Outcome::parse(line).expect("fourteen numbers");
    assert_eq!(outcome.line(), line);
    assert_eq!((outcome.done, outcome.p50, outcome.proxy, outcome.kept), (1, 5, 8, 14));
    assert!(Outcome::parse("1 2 3").is_none());
    assert!(Outcome::parse(&format!("{line} 15")).is_none());
}

#[test]
fn whatever_is_wrong_makes_a_turn_fail() {
    let fine = Outcome { done: 10, proxy: 1, ..Outcome::default() };
    assert_eq!(fine.fault(), None);
    for (outcome, why) in [
        (Outcome { wrong: 1, ..fine.clone() }, "a wrong answer"),
        (Outcome { missing: 1, ..fine.clone() }, "a missing one"),
        (Outcome { done: 0, ..fine.clone() }, "none at all"),
        (Outcome { proxy: 0, ..fine.clone() }, "somebody else answered"),
    ] {
        assert!(outcome.fault().is_some(), "{why}");
    }
}

#[test]
fn two_loaders_are_told_as_one() {
    let one = Outcome { done: 10, p99: 5, loader: 3, strangers: 7, proxy: 9, ..Outcome::default() };
    let other = Outcome { done: 20, p99: 8, loader: 4, strangers: 6, proxy: 9, ..Outcome::default() };
    let both = one.and(&other);
    assert_eq!((both.done, both.p99, both.loader), (30, 8, 7));
    assert_eq!(
        (both.strangers, both.proxy),
        (3, 9),
        "the other loader is no stranger, the proxy is the same"
    );
}

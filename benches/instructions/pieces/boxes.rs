//! What waits for a player's socket.

use std::hint::black_box;

use realmgate::net::{Outbox, Pool};

use crate::frame::{BURST, SIZE, burst};

pub(crate) fn one(times: u64) {
    put_and_take(times, 1);
}

pub(crate) fn many(times: u64) {
    put_and_take(times, BURST);
}

fn put_and_take(times: u64, at_once: usize) {
    let (frame, pool) = (burst(1), Pool::default());
    let mut outbox = Outbox::new(256 * 1024);
    for _ in 0..times / at_once as u64 {
        for _ in 0..at_once {
            outbox.put(black_box(&frame), &pool).expect("there is room");
        }
        black_box(&mut outbox).took(at_once * SIZE, &pool);
    }
}

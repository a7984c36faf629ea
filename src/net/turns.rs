//! The turns of a worker's event loop: the runtime says when it falls asleep and when it wakes, and sleeps on while frames
//! gather in the sockets. Between, the turns of players are counted.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use super::hub;
use crate::config::Net;
use crate::policy::Gathering;
use crate::telemetry::WorkerMeter;

thread_local! {
    /// How far apart the worker that this thread is keeps its turns while it gathers; `None`: it never does.
    static DELAY: Cell<Option<Duration>> = const { Cell::new(None) };
    /// What it has done lately, and whether it gathers.
    static GATHERING: Cell<Gathering> = Cell::default();
    /// How many turns of players it has made since it last fell asleep.
    static SERVED: Cell<u32> = const { Cell::new(0) };
}

/// A worker that has made so many turns of players without a pause has more before it.
const MANY: u32 = 4;

/// Counts a turn of a player; whether many were made since this worker last fell asleep.
pub(super) fn is_one_of_many() -> bool {
    let served = SERVED.get().saturating_add(1);
    SERVED.set(served);
    served > MANY
}

/// What the file says of gathering holds for the worker that this thread is.
pub(super) fn follow(net: &Net) {
    DELAY.set(net.gather());
}

/// Keeps the turns of this runtime apart while its thread is busy.
pub(super) fn keep_apart(builder: &mut Builder, started: Instant, meter: Arc<WorkerMeter>) -> &mut Builder {
    let since_start = move || hub::now().saturating_duration_since(started);
    builder
        .on_thread_park(move || {
            SERVED.set(0);
            let Some(delay) = DELAY.get() else { return };
            let mut gathering = GATHERING.get();
            let nap = gathering.sleeps(since_start(), delay);
            GATHERING.set(gathering);
            if !nap.is_zero() {
                meter.gathered_turns.add(1);
                sleep_on(nap);
            }
        })
        .on_thread_unpark(move || {
            if DELAY.get().is_some() {
                let mut gathering = GATHERING.get();
                gathering.wakes(since_start());
                GATHERING.set(gathering);
            }
        })
}

#[expect(
    clippy::disallowed_methods,
    reason = "what happens meanwhile is what gathers; nothing of it may end the nap"
)]
fn sleep_on(nap: Duration) {
    std::thread::sleep(nap);
}

//! Players that have said one word and are silent: what the proxy keeps for each of them.

use std::time::Duration;

use super::steady::{Crowd, Greeting};
use crate::cpu;
use crate::frame::Shape;
use crate::orders::{Order, Outcome};

/// Buffers that are given back are given back by then.
const SETTLE: Duration = Duration::from_secs(1);

/// Connects, waits, and compares the proxy's memory.
pub(super) fn hold(order: &Order, shape: &Shape) -> Result<Outcome, String> {
    let before = cpu::resident(&order.proxy);
    let mut crowd = Crowd::greeted(order, shape, Greeting::OneFrame)?;
    let end = crowd.clock.now() + super::nanoseconds(SETTLE);
    while crowd.clock.now() < end {
        crowd.turn(Duration::from_millis(50), |_, _, _, _| {})?;
    }
    Ok(Outcome {
        done: u64::try_from(order.connections).unwrap_or(u64::MAX),
        window: crowd.clock.now(),
        wrong: crowd.wrong,
        missing: crowd.missing() + crowd.ended,
        grown: cpu::resident(&order.proxy).saturating_sub(before),
        ..Outcome::default()
    })
}

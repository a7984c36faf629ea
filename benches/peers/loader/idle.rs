//! Players that have said one word and are silent: what the proxy keeps for each of them, and what it keeps when they
//! all have been busy in between.

use std::time::Duration;

use super::steady::{Crowd, Greeting};
use super::window::Window;
use crate::cpu;
use crate::frame::Shape;
use crate::orders::{Order, Outcome};

/// Buffers that are given back at once are given back by then.
const SETTLE: Duration = Duration::from_secs(1);
/// Frames under way on every connection while all are busy.
const IN_FLIGHT: usize = 4;

/// Connects, waits, and compares the proxy's memory.
pub(super) fn hold(order: &Order, shape: &Shape) -> Result<Outcome, String> {
    let (crowd, _, grown) = settled(order, shape)?;
    Ok(Outcome {
        done: u64::try_from(order.connections).unwrap_or(u64::MAX),
        window: crowd.clock.now(),
        wrong: crowd.wrong,
        missing: crowd.missing() + crowd.ended,
        grown,
        ..Outcome::default()
    })
}

/// The same; then everybody is busy for the window, silent for as long as the order says, and memory is compared again.
pub(super) fn after_a_peak(order: &Order, shape: &Shape) -> Result<Outcome, String> {
    let (mut crowd, before, grown) = settled(order, shape)?;
    let mut window = Window::new(order, crowd.clock.now());
    crowd.keep_asking(&mut window, IN_FLIGHT)?;
    let taken = || cpu::resident(&order.proxy).saturating_sub(before);
    let peaked = taken();
    crowd.be_silent(order.silence)?;
    let outcome = window.outcome(crowd.wrong, crowd.missing() + crowd.ended)?;
    Ok(Outcome { grown, peaked, kept: taken(), ..outcome })
}

/// Players that have come and said their word, the memory of before, and what they have added to it.
fn settled<'a>(order: &Order, shape: &'a Shape) -> Result<(Crowd<'a>, u64, u64), String> {
    let before = cpu::resident(&order.proxy);
    let mut crowd = Crowd::greeted(order, shape, Greeting::OneFrame)?;
    crowd.be_silent(SETTLE)?;
    Ok((crowd, before, cpu::resident(&order.proxy).saturating_sub(before)))
}

//! The players: one thread, one event loop, every answer checked to its last byte.

mod connection;
mod handshakes;
mod idle;
mod ledger;
mod pace;
mod steady;
mod tls;
mod window;

use std::time::{Duration, Instant};

use crate::frame::Shape;
use crate::orders::{Load, Order, Outcome};

/// How long answers may take before their frames count as missing.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long all connections together may take until each has had one answer.
const GREETING: Duration = Duration::from_secs(60);

/// Does what `run` ordered and prints the outcome.
pub(crate) fn run(words: &[String]) -> Result<(), String> {
    let order = Order::parse(words)?;
    let shape = Shape::new(order.frame);
    let outcome = match order.load {
        Load::Closed { in_flight } => steady::closed(&order, &shape, in_flight)?,
        Load::Open { per_second } => steady::open(&order, &shape, per_second)?,
        Load::Idle => idle::hold(&order, &shape)?,
        Load::Peak => idle::after_a_peak(&order, &shape)?,
        Load::Handshakes { resumed } => handshakes::repeat(&order, &shape, resumed)?,
    };
    println!("{}", outcome.line());
    Ok(())
}

/// The time since the loader's start: every stamp is one of these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// In nanoseconds.
    fn now(self) -> u64 {
        nanoseconds(self.0.elapsed())
    }
}

/// A length of time in nanoseconds.
fn nanoseconds(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// What every kind of load ends with.
fn fault(what: &str) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{what}: {error}")
}

impl Outcome {
    /// Latencies of a window.
    fn with_latencies(mut self, latencies: &hdrhistogram::Histogram<u64>) -> Self {
        self.p50 = latencies.value_at_quantile(0.5);
        self.p99 = latencies.value_at_quantile(0.99);
        self.p999 = latencies.value_at_quantile(0.999);
        self
    }
}

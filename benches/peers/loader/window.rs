//! The measured window: what was answered in it and what everybody spent in it.

use hdrhistogram::Histogram;

use crate::cpu;
use crate::orders::{Order, Outcome};

/// Counts from `begin` to `end`.
#[derive(Debug)]
pub(super) struct Window {
    begin: u64,
    end: u64,
    proxy: Vec<u32>,
    backend: u32,
    cores: usize,
    state: State,
    pub(super) latencies: Histogram<u64>,
    pub(super) done: u64,
}

/// CPU time of proxy, loader, backend and everybody at one moment.
#[derive(Clone, Copy, Debug)]
struct Spent {
    at: u64,
    proxy: u64,
    loader: u64,
    backend: u64,
    everybody: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Before,
    Within(Spent),
    After(Spent, Spent),
}

/// The longest latency that is told apart, in nanoseconds.
const LONGEST: u64 = 60_000_000_000;

impl Window {
    /// Begins after the order's warm-up, counted from `now`.
    pub(super) fn new(order: &Order, now: u64) -> Self {
        let begin = now + super::nanoseconds(order.warm_up);
        Self {
            begin,
            end: begin + super::nanoseconds(order.window),
            proxy: order.proxy.clone(),
            backend: order.backend,
            cores: order.cores,
            state: State::Before,
            latencies: Histogram::new_with_bounds(100, LONGEST, 3).expect("these bounds are allowed"),
            done: 0,
        }
    }

    /// Takes the time; the clocks of the processes are read where the window begins and ends.
    pub(super) fn tick(&mut self, now: u64) {
        match self.state {
            State::Before if now >= self.begin => self.state = State::Within(self.spent(now)),
            State::Within(begin) if now >= self.end => {
                self.state = State::After(begin, self.spent(now));
            }
            State::Before | State::Within(_) | State::After(..) => {}
        }
    }

    /// One answer, asked at `asked`. Frames of the window count for latency even when their answer comes after it.
    pub(super) fn answer(&mut self, asked: u64, now: u64) {
        if asked >= self.begin && asked < self.end {
            self.latencies.saturating_record(now.saturating_sub(asked).max(1));
        }
        if let State::Within(_) = self.state {
            self.done += 1;
        }
    }

    /// Whether nothing more is to be asked.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::After(..))
    }

    /// When it ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Whether it counts now.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Within(_))
    }

    /// What came of it.
    pub(super) fn outcome(&self, wrong: u64, missing: u64) -> Result<Outcome, String> {
        let State::After(begin, end) = self.state else { return Err("the window never ended".to_owned()) };
        let ours = |spent: Spent| spent.proxy + spent.loader + spent.backend;
        let strangers = (end.everybody + ours(begin)).saturating_sub(begin.everybody + ours(end));
        Ok(Outcome {
            done: self.done,
            window: end.at - begin.at,
            wrong,
            missing,
            proxy: end.proxy.saturating_sub(begin.proxy),
            loader: end.loader.saturating_sub(begin.loader),
            backend: end.backend.saturating_sub(begin.backend),
            strangers,
            ..Outcome::default()
        }
        .with_latencies(&self.latencies))
    }

    fn spent(&self, at: u64) -> Spent {
        Spent {
            at,
            proxy: cpu::spent(&self.proxy),
            loader: cpu::spent(&[std::process::id()]),
            backend: cpu::spent(&[self.backend]),
            everybody: cpu::first_cores(self.cores),
        }
    }
}

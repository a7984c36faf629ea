//! How long a probe is waited for. The time is counted in slices, so that a moment in which this process did not
//! run costs the backend at most one of them, however long it was.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

/// What is left of the wait.
#[derive(Clone, Copy, Debug)]
struct Patience {
    slices: u32,
}

/// One late wake-up eats a tenth; fewer slices would make a stall dear, more would only cost timers.
const SLICES: u32 = 10;

impl Patience {
    const fn new() -> Self {
        Self { slices: SLICES }
    }

    /// A slice is over; whether it was the last.
    const fn slice_over(&mut self) -> bool {
        self.slices = self.slices.saturating_sub(1);
        self.slices == 0
    }
}

/// Waits for an attempt until `limit` has passed while this process ran; `None` then.
pub(super) async fn patiently<T>(limit: Duration, attempt: impl Future<Output = T>) -> Option<T> {
    let mut attempt = pin!(attempt);
    let mut patience = Patience::new();
    loop {
        // After a stall the answer and the end of the slice are both there: `timeout` looks at the answer first.
        match timeout(limit / SLICES, attempt.as_mut()).await {
            Ok(result) => return Some(result),
            Err(_) if patience.slice_over() => return None,
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::hub;

    const LIMIT: Duration = Duration::from_millis(100);

    fn run<T>(attempt: impl Future<Output = T>) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(patiently(LIMIT, attempt))
    }

    /// Holds the only thread, as anything may that runs there.
    fn stall(length: Duration) {
        let until = hub::now() + length;
        while hub::now() < until {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn the_wait_ends_after_as_many_slices_as_it_has() {
        let mut patience = Patience::new();
        let slices = 1 + std::iter::from_fn(|| (!patience.slice_over()).then_some(())).count();
        assert_eq!(slices, 10);
        assert!(patience.slice_over(), "and stays over");
    }

    #[test]
    fn who_never_answers_is_given_up_after_the_limit() {
        let began = hub::now();
        assert_eq!(run(std::future::pending::<()>()), None);
        assert!(hub::now() - began >= LIMIT);
    }

    #[test]
    fn stalls_longer_than_the_limit_do_not_make_an_answer_late() {
        let answer = async {
            for _ in 0..3 {
                stall(LIMIT * 2);
                tokio::task::yield_now().await;
            }
            7
        };
        assert_eq!(run(answer), Some(7));
    }
}

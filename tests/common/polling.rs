//! Waiting for what nobody tells: it is looked at again and again.

use std::time::Duration;

use super::within;

/// A pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    within(what, async {
        while !is_so() {
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await;
}

/// Waits until a line of the metrics page is this one.
pub(crate) async fn until_shown(line: &str, page: impl Fn() -> String) {
    until(line, || page().lines().any(|shown| shown == line)).await;
}

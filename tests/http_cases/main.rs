//! Where requests end: what the files under `tests/http/` send, and what has to come of it. Each is read by the framing
//! alone, and goes through a whole gate to backends that write down what they see. Behind each comes a marker: gate and
//! backends agree only if that is seen as what it is, and nothing else.
#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic; where it does, a case is not what it says"
)]

mod answers;
mod backend;
mod case;
mod client;
mod frames;
mod framing;
mod requests;
mod stage;
#[path = "../common/waiting.rs"]
mod waiting;

use std::future::Future;

use waiting::within;

/// Runs one case beside the test, so that all that fail are known at once.
async fn passes(case: impl Future<Output = ()> + Send + 'static) -> bool {
    tokio::spawn(case).await.is_ok()
}

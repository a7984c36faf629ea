//! A program with partners, a client that writes requests as it is told to, and a backend that records them.

mod backend;
mod client;
#[path = "../../common/folder.rs"]
mod folder;
mod program;
mod signer;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use backend::Backend;
pub(crate) use client::{Answer, Client, Request, answer_of};
pub(crate) use folder::Folder;
pub(crate) use program::Program;
pub(crate) use signer::{SECRET, Signer, fresh};

/// The bound of every wait: long enough for a busy machine, and no measure of speed.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Waits until something is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let tries = BOUND.as_millis() / 5;
    for _ in 0..tries {
        if is_so() {
            return;
        }
        pause();
    }
    panic!("waited {BOUND:?} in vain for {what}");
}

#[expect(clippy::disallowed_methods, reason = "another process has to be asked again")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "signatures go by the time of people")]
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("later").as_secs()
}

/// Does something that must not see midnight in its middle: once more if it did.
pub(crate) fn in_one_day(act: impl Fn()) {
    let day = || seconds() / (24 * 60 * 60);
    let before = day();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&act));
    match done {
        Ok(()) => {}
        Err(_) if day() != before => act(),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// A route that two partners may ask, who both sign.
pub(crate) const TABLES: &str = r#"
[http.pay]
listener = "open"
path = "/pay/*"
cluster = "pay"
partners = ["adnet", "paynet"]
[partner.adnet]
auth = { kind = "hmac", secret_file = "secret" }
[partner.paynet]
auth = { kind = "hmac", secret_file = "secret" }
"#;

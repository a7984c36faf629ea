//! A program with partners, a client that writes requests as it is told to, and a backend that records them.

mod backend;
mod client;
mod program;
mod signer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use backend::Backend;
pub(crate) use client::{Answer, Client, Request, answer_of};
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

/// A folder of a test, gone with it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// Folders of this process so far.
static FOLDERS: AtomicUsize = AtomicUsize::new(0);

impl Folder {
    pub(crate) fn new() -> Self {
        let count = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("realmgate-partners-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).expect("a file");
        self.path(name)
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

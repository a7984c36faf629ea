//! An office with a gate behind it, a client that writes requests byte by byte, and a program that runs.

mod http;
mod office;
mod program;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) use http::Reply;
pub(crate) use office::{Office, TOKEN, refuse, reloaded};
pub(crate) use program::{Program, ctl, realmgate};

/// No wait of these tests is longer; none is as long when all is well.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {BOUND:?} in vain for {what}"),
    }
}

/// A folder of a test, gone with it.
pub(crate) struct Folder(PathBuf);

/// Folders of this process so far.
static FOLDERS: AtomicUsize = AtomicUsize::new(0);

impl Folder {
    pub(crate) fn new() -> Self {
        let count = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("realmgate-admin-{}-{count}", std::process::id()));
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

/// A whole configuration; `admin` are more lines of its table.
pub(crate) fn configuration(admin: &str) -> String {
    format!(
        r#"
[gateway]
workers = 2
state_dir = "state"
[admin]
listen = "127.0.0.1:0"
{admin}
[drain]
lame_duck = "0s"
spread = "0s"
deadline = "5s"
[frame.game]
length = {{ offset = 0, width = 4 }}
id = {{ offset = 4, width = 2 }}
heartbeat = {{ id = 1, reply = 2 }}
notice = {{ id = 9000 }}
[listener.players]
listen = "127.0.0.1:0"
[cluster.battle]
backends = [
  {{ address = "127.0.0.1:1", zone = "a" }},
  {{ address = "127.0.0.1:2", weight = 50, group = "b" }},
  {{ address = "127.0.0.1:3", group = "c" }},
]
[cluster.rest]
link = "dedicated"
backends = [{{ address = "127.0.0.1:4" }}]
[route.battle]
ids = [1000, "1100-1199"]
cluster = "battle"
[route.rest]
ids = ["*"]
cluster = "rest"
[release]
active = "b"
"#
    )
}

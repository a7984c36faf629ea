//! An office with a gate behind it, a client that writes requests byte by byte, and a program that runs.

#[path = "../../common/folder.rs"]
mod folder;
mod http;
mod office;
mod program;
#[path = "../../common/waiting.rs"]
mod waiting;

pub(crate) use folder::Folder;
pub(crate) use http::Reply;
pub(crate) use office::{Office, SECRET, TOKEN, refuse, reloaded};
pub(crate) use program::{Program, Said, ctl, realmgate};
pub(crate) use waiting::{BOUND, within};

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

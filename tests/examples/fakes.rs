//! The examples as programs, a gate with the example's file, and its players. Waiting is for events, with one bound.

#[path = "../common/polling.rs"]
pub(crate) mod polling;
#[path = "../common/waiting.rs"]
mod waiting;

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use realmgate::app::Gate;
use realmgate::config::{self, Source};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) use waiting::within;

pub(crate) const LOGIN: u16 = 100;
pub(crate) const WELCOME: u16 = 101;
pub(crate) const SAID: u16 = 200;
pub(crate) const HEARD: u16 = 201;
pub(crate) const NOTICE: u16 = 9000;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The example in Rust. Cargo builds it with all tests, but not for this one alone.
pub(crate) static RUST: LazyLock<PathBuf> = LazyLock::new(|| {
    let this = std::env::current_exe().expect("this test");
    let profile = this.parent().and_then(Path::parent).expect("the folder of the profile");
    let example = profile.join("examples/chat_backend");
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    if changed(&example) < changed(&root().join("examples/chat_backend.rs")) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--locked", "--quiet", "--example", "chat_backend"]).current_dir(root());
        cargo.args(profile.ends_with("release").then_some("--release"));
        assert!(cargo.status().expect("cargo runs").success());
    }
    example
});

#[derive(Clone, Copy, Debug)]
pub(crate) enum Language {
    Rust,
    Python,
}

/// An example that runs. Dropped, it is ended.
pub(crate) struct Example {
    child: Child,
    pub(crate) address: String,
}

impl Example {
    pub(crate) fn start(language: Language) -> Self {
        match language {
            Language::Rust => Self::run(Command::new(&*RUST).arg("127.0.0.1:0")),
            Language::Python => {
                let script = root().join("examples/backend.py");
                Self::python(&[script.to_str().expect("a path of text"), "127.0.0.1:0"])
            }
        }
    }

    /// Python with these arguments, which says where it listens; it leaves no files behind.
    pub(crate) fn python(arguments: &[&str]) -> Self {
        Self::run(Command::new("python3").arg("-B").args(arguments))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the example starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line of text");
        let address = line.trim().strip_prefix("listening on ").expect("where it listens").to_owned();
        Self { child, address }
    }

    pub(crate) fn terminate(&self) {
        let id = i32::try_from(self.child.id()).expect("a process");
        kill_process(Pid::from_raw(id).expect("not 0"), Signal::TERM).expect("it lives");
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(mut self) {
        let status = within("the example to end", async {
            loop {
                match self.child.try_wait().expect("a child") {
                    Some(status) => return status,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        assert!(status.await.success());
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A gate with the example's file before these backends.
pub(crate) async fn gate(backends: &[&Example]) -> Gate {
    gate_of(file(backends)).await
}

/// The example's file with these backends.
pub(crate) fn file(backends: &[&Example]) -> String {
    let path = root().join("conf/examples/chat.toml");
    let text = std::fs::read_to_string(path).expect("the example's file");
    let list = |addresses: &[&str]| {
        let tables: Vec<_> =
            addresses.iter().map(|address| format!("{{ address = \"{address}\" }}")).collect();
        format!("backends = [{}]", tables.join(", "))
    };
    let own = list(&["127.0.0.1:7101", "127.0.0.1:7102"]);
    let addresses: Vec<_> = backends.iter().map(|example| &*example.address).collect();
    assert!(text.contains(&own) && text.contains("127.0.0.1:7000"), "the file names both and a port");
    let mut text = text.replace(&own, &list(&addresses)).replace("127.0.0.1:7000", "127.0.0.1:0");
    write!(text, "\n[gateway]\nworkers = 2\n[drain]\nlame_duck = \"0s\"\nspread = \"0s\"\n").expect("memory");
    text
}

/// A gate with this file.
pub(crate) async fn gate_of(text: String) -> Gate {
    let path = "test.toml".into();
    let plan = config::parse(vec![Source { path, text }]);
    let plan = plan.unwrap_or_else(|report| panic!("{}", report.render(false)));
    let gate = within("the gate to start", Gate::start(plan)).await;
    gate.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn frame(id: u16, text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len() + 2).expect("short");
    [&length.to_be_bytes()[..], &id.to_be_bytes(), text.as_bytes()].concat()
}

/// A player of the game.
pub(crate) struct Player {
    stream: TcpStream,
    pub(crate) name: String,
    /// What it shows to come back: a token, and how many frames it has read since it was let in.
    token: String,
    pub(crate) counted: u64,
}

impl Player {
    pub(crate) async fn connect(gate: &Gate) -> Self {
        let address = gate.address("players").expect("the listener of the file");
        let stream = TcpStream::connect(address).await.expect("the gate listens");
        Self { stream, name: String::new(), token: String::new(), counted: 0 }
    }

    /// One that is in and has entered a room.
    pub(crate) async fn in_room(gate: &Gate, name: &str, room: &str) -> Self {
        let mut player = Self::connect(gate).await;
        player.log_in(name).await;
        player.says(&format!("/join {room}")).await;
        player.hears(&format!("you are in {room}")).await;
        player
    }

    pub(crate) async fn log_in(&mut self, name: &str) {
        self.says_as(LOGIN, name).await;
        self.name = name.to_owned();
        assert_eq!(self.frame(WELCOME).await, format!("welcome, {name}"));
    }

    pub(crate) async fn says_as(&mut self, id: u16, text: &str) {
        within("the gate to take bytes", self.stream.write_all(&frame(id, text)))
            .await
            .expect("it takes them");
    }

    pub(crate) async fn says(&mut self, text: &str) {
        self.says_as(SAID, text).await;
    }

    pub(crate) async fn hears(&mut self, text: &str) {
        assert_eq!(self.frame(HEARD).await, text);
    }

    /// The text of the next frame, which has this ID. Word of having been let in may come before.
    pub(crate) async fn frame(&mut self, wanted: u16) -> String {
        loop {
            let (id, text) = self.next().await.expect("a frame");
            if id == wanted {
                self.counted += 1;
                return text;
            }
            assert_eq!(id, NOTICE, "{wanted} is awaited: {text}");
            self.admitted(&text);
        }
    }

    /// What a player reads who is let in.
    fn admitted(&mut self, text: &str) -> serde_json::Value {
        let notice: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let word =
            |key: &str| notice.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        assert_eq!(word("code"), "admitted", "{text}");
        self.token = word("resume");
        self.counted = notice.get("frames").and_then(|frames| frames.as_u64()).unwrap_or_default();
        notice
    }

    /// Another connection of this player, and what it is told.
    pub(crate) async fn comes_back(self, gate: &Gate) -> (Self, serde_json::Value) {
        let Self { name, token, counted: received, .. } = self;
        let mut player = Self { name, ..Self::connect(gate).await };
        player.says_as(NOTICE, &format!(r#"{{"resume":"{token}","received":{received}}}"#)).await;
        let (id, text) = player.next().await.expect("a notice");
        assert_eq!(id, NOTICE, "{text}");
        let notice = player.admitted(&text);
        (player, notice)
    }

    /// Its connection breaks.
    pub(crate) async fn breaks(&mut self) {
        self.stream.shutdown().await.expect("it was there");
    }

    pub(crate) async fn next(&mut self) -> io::Result<(u16, String)> {
        within("a frame", async {
            let length = self.stream.read_u32().await?;
            let id = self.stream.read_u16().await?;
            let mut body = vec![0; usize::try_from(length).expect("a length") - 2];
            self.stream.read_exact(&mut body).await?;
            Ok((id, String::from_utf8(body).expect("text")))
        })
        .await
    }
}

//! A gate with one HTTP listener, one cluster and one route, and clients that speak by the letter.

use std::net::SocketAddr;

use realmgate::app;
use realmgate::config::{self, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::origin::{ending, values};
use crate::{until, until_shown, within};

/// A running gate.
pub(crate) struct Stage {
    gate: app::Gate,
}

/// What it is started with.
#[derive(Clone, Default)]
pub(crate) struct Setting {
    pub(crate) limits: String,
    pub(crate) cluster: String,
    pub(crate) route: String,
    pub(crate) tables: String,
    pub(crate) backends: String,
}

/// The setting with these backends.
pub(crate) fn before(backends: &[SocketAddr]) -> Setting {
    let backends: Vec<String> =
        backends.iter().map(|address| format!("{{ address = \"{address}\" }}")).collect();
    Setting { backends: backends.join(", "), ..Setting::default() }
}

impl Setting {
    /// A line of `[listener.open.limits]`.
    pub(crate) fn limit(mut self, line: &str) -> Self {
        self.limits += &format!("{line}\n");
        self
    }

    /// A line of `[cluster.shop]`.
    pub(crate) fn cluster(mut self, line: &str) -> Self {
        self.cluster += &format!("{line}\n");
        self
    }

    /// A line of `[http.shop]`.
    pub(crate) fn route(mut self, line: &str) -> Self {
        self.route += &format!("{line}\n");
        self
    }

    /// Any other table.
    pub(crate) fn table(mut self, text: &str) -> Self {
        self.tables += &format!("{text}\n");
        self
    }

    pub(crate) fn text(&self) -> String {
        let Self { limits, cluster, route, tables, backends } = self;
        let path = if route.contains("path =") { "" } else { "path = \"/*\"\n" };
        format!(
            "[gateway]\nid = 1\nworkers = 1\n[drain]\nlame_duck = \"0s\"\nspread = \"0s\"\ndeadline = \"1s\"\n\
             [listener.open]\nlisten = \"127.0.0.1:0\"\nprotocol = \"http\"\n\
             [listener.open.limits]\nconnections_per_ip = 0\nnew_per_ip = \"off\"\n{limits}\
             [cluster.shop]\nlink = \"http\"\n{cluster}backends = [{backends}]\n\
             [http.shop]\nlistener = \"open\"\ncluster = \"shop\"\n{path}{route}{tables}"
        )
    }

    pub(crate) fn plan(&self) -> config::Plan {
        match config::parse(vec![Source { path: "test.toml".into(), text: self.text() }]) {
            Ok(plan) => plan,
            Err(report) => panic!("{}", report.render(false)),
        }
    }

    pub(crate) async fn start(self) -> Stage {
        let gate = within("the gate to start", app::Gate::start(self.plan())).await;
        Stage { gate: gate.unwrap_or_else(|error| panic!("{error}")) }
    }
}

impl Stage {
    pub(crate) fn address(&self) -> SocketAddr {
        self.gate.address("open").expect("the listener of every test")
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Answered {
        self.client().await.ask(request).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answered {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: shop.test\r\n\r\n")).await
    }

    pub(crate) async fn reload(&mut self, setting: Setting) {
        let reloaded = within("a reload", self.gate.reload(setting.plan(), "test")).await;
        reloaded.unwrap_or_else(|report| panic!("{}", report.render(false)));
    }

    /// Reloads it with another text.
    pub(crate) async fn reload_text(&mut self, text: &str) {
        let source = Source { path: "test.toml".into(), text: text.to_owned() };
        let plan = config::parse(vec![source]).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let reloaded = within("a reload", self.gate.reload(plan, "test")).await;
        reloaded.unwrap_or_else(|report| panic!("{}", report.render(false)));
    }

    /// Waits until a line of the metrics page is this one.
    pub(crate) async fn shows(&self, line: &str) {
        until_shown(line, || self.gate.metrics_page()).await;
    }

    /// Requests that each backend has now.
    pub(crate) fn in_flight(&self) -> Vec<u32> {
        self.gate.world().sessions().map(|(_, _, sessions)| sessions).collect()
    }

    /// Waits until so many requests are at the backends.
    pub(crate) async fn has_in_flight(&self, counts: &[u32]) {
        until("the number of requests at the backends", || self.in_flight() == counts).await;
    }

    pub(crate) async fn drain(self) -> usize {
        within("the end of the drain", Box::pin(self.gate.drain())).await
    }
}

/// A connection of a client.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) read: Vec<u8>,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: String,
}

impl Answered {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }

    /// The status and the body.
    pub(crate) fn told(&self) -> (u16, &str) {
        (self.status, self.text())
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.expect("the gate listens");
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("bytes to be taken", self.stream.write_all(bytes.as_ref())).await.expect("a connection");
    }

    pub(crate) async fn ask(&mut self, request: &str) -> Answered {
        self.send(request).await;
        self.answer(request.starts_with("HEAD ")).await
    }

    /// The next answer; `to_head`: it has no body, whatever it says.
    pub(crate) async fn answer(&mut self, to_head: bool) -> Answered {
        within("an answer", self.try_answer(to_head)).await.expect("a whole answer")
    }

    /// The same; `None` when the connection ends before.
    pub(crate) async fn try_answer(&mut self, to_head: bool) -> Option<Answered> {
        let head = self.head().await?;
        let status: u16 = head.split(' ').nth(1)?.parse().expect("a status");
        let (mut body, mut trailers) = (Vec::new(), String::new());
        if to_head || matches!(status, 100..=199 | 204 | 304) {
        } else if let Some(length) = values(&head, "content-length").first() {
            let length = length.parse().expect("a number");
            body = self.until(|bytes| (bytes.len() >= length).then_some(length)).await?;
        } else if values(&head, "transfer-encoding") == ["chunked"] {
            (body, trailers) = self.chunks().await?;
        }
        Some(Answered { status, head, body, trailers })
    }

    /// The head of the next answer.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let head = self.until(|bytes| ending(bytes, b"\r\n\r\n")).await?;
        Some(String::from_utf8(head).expect("a head is text"))
    }

    async fn chunks(&mut self) -> Option<(Vec<u8>, String)> {
        let (mut body, mut trailers) = (Vec::new(), String::new());
        loop {
            let line = self.until(|bytes| ending(bytes, b"\r\n")).await?;
            let line = String::from_utf8(line).expect("text");
            let length = usize::from_str_radix(line.trim(), 16).expect("a length");
            if length == 0 {
                break;
            }
            let piece = self.until(|bytes| (bytes.len() >= length + 2).then_some(length + 2)).await?;
            body.extend_from_slice(&piece[..length]);
        }
        loop {
            let line = self.until(|bytes| ending(bytes, b"\r\n")).await?;
            if line == b"\r\n" {
                return Some((body, trailers));
            }
            trailers += std::str::from_utf8(&line).expect("text");
        }
    }

    async fn until(&mut self, whole: impl Fn(&[u8]) -> Option<usize>) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = whole(&self.read) {
                return Some(self.read.drain(..length).collect());
            }
            if self.stream.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// Exactly these bytes come next.
    pub(crate) async fn hears(&mut self, bytes: &[u8]) {
        let heard =
            within("bytes", self.until(|read| (read.len() >= bytes.len()).then_some(bytes.len()))).await;
        assert_eq!(heard.expect("the bytes"), bytes);
    }

    /// How the connection ends: in order, or with what error.
    pub(crate) async fn end(&mut self) -> std::io::Result<()> {
        within("the end of the connection", async {
            loop {
                if self.stream.read_buf(&mut self.read).await? == 0 {
                    return Ok(());
                }
            }
        })
        .await
    }
}

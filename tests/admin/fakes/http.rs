//! A client that sends what it is told, byte by byte.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::within;

/// What the API answers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A connection to the API.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self { stream: BufReader::new(TcpStream::connect(address).await.expect("it listens")) }
    }

    /// Whoever has been closed already cannot write; what it reads tells.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes).await);
    }

    /// The next answer; `None` when the connection is closed instead.
    pub(crate) async fn reply(&mut self) -> Option<Reply> {
        within("an answer", self.read()).await
    }

    async fn read(&mut self) -> Option<Reply> {
        let status = self.line().await?.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        while let Some((name, value)) = self.line().await?.split_once(": ") {
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().expect("a length"))];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(Reply { status, headers, body: String::from_utf8(body).expect("UTF-8") })
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
        Some(line.trim_end().to_owned())
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Status, error and hint, for errors always have both.
    pub(crate) fn error(&self) -> (u16, String, String) {
        let json = self.json();
        let text = |key: &str| {
            json.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no {key}: {self:?}")).to_owned()
        };
        (self.status, text("error"), text("hint"))
    }
}

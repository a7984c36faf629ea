//! A headless Chromium, driven by its DevTools protocol over a WebSocket. It reaches loopback addresses only and leaves
//! nothing behind.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::Message;
use tungstenite::{Error, WebSocket};

use super::fakes::within;

/// One page of a browser of its own.
pub(crate) struct Page {
    child: Child,
    profile: PathBuf,
    socket: WebSocket<Lent>,
    session: Value,
    calls: u64,
    /// Events that nobody has asked for yet.
    events: Vec<Value>,
    /// How much of the page's log was seen.
    seen: u64,
}

/// A socket that says `WouldBlock` where it would wait.
struct Lent(TcpStream);

impl Read for Lent {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

impl Write for Lent {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// As which program Chromium is installed.
fn program() -> &'static str {
    let runs = |name: &&&str| {
        let mut command = std::process::Command::new(name);
        let status = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    NAMES.iter().find(runs).unwrap_or_else(|| {
        panic!("no Chromium found as one of {NAMES:?}: install it (Debian: apt-get install chromium)")
    })
}

impl Page {
    /// An empty page.
    pub(crate) async fn open() -> Self {
        let profile = std::env::temp_dir().join(format!("realmgate-browser-{}", std::process::id()));
        let mut child = Command::new(program())
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-extensions", "--no-proxy-server"])
            .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Chromium starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let url = within("Chromium to listen", async {
            loop {
                let line = lines.next_line().await.expect("text").expect("Chromium lives");
                if let Some(url) = line.strip_prefix("DevTools listening on ") {
                    return url.to_owned();
                }
            }
        });
        let url = url.await;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let socket = dial(&url).await;
        let (session, events) = (Value::Null, Vec::new());
        let mut page = Self { child, profile, socket, session, calls: 0, events, seen: 0 };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        page.session = page.call("Target.attachToTarget", attach).await["sessionId"].clone();
        for domain in ["Page.enable", "Runtime.enable"] {
            page.call(domain, json!({})).await;
        }
        page
    }

    /// Goes to an address and waits until it is loaded.
    pub(crate) async fn visit(&mut self, url: &str) {
        let answer = self.call("Page.navigate", json!({ "url": url })).await;
        assert_eq!(answer.get("errorText"), None, "{url}: {answer}");
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.read().await;
            self.events.push(event);
        }
    }

    /// What an expression comes to in the page.
    pub(crate) async fn run(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", ask).await;
        assert_eq!(answer.get("exceptionDetails"), None, "{expression}");
        answer["result"]["value"].clone()
    }

    /// Waits until the page has told all of these, each behind what was seen before.
    pub(crate) async fn tells(&mut self, texts: &[&str]) {
        let expression = format!(
            "new Promise((done) => {{
               const wanted = {}, look = () => {{
                 const at = wanted.map((text) => game.log.findIndex((line, i) => i >= {} && line.includes(text)));
                 if (at.every((i) => i >= 0)) done(1 + Math.max(...at));
               }};
               new MutationObserver(look).observe(document.getElementById('log'), {{ childList: true }});
               look();
             }})",
            json!(texts),
            self.seen
        );
        let what = format!("the page to tell {texts:?}");
        self.seen = within(&what, self.run(&expression)).await.as_u64().expect("a place");
    }

    /// What went wrong in the page by itself.
    pub(crate) fn exceptions(&self) -> Vec<&Value> {
        self.events.iter().filter(|event| event["method"] == "Runtime.exceptionThrown").collect()
    }

    /// Ends the browser.
    pub(crate) async fn close(mut self) {
        self.session = Value::Null;
        self.call("Browser.close", json!({})).await;
        within("Chromium to end", self.child.wait()).await.expect("a child");
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": params });
        if self.session.is_string() {
            call["sessionId"] = self.session.clone();
        }
        self.socket.send(Message::text(call.to_string())).expect("a short message");
        loop {
            let mut message = self.read().await;
            if message["id"] == self.calls {
                assert_eq!(message.get("error"), None, "{method}");
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    async fn read(&mut self) -> Value {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).expect("JSON"),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    let readable = self.socket.get_ref().0.readable();
                    within("word from Chromium", readable).await.expect("a socket");
                }
                Err(error) => panic!("Chromium is gone: {error}"),
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.profile));
    }
}

async fn dial(url: &str) -> WebSocket<Lent> {
    let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).expect("an address");
    let stream = TcpStream::connect(address).await.expect("Chromium listens");
    stream.writable().await.expect("a socket");
    let mut attempt = tungstenite::client(url, Lent(stream));
    loop {
        match attempt {
            Ok((socket, _)) => return socket,
            Err(HandshakeError::Interrupted(half)) => {
                within("Chromium's answer", half.get_ref().get_ref().0.readable()).await.expect("a socket");
                attempt = half.handshake();
            }
            Err(HandshakeError::Failure(error)) => panic!("no DevTools: {error}"),
        }
    }
}

//! The API in front of a running gate. Orders come to the test instead of the gate's own control.

use std::net::SocketAddr;

use realmgate::admin::{self, Access, Bounds, Desk, Order, Refused, Reloaded, Why};
use realmgate::app;
use realmgate::base::Phase;
use realmgate::config::{self, Override, Source};
use tokio::sync::{mpsc, oneshot, watch};

use super::http::Connection;
use super::{Folder, Reply, configuration, within};

/// A gate, its API, and where its orders come out.
pub(crate) struct Office {
    pub(crate) address: SocketAddr,
    pub(crate) gate: app::Gate,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) overrides: std::sync::Arc<arc_swap::ArcSwap<config::Overrides>>,
    pub(crate) ending: watch::Sender<bool>,
    _folder: Folder,
}

/// What every token of these tests is.
pub(crate) const TOKEN: &str = "0123456789abcdef-admin";

/// What a partner of these tests signs with, in the file `secret`.
pub(crate) const SECRET: &str = "a-secret-of-thirty-two-bytes-or-more";

impl Office {
    pub(crate) async fn open() -> Self {
        Self::with("", Bounds::default()).await
    }

    pub(crate) async fn with_token() -> Self {
        Self::with("token_file = \"token\"", Bounds::default()).await
    }

    /// One with more lines of `[admin]` and other bounds.
    pub(crate) async fn with(lines: &str, bounds: Bounds) -> Self {
        let folder = Folder::new();
        folder.write("token", &format!("{TOKEN}\n"));
        folder.write("secret", &format!("{SECRET}\n"));
        let source = Source { path: folder.path("gate.toml"), text: configuration(lines) };
        let plan = config::parse(vec![source]).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let access = Access::read(plan.admin().expect("[admin]")).expect("a good token");
        let gate = within("the gate to start", app::Gate::start(plan)).await;
        let gate = gate.unwrap_or_else(|error| panic!("{error}"));
        let (orders_in, orders) = mpsc::channel(4);
        let (phase, phases) = watch::channel(Phase::Serving);
        let desk = Desk { phase: phases, ..gate.desk(orders_in) };
        let overrides = std::sync::Arc::clone(&desk.overrides);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a port");
        let (ending, ends) = watch::channel(false);
        drop(tokio::spawn(admin::serve_within(listener, desk, access, ends, bounds)));
        Self { address, gate, orders, phase, overrides, ending, _folder: folder }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// A request as it stands on the wire; `None` when the connection is closed instead of an answer.
    pub(crate) async fn raw(&self, request: &str) -> Option<Reply> {
        let mut connection = self.connect().await;
        connection.send(request.as_bytes()).await;
        connection.reply().await
    }

    /// A request with further lines in its head.
    pub(crate) async fn request(&self, line: &str, head: &[&str], body: &str) -> Reply {
        let head: String = head.iter().map(|line| format!("{line}\r\n")).collect();
        let host = if head.to_ascii_lowercase().contains("host:") {
            String::new()
        } else {
            format!("Host: {}\r\n", self.address)
        };
        let length = body.len();
        let text = format!("{line} HTTP/1.1\r\n{host}{head}Content-Length: {length}\r\n\r\n{body}");
        self.raw(&text).await.unwrap_or_else(|| panic!("closed after {line}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request(&format!("GET {path}"), &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        self.request(&format!("POST {path}"), &["Content-Type: application/json"], body).await
    }

    /// A change, the order that it becomes, and what is answered when that is carried out.
    pub(crate) async fn change(&mut self, path: &str, body: &str) -> (Override, Reply) {
        let line = format!("POST {path}");
        let orders = &mut self.orders;
        let asked = Connection::open(self.address);
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut connection = asked.await;
        connection.send(request.as_bytes()).await;
        let order = within("an order", orders.recv()).await.expect("an order");
        let Order::Change { change, who, answer } = order else { panic!("{order:?}") };
        assert!(who.starts_with("127.0.0.1:"), "{who}");
        drop(answer.send(Ok(reloaded())));
        (change, connection.reply().await.expect("an answer"))
    }

    /// A request whose order is refused.
    pub(crate) async fn refused(&mut self, why: Why) -> Reply {
        let mut connection = self.connect().await;
        let request = format!(
            "POST /v1/release HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{{\"active\":\"x\"}}",
            self.address
        );
        connection.send(request.as_bytes()).await;
        let Some(Order::Change { answer, .. }) = within("an order", self.orders.recv()).await else {
            panic!("another order")
        };
        refuse(answer, why);
        connection.reply().await.expect("an answer")
    }

    pub(crate) async fn close(self) {
        self.ending.send_replace(true);
        within("the gate to stop", self.gate.stop()).await;
    }
}

/// What the test's control answers.
pub(crate) fn reloaded() -> Reloaded {
    Reloaded { generation: 7, changes: vec!["a change".to_owned()], effects: vec!["3 sessions".to_owned()] }
}

pub(crate) fn refuse(answer: oneshot::Sender<Result<Reloaded, Refused>>, why: Why) {
    let refused = Refused { why, error: "it is \"so\"".to_owned(), hint: "do\nthat".to_owned() };
    drop(answer.send(Err(refused)));
}

//! A game server at the far end of shared links.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use realmgate::base::SessionId;
use realmgate::wire::link::{
    BackendState, DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, HelloAck, LINK, LoadReport, Message,
    append_frame_envelope,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::within;

/// What reached a backend on its links; probes are counted by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Hello {
        worker: u16,
        cluster: String,
    },
    Open {
        session: SessionId,
        address: SocketAddr,
        listener: String,
        transport: u8,
    },
    /// What the gate knew of the session's player when it came.
    Known {
        account: Option<String>,
        group: Option<String>,
    },
    Frame {
        session: SessionId,
        bytes: Vec<u8>,
    },
    Close {
        session: SessionId,
        reason: u16,
    },
    Undelivered {
        session: SessionId,
        reason: u16,
    },
    /// What OPEN or ATTRIBUTES say of a session.
    Attributes {
        session: SessionId,
        text: String,
    },
    Pause {
        session: SessionId,
    },
    Resume {
        session: SessionId,
    },
    Error {
        text: String,
    },
    GoAway,
    Ping,
    Pong {
        payload: Vec<u8>,
    },
    Lost,
}

/// What a backend does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Sends every frame back.
    Echo,
    /// Logs the player in whose account is the body of a frame, `NAME` or `NAME:EPOCH`, and sends the frame back.
    LogIn,
    /// Takes frames and says nothing.
    Silent,
    /// Refuses every session.
    Refuse,
    /// Reads nothing after HELLO_ACK.
    Stuck,
}

/// A listening backend; dropped, it is gone with all its links.
pub(crate) struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    manner: Mutex<Manner>,
    events: Mutex<Vec<Event>>,
    changed: Notify,
    /// By the number of the worker.
    links: Mutex<Vec<(u16, mpsc::Sender<Vec<u8>>)>>,
    tls: Option<TlsAcceptor>,
    /// Whether it reads on and answers nothing.
    silent: AtomicBool,
    greeting: Mutex<Greeting>,
    /// What every PONG reports.
    report: Mutex<LoadReport>,
    /// PINGs of probes.
    probes: AtomicUsize,
    /// How often the gateway was asked whether it is there.
    questions: AtomicUsize,
}

/// What it says to every gateway that greets.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    /// Envelopes before HELLO_ACK.
    pub(crate) before: Vec<u8>,
    pub(crate) ack: HelloAck<'static>,
}

/// The worker number of a probe's HELLO.
const PROBE: u16 = u16::MAX;

impl Backend {
    /// Sends every frame back.
    pub(crate) async fn echo() -> Self {
        Self::with(Manner::Echo).await
    }

    pub(crate) async fn with(manner: Manner) -> Self {
        Self::start("127.0.0.1:0".parse().expect("an address"), manner, None).await
    }

    pub(crate) async fn tls(acceptor: TlsAcceptor) -> Self {
        Self::start("127.0.0.1:0".parse().expect("an address"), Manner::Echo, Some(acceptor)).await
    }

    /// Listens at an address where a backend was before.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        Self::start(address, Manner::Echo, None).await
    }

    async fn start(address: SocketAddr, manner: Manner, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            events: Mutex::default(),
            changed: Notify::new(),
            links: Mutex::default(),
            tls,
            silent: AtomicBool::new(false),
            greeting: Mutex::new(Greeting { before: Vec::new(), ack: HelloAck::new(77) }),
            report: Mutex::default(),
            probes: AtomicUsize::new(0),
            questions: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener, Arc::clone(&shared)));
        Self { address, shared, tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does from now on.
    pub(crate) fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().expect("no panic") = manner;
    }

    /// All that reached it so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.shared.events.lock().expect("no panic").clone()
    }

    /// Begins a new list of what reaches it.
    pub(crate) fn forget(&self) {
        self.shared.events.lock().expect("no panic").clear();
    }

    /// The frames that reached it so far, whole.
    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        self.events()
            .into_iter()
            .filter_map(|event| if let Event::Frame { bytes, .. } = event { Some(bytes) } else { None })
            .collect()
    }

    /// Waits until something has reached it.
    pub(crate) async fn wait<T>(&self, what: &str, mut found: impl FnMut(&[Event]) -> Option<T>) -> T {
        within(what, async {
            loop {
                let changed = self.shared.changed.notified();
                if let Some(value) = found(&self.shared.events.lock().expect("no panic")) {
                    return value;
                }
                changed.await;
            }
        })
        .await
    }

    /// Waits until so many frames have reached it.
    pub(crate) async fn has_frames(&self, count: usize) {
        let frames =
            |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Frame { .. })).count();
        self.wait("frames", |events| (frames(events) >= count).then_some(())).await;
    }

    /// The session of the first OPEN.
    pub(crate) async fn session(&self) -> SessionId {
        self.wait("an OPEN", |events| {
            events
                .iter()
                .find_map(|event| if let Event::Open { session, .. } = event { Some(*session) } else { None })
        })
        .await
    }

    /// Its sockets stay open and it reads on; whether it answers anything from now on.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::SeqCst);
    }

    /// What it says of itself to every gateway that greets from now on.
    pub(crate) fn set_state(&self, state: BackendState) {
        self.greets(|greeting| greeting.ack.state = state);
    }

    /// Changes what it says to every gateway that greets from now on.
    pub(crate) fn greets(&self, change: impl FnOnce(&mut Greeting)) {
        change(&mut self.shared.greeting.lock().expect("no panic"));
    }

    /// What its answers to PINGs report from now on.
    pub(crate) fn reports(&self, report: LoadReport) {
        *self.shared.report.lock().expect("no panic") = report;
    }

    /// The longest envelope that it takes of every gateway that greets from now on.
    pub(crate) fn set_max_envelope(&self, bytes: u32) {
        self.greets(|greeting| greeting.ack.max_envelope = bytes);
    }

    /// Probes that it has answered.
    pub(crate) fn probes(&self) -> usize {
        self.shared.probes.load(Ordering::SeqCst)
    }

    /// Says something on every link.
    pub(crate) async fn say(&self, session: SessionId, message: Message<'_>) {
        if let Message::State { state, .. } = message {
            self.set_state(state);
        }
        let mut bytes = Vec::new();
        Envelope { session, message }.encode(DEFAULT_MAX_ENVELOPE, &mut bytes).expect("a valid envelope");
        self.say_raw(&bytes).await;
    }

    pub(crate) async fn say_raw(&self, bytes: &[u8]) {
        let links = self.shared.links.lock().expect("no panic").clone();
        for (_, link) in links {
            drop(link.send(bytes.to_vec()).await);
        }
    }

    /// Says something on the newest link of one worker.
    pub(crate) async fn say_on(&self, worker: u16, session: SessionId, message: Message<'_>) {
        let mut bytes = Vec::new();
        Envelope { session, message }.encode(DEFAULT_MAX_ENVELOPE, &mut bytes).expect("a valid envelope");
        let links = self.shared.links.lock().expect("no panic").clone();
        let link = links.iter().rev().find(|(known, _)| *known == worker).expect("a link of that worker");
        drop(link.1.send(bytes).await);
    }

    /// Waits until the gateway has carried out all that was said on its links before.
    pub(crate) async fn settled(&self) {
        let payload = self.shared.questions.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        self.say(LINK, Message::Ping { payload: &payload }).await;
        let links = self.shared.links.lock().expect("no panic").len();
        let pong = Event::Pong { payload: payload.to_vec() };
        let all =
            |events: &[Event]| (events.iter().filter(|event| **event == pong).count() == links).then_some(());
        self.wait("PONGs", all).await;
    }

    /// Ends as a killed process does; the address it had.
    pub(crate) async fn kill(mut self) -> SocketAddr {
        self.tasks.shutdown().await;
        self.address
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut links = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        links.spawn(async move {
            match shared.tls.clone() {
                None => link(stream, &shared).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        link(stream, &shared).await;
                    }
                }
            }
        });
    }
}

async fn link(stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) {
    let (mut read, mut write) = tokio::io::split(stream);
    let (say, mut said) = mpsc::channel::<Vec<u8>>(1024);
    let (mut decoder, mut is_probe) = (EnvelopeDecoder::new(), false);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        tokio::select! {
            length = read.read(&mut buffer) => {
                let Ok(length @ 1..) = length else { break };
                let mut out = Vec::new();
                let mut envelopes = decoder.envelopes(DEFAULT_MAX_ENVELOPE, &buffer[..length]);
                while let Some(envelope) = envelopes.next() {
                    let envelope = envelope.expect("an envelope").decode().expect("a valid envelope");
                    is_probe |= matches!(envelope.message, Message::Hello(hello) if hello.worker == PROBE);
                    match is_probe {
                        true => shared.take_probe(&envelope, &mut out),
                        false => shared.take(&envelope, &say, &mut out),
                    }
                }
                drop(envelopes);
                if shared.silent.load(Ordering::SeqCst) {
                    continue;
                }
                if write.write_all(&out).await.is_err() || write.flush().await.is_err() {
                    break;
                }
                if shared.manner() == Manner::Stuck {
                    std::future::pending::<()>().await;
                }
            }
            Some(bytes) = said.recv() => {
                if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
                    break;
                }
            }
        }
    }
    if !is_probe {
        shared.note(Event::Lost);
    }
}

impl Shared {
    fn manner(&self) -> Manner {
        *self.manner.lock().expect("no panic")
    }

    fn note(&self, event: Event) {
        self.events.lock().expect("no panic").push(event);
        self.changed.notify_waiters();
    }

    /// A probe greets, asks once and leaves.
    fn take_probe(&self, envelope: &Envelope<'_>, out: &mut Vec<u8>) {
        match envelope.message {
            Message::Hello(_) => self.greet(out),
            Message::Ping { payload } => {
                // What comes in between is nothing to a probe.
                let load = Message::Load(LoadReport { load: Some(1), ..LoadReport::default() });
                let pong = Message::Pong { payload, report: LoadReport::default() };
                for message in [load, pong] {
                    append(Envelope { session: LINK, message }, out);
                }
                self.probes.fetch_add(1, Ordering::SeqCst);
            }
            Message::GoAway { text } => assert_eq!(text, Some("probe")),
            ref other => panic!("a probe sent {other:?}"),
        }
    }

    fn greet(&self, out: &mut Vec<u8>) {
        let Greeting { before, ack } = self.greeting.lock().expect("no panic").clone();
        out.extend_from_slice(&before);
        append(Envelope { session: LINK, message: Message::HelloAck(ack) }, out);
    }

    fn take(&self, envelope: &Envelope<'_>, say: &mpsc::Sender<Vec<u8>>, out: &mut Vec<u8>) {
        let session = envelope.session;
        let mut answer = |session, message| append(Envelope { session, message }, out);
        match envelope.message {
            Message::Hello(hello) => {
                self.greet(out);
                self.links.lock().expect("no panic").push((hello.worker, say.clone()));
                self.note(Event::Hello { worker: hello.worker, cluster: hello.cluster.to_owned() });
            }
            Message::Ping { payload } => {
                let report = *self.report.lock().expect("no panic");
                answer(LINK, Message::Pong { payload, report });
                self.note(Event::Ping);
            }
            Message::Open(open) => {
                if self.manner() == Manner::Refuse {
                    answer(session, Message::Refuse { reason: 5, text: Some("full") });
                }
                self.note(Event::Open {
                    session,
                    address: open.client_address,
                    listener: open.listener.to_owned(),
                    transport: open.transport as u8,
                });
                self.note(Event::Known {
                    account: open.account.map(str::to_owned),
                    group: open.group.map(str::to_owned),
                });
                if let Some(attributes) = open.attributes {
                    self.note(Event::Attributes { session, text: attributes.to_owned() });
                }
            }
            Message::Frame { payload } => {
                if self.manner() == Manner::LogIn {
                    let text = std::str::from_utf8(&payload[6..]).expect("an account");
                    let (account, epoch) = text.split_once(':').unwrap_or((text, "0"));
                    let epoch = epoch.parse().expect("an epoch");
                    append(Envelope { session, message: Message::Bind { account, epoch } }, out);
                }
                if matches!(self.manner(), Manner::Echo | Manner::LogIn) {
                    append_frame_envelope(session, payload, out).expect("a frame");
                }
                self.note(Event::Frame { session, bytes: payload.to_vec() });
            }
            Message::Close { reason, .. } => self.note(Event::Close { session, reason }),
            Message::Undelivered { reason } => self.note(Event::Undelivered { session, reason }),
            Message::Error { text, .. } => {
                self.note(Event::Error { text: text.unwrap_or_default().to_owned() })
            }
            Message::Attributes { attributes } => {
                self.note(Event::Attributes { session, text: attributes.to_owned() });
            }
            Message::Pause => self.note(Event::Pause { session }),
            Message::Resume => self.note(Event::Resume { session }),
            Message::GoAway { .. } => self.note(Event::GoAway),
            Message::Pong { payload, .. } => self.note(Event::Pong { payload: payload.to_vec() }),
            ref other => panic!("the gateway sent {other:?}"),
        }
    }
}

fn append(envelope: Envelope<'_>, out: &mut Vec<u8>) {
    envelope.encode(DEFAULT_MAX_ENVELOPE, out).expect("a valid envelope");
}

//! The test in a gateway's place: what an example says on a link, envelope by envelope.

use std::path::Path;

use realmgate::base::{GatewayId, SessionId};
use realmgate::wire::link::{
    DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, Hello, HelloAck, LINK, Message, Open, Transport,
    append_frame_envelope,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fakes::{Example, frame, within};

/// The test in a gateway's place, at one link.
pub(crate) struct Link {
    stream: TcpStream,
    decoder: EnvelopeDecoder,
    pings: u64,
}

pub(crate) const SESSION: SessionId = SessionId::from_raw(0x0010_0002_0000_0003);

impl Link {
    pub(crate) async fn dial(example: &Example) -> Self {
        let stream = TcpStream::connect(&example.address).await.expect("it listens");
        let mut link = Self { stream, decoder: EnvelopeDecoder::new(), pings: 0 };
        let hello = Hello::new(GatewayId::new(1).expect("in range"), 0, "chat");
        link.say(LINK, Message::Hello(hello)).await;
        link
    }

    pub(crate) async fn say(&mut self, session: SessionId, message: Message<'_>) {
        let mut bytes = Vec::new();
        Envelope { session, message }.encode(DEFAULT_MAX_ENVELOPE, &mut bytes).expect("a good envelope");
        self.raw(&bytes).await;
    }

    pub(crate) async fn open(&mut self, account: Option<&str>, attributes: Option<&str>) {
        let client_address = "203.0.113.9:50000".parse().expect("an address");
        let (transport, listener) = (Transport::Tcp, "players");
        let open =
            Open { client_address, transport, listener, account, version: None, group: None, attributes };
        self.say(SESSION, Message::Open(open)).await;
    }

    pub(crate) async fn player(&mut self, id: u16, text: &str) {
        let mut bytes = Vec::new();
        append_frame_envelope(SESSION, &frame(id, text), &mut bytes).expect("short");
        self.raw(&bytes).await;
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        within("the example to take bytes", self.stream.write_all(bytes)).await.expect("it takes them");
    }

    /// What the example says until it answers a PING that is sent now, or until it closes: one line an envelope. Load
    /// reports come when their time has come, so they are left out.
    pub(crate) async fn hear(&mut self) -> Vec<String> {
        self.pings += 1;
        let payload = self.pings.to_be_bytes();
        let mut ping = Vec::new();
        let envelope = Envelope { session: LINK, message: Message::Ping { payload: &payload } };
        envelope.encode(DEFAULT_MAX_ENVELOPE, &mut ping).expect("a good envelope");
        // An example that has closed takes none.
        drop(self.stream.write_all(&ping).await);
        within("the answer to a PING", self.hear_until(&payload)).await
    }

    /// The example has closed: in order, or with a reset, because of the PING that it never read.
    pub(crate) async fn is_closed(&mut self) {
        let rest = within("the end of the link", self.stream.read(&mut [0])).await;
        assert!(!matches!(rest, Ok(1..)), "it says more");
    }

    async fn hear_until(&mut self, answer: &[u8]) -> Vec<String> {
        let (mut said, mut input) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = self.stream.read(&mut input).await {
            let mut envelopes =
                self.decoder.envelopes(DEFAULT_MAX_ENVELOPE, input.get(..length).unwrap_or_default());
            while let Some(raw) = envelopes.next() {
                let raw = raw.expect("an envelope");
                let envelope = raw.decode().expect("a good envelope");
                if let Message::Load(load) = envelope.message {
                    assert!(load.sessions.is_some() && load.capacity.is_some(), "{load:?}");
                    continue;
                }
                if matches!(envelope.message, Message::Pong { payload, .. } if payload == answer) {
                    return said;
                }
                said.push(told(envelope.session, envelope.message));
            }
        }
        said
    }
}

/// The bytes of a golden vector.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/link").join(name);
    let text = std::fs::read_to_string(path.with_extension("hex")).expect(name);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let digits: Vec<u32> = lines.flat_map(str::chars).filter_map(|c| c.to_digit(16)).collect();
    let (pairs, _) = digits.as_chunks::<2>();
    pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).expect("two digits")).collect()
}

/// An envelope in words that do not differ between two examples or two runs.
#[expect(clippy::wildcard_enum_match_arm, reason = "what else comes is a mistake")]
fn told(session: SessionId, message: Message<'_>) -> String {
    let whose = if session == LINK { "link" } else { "session" };
    let words = match message {
        Message::HelloAck(ack) => {
            assert!(ack.boot_id > 0 && ack.name.is_some_and(|name| name.starts_with("chat-")), "{ack:?}");
            format!("{:?}", HelloAck { boot_id: 0, name: None, ..ack })
        }
        Message::Bind { account, epoch } => {
            let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
            assert!((now - 3_600_000_000_000..=now).contains(&u128::from(epoch)), "{epoch} is no time");
            format!("BIND {account}")
        }
        Message::Error { reason, text } => {
            assert!(text.is_some_and(|text| !text.is_empty()), "it says what was wrong");
            format!("ERROR {reason:#x}")
        }
        Message::Kick(kick) => format!("KICK {:#x} {}", kick.reason, kick.text.unwrap_or_default()),
        Message::State { state, text } => format!("STATE {state:?} {}", text.unwrap_or_default()),
        Message::Join { room } => format!("JOIN {room}"),
        Message::Leave { room } => format!("LEAVE {room}"),
        Message::Attributes { attributes } => format!("ATTRIBUTES {attributes}"),
        Message::Frame { payload } => format!("FRAME {}", shown(payload)),
        Message::Broadcast { scope, payload } => format!("BROADCAST {scope:?} {}", shown(payload)),
        message => panic!("a chat server has no reason to say {message:?}"),
    };
    format!("{whose} {words}")
}

fn shown(frame: &[u8]) -> String {
    let [a, b, c, d, high, low, text @ ..] = frame else { panic!("no frame: {frame:?}") };
    let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).expect("a length");
    assert_eq!(length, text.len() + 2, "one whole frame");
    let text = str::from_utf8(text).expect("a text");
    format!("{} {text}", u16::from_be_bytes([*high, *low]))
}

//! The golden vectors of the shared link: each says in its first line what it is. What every backend library is
//! tested against, the gateway is tested against too.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use realmgate::base::{GatewayId, Reason, SessionId};
use realmgate::wire::link::{
    BackendState, Envelope, EnvelopeDecoder, EnvelopeError, Exception, Hello, HelloAck, Kick, Kind, LINK,
    LoadReport, Message, Open, Redirects, Scope, Sessions, Tlv, Transport, append_frame_envelope, measure,
};

const SESSION: SessionId = SessionId::from_raw(0x0010_0002_0000_0003);
const FRAME: &[u8] = b"\0\0\0\x07\x03\xE9hello";
const PING: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8];
const PAIR: &[SessionId] = &[SESSION, SessionId::from_raw(0x0010_0002_0000_0004)];
const REDIRECTS: &[&str] = &["gw2.example.com:7000", "[2001:db8::1]:7000"];
const LIMIT: u32 = 1 << 20;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/link")
}

fn vector(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(folder().join(name).with_extension("hex")).expect(name);
    assert!(text.starts_with("# "), "{name} says what it is");
    let digits: Vec<u32> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect(name))
        .collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty(), "{name} has whole bytes");
    pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).expect("two digits")).collect()
}

fn names() -> BTreeSet<String> {
    let files = fs::read_dir(folder()).expect("the vectors");
    files
        .map(|file| file.expect("a vector").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect()
}

fn link(message: Message<'_>) -> Envelope<'_> {
    Envelope { session: LINK, message }
}

fn session(message: Message<'_>) -> Envelope<'_> {
    Envelope { session: SESSION, message }
}

fn hellos() -> Vec<(&'static str, Envelope<'static>)> {
    let gateway = GatewayId::new(1).expect("in range");
    let hello = Hello { zone: Some("sh-a"), ..Hello::new(gateway, 3, "battle") };
    let ack = HelloAck {
        name: Some("battle-7"),
        capacity: Some(2000),
        max_envelope: 65536,
        ..HelloAck::new(0x1122_3344_5566_7788)
    };
    vec![
        ("hello", link(Message::Hello(hello))),
        ("hello_ack", link(Message::HelloAck(ack))),
        ("ping", link(Message::Ping { payload: PING })),
        ("ping_empty", link(Message::Ping { payload: &[] })),
    ]
}

fn reports() -> Vec<(&'static str, Envelope<'static>)> {
    let report = LoadReport { load: Some(7500), sessions: Some(1500), capacity: Some(2000) };
    let full = LoadReport { load: Some(10_000), sessions: Some(2000), ..report };
    let exception = Exception { first_id: 1000, last_id: 1999, for_ms: 30_000, text: Some("database") };
    let text = Some("update tonight");
    vec![
        ("pong", link(Message::Pong { payload: PING, report })),
        ("pong_plain", link(Message::Pong { payload: PING, report: LoadReport::default() })),
        ("load", link(Message::Load(full))),
        ("state", link(Message::State { state: BackendState::Draining, text })),
        ("exception", link(Message::Exception(exception))),
        ("goaway", link(Message::GoAway { text: Some("draining") })),
        ("error", session(Message::Error { reason: 0x8004, text: Some("the TLV epoch is missing") })),
        ("error_link", link(Message::Error { reason: 0x8004, text: None })),
    ]
}

fn sessions() -> Vec<(&'static str, Envelope<'static>)> {
    let open = Open {
        client_address: "203.0.113.9:50000".parse().expect("an address"),
        transport: Transport::Tcp,
        listener: "players",
        account: None,
        version: None,
        group: None,
        attributes: None,
    };
    let all = Open {
        client_address: "[2001:db8::9]:50000".parse().expect("an address"),
        transport: Transport::Wss,
        listener: "web",
        account: Some("account-42"),
        version: Some("1.4.0"),
        group: Some("b"),
        attributes: Some(r#"{"vip":true}"#),
    };
    vec![
        ("open_ipv4", session(Message::Open(open))),
        ("open_ipv6_all", session(Message::Open(all))),
        ("close", session(Message::Close { reason: 2, text: Some("90s") })),
        ("bind", session(Message::Bind { account: "account-42", epoch: 7 })),
        ("refuse", session(Message::Refuse { reason: 5, text: Some("2000 sessions") })),
        ("move", session(Message::Move { cluster: "battle", backend: "10.0.1.2:7100" })),
        ("pause", session(Message::Pause)),
        ("resume", session(Message::Resume)),
        ("attributes", session(Message::Attributes { attributes: r#"{"level":12}"# })),
    ]
}

fn kicks() -> Vec<(&'static str, Envelope<'static>)> {
    let kick = Kick { reason: 0x8002, text: Some("再见"), retry_after_ms: None, redirect: Redirects::NONE };
    let redirect = Redirects::new(REDIRECTS);
    let moved = Kick { reason: 6, text: None, retry_after_ms: Some(1500), redirect };
    vec![("kick", session(Message::Kick(kick))), ("kick_redirect", session(Message::Kick(moved)))]
}

fn frames() -> Vec<(&'static str, Envelope<'static>)> {
    let to = |scope| link(Message::Broadcast { scope, payload: FRAME });
    vec![
        ("frame", session(Message::Frame { payload: FRAME })),
        ("frame_empty", session(Message::Frame { payload: &[] })),
        ("multicast", link(Message::Multicast { sessions: Sessions::new(PAIR), payload: FRAME })),
        ("broadcast_all", to(Scope::All)),
        ("broadcast_room", to(Scope::Room("room-1"))),
        ("broadcast_group", to(Scope::Group("group-1"))),
        ("broadcast_zone", to(Scope::Zone("zone-1"))),
        ("undelivered", session(Message::Undelivered { reason: 7 })),
        ("join", session(Message::Join { room: "guild-9" })),
        ("leave", session(Message::Leave { room: "guild-9" })),
        ("room_close", link(Message::RoomClose { room: "guild-9" })),
    ]
}

fn exact() -> Vec<(&'static str, Envelope<'static>)> {
    [hellos(), reports(), sessions(), kicks(), frames()].concat()
}

/// What is read although this version would not write it so.
fn tolerated() -> Vec<(&'static str, Envelope<'static>)> {
    let close = session(Message::Close { reason: 2, text: None });
    vec![
        ("hello_ack_least", link(Message::HelloAck(HelloAck::new(1)))),
        ("odd_flags", session(Message::Frame { payload: FRAME })),
        ("odd_unknown_type", session(Message::Unknown { code: 99 })),
        ("odd_unknown_tlv", close),
        ("odd_repeated_tlv", close),
        ("odd_payload", close),
    ]
}

fn bad() -> Vec<(&'static str, EnvelopeError)> {
    vec![
        ("bad_too_long", EnvelopeError::TooLong { claimed: 1 << 31, max: LIMIT }),
        ("bad_too_short", EnvelopeError::TooShort { claimed: 11 }),
        ("bad_not_whole", EnvelopeError::NotWhole),
        ("bad_tlv_length", EnvelopeError::TlvsTooLong),
        ("bad_torn_tlv", EnvelopeError::TornTlv),
        ("bad_unknown_type", EnvelopeError::UnknownType(129)),
        ("bad_session_missing", EnvelopeError::WrongSession(Kind::Frame)),
        ("bad_session_on_link", EnvelopeError::WrongSession(Kind::Ping)),
        ("bad_missing_reason", EnvelopeError::Missing(Tlv::Reason)),
        ("bad_missing_epoch", EnvelopeError::Missing(Tlv::Epoch)),
        ("bad_missing_load", EnvelopeError::Missing(Tlv::Load)),
        ("bad_number_width", EnvelopeError::BadTlv(Tlv::Reason)),
        ("bad_utf8", EnvelopeError::BadTlv(Tlv::Account)),
        ("bad_account_long", EnvelopeError::BadTlv(Tlv::Account)),
        ("bad_room_empty", EnvelopeError::BadTlv(Tlv::Room)),
        ("bad_gateway_id", EnvelopeError::BadTlv(Tlv::GatewayId)),
        ("bad_state", EnvelopeError::BadTlv(Tlv::State)),
        ("bad_load", EnvelopeError::BadTlv(Tlv::Load)),
        ("bad_id_range", EnvelopeError::BadTlv(Tlv::LastId)),
        ("bad_client_address", EnvelopeError::BadTlv(Tlv::ClientAddress)),
        ("bad_redirect", EnvelopeError::BadTlv(Tlv::Redirect)),
        ("bad_attributes", EnvelopeError::BadTlv(Tlv::Attributes)),
        ("bad_sessions_list", EnvelopeError::BadTlv(Tlv::SessionsList)),
        ("bad_scope", EnvelopeError::BadTlv(Tlv::Zone)),
        ("bad_ping_long", EnvelopeError::PingTooLong),
    ]
}

#[test]
fn every_vector_reads_as_its_message_and_is_written_back_the_same() {
    for (name, expected) in exact() {
        let bytes = vector(name);
        assert_eq!(Envelope::decode(&bytes), Ok(expected), "{name}");
        let mut out = vec![0xEE];
        expected.encode(LIMIT, &mut out).expect(name);
        assert_eq!(out[1..], bytes, "{name}");
    }
}

#[test]
fn what_a_later_version_adds_is_passed_over() {
    for (name, expected) in tolerated() {
        assert_eq!(Envelope::decode(&vector(name)), Ok(expected), "{name}");
    }
    let unknown = session(Message::Unknown { code: 99 });
    assert_eq!(unknown.encode(LIMIT, &mut Vec::new()), Err(EnvelopeError::UnknownType(99)));
}

#[test]
fn every_bad_vector_fails_with_its_error() {
    for (name, expected) in bad() {
        let bytes = vector(name);
        let whole = measure(&bytes, LIMIT).and_then(|_| Envelope::decode(&bytes));
        assert_eq!(whole, Err(expected), "{name}");
        assert!(!expected.to_string().is_empty());
        assert_eq!(expected.reason(), Reason::Malformed);
    }
}

#[test]
fn every_type_has_a_vector_and_every_vector_a_test() {
    let kinds: BTreeSet<u8> = exact().iter().map(|(_, envelope)| envelope.message.code()).collect();
    assert_eq!(kinds, Kind::ALL.into_iter().map(Kind::code).collect());
    let told = exact().into_iter().chain(tolerated()).map(|(name, _)| name.to_owned());
    let told: BTreeSet<String> = told.chain(bad().into_iter().map(|(name, _)| name.to_owned())).collect();
    assert_eq!(names(), told);
}

#[test]
fn the_page_names_every_type_tlv_and_reason() {
    let page = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/link.md")).unwrap();
    for name in ["hello", "hello_ack_least", "ping", "open_ipv4", "frame"] {
        let bytes = vector(name);
        let hex = |range: std::ops::Range<usize>| {
            bytes[range].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let header = [hex(0..4), hex(4..5), hex(5..6), hex(6..8), hex(8..16)].join(" ");
        assert!(page.contains(&header), "the header of {name}: {header}");
    }
    for kind in Kind::ALL {
        let row = format!("| {} | {} |", kind.code(), kind.as_str().to_uppercase());
        assert!(page.contains(&row), "{row}");
    }
    for tlv in Tlv::ALL {
        let row = format!("| {} | `{}` |", tlv.code(), tlv.as_str());
        assert!(page.contains(&row), "{row}");
    }
    for reason in Reason::ALL {
        let code = reason.code();
        let number = if code < 0x8000 { code.to_string() } else { format!("0x{code:04x}") };
        let row = format!("| {number} | `{reason}` |");
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn a_stream_of_all_vectors_split_anywhere_gives_them_all() {
    let sent: Vec<Vec<u8>> = exact().iter().map(|(name, _)| vector(name)).collect();
    let stream = sent.concat();
    for at in 0..=stream.len() {
        let (mut decoder, mut got) = (EnvelopeDecoder::new(), Vec::new());
        for part in [&stream[..at], &stream[at..]] {
            let mut envelopes = decoder.envelopes(LIMIT, part);
            while let Some(raw) = envelopes.next() {
                let raw = raw.unwrap();
                assert!(raw.decode().is_ok());
                got.push(raw.bytes.to_vec());
            }
        }
        assert_eq!(got, sent, "split at {at}");
        assert_eq!(decoder.capacity(), 0, "split at {at}");
    }
}

#[test]
fn the_short_way_of_frames_is_the_long_way() {
    let mut out = Vec::new();
    append_frame_envelope(SESSION, FRAME, &mut out).unwrap();
    assert_eq!(out, vector("frame"));
    let mut decoder = EnvelopeDecoder::new();
    let mut envelopes = decoder.envelopes(LIMIT, &out);
    assert_eq!(envelopes.next().unwrap().unwrap().frame(), Some((SESSION, FRAME)));
    drop(envelopes);

    let refused = Err(EnvelopeError::WrongSession(Kind::Frame));
    assert_eq!(append_frame_envelope(LINK, FRAME, &mut out), refused);
    assert_eq!(out.len(), vector("frame").len());
    for name in ["close", "bad_session_missing"] {
        let bytes = vector(name);
        let mut envelopes = decoder.envelopes(LIMIT, &bytes);
        assert_eq!(envelopes.next().unwrap().unwrap().frame(), None, "{name}");
    }
}

#[test]
fn a_claim_is_refused_from_its_first_four_bytes() {
    for (claim, max, ok) in [(12, 12, true), (13, 12, false), (11, 12, false), (u32::MAX, LIMIT, false)] {
        let mut decoder = EnvelopeDecoder::new();
        let bytes = claim.to_be_bytes();
        assert!(decoder.envelopes(max, &bytes[..3]).next().is_none());
        let refused = decoder.envelopes(max, &bytes[3..]).next().is_some_and(|envelope| envelope.is_err());
        assert_eq!(refused, !ok, "{claim}");
        assert_eq!(decoder.buffered(), if ok { 4 } else { 0 });
        assert!(decoder.capacity() <= 8, "{claim}");
    }
    assert_eq!(measure(&[0, 0, 0], LIMIT), Ok(None));
    assert_eq!(measure(&[0, 0, 0, 12], LIMIT), Ok(Some(16)));
}

#[test]
fn nothing_is_written_that_the_other_side_refuses() {
    let mut out = vec![7];
    let mut refuse = |envelope: Envelope<'_>, error: EnvelopeError| {
        assert_eq!(envelope.encode(LIMIT, &mut out), Err(error));
        assert_eq!(out, [7]);
    };
    let (long, longer, list) = ("x".repeat(129), "x".repeat(70_000), vec![SESSION; 8001]);
    refuse(session(Message::Bind { account: &long, epoch: 1 }), EnvelopeError::BadTlv(Tlv::Account));
    refuse(session(Message::Bind { account: &longer, epoch: 1 }), EnvelopeError::BadTlv(Tlv::Account));
    refuse(session(Message::Join { room: "" }), EnvelopeError::BadTlv(Tlv::Room));
    refuse(link(Message::Pause), EnvelopeError::WrongSession(Kind::Pause));
    refuse(link(Message::Ping { payload: &[0; 65] }), EnvelopeError::PingTooLong);
    refuse(link(Message::Load(LoadReport::default())), EnvelopeError::Missing(Tlv::Load));
    let multicast = Message::Multicast { sessions: Sessions::new(&list), payload: FRAME };
    refuse(link(multicast), EnvelopeError::BadTlv(Tlv::SessionsList));
    let attributes = format!("{{{}}}", "x".repeat(4095));
    refuse(session(Message::Attributes { attributes: &attributes }), EnvelopeError::BadTlv(Tlv::Attributes));
    let redirect = Redirects::new(&["gw:1"; 17]);
    let kick = Kick { reason: 6, text: None, retry_after_ms: None, redirect };
    refuse(session(Message::Kick(kick)), EnvelopeError::BadTlv(Tlv::Redirect));
    let frame = session(Message::Frame { payload: FRAME });
    assert_eq!(frame.encode(22, &mut out), Err(EnvelopeError::TooLong { claimed: 23, max: 22 }));
    assert_eq!(frame.encode(23, &mut out), Ok(()));
}

#[test]
fn the_longest_lists_go_through() {
    let list = vec![SESSION; 8000];
    let multicast = link(Message::Multicast { sessions: Sessions::new(&list), payload: FRAME });
    let mut out = Vec::new();
    multicast.encode(LIMIT, &mut out).unwrap();
    assert_eq!(Envelope::decode(&out), Ok(multicast));
}

#[test]
fn texts_for_people_are_cut_between_characters() {
    let text = "é".repeat(512);
    let long = session(Message::Close { reason: 0x7FFF, text: Some(&text) });
    let mut out = Vec::new();
    long.encode(LIMIT, &mut out).unwrap();
    assert_eq!(Envelope::decode(&out), Ok(long));
    assert_eq!(long.message.reason(), None);

    out.clear();
    let (odd, cut) = (format!("a{text}"), format!("a{}", "é".repeat(511)));
    session(Message::Close { reason: 1, text: Some(&odd) }).encode(LIMIT, &mut out).unwrap();
    let read = Envelope::decode(&out).unwrap();
    assert_eq!(read.message, Message::Close { reason: 1, text: Some(&cut) });
    assert_eq!(read.message.reason(), Some(Reason::PlayerLeft));
}

#[test]
fn bytes_changed_at_random_never_panic() {
    for seed in 1..=300_u64 {
        let mut state = seed;
        for (name, _) in exact() {
            let mut bytes = vector(name);
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = usize::try_from(state % u64::try_from(bytes.len()).unwrap()).unwrap();
                bytes[at] = state.to_le_bytes()[7];
            }
            if let Ok(read) = Envelope::decode(&bytes) {
                let mut out = Vec::new();
                let unknown = matches!(read.message, Message::Unknown { .. });
                assert_eq!(read.encode(u32::MAX, &mut out).is_ok(), !unknown, "{name} seed {seed}");
            }
        }
    }
}

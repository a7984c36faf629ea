//! HTTP/2 through a whole gate, frame by frame. A file says `headers STREAM FLAGS` and `continuation STREAM FLAGS` with a
//! line `  name = value` for each field below, `data STREAM FLAGS TEXT`, `frame TYPE FLAGS STREAM HEX` (all in hex but the
//! stream) and `times N` before one of these. Flags: `end_stream`, `end_headers`, `-`. `preface TEXT` replaces the preface.
//! Then `pass STREAM METHOD TARGET BODY`, `refuse STREAM` (a reset, a status of 4xx, or the end of the connection), `end`
//! (the connection ends) or `flood TARGET` (it ends or not; others are served, and only TARGET may have been asked for).

use std::collections::HashMap;
use std::sync::Arc;

use crate::backend::echo;
use crate::case::{Seen, files, lines, read_seen, unescape};
use crate::client::Client;
use crate::passes;
use crate::stage::{Door, Stage};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const MARKER: u32 = 9001;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

#[derive(Default)]
struct Case {
    name: String,
    bytes: Vec<u8>,
    passed: Vec<(u32, Seen)>,
    refused: Vec<u32>,
    ends: bool,
    flood: Option<String>,
}

/// What came on the streams of a connection.
#[derive(Debug, Default)]
struct Heard {
    /// The first byte of each answer's fields: 0x88 is a status of 200.
    status: HashMap<u32, u8>,
    body: HashMap<u32, Vec<u8>>,
    ended: Vec<u32>,
    reset: Vec<u32>,
    gone: bool,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// One field, without tables and Huffman's code.
fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let number = |length: usize| match u8::try_from(length) {
        Ok(short @ ..127) => vec![short],
        _ => {
            let rest = length - 127;
            let low = u8::try_from(rest % 128).expect("seven bits");
            if rest < 128 {
                vec![127, low]
            } else {
                vec![127, low | 128, u8::try_from(rest / 128).expect("short")]
            }
        }
    };
    [&[0][..], &number(name.len()), name, &number(value.len()), value].concat()
}

fn flags(words: &str) -> u8 {
    words.split('+').fold(0, |flags, word| {
        flags
            | match word {
                "end_stream" => 1,
                "end_headers" => 4,
                "-" => 0,
                word => panic!("{word}?"),
            }
    })
}

fn read(name: &str, lines: &[String]) -> Case {
    let mut case = Case {
        name: name.to_owned(),
        bytes: [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat(),
        ..Case::default()
    };
    let (mut at, mut times) = (0, 1);
    while let Some(line) = lines.get(at) {
        at += 1;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.splitn(3, ' ');
        let mut next = || words.next().unwrap_or_default();
        let bytes = match word {
            "headers" | "continuation" => {
                let (stream, flags) = (next().parse().expect("a stream"), flags(next()));
                let mut block = Vec::new();
                while let Some((name, value)) =
                    lines.get(at).and_then(|line| line.strip_prefix("  ")?.split_once(" ="))
                {
                    block.extend(field(&unescape(name), &unescape(value.strip_prefix(' ').unwrap_or(value))));
                    at += 1;
                }
                frame(if word == "headers" { HEADERS } else { CONTINUATION }, flags, stream, &block)
            }
            "data" => {
                let (stream, flags) = (next().parse().expect("a stream"), flags(next()));
                frame(DATA, flags, stream, &unescape(next()))
            }
            "frame" => {
                let byte = |text: &str| u8::from_str_radix(text, 16).expect("hex");
                let (kind, flags) = (byte(next()), byte(next()));
                let (stream, payload) = next().split_once(' ').expect("a stream and a payload");
                let hex: Vec<u8> = payload.bytes().filter(u8::is_ascii_hexdigit).collect();
                let payload: Vec<u8> =
                    hex.chunks(2).map(|pair| byte(std::str::from_utf8(pair).expect("hex"))).collect();
                frame(kind, flags, stream.parse().expect("a stream"), &payload)
            }
            word => {
                match word {
                    "preface" => case.bytes = unescape(rest),
                    "times" => times = rest.parse().expect("a number"),
                    "pass" => {
                        let (stream, seen) = rest.split_once(' ').expect("a stream and a request");
                        case.passed.push((stream.parse().expect("a stream"), read_seen(seen)));
                    }
                    "refuse" => case.refused.push(rest.parse().expect("a stream")),
                    "end" => case.ends = true,
                    "flood" => case.flood = Some(rest.to_owned()),
                    word => panic!("{name}: {word}?"),
                }
                continue;
            }
        };
        case.bytes.extend(bytes.repeat(times));
        times = 1;
    }
    let expects = !case.passed.is_empty() || !case.refused.is_empty() || case.ends || case.flood.is_some();
    assert!(expects, "{name} expects nothing");
    case
}

fn get(stream: u32, target: &str) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "gate.test"), (":path", target)];
    let block: Vec<u8> =
        fields.iter().flat_map(|(name, value)| field(name.as_bytes(), value.as_bytes())).collect();
    frame(HEADERS, 5, stream, &block)
}

/// Takes one frame; `false`: none is whole.
async fn take(client: &mut Client, heard: &mut Heard) -> bool {
    let bytes = client.bytes();
    let Some([a, b, c, kind, flags, stream @ ..]) = bytes.first_chunk::<9>().copied() else { return false };
    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).expect("short");
    let Some(payload) = bytes.get(9..9 + length).map(<[u8]>::to_vec) else { return false };
    bytes.drain(..9 + length);
    let stream = u32::from_be_bytes(stream);
    match kind {
        DATA => heard.body.entry(stream).or_default().extend(payload),
        HEADERS => drop(heard.status.entry(stream).or_insert(payload.first().copied().unwrap_or_default())),
        RESET => heard.reset.push(stream),
        SETTINGS if flags & 1 == 0 => client.send(&frame(SETTINGS, 1, 0, &[])).await,
        GOAWAY => heard.gone = true,
        _ => {}
    }
    if flags & 1 == 1 && (kind == DATA || kind == HEADERS) {
        heard.ended.push(stream);
    }
    true
}

async fn hear(client: &mut Client, case: &Case) -> Heard {
    let mut heard = Heard::default();
    loop {
        while take(client, &mut heard).await {}
        let over = |stream: &u32| heard.ended.contains(stream) || heard.reset.contains(stream);
        let all = over(&MARKER)
            && case.passed.iter().all(|(stream, _)| over(stream))
            && case.refused.iter().all(over);
        if (all && !case.ends) || !client.read_more().await {
            return heard;
        }
    }
}

async fn check(door: Door, case: Arc<Case>) {
    let what = format!("{} {}", door.name, case.name);
    let marker = Seen::get(&format!("/marker/{}", case.name));
    let mut client = Client::connect(door.address).await;
    client.send(&[case.bytes.clone(), get(MARKER, &marker.target)].concat()).await;
    let heard = hear(&mut client, &case).await;
    let whole = |stream: &u32, seen: &Seen| {
        heard.status.get(stream) == Some(&0x88)
            && heard.body.get(stream).is_some_and(|body| body == echo(seen).as_bytes())
    };
    for (stream, seen) in &case.passed {
        assert!(whole(stream, seen), "{what}: stream {stream}: {heard:?}");
    }
    let lives = whole(&MARKER, &marker);
    for stream in &case.refused {
        assert!(heard.status.get(stream) != Some(&0x88), "{what}: stream {stream} was served");
        let told = heard.reset.contains(stream) || heard.status.contains_key(stream);
        assert!(told || !lives, "{what}: nothing was said of stream {stream}: {heard:?}");
    }
    assert!(!(case.ends && lives), "{what}: it goes on");
    let may_end = case.ends || !case.refused.is_empty() || case.flood.is_some();
    assert!(lives || may_end, "{what}: the marker has no answer: {heard:?}");
    let mut expected: Vec<Seen> = case.passed.iter().map(|(_, seen)| seen.clone()).collect();
    expected.extend(lives.then_some(marker));
    expected.push(door.is_sound(&case.name).await);
    let mut seen = door.backend.take();
    seen.retain(|seen| case.flood.as_ref() != Some(&seen.target));
    let order = |a: &Seen, b: &Seen| a.target.cmp(&b.target);
    expected.sort_by(order);
    seen.sort_by(order);
    assert_eq!(seen, expected, "{what}: what the backend saw; {heard:?}");
}

#[tokio::test]
async fn what_http_2_says_is_what_the_backend_reads() {
    let paths = files("frames");
    assert!(paths.len() >= 30, "only {} files", paths.len());
    let stage = Stage::start(&HashMap::new()).await;
    let mut failed = Vec::new();
    for path in paths {
        let case = Arc::new(read(&path.file_stem().expect("a name").to_string_lossy(), &lines(&path)));
        for door in stage.doors.clone() {
            let name = format!("{} {}", door.name, case.name);
            if !passes(check(door, Arc::clone(&case))).await {
                failed.push(name);
            }
        }
    }
    assert_eq!(failed, Vec::<String>::new());
    stage.stop().await;
}

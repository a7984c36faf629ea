//! What the cases under `tests/http/` do not say: limits, what is kept, and that no cut changes anything.

use super::*;

/// What a stream is made of: heads with their bytes, bodies, and why it ends.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    heads: Vec<(RequestHead, Vec<u8>)>,
    bodies: Vec<Vec<u8>>,
    fault: Option<RequestFault>,
}

fn read(pieces: &[&[u8]]) -> Seen {
    let (mut framer, mut seen) = (RequestFramer::new(), Seen::default());
    let (mut head, mut body, mut arrived) = (Vec::new(), Vec::new(), 0);
    for piece in pieces {
        arrived += piece.len();
        let mut rest = *piece;
        while !rest.is_empty() {
            let taken = match framer.read(rest) {
                Ok(taken) => taken,
                Err(fault) => {
                    assert_eq!(framer.read(b"GET / HTTP/1.1\r\n"), Err(fault), "it stays failed");
                    return Seen { fault: Some(fault), ..seen };
                }
            };
            assert!(taken.length > 0, "it goes on");
            assert!(framer.capacity() <= 2 * arrived.max(64), "memory for bytes that did not come");
            let (bytes, left) = rest.split_at(taken.length);
            rest = left;
            let in_body = seen.heads.len() > seen.bodies.len();
            match taken.part {
                Part::Framing if in_body => (),
                Part::Framing => head.extend_from_slice(bytes),
                Part::Head(said) => {
                    head.extend_from_slice(bytes);
                    seen.heads.push((said, std::mem::take(&mut head)));
                    if said.body == BodyLength::Empty {
                        seen.bodies.push(Vec::new());
                    }
                }
                Part::Data => body.extend_from_slice(bytes),
                Part::End => {
                    let of_length = matches!(seen.heads.last().unwrap().0.body, BodyLength::Bytes(_));
                    body.extend_from_slice(if of_length { bytes } else { &[] });
                    seen.bodies.push(std::mem::take(&mut body));
                }
            }
        }
    }
    seen
}

/// Reads a stream whole, in two at every place, and byte for byte.
fn everywhere(stream: &[u8]) -> Seen {
    let whole = read(&[stream]);
    for at in 0..=stream.len() {
        let (first, second) = stream.split_at(at);
        assert_eq!(read(&[first, second]), whole, "cut at {at}");
    }
    assert_eq!(read(&stream.chunks(1).collect::<Vec<_>>()), whole, "byte for byte");
    whole
}

const STREAM: &[u8] = b"POST /a HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 5\r\n\r\nhello\
    \r\nGET http://Gate.test/b?q HTTP/1.1\r\nhOST:\tgate.test \r\n\r\n\
    PUT /c HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: Chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n1 ;z\r\n\n\r\n00\r\nX-Sum: 1\r\n\r\n\
    GET /chat HTTP/1.1\r\nHost: gate.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n";

#[test]
fn a_stream_is_cut_where_its_requests_end() {
    let seen = everywhere(STREAM);
    let said: Vec<_> = seen.heads.iter().map(|(head, _)| (head.body, head.websocket)).collect();
    let expected = [
        (BodyLength::Bytes(5), false),
        (BodyLength::Empty, false),
        (BodyLength::Chunked, false),
        (BodyLength::Empty, true),
    ];
    assert_eq!(said, expected);
    assert_eq!(seen.bodies, [&b"hello"[..], b"", b"hello\n", b""]);
    assert!(seen.heads[1].1.starts_with(b"\r\nGET"), "an empty line in front belongs to the head");
    assert_eq!(seen.fault, None);
}

#[test]
fn what_is_wrong_is_said_wherever_the_bytes_are_cut() {
    let cases: [(&str, RequestFault); 14] = [
        ("GET  / HTTP/1.1\r\n", RequestFault::RequestLine),
        ("\r\n\r\nGET / HTTP/1.1\r\n", RequestFault::RequestLine),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", RequestFault::Version),
        ("GET /a#b HTTP/1.1\r\n", RequestFault::Target),
        ("GET / HTTP/1.1\n", RequestFault::LineEnd),
        ("GET / HTTP/1.1\r\nHost : a\r\n", RequestFault::FieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n", RequestFault::FieldValue),
        ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n", RequestFault::Folded),
        ("GET / HTTP/1.1\r\n\r\n", RequestFault::Host),
        ("GET / HTTP/1.1\r\nContent-Length: +1\r\n", RequestFault::Length),
        ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", RequestFault::Coding),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
            RequestFault::TwoLengths,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n",
            RequestFault::Trailer,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", RequestFault::Chunk),
    ];
    for (text, fault) in cases {
        assert_eq!(everywhere(text.as_bytes()).fault, Some(fault), "{text:?}");
    }
}

fn fault_of(stream: &str) -> Option<RequestFault> {
    read(&[stream.as_bytes()]).fault
}

#[test]
fn limits_are_kept_to_the_byte() {
    let target =
        |length: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(length - "GET / HTTP/1.1\r\n".len()));
    assert_eq!(fault_of(&target(LONGEST_LINE)), None);
    assert_eq!(fault_of(&target(LONGEST_LINE + 1)), Some(RequestFault::FirstLineTooLong));
    let field = |length: usize| format!("GET / HTTP/1.1\r\na: {}\r\n", "b".repeat(length - "a: \r\n".len()));
    assert_eq!(fault_of(&field(LONGEST_LINE)), None);
    assert_eq!(fault_of(&field(LONGEST_LINE + 1)), Some(RequestFault::LineTooLong));

    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(count - 1));
    assert_eq!(fault_of(&fields(MOST_FIELDS)), None);
    assert_eq!(fault_of(&fields(MOST_FIELDS + 1)), Some(RequestFault::TooManyFields));

    let front = "GET / HTTP/1.1\r\nHost: a\r\n";
    let line = format!("a: {}\r\n", "b".repeat(8000 - 5));
    let last = |length: usize| format!("{front}{}a: {}\r\n\r\n", line.repeat(4), "b".repeat(length));
    // The line that ends the head has to find room, too.
    let room = LONGEST_HEAD - front.len() - 4 * line.len() - "a: \r\n\r\n".len();
    assert_eq!(fault_of(&last(room)), None);
    assert_eq!(fault_of(&last(room + 1)), Some(RequestFault::HeadTooLong));
}

#[test]
fn trailers_have_the_limits_of_a_head() {
    let front = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    let trailers = |count: usize| format!("{front}{}\r\n", "a: b\r\n".repeat(count));
    assert_eq!(fault_of(&trailers(MOST_FIELDS)), None);
    assert_eq!(fault_of(&trailers(MOST_FIELDS + 1)), Some(RequestFault::TooManyFields));
    let long = format!("{front}{}", format!("a: {}\r\n", "b".repeat(8000)).repeat(5));
    assert_eq!(fault_of(&long), Some(RequestFault::HeadTooLong));
}

#[test]
fn a_line_that_never_ends_is_refused_before_it_fills_the_memory() {
    let mut framer = RequestFramer::new();
    let mut most = 0;
    let fault = (0..).find_map(|_| {
        most = most.max(framer.capacity());
        framer.read(&[b'a'; 100]).err()
    });
    assert_eq!(fault, Some(RequestFault::FirstLineTooLong));
    assert!(most <= 2 * LONGEST_LINE && framer.capacity() == 0);
}

#[test]
fn heads_that_lie_whole_in_the_input_are_not_copied() {
    let mut framer = RequestFramer::new();
    let mut rest = STREAM;
    while !rest.is_empty() {
        let taken = framer.read(rest).unwrap();
        rest = &rest[taken.length..];
        assert_eq!(framer.capacity(), 0);
    }
    assert!(framer.is_between());
    framer.read(b"G").unwrap();
    assert!(!framer.is_between(), "half a line is part of a request");
}

#[test]
fn the_largest_numbers_are_those_of_signed_readers() {
    let length =
        |text: &str| fault_of(&format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {text}\r\n\r\n"));
    assert_eq!(length("9223372036854775807"), None);
    assert_eq!(length("9223372036854775808"), Some(RequestFault::Length));
    assert_eq!(length("00000000000000000001"), Some(RequestFault::Length), "20 digits");
    let front = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(fault_of(&format!("{front}7fffffffffffffff\r\n")), None);
    assert_eq!(fault_of(&format!("{front}8000000000000000\r\n")), Some(RequestFault::Chunk));
    assert_eq!(fault_of(&format!("{front}00000000000000001\r\n")), Some(RequestFault::Chunk), "17 digits");
}

#[test]
fn hosts_are_names_and_addresses_with_or_without_a_port() {
    for good in
        ["a", "gate.test", "a-b_c~d.e", "gate.test:", "gate.test:65535", "10.0.0.1:80", "[::1]", "[::1]:0"]
    {
        assert!(is_host(good.as_bytes()), "{good}");
    }
    let long = "a".repeat(256);
    let bad = [
        "", ":80", "a b", "a,b", "a/b", "u@a", "a:b", "a:65536", "a:+1", "a:80:80", "a:000080", "[::1",
        "::1", "[::1]80", "[]", "[a]", "[::1]:x", "a\0", "a%2eb", "*", "é", &long,
    ];
    for bad in bad {
        assert!(!is_host(bad.as_bytes()), "{bad}");
    }
}

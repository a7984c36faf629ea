//! Headers of both versions, whole, torn at every byte, wrong in every way, and thousands of mutated ones.

use super::super::write::*;
use super::*;

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn pairs() -> [(SocketAddr, SocketAddr); 3] {
    [
        (at("203.0.113.9:50000"), at("10.0.0.1:7000")),
        (at("[2001:db8::9]:1"), at("[2001:db8::1]:65535")),
        (at("192.0.2.1:0"), at("192.0.2.2:1")),
    ]
}

/// The player and where it wanted to go.
type Said = Option<(SocketAddr, SocketAddr)>;

/// Headers that are right, with what they say.
fn good() -> Vec<(Vec<u8>, Said)> {
    let mut good = Vec::new();
    for (from, to) in pairs() {
        let (mut text, mut binary) = (Vec::new(), Vec::new());
        append_proxy_v1(from, to, &mut text);
        append_proxy_v2(from, to, &mut binary);
        good.extend([(text, Some((from, to))), (binary.clone(), Some((from, to)))]);
        good.push((with_more(&binary, &[3, 0, 4, 1, 2, 3, 4]), Some((from, to))));
    }
    let (mut text, mut binary) = (Vec::new(), Vec::new());
    append_proxy_v1_local(&mut text);
    append_proxy_v2_local(&mut binary);
    good.extend([(text, None), (with_more(&binary, b"more"), None), (binary, None)]);
    good.push((b"PROXY UNKNOWN ffff::1 whatever else\r\n".to_vec(), None));
    for family in NAMELESS {
        good.push((binary_head(VERSION_2_PROXY, family, &[7; 9]), None));
    }
    good
}

/// The header with something behind the addresses, as proxies add it.
fn with_more(header: &[u8], more: &[u8]) -> Vec<u8> {
    binary_head(header[12], header[13], &[&header[FIXED..], more].concat())
}

fn binary_head(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("short").to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, body].concat()
}

#[test]
fn every_header_is_read_to_its_end_and_no_further() {
    for (header, player) in good() {
        for behind in [&b""[..], b"\n", b"frames of the game"] {
            let read = read_proxy(&[&header[..], behind].concat());
            assert_eq!(read, Ok(Some(ProxyHeader { player, length: header.len() })), "{header:?}");
        }
    }
}

#[test]
fn a_torn_header_waits_at_every_byte() {
    for (header, _) in good() {
        for end in 0..header.len() {
            assert_eq!(read_proxy(&header[..end]), Ok(None), "{end} bytes of {header:?}");
        }
    }
}

#[test]
fn ipv4_in_ipv6_clothes_is_ipv4() {
    let line = b"PROXY TCP6 ::ffff:203.0.113.9 2001:db8::1 1 2\r\n";
    let mut body = "::ffff:203.0.113.9".parse::<Ipv6Addr>().expect("one").octets().to_vec();
    body.extend("2001:db8::1".parse::<Ipv6Addr>().expect("one").octets());
    body.extend([0, 1, 0, 2]);
    for header in [line.to_vec(), binary_head(VERSION_2_PROXY, STREAM_OVER_IPV6, &body)] {
        let read = read_proxy(&header).expect("right").expect("whole");
        assert_eq!(read.player, Some((at("203.0.113.9:1"), at("[2001:db8::1]:2"))));
    }
}

#[test]
fn what_is_no_header_is_told_at_the_first_byte_that_shows_it() {
    for text in [&b"GET / HTTP/1.1\r\n"[..], b"PROXX", b"\x16\x03\x01", b"\r\n\r\n\0\r\nQUIT\0", b"\0"] {
        assert_eq!(read_proxy(text), Err(ProxyFault::Missing), "{text:?}");
        assert_eq!(looks_like_proxy(text), Some(false));
    }
    for (text, undecided) in [(&b"PROXX"[..], 4), (b"\r\n\r\n\0\r\nQUIT\0", 11)] {
        assert_eq!(read_proxy(&text[..undecided]), Ok(None), "{text:?}");
    }
    assert_eq!((looks_like_proxy(b""), looks_like_proxy(b"PROX")), (None, None));
    assert_eq!((looks_like_proxy(b"PROXY "), looks_like_proxy(&SIGNATURE)), (Some(true), Some(true)));
}

#[test]
fn every_wrong_line_is_malformed() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4  1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4  2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 \u{661}\r\n",
    ] {
        assert_eq!(read_proxy(line.as_bytes()), Err(ProxyFault::Malformed), "{line:?}");
    }
    assert_eq!(read_proxy(b"PROXY TCP4 \xff\r\n"), Err(ProxyFault::Malformed));
}

#[test]
fn every_wrong_binary_header_is_malformed() {
    for command in (0..=u8::MAX).filter(|command| ![VERSION_2_LOCAL, VERSION_2_PROXY].contains(command)) {
        let header = binary_head(command, STREAM_OVER_IPV4, &[0; 12]);
        assert_eq!(read_proxy(&header), Err(ProxyFault::Malformed), "command {command:#x}");
    }
    let known = [&NAMELESS[..], &[STREAM_OVER_IPV4, STREAM_OVER_IPV6]].concat();
    for family in (0..=u8::MAX).filter(|family| !known.contains(family)) {
        let header = binary_head(VERSION_2_PROXY, family, &[0; 40]);
        assert_eq!(read_proxy(&header), Err(ProxyFault::Malformed), "family {family:#x}");
    }
    for (family, needed) in [(STREAM_OVER_IPV4, 12), (STREAM_OVER_IPV6, 36)] {
        for length in 0..needed {
            let header = binary_head(VERSION_2_PROXY, family, &vec![0; length]);
            assert_eq!(read_proxy(&header), Err(ProxyFault::Malformed), "{length} of {needed}");
        }
    }
}

#[test]
fn a_header_without_end_is_too_long_as_soon_as_that_is_known() {
    let mut line = b"PROXY UNKNOWN ".to_vec();
    line.resize(LONGEST_LINE - 1, b'x');
    assert_eq!(read_proxy(&line), Ok(None));
    line.push(b'x');
    assert_eq!(read_proxy(&line), Err(ProxyFault::TooLong));
    line.truncate(LONGEST_LINE - 2);
    line.extend(b"\r\n");
    assert_eq!(read_proxy(&line), Ok(Some(ProxyHeader { player: None, length: LONGEST_LINE })));

    let longest = binary_head(VERSION_2_PROXY, STREAM_OVER_IPV4, &[0; LONGEST - FIXED]);
    assert!(matches!(read_proxy(&longest), Ok(Some(header)) if header.length == LONGEST));
    let longer = binary_head(VERSION_2_PROXY, STREAM_OVER_IPV4, &[0; LONGEST - FIXED + 1]);
    assert_eq!(read_proxy(&longer[..FIXED]), Err(ProxyFault::TooLong), "before its body came");
}

/// Numbers that look drawn (SplitMix64): this room has no dice.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((number ^ (number >> 31)) % bound as u64).expect("below a usize")
    }

    /// Some bytes changed, some bits turned, or the end cut off.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(4) {
            let place = self.below(bytes.len());
            match self.below(3) {
                0 => bytes[place] = u8::try_from(self.below(256)).expect("a byte"),
                1 => bytes[place] ^= 1 << self.below(8),
                _ => bytes.truncate(place + 1),
            }
        }
    }
}

/// A reader that is asked again at every byte says the same as one that is asked once, whatever the bytes are.
#[test]
fn mutated_headers_are_judged_alike_however_they_come() {
    let good = good();
    let mut dice = Dice(0x5eed);
    for step in 0..20_000 {
        let (header, _) = &good[dice.below(good.len())];
        let mut bytes = [&header[..], b"game"].concat();
        dice.mutate(&mut bytes);
        let told = format!("step {step}, {bytes:?}");
        let at_once = read_proxy(&bytes);
        let one_by_one =
            (0..=bytes.len()).map(|end| read_proxy(&bytes[..end])).find(|read| *read != Ok(None));
        assert_eq!(one_by_one.unwrap_or(Ok(None)), at_once, "{told}");
        if let Ok(Some(header)) = at_once {
            assert!(header.length <= bytes.len(), "{told}");
        }
    }
}

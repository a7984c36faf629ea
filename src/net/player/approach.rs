//! The way to a backend that speaks WebSocket: an upgrade is asked for on a connection that stands, and its answer is
//! judged. Nothing is read beyond what the backend says behind its answer, and that is kept.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

use super::channel::Offer;
use crate::net::stream::{BackendStream, Dial};

/// What the backend is told of the player.
#[derive(Clone, Debug)]
pub(super) struct Approach {
    pub(super) path: String,
    /// The player's address.
    pub(super) address: IpAddr,
    /// What the player's own handshake said, where its session goes whole to this backend.
    pub(super) offer: Offer,
}

/// A connection that frames may be put on.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) stream: BackendStream,
    /// What the backend said behind its answer.
    pub(super) ahead: Vec<u8>,
}

/// The longest answer to an upgrade.
const LONGEST_ANSWER: usize = 8 * 1024;
const MOST_HEADERS: usize = 64;

/// Connects, and upgrades if an approach says so, all within the limit of `dial`.
pub(super) async fn connect(
    dial: Dial,
    preface: Vec<u8>,
    approach: Option<Approach>,
) -> io::Result<Connected> {
    let limit: Duration = dial.timeout;
    let host = dial.address.clone();
    let attempt = async {
        let stream = dial.open(preface).await?;
        match approach {
            None => Ok(Connected { stream, ahead: Vec::new() }),
            Some(approach) => upgrade(stream, &host, &approach).await,
        }
    };
    tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, "not connected within connect_timeout"))
    })
}

async fn upgrade(mut stream: BackendStream, host: &str, approach: &Approach) -> io::Result<Connected> {
    let key = generate_key();
    stream.write_all(request(host, approach, &key).as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it closed and did not answer the upgrade to WebSocket",
            ));
        }
        let accept = derive_accept_key(key.as_bytes());
        if let Some(length) = judge(&answer, &accept, approach.offer.subprotocol.as_deref())? {
            return Ok(Connected { stream, ahead: answer.split_off(length) });
        }
        if answer.len() > LONGEST_ANSWER {
            return Err(bad("its answer to the upgrade is longer than 8 KiB"));
        }
    }
}

fn request(host: &str, approach: &Approach, key: &str) -> String {
    let Approach { path, address, offer } = approach;
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nX-Forwarded-For: {address}\r\n"
    );
    for (name, value) in [("Origin", &offer.origin), ("Sec-WebSocket-Protocol", &offer.subprotocol)] {
        if let Some(value) = value {
            request.extend([name, ": ", value, "\r\n"]);
        }
    }
    request.push_str("\r\n");
    request
}

/// How long a good answer is; `None` while it is not whole.
fn judge(answer: &[u8], accept: &str, offered: Option<&str>) -> io::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(answer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(bad(format!("its answer to the upgrade is no HTTP: {error}"))),
    };
    if response.code != Some(101) {
        return Err(bad(format!(
            "it answered the upgrade to WebSocket with {}",
            response.code.unwrap_or_default()
        )));
    }
    let values = |name: &'static str| {
        let found = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        found.filter_map(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    };
    let is_upgrade = values("Upgrade").any(|value| value.eq_ignore_ascii_case("websocket"));
    let mut tokens = values("Connection").flat_map(|value| value.split(',')).map(str::trim);
    let chosen = values("Sec-WebSocket-Protocol").next();
    if response.version != Some(1)
        || !is_upgrade
        || !tokens.any(|token| token.eq_ignore_ascii_case("upgrade"))
    {
        Err(bad("its answer to the upgrade does not upgrade to WebSocket"))
    } else if values("Sec-WebSocket-Accept").next() != Some(accept) {
        Err(bad("its answer to the upgrade has a wrong Sec-WebSocket-Accept"))
    } else if values("Sec-WebSocket-Extensions").any(|value| !value.is_empty()) {
        Err(bad("its answer to the upgrade has an extension, and none was offered"))
    } else if chosen.is_some() && chosen != offered {
        Err(bad("its answer to the upgrade has a subprotocol that was not offered"))
    } else {
        Ok(Some(length))
    }
}

fn bad(words: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn answer(lines: &[&str]) -> Vec<u8> {
        let lines = lines.iter().map(|line| format!("{line}\r\n"));
        format!("{}\r\n", lines.collect::<String>()).into_bytes()
    }

    fn good() -> Vec<&'static str> {
        vec![
            "HTTP/1.1 101 Switching Protocols",
            "upgrade: WebSocket",
            "Connection: keep-alive, Upgrade",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        ]
    }

    #[test]
    fn a_request_says_who_comes_and_what_its_player_asked_for() {
        let offer = Offer::default();
        let mut approach =
            Approach { path: "/play?a=1".to_owned(), address: IpAddr::from([10, 0, 0, 9]), offer };
        let plain = "GET /play?a=1 HTTP/1.1\r\nHost: game:7100\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: KEY\r\nX-Forwarded-For: 10.0.0.9\r\n";
        assert_eq!(request("game:7100", &approach, "KEY"), format!("{plain}\r\n"));
        approach.offer.origin = Some("https://game.example".to_owned());
        approach.offer.subprotocol = Some("v2".to_owned());
        let more = "Origin: https://game.example\r\nSec-WebSocket-Protocol: v2\r\n\r\n";
        assert_eq!(request("game:7100", &approach, "KEY"), format!("{plain}{more}"));
    }

    #[test]
    fn a_good_answer_ends_where_the_first_frame_begins() {
        let mut bytes = answer(&good());
        let length = bytes.len();
        for end in 0..length {
            assert_eq!(judge(&bytes[..end], ACCEPT, None).expect("good so far"), None, "{end}");
        }
        bytes.extend([0x82, 0]);
        assert_eq!(judge(&bytes, ACCEPT, None).expect("good"), Some(length));
        let mut chosen = good();
        chosen.push("Sec-WebSocket-Protocol: v2");
        assert!(judge(&answer(&chosen), ACCEPT, Some("v2")).expect("good").is_some());
        assert!(judge(&answer(&good()), ACCEPT, Some("v2")).expect("it takes none").is_some());
    }

    #[test]
    fn every_other_answer_says_what_is_wrong() {
        let changed = |place: usize, line: &'static str| {
            let mut lines = good();
            lines[place] = line;
            answer(&lines)
        };
        let added = |line| [good(), vec![line]].concat();
        let cases = [
            (changed(0, "HTTP/1.1 403 Forbidden"), "with 403"),
            (changed(0, "HTTP/1.0 101 Switching"), "does not upgrade"),
            (changed(1, "Upgrade: h2c"), "does not upgrade"),
            (changed(2, "Connection: close"), "does not upgrade"),
            (changed(3, "Sec-WebSocket-Accept: AAAA"), "wrong Sec-WebSocket-Accept"),
            (changed(3, "X-None: 1"), "wrong Sec-WebSocket-Accept"),
            (answer(&added("Sec-WebSocket-Extensions: permessage-deflate")), "an extension"),
            (answer(&added("Sec-WebSocket-Protocol: v3")), "a subprotocol"),
            (b"\x15\x03\x03\0\x02\x02\x28".to_vec(), "no HTTP"),
        ];
        for (bytes, words) in cases {
            let error = judge(&bytes, ACCEPT, Some("v2")).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}

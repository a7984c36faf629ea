//! The opening handshake, from the server's side: RFC 6455, 4.2. What a client asks is read strictly, since nothing else
//! comes at the port; a refusal is a short HTTP answer that says what to do.

use httparse::{Header, Request, Status};
use tungstenite::handshake::derive_accept_key;

use super::deflate;

/// What a handshake must bring.
#[derive(Clone, Copy, Debug)]
pub struct UpgradeRules<'a> {
    /// The path it must name; a query behind it is not looked at.
    pub path: &'a str,
    /// The pages that may connect; empty: all. A client that names none is no browser, and may.
    pub origins: &'a [String],
    /// What may be spoken inside, the best first.
    pub subprotocols: &'a [String],
    /// Whether messages may be deflated, where the client offers that.
    pub deflate: bool,
}

/// A handshake that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The bytes of the request; what follows are frames.
    pub length: usize,
    /// What the server answers.
    pub answer: Vec<u8>,
    /// The page that connects.
    pub origin: Option<String>,
    /// Which subprotocol was agreed on: its place in the rules.
    pub subprotocol: Option<usize>,
    /// Whether messages may be deflated: both want it.
    pub deflate: bool,
}

/// Why a handshake is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeRefusal {
    /// It is no HTTP/1.1 request, or says a thing twice that may be said once.
    Malformed,
    /// Another method than GET.
    Method,
    /// Another version of HTTP.
    HttpVersion,
    /// No `Upgrade: websocket`.
    NoUpgrade,
    /// Another version of WebSocket than 13.
    Version,
    /// No key of 16 bytes.
    Key,
    /// Another path.
    Path,
    /// A page that may not connect.
    Origin,
    /// The head is too long.
    TooLong,
}

/// The longest head of a request.
const LONGEST_HEAD: usize = 8 * 1024;
const MOST_HEADERS: usize = 100;

/// Reads a request; `None` while its head is not whole.
///
/// # Errors
/// It is no handshake, or not one for here.
pub fn read_upgrade(bytes: &[u8], rules: &UpgradeRules<'_>) -> Result<Option<Upgrade>, UpgradeRefusal> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(Status::Complete(length)) if length <= LONGEST_HEAD => length,
        Ok(Status::Partial) if bytes.len() < LONGEST_HEAD => return Ok(None),
        Ok(Status::Complete(_) | Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(UpgradeRefusal::TooLong);
        }
        Err(_) => return Err(UpgradeRefusal::Malformed),
    };
    let target = request.path.unwrap_or_default();
    let head = Head { headers: request.headers };
    match (request.version, request.method) {
        (Some(1), Some("GET")) => {}
        (Some(1), _) => return Err(UpgradeRefusal::Method),
        _ => return Err(UpgradeRefusal::HttpVersion),
    }
    let key = head.check()?;
    if target.split('?').next() != Some(rules.path) {
        return Err(UpgradeRefusal::Path);
    }
    let origin = head.one("origin")?;
    let is_known = |origin: &str| rules.origins.iter().any(|known| known.eq_ignore_ascii_case(origin));
    if !rules.origins.is_empty() && !origin.is_none_or(is_known) {
        return Err(UpgradeRefusal::Origin);
    }
    let offered = |name: &&String| head.has_word("sec-websocket-protocol", |word| word == name.as_str());
    let subprotocol = rules.subprotocols.iter().position(|name| offered(&name));
    let agreed = subprotocol.and_then(|place| rules.subprotocols.get(place));
    let deflate = if rules.deflate { deflate::agree(head.texts("sec-websocket-extensions")) } else { None };
    let answer = switch(key, agreed.map(String::as_str), deflate);
    let (origin, deflate) = (origin.map(str::to_owned), deflate.is_some());
    Ok(Some(Upgrade { length, answer, origin, subprotocol, deflate }))
}

fn switch(key: &str, subprotocol: Option<&str>, extension: Option<&str>) -> Vec<u8> {
    let accept = derive_accept_key(key.as_bytes());
    let line =
        |name, value: Option<&str>| value.map(|value| format!("{name}: {value}\r\n")).unwrap_or_default();
    let subprotocol = line("Sec-WebSocket-Protocol", subprotocol);
    let extension = line("Sec-WebSocket-Extensions", extension);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{subprotocol}{extension}\r\n"
    )
    .into_bytes()
}

struct Head<'a> {
    headers: &'a [Header<'a>],
}

impl<'a> Head<'a> {
    /// What every handshake must have; the key.
    fn check(&self) -> Result<&'a str, UpgradeRefusal> {
        if self.one("host")?.is_none() || self.has_body()? {
            return Err(UpgradeRefusal::Malformed);
        }
        let upgrades = self.has_word("upgrade", |word| word.eq_ignore_ascii_case("websocket"))
            && self.has_word("connection", |word| word.eq_ignore_ascii_case("upgrade"));
        if !upgrades {
            return Err(UpgradeRefusal::NoUpgrade);
        }
        if self.one("sec-websocket-version")? != Some("13") {
            return Err(UpgradeRefusal::Version);
        }
        self.one("sec-websocket-key")?.filter(|key| is_key(key)).ok_or(UpgradeRefusal::Key)
    }

    /// Bytes of a body would be read as frames.
    fn has_body(&self) -> Result<bool, UpgradeRefusal> {
        let length = self.one("content-length")?;
        Ok(length.is_some_and(|length| length != "0") || self.one("transfer-encoding")?.is_some())
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a Header<'a>> + use<'a> {
        self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name))
    }

    /// A header that comes once at most.
    fn one(&self, name: &'static str) -> Result<Option<&'a str>, UpgradeRefusal> {
        let mut all = self.all(name);
        let Some(first) = all.next() else { return Ok(None) };
        let text = std::str::from_utf8(first.value).map_err(|_| UpgradeRefusal::Malformed)?;
        if all.next().is_some() { Err(UpgradeRefusal::Malformed) } else { Ok(Some(text.trim())) }
    }

    fn texts(&self, name: &'static str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.all(name).filter_map(|header| std::str::from_utf8(header.value).ok())
    }

    /// Whether a list, in one header or in several, has such a word.
    fn has_word(&self, name: &'static str, is_it: impl Fn(&str) -> bool) -> bool {
        self.texts(name).flat_map(|text| text.split(',')).any(|word| is_it(word.trim()))
    }
}

/// Base64 of 16 bytes: 22 digits and two signs of their end.
fn is_key(key: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.len() == 24 && key.strip_suffix("==").is_some_and(|digits| digits.bytes().all(is_digit))
}

impl UpgradeRefusal {
    /// Every reason, for tests.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Method,
        Self::HttpVersion,
        Self::NoUpgrade,
        Self::Version,
        Self::Key,
        Self::Path,
        Self::Origin,
        Self::TooLong,
    ];

    /// The whole answer of the server, behind which it closes.
    #[must_use]
    pub fn answer(self) -> Vec<u8> {
        let (status, more, words) = match self {
            Self::Malformed => ("400 Bad Request", "", "this is no request of HTTP/1.1"),
            Self::Method => ("405 Method Not Allowed", "Allow: GET\r\n", "a WebSocket begins with GET"),
            Self::HttpVersion => ("505 HTTP Version Not Supported", "", "a WebSocket begins with HTTP/1.1"),
            Self::NoUpgrade => {
                ("426 Upgrade Required", "Upgrade: websocket\r\n", "only WebSocket is spoken here")
            }
            Self::Version => (
                "426 Upgrade Required",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                "only version 13 of WebSocket is spoken here",
            ),
            Self::Key => ("400 Bad Request", "", "Sec-WebSocket-Key must be 16 bytes in base64"),
            Self::Path => ("404 Not Found", "", "nothing is served at this path"),
            Self::Origin => ("403 Forbidden", "", "pages of this origin may not connect"),
            Self::TooLong => ("431 Request Header Fields Too Large", "", "the head is longer than 8 KiB"),
        };
        let length = words.len() + 1;
        let connection = if more.starts_with("Upgrade") { "Upgrade, close" } else { "close" };
        format!(
            "HTTP/1.1 {status}\r\n{more}Connection: {connection}\r\nContent-Type: text/plain\r\n\
             Content-Length: {length}\r\n\r\n{words}\n"
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests;

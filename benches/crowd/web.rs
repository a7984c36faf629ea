//! The server that partners' requests reach: it answers every request the same, and counts whose they were.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Outcome;
use crate::page::Counts;
use crate::serving::{Over, Serving, Trade};

/// The running server; gone when dropped.
#[derive(Debug)]
pub(crate) struct Web {
    /// Where.
    pub(crate) address: SocketAddr,
    seen: Seen,
    _serving: Serving,
}

/// By names in small letters.
type Headers = BTreeMap<String, String>;
/// Requests by partner.
type Seen = Arc<Mutex<Counts>>;

/// Its answer to whatever it is asked.
pub(crate) const BODY: &str = "{\"paid\":true}";
/// Requests that name no partner.
pub(crate) const NOBODY: &str = "nobody";
/// Requests that cannot be read.
pub(crate) const GARBLED: &str = "garbled";

const PARTNER: &str = "x-realmgate-partner";
/// The longest head that is taken for one.
const LONGEST: usize = 16 * 1024;

impl Web {
    /// Starts it.
    pub(crate) fn start() -> Outcome<Self> {
        let seen = Seen::default();
        let serving = Serving::start(1, Shop { seen: Arc::clone(&seen), answer: answer() })?;
        let address = serving.addresses.first().copied().ok_or("no server")?;
        Ok(Self { address, seen, _serving: serving })
    }

    /// How many requests it has had, by partner.
    pub(crate) fn seen(&self) -> Counts {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn answer() -> Vec<u8> {
    let length = BODY.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
    format!("{head}{length}\r\n\r\n{BODY}").into_bytes()
}

struct Shop {
    seen: Seen,
    answer: Vec<u8>,
}

impl Trade for Shop {
    /// What has come of a request whose rest is under way.
    type Speech = Vec<u8>;

    fn greet(&mut self, _: usize, _: usize) -> Vec<u8> {
        Vec::new()
    }

    fn digest(
        &mut self,
        _: usize,
        speech: &mut Vec<u8>,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Over> {
        speech.extend_from_slice(input);
        loop {
            match Request::read(speech) {
                Ok(None) => return Ok(()),
                Ok(Some(request)) => {
                    let length = request.length;
                    count(&self.seen, &request.partner);
                    speech.drain(..length);
                    out.extend_from_slice(&self.answer);
                }
                Err(Over) => {
                    count(&self.seen, GARBLED);
                    return Err(Over);
                }
            }
        }
    }
}

fn count(seen: &Seen, whose: &str) {
    *seen.lock().unwrap_or_else(PoisonError::into_inner).entry(whose.to_owned()).or_default() += 1;
}

/// A whole request at the front of what has come.
struct Request {
    partner: String,
    length: usize,
}

impl Request {
    /// `None` while it is not whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Over> {
        let Some((head, headers)) = head(bytes)? else { return Ok(None) };
        let body = headers.get("content-length").map_or(Ok(0), |text| text.parse::<usize>());
        let length = head + body.map_err(|_| Over)?;
        if headers.contains_key("transfer-encoding") {
            return Err(Over); // no request of this bench has a body of unknown length
        }
        let partner = headers.get(PARTNER).map_or(NOBODY, String::as_str).to_owned();
        Ok((bytes.len() >= length).then_some(Self { partner, length }))
    }
}

/// The length of the head at the front, and its headers with names in small letters; `None` while it is not whole.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<(usize, Headers)>, Over> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > LONGEST { Err(Over) } else { Ok(None) };
    };
    let text = bytes.get(..end).map(String::from_utf8_lossy).unwrap_or_default();
    let mut headers = Headers::new();
    for line in text.lines().skip(1) {
        let (name, value) = line.split_once(':').ok_or(Over)?;
        headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
    }
    Ok(Some((end + 4, headers)))
}

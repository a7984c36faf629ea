//! A partner's own program: connections that it keeps, requests at their time whatever became of those before, and a
//! look at every answer.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Outcome;
use crate::pace::Pace;
use crate::web;

/// How a partner shows who it is.
#[derive(Debug)]
pub(super) enum Papers {
    /// Every request is signed.
    Signed { name: &'static str, key: Box<hmac::Key> },
    /// Every request has the key.
    Key(String),
}

/// A partner, and where it calls.
#[derive(Debug)]
pub(super) struct Partner {
    pub(super) papers: Papers,
    pub(super) target: SocketAddr,
    /// The connections that it keeps.
    pub(super) connections: usize,
    /// Calls so far, so that no nonce is there twice.
    pub(super) calls: u64,
}

/// What a partner saw in a time.
#[derive(Debug)]
pub(super) struct Report {
    /// Requests that left.
    pub(super) sent: u64,
    /// Answers by status.
    pub(super) answers: BTreeMap<u16, u64>,
    /// What was wrong with answers, word by word.
    pub(super) wrong: Vec<String>,
    /// From when a request was due to its answer of 200, 99 of 100, in microseconds.
    pub(super) p99: u64,
    /// The longest that a request left after its time.
    pub(super) latest: Duration,
}

/// One connection.
struct Line {
    stream: TcpStream,
    /// When the request under way was due.
    asked: Option<Instant>,
    input: Vec<u8>,
    is_over: bool,
}

/// Everything of one time.
struct Calls<'a> {
    partner: &'a mut Partner,
    poll: Poll,
    lines: Vec<Line>,
    waiting: VecDeque<Instant>,
    times: Histogram<u64>,
    report: Report,
}

const METHOD: &str = "POST";
const PATH: &str = "/pay/orders?currency=CNY";
const REQUEST: &str = "{\"order\":\"A-1029384756\",\"account\":\"player-17\",\"amount\":648}";
/// How long answers may take after the last request has left.
const DRAIN: Duration = Duration::from_secs(5);
const SLOWEST: u64 = 60_000_000;
const SCRATCH: usize = 16 * 1024;
/// Wrong answers that are told word by word.
const TOLD: usize = 8;

/// Calls so many times a second for so long.
pub(super) fn call(partner: &mut Partner, per_second: f64, length: Duration) -> Outcome<Report> {
    let report =
        Report { sent: 0, answers: BTreeMap::new(), wrong: Vec::new(), p99: 0, latest: Duration::ZERO };
    let mut calls = Calls {
        partner,
        poll: Poll::new().map_err(|error| format!("partner: {error}"))?,
        lines: Vec::new(),
        waiting: VecDeque::new(),
        times: Histogram::new_with_max(SLOWEST, 3).map_err(|error| error.to_string())?,
        report,
    };
    for place in 0..calls.partner.connections {
        let line = calls.connect(place)?;
        calls.lines.push(line);
    }
    calls.run(per_second, Instant::now() + length)?;
    calls.report.p99 = calls.times.value_at_quantile(0.99);
    Ok(calls.report)
}

impl Calls<'_> {
    fn connect(&self, place: usize) -> Outcome<Line> {
        let fail = |error: std::io::Error| format!("partner: {error}");
        let stream = std::net::TcpStream::connect(self.partner.target).map_err(fail)?;
        stream.set_nonblocking(true).map_err(fail)?;
        stream.set_nodelay(true).map_err(fail)?;
        let mut stream = TcpStream::from_std(stream);
        self.poll.registry().register(&mut stream, Token(place), Interest::READABLE).map_err(fail)?;
        Ok(Line { stream, asked: None, input: Vec::new(), is_over: false })
    }

    fn run(&mut self, per_second: f64, until: Instant) -> Outcome<()> {
        let mut pace = Pace::new(per_second, Instant::now());
        let mut events = Events::with_capacity(256);
        loop {
            let now = Instant::now();
            while now < until
                && let Some((_, due)) = pace.due(now)
            {
                self.waiting.push_back(due);
            }
            self.send(now)?;
            let is_busy = !self.waiting.is_empty() || self.lines.iter().any(|line| line.asked.is_some());
            if now >= until + DRAIN || (now >= until && !is_busy) {
                return Ok(());
            }
            let next = if now < until { pace.next().min(until) } else { until + DRAIN };
            if let Err(error) = self.poll.poll(&mut events, Some(next.saturating_duration_since(now)))
                && error.kind() != ErrorKind::Interrupted
            {
                return Err(format!("partner: {error}"));
            }
            for event in &events {
                self.hear(event.token().0)?;
            }
        }
    }

    /// Sends what is due, as far as connections are free.
    fn send(&mut self, now: Instant) -> Outcome<()> {
        for place in 0..self.lines.len() {
            if self.waiting.is_empty() {
                return Ok(());
            }
            if self.lines.get(place).is_some_and(|line| line.is_over && line.asked.is_none()) {
                let line = self.connect(place)?;
                if let Some(slot) = self.lines.get_mut(place) {
                    *slot = line;
                }
            }
            let Some(line) = self.lines.get_mut(place).filter(|line| line.asked.is_none()) else { continue };
            let Some(due) = self.waiting.pop_front() else { return Ok(()) };
            let request = self.partner.request();
            match line.stream.write(&request) {
                Ok(taken) if taken == request.len() => line.asked = Some(due),
                // Nobody reads there any more; what was due is asked again at another place.
                Ok(_) | Err(_) => {
                    line.is_over = true;
                    self.waiting.push_front(due);
                    continue;
                }
            }
            self.report.sent += 1;
            self.report.latest = self.report.latest.max(now.saturating_duration_since(due));
        }
        Ok(())
    }

    fn hear(&mut self, place: usize) -> Outcome<()> {
        let Some(line) = self.lines.get_mut(place) else { return Ok(()) };
        let mut scratch = [0; SCRATCH];
        loop {
            match line.stream.read(&mut scratch) {
                Ok(0) => line.is_over = true,
                Ok(length) => {
                    line.input.extend_from_slice(scratch.get(..length).unwrap_or_default());
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => line.is_over = true,
            }
            break;
        }
        let answer = Answer::read(&line.input);
        match answer {
            Ok(Some(answer)) => {
                line.is_over |= answer.is_last;
                line.input.clear();
                let asked = line.asked.take();
                self.count(&answer, asked);
            }
            Ok(None) if line.is_over && line.asked.take().is_some() => {
                self.blame("a request without an answer".to_owned());
            }
            Ok(None) => {}
            Err(what) => {
                (line.asked, line.is_over) = (None, true);
                self.blame(what);
            }
        }
        Ok(())
    }

    fn count(&mut self, answer: &Answer, asked: Option<Instant>) {
        *self.report.answers.entry(answer.status).or_default() += 1;
        match asked {
            None => self.blame(format!("{} that nobody asked for", answer.status)),
            Some(asked) if answer.status == 200 => {
                let took = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.times.saturating_record(took);
            }
            Some(_) => {}
        }
        if let Some(fault) = &answer.fault {
            self.blame(fault.clone());
        }
    }

    fn blame(&mut self, what: String) {
        if self.report.wrong.len() < TOLD {
            self.report.wrong.push(what);
        }
    }
}

/// A whole answer.
struct Answer {
    status: u16,
    /// Whether the connection ends with it.
    is_last: bool,
    fault: Option<String>,
}

impl Answer {
    /// `None` while it is not whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>, String> {
        let garbled = |_| format!("no answer of HTTP: {:?}", String::from_utf8_lossy(bytes));
        let Some((head, headers)) = web::head(bytes).map_err(garbled)? else { return Ok(None) };
        let first = String::from_utf8_lossy(bytes.get(..head.min(16)).unwrap_or_default()).into_owned();
        let status = first.split(' ').nth(1).and_then(|word| word.parse::<u16>().ok());
        let status = status.ok_or_else(|| format!("no status: {first:?}"))?;
        let length = headers.get("content-length").and_then(|text| text.parse::<usize>().ok());
        let length = length.ok_or_else(|| format!("{status} without a length"))?;
        let Some(body) = bytes.get(head..head + length) else { return Ok(None) };
        let missing = ["retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
            .into_iter()
            .find(|name| status == 429 && !headers.contains_key(*name));
        let fault = match missing {
            Some(name) => Some(format!("429 without {name}")),
            None if status == 200 && body != web::BODY.as_bytes() => Some("200 with another body".to_owned()),
            None if bytes.len() > head + length => Some("more than an answer".to_owned()),
            None => None,
        };
        let is_last = headers.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        Ok(Some(Self { status, is_last, fault }))
    }
}

impl Partner {
    /// The next request, with everything that proves whose it is.
    fn request(&mut self) -> Vec<u8> {
        self.calls += 1;
        let papers = match &self.papers {
            Papers::Key(key) => format!("X-Api-Key: {key}\r\n"),
            Papers::Signed { name, key } => signed(name, key, self.calls),
        };
        let (target, length) = (self.target, REQUEST.len());
        let head =
            format!("{METHOD} {PATH} HTTP/1.1\r\nHost: {target}\r\nContent-Type: application/json\r\n");
        format!("{head}Content-Length: {length}\r\n{papers}\r\n{REQUEST}").into_bytes()
    }
}

fn signed(name: &str, key: &hmac::Key, call: u64) -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let nonce = format!("{:016x}{call:016x}", std::process::id());
    let body = hex(digest::digest(&digest::SHA256, REQUEST.as_bytes()).as_ref());
    let signature = hmac::sign(key, format!("{METHOD}\n{PATH}\n{body}\n{time}\n{nonce}").as_bytes());
    let signature = hex(signature.as_ref());
    format!(
        "X-Realmgate-Key: {name}\r\nX-Realmgate-Timestamp: {time}\r\nX-Realmgate-Nonce: {nonce}\r\n\
         X-Realmgate-Signature: {signature}\r\n"
    )
}

/// In small letters.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

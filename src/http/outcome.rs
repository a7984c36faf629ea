//! What became of a request: counted when its answer begins, told when it is over.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::{Request, Version};

use super::answer::Answer;
use super::line::{Line, RequestId};
use crate::net::{WebLane, now};
use crate::telemetry::{self, CLIENT_GONE, HttpMeter, RequestRecord};

/// A request that has no answer yet; dropped without one, its client has gone.
#[derive(Debug)]
pub(in crate::http) struct Outcome {
    line: Rc<Line>,
    began: Instant,
    lane: Option<Arc<WebLane>>,
    partner: Option<Arc<str>>,
    /// Where requests without a route are counted.
    elsewhere: Arc<HttpMeter>,
    told: Option<Told>,
    is_counted: bool,
}

/// What the access log will say of it.
#[derive(Debug)]
struct Told {
    id: String,
    method: String,
    path: String,
    version: &'static str,
    lane: Option<Arc<WebLane>>,
    partner: Option<Arc<str>>,
}

/// An answer under way, or none where the client has gone; dropped, the request is over.
#[derive(Debug)]
struct Answering {
    line: Rc<Line>,
    began: Instant,
    told: Option<Told>,
    status: u16,
    sent: Rc<Cell<u64>>,
}

impl Outcome {
    /// Of a request that came now.
    pub(in crate::http) fn new<B>(
        line: &Rc<Line>,
        id: &RequestId,
        request: &Request<B>,
        elsewhere: Arc<HttpMeter>,
    ) -> Self {
        line.pulse.asks();
        if request.version() < Version::HTTP_11 {
            line.pulse.speaks_older();
        }
        let told = telemetry::requests_are_told().then(|| Told {
            id: id.to_string(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            version: version(request.version()),
            lane: None,
            partner: None,
        });
        let line = Rc::clone(line);
        Self { line, began: now(), lane: None, partner: None, elsewhere, told, is_counted: false }
    }

    /// This is its route.
    pub(in crate::http) fn note_lane(&mut self, lane: &Arc<WebLane>) {
        self.lane = Some(Arc::clone(lane));
    }

    /// This partner has proven to ask.
    pub(in crate::http) fn note_partner(&mut self, partner: Option<&Arc<str>>) {
        self.partner = partner.cloned();
    }

    /// Its answer begins.
    pub(in crate::http) fn answered(mut self, answer: &mut Answer) {
        let status = answer.status().as_u16();
        let content = answer.body_mut();
        content.felt_by(&self.line.pulse);
        content.hold(self.begin(status, content.sent()));
    }

    /// Counts it; it is over when what this gives is dropped.
    fn begin(&mut self, status: u16, sent: Rc<Cell<u64>>) -> Answering {
        self.count(status, now().saturating_duration_since(self.began));
        let (lane, partner) = (self.lane.take(), self.partner.take());
        let told = self.told.take().map(|told| Told { lane, partner, ..told });
        Answering { line: Rc::clone(&self.line), began: self.began, told, status, sent }
    }

    fn count(&mut self, status: u16, took: Duration) {
        self.is_counted = true;
        match &self.lane {
            None => self.elsewhere.of("").add(status),
            Some(lane) => {
                lane.statuses(self.partner.as_deref()).add(status);
                lane.meter().seconds.record(took);
            }
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if !self.is_counted {
            drop(self.begin(CLIENT_GONE, Rc::default()));
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let now = now();
        self.line.pulse.answers(now);
        let Some(told) = &self.told else { return };
        telemetry::request(&RequestRecord {
            request: &told.id,
            address: self.line.address,
            listener: self.line.door().listener().name(),
            http: told.lane.as_ref().map_or("", |lane| lane.name()),
            partner: told.partner.as_deref().unwrap_or_default(),
            method: &told.method,
            path: &told.path,
            version: told.version,
            status: self.status,
            bytes_out: self.sent.get(),
            duration: now.saturating_duration_since(self.began),
        });
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        _ => "",
    }
}

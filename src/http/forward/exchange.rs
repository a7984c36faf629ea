//! One request, tried until a backend has answered it or it cannot be tried again.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::{StatusCode, Version};
use tokio::time::{timeout, timeout_at};

use super::choose::{Turned, Wanted};
use super::download::Download;
use super::headers::{self, Origin};
use super::parcel::Parcel;
use super::pool::Wire;
use super::sending::Sending;
use super::ticket::Ticket;
use super::tunnel::Tunnel;
use super::watch::{Patience, Trouble, Watch};
use super::{refusal, sticky};
use crate::http::answer::Answer;
use crate::http::content::Content;
use crate::http::line::Caller;
use crate::http::screen::vet_answer;
use crate::http::thread::Thread;
use crate::http::visit::Visit;
use crate::net::{self, ClusterView, Dial};
use crate::telemetry::{HttpMeter, TryFailure};

/// A request on its way through the gateway.
#[derive(Debug)]
pub(super) struct Exchange {
    thread: Rc<Thread>,
    cluster: Arc<ClusterView>,
    caller: Caller,
    wanted: Wanted,
    meter: Arc<HttpMeter>,
    patience: Patience,
    since: Instant,
    /// Whether some of its time went by before any backend was asked.
    has_waited: bool,
    /// How often it may still be asked anew.
    retries: u8,
}

/// Why a try brought no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection; nothing of the request was sent.
    Unreachable(io::Error),
    /// The connection ended before an answer.
    Broken,
    /// What came is no answer.
    Garbled,
    /// There was no answer in time.
    Late,
    /// The client did not send what it announced.
    Upload(Trouble),
}

impl Failure {
    /// The reason of the metric.
    const fn reason(&self) -> TryFailure {
        match self {
            Self::Unreachable(_) => TryFailure::Unreachable,
            Self::Broken => TryFailure::Broken,
            Self::Garbled => TryFailure::Garbled,
            Self::Late => TryFailure::Late,
            Self::Upload(_) => TryFailure::Upload,
        }
    }
}

/// What a backend said, how, and the place there.
#[derive(Debug)]
struct Reply {
    response: Response<Incoming>,
    wire: Wire,
    /// How far the request is: an answer may come before its end.
    watch: Rc<Watch>,
    ticket: Ticket,
}

/// What came over a connection, before it is judged.
type Heard = (Response<Incoming>, Wire, Rc<Watch>);

/// How many backends a request looks for a connection at.
const DIALS: usize = 4;
/// A connection that waited and ends so soon behind the request was dead before: the request and its end met on the way.
const AT_ONCE: Duration = Duration::from_millis(50);
/// So long the body of a breaker's trial may take to be whole: nothing else of the route goes there meanwhile.
const TRIAL_BODY: Duration = Duration::from_secs(1);

impl Exchange {
    /// Makes one of a visit; an answer where no backend could ever have it.
    pub(super) fn new(thread: &Rc<Thread>, visit: Visit) -> Result<(Self, Parcel), Answer> {
        let Visit { lane, request, caller, since, has_waited, .. } = visit;
        let Some(cluster) = lane.cluster().cloned() else { return Err(refusal::nobody(&caller.id)) };
        let head = (request.headers(), request.uri());
        let wanted = Wanted::new(thread, &lane, &cluster, head, &caller);
        let id = caller.id.to_string();
        let origin = Origin {
            address: caller.line.address.ip(),
            tls: caller.line.is_tls(),
            local: caller.line.local,
            id: &id,
            partner: caller.partner.as_deref(),
        };
        let parcel = Parcel::new(request, &origin);
        let stall = caller.line.door().listener().limits().write_timeout();
        let patience = Patience { answer: lane.route().timeout(), stall };
        let retries = if parcel.is_repeatable() { lane.route().retries() } else { 0 };
        let (thread, meter) = (Rc::clone(thread), Arc::clone(lane.meter()));
        Ok((Self { thread, cluster, caller, wanted, meter, patience, since, has_waited, retries }, parcel))
    }

    /// Runs it to its answer.
    pub(super) async fn run(mut self, mut parcel: Parcel) -> Answer {
        self.thread.pool.asked(self.cluster.entry(), self.now());
        let mut ticket = match self.wanted.choose() {
            Ok(ticket) => ticket,
            Err(turned) => return self.turned(turned),
        };
        loop {
            self.wanted.had(ticket.place());
            let is_kept = self.wanted.keeps(&ticket);
            let next = match self.attempt(ticket, &mut parcel).await {
                Ok(reply) if reply.response.status() == StatusCode::SERVICE_UNAVAILABLE => {
                    match self.another(is_kept) {
                        Some(next) => next,
                        None => return self.answer(reply, parcel),
                    }
                }
                Ok(reply) => return self.answer(reply, parcel),
                Err(failure) => match self.after(&failure, is_kept) {
                    Some(next) => next,
                    None => return refusal::failed(&failure, &self.caller.id),
                },
            };
            ticket = next;
        }
    }

    fn now(&self) -> Duration {
        self.thread.since_start(net::now())
    }

    /// The backend that gets the request after this failure, if any does.
    fn after(&mut self, failure: &Failure, is_kept: bool) -> Option<Ticket> {
        self.meter.failed(failure.reason());
        match failure {
            Failure::Unreachable(_) if self.wanted.tries() < DIALS && !self.is_over() => {
                self.wanted.choose().ok()
            }
            Failure::Broken => self.another(is_kept),
            Failure::Unreachable(_) | Failure::Garbled | Failure::Late | Failure::Upload(_) => None,
        }
    }

    /// The backend that a request is asked anew at, where it may be. A client that keeps the one that had it would lose
    /// what it has there.
    fn another(&mut self, is_kept: bool) -> Option<Ticket> {
        if is_kept {
            return None;
        }
        self.retries = self.retries.checked_sub(1)?;
        if self.is_over() {
            return None;
        }
        let ticket = self.wanted.choose().ok()?;
        let may = self.thread.pool.may_retry(self.cluster.entry(), self.now());
        may.then_some(ticket).inspect(|_| self.meter.retried())
    }

    /// Whether the time for the answer is over.
    fn is_over(&self) -> bool {
        net::now().duration_since(self.since) >= self.patience.answer
    }

    /// Asks one backend: over a connection that waits, and where that turns out dead, over a new one.
    async fn attempt(&self, mut ticket: Ticket, parcel: &mut Parcel) -> Result<Reply, Failure> {
        if let Some(wire) = self.waiting_wire(&ticket, parcel).await {
            let began = net::now();
            match self.ask(wire, parcel, &mut ticket).await {
                Ok(heard) => return Ok(self.judged(heard, ticket)),
                // It ended while it waited, or in the moment in which it was used.
                Err(Failure::Broken) if parcel.is_unsent() => {}
                Err(Failure::Broken)
                    if parcel.is_repeatable() && net::now().duration_since(began) < AT_ONCE => {}
                Err(failure) => return Err(self.blamed(failure, &mut ticket)),
            }
        }
        let wire = match self.connect(&ticket, parcel).await {
            Ok(wire) => wire,
            Err(Failure::Unreachable(error)) => {
                ticket.unreachable(&error);
                return Err(Failure::Unreachable(error));
            }
            Err(failure) => return Err(self.blamed(failure, &mut ticket)),
        };
        ticket.backend().connected();
        match self.ask(wire, parcel, &mut ticket).await {
            Ok(heard) => Ok(self.judged(heard, ticket)),
            Err(failure) => Err(self.blamed(failure, &mut ticket)),
        }
    }

    /// A connection of the pool. For a request that cannot be sent twice the ends of connections are heard of first.
    async fn waiting_wire(&self, ticket: &Ticket, parcel: &Parcel) -> Option<Wire> {
        let backend = ticket.backend().key();
        if parcel.upgrade.is_some() || !self.thread.pool.has(backend) {
            return None;
        }
        if !parcel.is_repeatable() {
            tokio::task::yield_now().await;
        }
        self.thread.pool.take(backend, self.cluster.connector())
    }

    async fn connect(&self, ticket: &Ticket, parcel: &Parcel) -> Result<Wire, Failure> {
        let dial = Dial {
            address: ticket.backend().address().to_owned(),
            timeout: self.cluster.plan().connect_timeout(),
            tls: self.cluster.connector().cloned(),
        };
        let connecting = Wire::connect(dial, ticket.backend().key(), parcel.upgrade.is_some());
        let left = (self.since + self.patience.answer).saturating_duration_since(net::now());
        match timeout(left, connecting).await {
            Ok(connected) => connected.map_err(Failure::Unreachable),
            // The route's time, which may be short, says nothing of the backend to others.
            Err(_) => Err(Failure::Late),
        }
    }

    /// Sends the request and waits for the head of the answer.
    async fn ask(&self, mut wire: Wire, parcel: &mut Parcel, ticket: &mut Ticket) -> Result<Heard, Failure> {
        let (request, watch) = parcel.pack(&wire.preludes, self.since);
        let mut answer = std::pin::pin!(wire.send(request));
        let mut until_whole = (ticket.is_trial() && !watch.is_whole()).then(|| net::now() + TRIAL_BODY);
        loop {
            let deadline = watch.deadline(self.patience, self.since, net::now());
            let look = until_whole.map_or(deadline, |until| until.min(deadline));
            match timeout_at(look.into(), &mut answer).await {
                Ok(_) if wire.preludes.are_too_many() => return Err(Failure::Garbled),
                Ok(Ok(response)) => {
                    // Its connection goes with it: where the answer ends is anybody's guess.
                    vet_answer(response.status(), response.headers()).map_err(|_| Failure::Garbled)?;
                    if turns(&response) && parcel.upgrade.is_none() {
                        return Err(Failure::Garbled);
                    }
                    return Ok((response, wire, watch));
                }
                Ok(Err(error)) => return Err(read(error, &watch, parcel)),
                Err(_) if watch.is_late(self.patience, self.since, net::now()) => {
                    return Err(Failure::Late);
                }
                Err(_) => {
                    if until_whole.take_if(|until| *until <= net::now()).is_some() && !watch.is_whole() {
                        match watch.waits_for_client() {
                            true => ticket.give_trial_back(),
                            false => until_whole = Some(net::now() + TRIAL_BODY), // the backend keeps it waiting
                        }
                    }
                }
            }
        }
    }

    /// Tells the backend's breaker what became of the request, and counts a try that failed.
    fn judged(&self, heard: Heard, mut ticket: Ticket) -> Reply {
        let (response, wire, watch) = heard;
        match response.status() {
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                self.meter.failed(TryFailure::Status);
                ticket.failed();
            }
            _ => ticket.succeeded(),
        }
        Reply { response, wire, watch, ticket }
    }

    /// Counts a failure at the backend, where it is the backend's. A later one may have had next to none of the time, and so
    /// may one that has waited for another's answer.
    fn blamed(&self, failure: Failure, ticket: &mut Ticket) -> Failure {
        match failure {
            Failure::Upload(_) => {}
            Failure::Late if self.has_waited || self.wanted.tries() > 1 => {}
            Failure::Unreachable(_) | Failure::Broken | Failure::Garbled | Failure::Late => ticket.failed(),
        }
        failure
    }

    /// The backend's answer in the client's terms.
    fn answer(self, reply: Reply, parcel: Parcel) -> Answer {
        let Reply { mut response, wire, watch, ticket } = reply;
        let client = parcel.upgrade.filter(|_| turns(&response));
        let turned = client.map(|client| (client, hyper::upgrade::on(&mut response)));
        let cookie = self.cookie(&ticket);
        let (mut head, incoming) = response.into_parts();
        headers::to_client(&mut head.headers, head.status);
        head.version = Version::HTTP_11; // what is spoken with the client is not the backend's to say
        if let Some(cookie) = cookie {
            head.headers.append(hyper::header::SET_COOKIE, cookie);
        }
        let content = match turned {
            Some((client, backend)) => {
                let tunnel = Tunnel::new(ticket, wire, self.caller);
                tokio::task::spawn_local(tunnel.run(client, backend));
                Content::empty()
            }
            None => Content::stream(Download::new(incoming, wire, ticket, watch, self.patience.answer)),
        };
        Answer::from_parts(head, content)
    }

    /// What keeps the client at this backend, if it does not know yet.
    fn cookie(&self, ticket: &Ticket) -> Option<hyper::header::HeaderValue> {
        let name = self.cluster.plan().hash_on().given_cookie()?;
        let mark = sticky::mark(ticket.backend().address());
        self.wanted.moves_to(ticket).then(|| sticky::set_cookie(name, mark, self.caller.line.is_tls()))?
    }

    fn turned(&self, turned: Turned) -> Answer {
        self.meter.failed(if turned.is_full { TryFailure::Full } else { TryFailure::Unavailable });
        refusal::turned(turned, &self.caller.id)
    }
}

/// Whether what follows an answer is no HTTP.
fn turns<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
}

/// What is wrong with a request that was not answered. Of one that was not sent all is kept.
fn read(error: TrySendError<hyper::Request<Sending>>, watch: &Watch, parcel: &mut Parcel) -> Failure {
    let mut error = error;
    if let Some(request) = error.take_message() {
        parcel.unpack(request);
        return Failure::Broken;
    }
    match watch.trouble() {
        Some(trouble) => Failure::Upload(trouble),
        None if error.error().is_parse() => Failure::Garbled,
        None => Failure::Broken,
    }
}

//! From a request to its answer: is it one request in everybody's eyes, which route is its own, may it be asked, and who
//! answers.

use std::borrow::Cow;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONNECTION, HOST, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, StatusCode, Uri, Version};

use super::answer::{self, Answer};
use super::line::{Caller, Line, RequestId};
use super::outcome::Outcome;
use super::screen::{OVERLONG, vet_request};
use super::thread::Thread;
use super::upload::Upload;
use super::visit::Visit;
use super::{cache, convert, files, forward, gate, words};
use crate::config::HttpTarget;
use crate::net::{WebLane, World, now};
use crate::router::{WebMiss, host_name, is_like_a_host, plain_path, without_parameters, without_prefix};

/// Why a request is refused before anybody is asked.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    words: &'static str,
    /// The methods that would have been taken.
    allow: Option<String>,
}

/// The longest path and query.
const MOST_URI: usize = 8 * 1024;
/// What the answer calls the request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers one request; whatever happens is an answer.
pub(in crate::http) async fn answer(
    thread: Rc<Thread>,
    line: Rc<Line>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let id = RequestId::new(&mut *thread.dice.borrow_mut());
    let (version, to_head) = (request.version(), *request.method() == Method::HEAD);
    let mut outcome = Outcome::new(&line, &id, &request, thread.meters.http(""));
    let mut answer = decide(&thread, &line, id, request, &mut outcome).await;
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    let is_tunnel = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    if thread.is_leaving() && version != Version::HTTP_2 && !is_tunnel {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if to_head {
        answer::without_body(&mut answer);
    }
    outcome.answered(&mut answer);
    Ok(answer)
}

async fn decide(
    thread: &Rc<Thread>,
    line: &Rc<Line>,
    id: RequestId,
    mut request: Request<Incoming>,
    outcome: &mut Outcome,
) -> Answer {
    let world = thread.world.load_full();
    let lane = match find(&world, line, &mut request) {
        Ok(lane) => lane,
        Err(refused) => return refused.answer(&id),
    };
    outcome.note_lane(&lane);
    let most = lane.route().max_body();
    if request.body().size_hint().lower() > most {
        return answer::error(StatusCode::PAYLOAD_TOO_LARGE, words::BODY_TOO_LONG, &id);
    }
    let stall = line.door().listener().limits().write_timeout();
    let version = request.version();
    let request = request.map(|body| Upload::stream(body, version, most, stall));
    let mut caller = Caller { line: Rc::clone(line), id, partner: None };
    if lane.route().partners().is_empty() {
        return target(thread, world, lane, request, caller).await;
    }
    let admitted = gate::admit(thread, &world, &lane, request, &mut caller).await;
    outcome.note_partner(caller.partner.as_ref());
    match admitted {
        Err(refused) => refused,
        Ok((request, pass)) => {
            let mut answer = target(thread, world, lane, request, caller).await;
            pass.mark(answer.headers_mut());
            answer.body_mut().hold(pass);
            answer
        }
    }
}

async fn target(
    thread: &Rc<Thread>,
    world: Arc<World>,
    lane: Arc<WebLane>,
    mut request: Request<Upload>,
    caller: Caller,
) -> Answer {
    *request.uri_mut() = inside(request.uri(), lane.route().strip());
    let visit = Visit { world, lane, request, caller, since: now(), has_waited: false };
    let route = visit.lane.route();
    match (route.target(), route.cache()) {
        (HttpTarget::Cluster(_), None) => forward::forward(thread, visit).await,
        (HttpTarget::Cluster(_), Some(_)) => cache::cached(thread, visit).await,
        (HttpTarget::Convert(_), _) => convert::convert(thread, visit).await,
        (HttpTarget::File(_), _) => files::file(&visit),
    }
}

/// The route of a request that everybody would read alike. Its `Host` says what it is for from then on.
fn find(world: &World, line: &Line, request: &mut Request<Incoming>) -> Result<Arc<WebLane>, Refused> {
    let length = request.uri().path_and_query().map_or(0, |whole| whole.as_str().len());
    if length > MOST_URI || request.headers().contains_key(OVERLONG) {
        return Err(Refused::with(StatusCode::URI_TOO_LONG, "the path and the query are too long"));
    }
    vet_request(request).map_err(|fault| match fault.is_of_size() {
        true => Refused::with(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, fault.words()),
        false => Refused::bad(fault.words()),
    })?;
    let host = host(request)?.map(Cow::into_owned);
    let path = plain_path(request.uri().path()).map_err(|fault| Refused::bad(fault.as_str()))?;
    let listener = line.door().listener().name();
    let lane_of = |path: &[u8]| world.web_lane(listener, host.as_deref(), path, request.method().as_str());
    let lane = lane_of(&path).map_err(|miss| match miss {
        WebMiss::Nowhere => Refused::with(StatusCode::NOT_FOUND, words::NOTHING_HERE),
        WebMiss::Method(allow) => Refused {
            allow: Some(allow),
            ..Refused::with(StatusCode::METHOD_NOT_ALLOWED, "this path takes other methods")
        },
    })?;
    let is_it = |path: Vec<u8>| lane_of(&path).is_ok_and(|other| Arc::ptr_eq(other, lane));
    if !without_parameters(&path).is_none_or(is_it) {
        return Err(Refused::bad("the path leads elsewhere without what follows its semicolons"));
    }
    if is_like_a_host(&left_of(request.uri().path(), lane.route().strip())) {
        return Err(Refused::bad("what is left of the path begins with two slashes"));
    }
    let lane = Arc::clone(lane);
    name_host(request);
    Ok(lane)
}

/// The host that a request names: in its target, in its headers, or in both, but then the same one.
fn host<B>(request: &Request<B>) -> Result<Option<Cow<'_, str>>, Refused> {
    let mut named = request.headers().get_all(HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return Err(Refused::bad("there is more than one Host"));
    }
    let header =
        header.map(|value| value.to_str().map_err(|_| Refused::bad("Host is no name"))).transpose()?;
    let authority = request.uri().authority().map(|authority| authority.as_str());
    if request.version() == Version::HTTP_11 && header.is_none() {
        return Err(Refused::bad("there is no Host"));
    }
    let name = |text| host_name(text).ok_or(Refused::bad("Host is no name"));
    match (authority, header.filter(|header| !header.is_empty())) {
        (Some(authority), Some(header)) if !authority.eq_ignore_ascii_case(header) => {
            Err(Refused::bad("the target and Host name two hosts"))
        }
        (Some(one), _) | (None, Some(one)) => name(one).map(Some),
        (None, None) => Ok(None),
    }
}

/// HTTP/2 and absolute targets name the host elsewhere.
fn name_host<B>(request: &mut Request<B>) {
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(authority)) = authority {
        request.headers_mut().insert(HOST, authority);
    }
}

/// The target as what answers it sees it: no host, and no prefix that is to be taken off.
fn inside(uri: &Uri, strip: Option<&str>) -> Uri {
    let path = left_of(uri.path(), strip);
    let whole = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    };
    let whole = PathAndQuery::try_from(whole).expect("a part of a good target, from a slash on");
    Uri::from(whole)
}

fn left_of<'p>(path: &'p str, strip: Option<&str>) -> Cow<'p, str> {
    strip.map_or(Cow::Borrowed(path), |prefix| without_prefix(path, prefix))
}

impl Refused {
    fn with(status: StatusCode, words: &'static str) -> Self {
        Self { status, words, allow: None }
    }

    fn bad(words: &'static str) -> Self {
        Self::with(StatusCode::BAD_REQUEST, words)
    }

    fn answer(self, id: &RequestId) -> Answer {
        let mut answer = answer::error(self.status, self.words, id);
        let allow = self.allow.and_then(|allow| HeaderValue::from_str(&allow).ok());
        answer.headers_mut().extend(allow.map(|allow| (ALLOW, allow)));
        answer
    }
}

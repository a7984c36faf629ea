//! Requests that become frames of a cluster with shared links, and the frames that answer them. The body goes as it came.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use hyper::body::{Body, Bytes};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value};

use super::answer::{self, Answer};
use super::content::Content;
use super::line::Caller;
use super::thread::Thread;
use super::upload::Upload;
use super::visit::Visit;
use super::words;
use crate::net::{Errand, ErrandSender, ErrandWay, Mishap, now};
use crate::partners::Room;

/// Why a body becomes no frame.
type Unfit = (StatusCode, &'static str);

/// The bodies that come at once, on all threads: an address has half of what others leave.
const ROOM: Room = Room { places: 4096, bytes: 64 << 20 };
const TOO_LONG: Unfit = (StatusCode::PAYLOAD_TOO_LARGE, words::BODY_TOO_LONG);
const TOO_MUCH: Unfit = (StatusCode::SERVICE_UNAVAILABLE, words::TOO_MUCH);

/// Sends a request as a frame and answers with the reply's body.
pub(in crate::http) async fn convert(thread: &Rc<Thread>, visit: Visit) -> Answer {
    let Visit { lane, request, caller, .. } = visit;
    let Some(way) = lane.errands() else {
        return answer::error(StatusCode::NOT_FOUND, words::NOTHING_HERE, &caller.id);
    };
    let body = request.into_body().no_longer_than(way.longest());
    let frame = match frame(thread, way, caller.line.address.ip(), body).await {
        Ok(frame) => frame,
        Err((status, told)) => return answer::error(status, told, &caller.id),
    };
    let sender = ErrandSender {
        address: caller.line.address,
        door: Arc::clone(caller.line.door()),
        attributes: attributes(lane.name(), &caller),
    };
    let until = now() + lane.route().timeout();
    let errand = Errand { way: Arc::clone(way), frame, sender, until };
    match thread.commons.run_errand(errand).await {
        Ok(reply) => give(way.body_of(&reply)),
        Err(mishap) => fail(mishap, &caller),
    }
}

/// The whole frame for a body of JSON.
async fn frame(thread: &Thread, way: &ErrandWay, from: IpAddr, body: Upload) -> Result<Vec<u8>, Unfit> {
    let most = body.most();
    if body.size_hint().lower() > most {
        return Err(TOO_LONG);
    }
    let begin = || thread.gate.conversions().begin(from, ROOM, most.min(ROOM.bytes)).ok_or(TOO_MUCH);
    let _reading = if body.is_here() { None } else { Some(begin()?) };
    let body = body.read().await.map_err(|error| error.told())?;
    if serde_json::from_slice::<Value>(&body).is_err() {
        return Err((StatusCode::BAD_REQUEST, "the body is no JSON"));
    }
    way.frame(&body).ok_or(TOO_LONG)
}

/// What the backend is told of who asks.
fn attributes(route: &str, caller: &Caller) -> String {
    let mut said = Map::new();
    said.insert("http".to_owned(), route.into());
    said.insert("request".to_owned(), caller.id.to_string().into());
    said.extend(caller.partner.as_deref().map(|partner| ("partner".to_owned(), partner.into())));
    Value::Object(said).to_string()
}

fn give(body: &[u8]) -> Answer {
    let mut answer = Response::new(Content::whole(Bytes::copy_from_slice(body)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn fail(mishap: Mishap, caller: &Caller) -> Answer {
    let (status, told) = match mishap {
        Mishap::Nobody(_) => (StatusCode::SERVICE_UNAVAILABLE, words::NOBODY_SERVES),
        Mishap::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, words::TOO_MUCH),
        Mishap::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "the gateway stops"),
        Mishap::Lost => {
            (StatusCode::BAD_GATEWAY, "whoever had the request is gone; it may have been carried out")
        }
        Mishap::Declined => (StatusCode::BAD_GATEWAY, "the request was not answered"),
        Mishap::Late => {
            (StatusCode::GATEWAY_TIMEOUT, "there is no answer in time; it may have been carried out")
        }
    };
    match mishap {
        Mishap::Nobody(wait) => answer::unavailable(told, wait, &caller.id),
        Mishap::Overloaded | Mishap::Stopping | Mishap::Lost | Mishap::Declined | Mishap::Late => {
            answer::error(status, told, &caller.id)
        }
    }
}

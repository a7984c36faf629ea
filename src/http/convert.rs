//! Requests that become frames of a cluster with shared links, and the frames that answer them. The body goes as it came.

use std::rc::Rc;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Bytes;
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

/// Why a body becomes no frame.
type Unfit = (StatusCode, &'static str);

const TOO_LONG: Unfit = (StatusCode::PAYLOAD_TOO_LARGE, words::BODY_TOO_LONG);

/// Sends a request as a frame and answers with the reply's body.
pub(in crate::http) async fn convert(thread: &Rc<Thread>, visit: Visit) -> Answer {
    let Visit { lane, request, caller, .. } = visit;
    let Some(way) = lane.errands() else {
        return answer::error(StatusCode::NOT_FOUND, words::NOTHING_HERE, &caller.id);
    };
    let frame = match frame(way, request.into_body()).await {
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
async fn frame(way: &ErrandWay, body: Upload) -> Result<Vec<u8>, Unfit> {
    let body = whole(body, way.longest()).await?;
    if serde_json::from_slice::<Value>(&body).is_err() {
        return Err((StatusCode::BAD_REQUEST, "the body is no JSON"));
    }
    way.frame(&body).ok_or(TOO_LONG)
}

/// Reads a body as far as it could still be a frame.
async fn whole(mut body: Upload, longest: usize) -> Result<Vec<u8>, Unfit> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.frame().await {
        let piece = piece.map_err(|error| error.told())?;
        let piece = piece.into_data().unwrap_or_default();
        if bytes.len() + piece.len() > longest {
            return Err(TOO_LONG);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
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

//! A request to be forwarded: what is sent of it at each try, and whether it may be sent again.

use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hyper::body::Body;
use hyper::header::{CONTENT_LENGTH, EXPECT, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, StatusCode, Version};
use tokio::sync::oneshot;

use super::headers::{self, Origin};
use super::sending::{Gate, Sending};
use super::socket::Preludes;
use super::watch::Watch;
use crate::http::upload::Upload;
use crate::net;

/// Hears what comes before the answer: it is counted, and the word that a body may come is passed on.
fn listen(request: &mut Request<()>, preludes: &Preludes, say: Option<oneshot::Sender<()>>) {
    preludes.begin();
    let (preludes, say) = (preludes.clone(), Mutex::new(say));
    hyper::ext::on_informational(request, move |answer| {
        preludes.add();
        let mut say = say.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.status() == StatusCode::CONTINUE
            && let Some(say) = say.take()
        {
            say.send(()).ok();
        }
    });
}

/// A request in the backend's terms.
#[derive(Debug)]
pub(super) struct Parcel {
    head: Parts,
    /// The body, until some of it has gone; `None` too where there is none.
    upload: Option<Upload>,
    has_body: bool,
    /// Whether nothing of it has gone: it was not packed yet, or was given back.
    is_unsent: bool,
    /// The client's side, where it asked for a WebSocket.
    pub(super) upgrade: Option<OnUpgrade>,
    /// Whether the client asked whether its body may come.
    expects: bool,
}

impl Parcel {
    /// Makes one of what came.
    pub(super) fn new(mut request: Request<Upload>, origin: &Origin<'_>) -> Self {
        let is_websocket = *request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && headers::wants_websocket(request.headers());
        let upgrade = is_websocket.then(|| hyper::upgrade::on(&mut request));
        let (mut head, upload) = request.into_parts();
        headers::to_backend(&mut head.headers, origin, is_websocket);
        head.version = Version::HTTP_11;
        head.extensions.clear();
        let has_body = !upload.is_end_stream();
        let expects = has_body && head.headers.get(EXPECT).is_some();
        if !has_body {
            head.headers.remove(EXPECT);
        } else if !head.headers.contains_key(CONTENT_LENGTH) {
            // hyper would leave the body of a GET out otherwise, and say nothing.
            head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Self { head, upload: has_body.then_some(upload), has_body, is_unsent: true, upgrade, expects }
    }

    /// Whether it does no more sent twice than once, and can be sent twice: its body cannot.
    pub(super) fn is_repeatable(&self) -> bool {
        !self.has_body && self.head.method.is_idempotent()
    }

    /// Whether nothing of it has gone.
    pub(super) fn is_unsent(&self) -> bool {
        self.is_unsent
    }

    /// What is sent now, and how far that is: what has no body was whole at `since`, whoever has had it before. What the
    /// backend says before its answer is counted.
    pub(super) fn pack(&mut self, preludes: &Preludes, since: Instant) -> (Request<Sending>, Rc<Watch>) {
        let began = if self.has_body { net::now() } else { since };
        let watch = Rc::new(Watch::new(!self.has_body, began));
        self.is_unsent = false;
        let (say, word) = self.expects.then(oneshot::channel).unzip();
        let gate = word.map(Gate::new);
        let mut request = Request::new(());
        listen(&mut request, preludes, say);
        let body = match self.upload.take() {
            Some(upload) => Sending::of(upload, Rc::clone(&watch), gate),
            None => Sending::nothing(Rc::clone(&watch)),
        };
        // Only what may be sent twice is kept.
        let mut head = if self.is_repeatable() {
            self.head.clone()
        } else {
            std::mem::replace(&mut self.head, Request::new(()).into_parts().0)
        };
        head.extensions = std::mem::take(request.extensions_mut());
        (Request::from_parts(head, body), watch)
    }

    /// Nothing of it was sent.
    pub(super) fn unpack(&mut self, request: Request<Sending>) {
        let (head, body) = request.into_parts();
        self.head = head;
        self.upload = body.into_upload();
        self.is_unsent = !self.has_body || self.upload.is_some();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use hyper::body::Bytes;

    use super::*;

    #[test]
    fn what_was_given_back_is_unsent_with_a_body_or_without() {
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let local = SocketAddr::from((address, 8080));
        let origin = Origin { address, tls: false, local, id: "1", partner: None };
        for body in ["", "a body"] {
            let request = Request::post("/").body(Upload::whole(Bytes::from(body))).expect("a request");
            let mut parcel = Parcel::new(request, &origin);
            let (request, _) = parcel.pack(&Preludes::default(), net::now());
            assert!(!parcel.is_unsent(), "some of it may have gone: {body:?}");
            parcel.unpack(request);
            assert!(parcel.is_unsent(), "{body:?}");
        }
    }
}

//! A request's body on its way to a backend. It says how far it is, and holds itself back while a client that asked
//! first waits for the backend's word (RFC 9110, 10.1.1).

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

use super::watch::Watch;
use crate::http::upload::{Upload, UploadError};
use crate::net;

/// What a connection to a backend sends.
#[derive(Debug)]
pub(super) struct Sending {
    upload: Option<Upload>,
    watch: Rc<Watch>,
    gate: Option<Gate>,
}

/// What a body waits for whose client asked whether it may come.
#[derive(Debug)]
pub(super) struct Gate {
    /// The backend's word; dropped when the backend has answered instead.
    word: oneshot::Receiver<()>,
    /// A backend that says nothing may not know the question.
    patience: Pin<Box<Sleep>>,
    answered: bool,
}

/// How long a backend may leave the question open.
const PATIENCE: Duration = Duration::from_secs(1);

impl Gate {
    pub(super) fn new(word: oneshot::Receiver<()>) -> Self {
        Self { word, patience: Box::pin(sleep(PATIENCE)), answered: false }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.answered {
            return Poll::Pending;
        }
        match Pin::new(&mut self.word).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(_)) => {
                self.answered = true;
                Poll::Pending
            }
            Poll::Pending => self.patience.as_mut().poll(cx),
        }
    }
}

impl Sending {
    /// A request without a body.
    pub(super) fn nothing(watch: Rc<Watch>) -> Self {
        Self { upload: None, watch, gate: None }
    }

    /// A request with this body.
    pub(super) fn of(upload: Upload, watch: Rc<Watch>, gate: Option<Gate>) -> Self {
        Self { upload: Some(upload), watch, gate }
    }

    /// The body, if nothing of it has gone.
    pub(super) fn into_upload(self) -> Option<Upload> {
        self.upload
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = self.get_mut();
        let Some(upload) = this.upload.as_mut() else { return Poll::Ready(None) };
        if let Some(gate) = this.gate.as_mut() {
            ready!(gate.poll(cx));
            this.gate = None;
        }
        let polled = Pin::new(&mut *upload).poll_frame(cx);
        match &polled {
            Poll::Pending => this.watch.starves(),
            Poll::Ready(Some(Ok(_))) if upload.is_end_stream() => this.watch.ends(net::now()),
            Poll::Ready(Some(Ok(_))) => this.watch.moves(net::now()),
            Poll::Ready(Some(Err(error))) => this.watch.breaks(error),
            Poll::Ready(None) => this.watch.ends(net::now()),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.upload.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.upload.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

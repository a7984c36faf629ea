//! A request's body on its way: never more than its route takes, never waited for too long.

use std::fmt::{self, Display};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::{StatusCode, Version};
use tokio::time::{Instant, Sleep, sleep};

use super::words;

/// A request's body.
pub(in crate::http) struct Upload {
    source: Source,
    /// Whether more of it may come, where somebody could forbid that.
    may: Option<Box<dyn Fn() -> bool>>,
    /// How many bytes may still come.
    left: u64,
    stall: Duration,
    /// Until when the next piece must be here; there is none where none was waited for.
    patience: Option<Pin<Box<Sleep>>>,
    /// Since when the next piece is waited for.
    waits: Option<Instant>,
    /// How long it was waited for since `LEAST` came, and what came meanwhile.
    lag: (Duration, u64),
}

#[derive(Debug)]
enum Source {
    Stream {
        body: Incoming,
        /// Over HTTP/2 a body can stop without an end.
        is_http2: bool,
    },
    Whole(Bytes),
}

/// Why a request's body does not come.
#[derive(Debug)]
pub(in crate::http) enum UploadError {
    /// The client says nothing.
    Stalled,
    /// It is longer than the route takes.
    TooLong,
    /// Whoever sends it was switched off meanwhile.
    Forbidden,
    /// The connection broke, or the body is malformed.
    Broken(hyper::Error),
    /// The client has taken back what is still to come.
    TakenBack,
}

/// What of a body that is read whole has to come in the time in which something has to come.
const PIECE: usize = 64 << 10;
/// The same of one that is given on as it comes. Only the time counts in which it is waited for.
const LEAST: u64 = 16 << 10;
const NO_LAG: (Duration, u64) = (Duration::ZERO, 0);

impl Upload {
    /// As it comes: so many bytes at most, and no more than this time is waited for `LEAST` of them.
    pub(in crate::http) fn stream(body: Incoming, version: Version, most: u64, stall: Duration) -> Self {
        let source = Source::Stream { body, is_http2: version == Version::HTTP_2 };
        Self { source, may: None, left: most, stall, patience: None, waits: None, lag: NO_LAG }
    }

    /// One that is here already.
    pub(in crate::http) fn whole(body: Bytes) -> Self {
        let (left, stall) = (u64::MAX, Duration::MAX);
        let source = Source::Whole(body);
        Self { source, may: None, left, stall, patience: None, waits: None, lag: NO_LAG }
    }

    /// The same, if it is no longer than this.
    pub(in crate::http) fn no_longer_than(self, most: usize) -> Self {
        Self { left: self.left.min(most as u64), ..self }
    }

    /// What may still come of it.
    pub(in crate::http) fn most(&self) -> u64 {
        self.size_hint().upper().map_or(self.left, |upper| upper.min(self.left))
    }

    /// Whether nothing of it is still to come.
    pub(in crate::http) fn is_here(&self) -> bool {
        matches!(self.source, Source::Whole(_)) || self.is_end_stream()
    }

    /// It ends where this says no when a piece has come.
    pub(in crate::http) fn while_so(self, may: impl Fn() -> bool + 'static) -> Self {
        Self { may: Some(Box::new(may)), ..self }
    }

    /// All of it. It may take its time by its length: what is sent drop by drop does not come for ever.
    pub(in crate::http) async fn read(mut self) -> Result<Bytes, UploadError> {
        let stall = self.stall;
        let mut due = pin!(sleep(stall));
        let mut bytes = Vec::new();
        loop {
            let frame = tokio::select! {
                frame = self.frame() => frame,
                () = &mut due => return Err(UploadError::Stalled),
            };
            let Some(frame) = frame else { return Ok(bytes.into()) };
            let before = bytes.len() / PIECE;
            bytes.extend_from_slice(&frame?.into_data().unwrap_or_default());
            let more = u32::try_from(bytes.len() / PIECE - before).unwrap_or(u32::MAX);
            // What is here already has no time that could be over.
            if let Some(later) = due.deadline().checked_add(stall.saturating_mul(more)) {
                due.as_mut().reset(later);
            }
        }
    }

    /// Whether a body that has stopped has no end: a stream that is reset without an error looks over.
    fn is_taken_back(&self) -> bool {
        matches!(&self.source, Source::Stream { body, is_http2: true } if !body.is_end_stream())
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<UploadError> {
        let left = self.stall.saturating_sub(self.lag.0);
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(left)));
        if self.waits.is_none() {
            let now = Instant::from(crate::net::now());
            self.waits = Some(now);
            patience.as_mut().reset(now + left);
        }
        ready!(patience.as_mut().poll(cx));
        Poll::Ready(UploadError::Stalled)
    }

    /// So many bytes have come.
    fn comes(&mut self, length: u64) {
        if let Some(since) = self.waits.take() {
            self.lag.0 += Instant::from(crate::net::now()).duration_since(since);
        }
        self.lag.1 += length;
        if self.lag.1 >= LEAST {
            self.lag = NO_LAG;
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = self.get_mut();
        let polled = match &mut this.source {
            Source::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Source::Whole(bytes) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Stream { body, .. } => Pin::new(body).poll_frame(cx),
        };
        let Poll::Ready(frame) = polled else { return this.wait(cx).map(|error| Some(Err(error))) };
        let Some(frame) = frame else {
            return Poll::Ready(this.is_taken_back().then_some(Err(UploadError::TakenBack)));
        };
        let frame = frame.map_err(UploadError::Broken)?;
        if this.may.as_ref().is_some_and(|may| !may()) {
            return Poll::Ready(Some(Err(UploadError::Forbidden)));
        }
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        this.comes(length);
        match this.left.checked_sub(length) {
            Some(left) => this.left = left,
            None => return Poll::Ready(Some(Err(UploadError::TooLong))),
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream { body, .. } => body.size_hint(),
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        into.debug_struct("Upload")
            .field("source", &self.source)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl UploadError {
    /// What a client is told that sends it, where it is read whole.
    pub(in crate::http) fn told(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Stalled => (StatusCode::REQUEST_TIMEOUT, words::BODY_LATE),
            Self::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, words::BODY_TOO_LONG),
            Self::Forbidden => (StatusCode::FORBIDDEN, words::FORBIDDEN),
            Self::Broken(_) | Self::TakenBack => (StatusCode::BAD_REQUEST, words::BODY_BROKEN),
        }
    }
}

impl Display for UploadError {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled => into.write_str("the body did not come in time"),
            Self::TooLong => into.write_str("the body is too long"),
            Self::Forbidden => into.write_str("whoever sends the body was switched off"),
            Self::TakenBack => into.write_str("the body was taken back"),
            Self::Broken(error) => write!(into, "the body broke off: {error}"),
        }
    }
}

impl std::error::Error for UploadError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_here_already_is_read_at_once_however_long_it_is() {
        let body = Bytes::from(vec![7; 5 * PIECE]);
        assert_eq!(Upload::whole(body.clone()).read().await.expect("it is here"), body);
    }
}

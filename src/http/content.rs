//! An answer's body: given in pieces, each only when the one before was taken, and felt by the connection's pulse.

use std::any::Any;
use std::cell::Cell;
use std::fmt::{self, Debug, Display};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::pulse::Pulse;
use super::turn;
use crate::net::now;

/// An answer's body.
pub(in crate::http) struct Content {
    source: Source,
    /// What of a piece was not given yet.
    rest: Bytes,
    /// Whether the last piece was not yet seen to be taken.
    given: bool,
    pulse: Option<Arc<Pulse>>,
    sent: Rc<Cell<u64>>,
    holds: Vec<Box<dyn Any>>,
}

enum Source {
    Over,
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = Cut>>>),
}

/// The answer breaks off: its connection or its stream is cut, so that nobody takes the beginning for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Cut;

/// Larger pieces are given in parts: what is taken of a part is a sign of life, and no buffer grows beyond it.
const PIECE: usize = 32 * 1024;
/// A part where many answers share a connection: what one frame holds.
const SHARED_PIECE: usize = 16 * 1024;

impl Content {
    /// Nothing.
    pub(in crate::http) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// What is all there.
    pub(in crate::http) fn whole(bytes: Bytes) -> Self {
        Self::of(Source::Over, bytes)
    }

    /// What comes bit by bit.
    pub(in crate::http) fn stream(body: impl Body<Data = Bytes, Error = Cut> + 'static) -> Self {
        Self::of(Source::Stream(Box::pin(body)), Bytes::new())
    }

    fn of(source: Source, rest: Bytes) -> Self {
        let (sent, holds) = (Rc::default(), Vec::new());
        Self { source, rest, given: false, pulse: None, sent, holds }
    }

    /// Holds this until the answer is over, whole or not.
    pub(in crate::http) fn hold(&mut self, guard: impl Any) {
        self.holds.push(Box::new(guard));
    }

    /// Whoever takes it is felt there.
    pub(in crate::http) fn felt_by(&mut self, pulse: &Arc<Pulse>) {
        self.pulse = Some(Arc::clone(pulse));
    }

    /// How many bytes were given so far.
    pub(in crate::http) fn sent(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.sent)
    }

    fn takes(&mut self) {
        if let Some(pulse) = self.pulse.as_ref().filter(|_| std::mem::take(&mut self.given)) {
            pulse.takes(now());
            turn::takes();
        }
    }

    fn piece(&mut self) -> Bytes {
        let is_shared = self.pulse.as_ref().is_some_and(|pulse| pulse.is_shared());
        let most = if is_shared { SHARED_PIECE } else { PIECE };
        let piece = self.rest.split_to(most.min(self.rest.len()));
        self.sent.set(self.sent.get() + piece.len() as u64);
        if let Some(pulse) = &self.pulse {
            let now = now();
            pulse.gives(now);
            turn::gives(now);
            self.given = true;
        }
        piece
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        this.takes();
        while this.rest.is_empty() {
            let Source::Stream(body) = &mut this.source else { return Poll::Ready(None) };
            let Some(frame) = ready!(body.as_mut().poll_frame(cx)) else {
                this.source = Source::Over;
                return Poll::Ready(None);
            };
            if let (Err(Cut), Some(pulse)) = (&frame, &this.pulse) {
                pulse.breaks_off();
            }
            match frame?.into_data() {
                Ok(data) => this.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(this.piece()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && match &self.source {
                Source::Over => true,
                Source::Stream(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let Source::Stream(body) = &self.source else { return SizeHint::with_exact(rest) };
        let inner = body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.takes();
    }
}

impl Debug for Content {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        into.debug_struct("Content").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl Display for Cut {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        into.write_str("the answer breaks off")
    }
}

impl std::error::Error for Cut {}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn what_is_long_comes_in_parts_and_what_is_held_is_held_to_the_end() {
        let held = Rc::new(());
        let mut content = Content::whole(Bytes::from(vec![7; 2 * PIECE + 5]));
        content.hold(Rc::clone(&held));
        let sent = content.sent();
        let mut lengths = Vec::new();
        while let Some(frame) = content.frame().await {
            lengths.push(frame.ok().and_then(|frame| frame.into_data().ok()).map_or(0, |data| data.len()));
            assert_eq!(Rc::strong_count(&held), 2);
        }
        assert_eq!((lengths, sent.get()), (vec![PIECE, PIECE, 5], 2 * PIECE as u64 + 5));
        assert!(content.is_end_stream());
        drop(content);
        assert_eq!(Rc::strong_count(&held), 1);
    }

    #[test]
    fn its_length_is_known_where_it_is() {
        assert_eq!(Content::whole(Bytes::from_static(b"abc")).size_hint().exact(), Some(3));
        assert_eq!(Content::empty().size_hint().exact(), Some(0));
        assert!(Content::empty().is_end_stream());
    }
}

//! What the links of a worker see of its errands: one pigeonhole for each, by its session number.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use foldhash::fast::RandomState;

use super::ErrandWay;
use crate::base::{BackendKey, Reason, SessionId};
use crate::net::hub::Hub;
use crate::net::link::{self, SharedLink};
use crate::net::seat::Bell;
use crate::wire::link::Message;

/// The errands of one worker that wait.
#[derive(Debug, Default)]
pub(in crate::net) struct Board {
    waiting: RefCell<HashMap<SessionId, Rc<Pigeonhole>, RandomState>>,
}

/// Where what is heard of an errand is left. The first news counts.
#[derive(Debug)]
pub(super) struct Pigeonhole {
    pub(super) session: SessionId,
    way: Arc<ErrandWay>,
    /// Who has it; what others say of it does not count.
    server: Cell<Option<BackendKey>>,
    news: RefCell<Option<News>>,
    bell: Bell,
}

/// What is heard of an errand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The whole frame that answers it.
    Answer(Vec<u8>),
    /// The backend does not take the session.
    Refused,
    /// The backend ended the session, says that the frame was wrong, or answered with what is no frame.
    Declined,
    /// The link to the backend is gone.
    Lost,
    /// The worker ends.
    Stopping,
}

impl Board {
    /// Errands that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// A pigeonhole for an errand.
    pub(super) fn enter(&self, session: SessionId, way: &Arc<ErrandWay>) -> Rc<Pigeonhole> {
        let hole = Rc::new(Pigeonhole {
            session,
            way: Arc::clone(way),
            server: Cell::new(None),
            news: RefCell::default(),
            bell: Bell::default(),
        });
        self.waiting.borrow_mut().insert(session, Rc::clone(&hole));
        hole
    }

    /// The errand is over.
    pub(super) fn leave(&self, session: SessionId) {
        self.waiting.borrow_mut().remove(&session);
    }

    fn find(&self, session: SessionId) -> Option<Rc<Pigeonhole>> {
        self.waiting.borrow().get(&session).cloned()
    }

    /// The link to a backend is gone, and the answers that were to come by it.
    pub(in crate::net) fn lost(&self, backend: BackendKey) {
        for hole in self.waiting.borrow().values().filter(|hole| hole.is_served_by(backend)) {
            hole.leave(News::Lost);
        }
    }

    /// The worker ends.
    pub(in crate::net) fn stop(&self) {
        self.waiting.borrow().values().for_each(|hole| hole.leave(News::Stopping));
    }
}

impl Pigeonhole {
    /// From now on what this backend says counts, and nothing that was said before.
    pub(super) fn listen_to(&self, backend: BackendKey) {
        self.server.set(Some(backend));
        self.news.borrow_mut().take_if(|news| !matches!(news, News::Stopping));
    }

    fn is_served_by(&self, backend: BackendKey) -> bool {
        self.server.get() == Some(backend)
    }

    fn leave(&self, news: News) {
        self.news.borrow_mut().get_or_insert(news);
        self.bell.ring();
    }

    /// Waits for the first news.
    pub(super) async fn news(&self) -> News {
        poll_fn(|cx| {
            self.bell.listen(cx.waker());
            self.news.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// A frame of a backend for an errand; false where there is no such errand. What does not answer it has nobody to go to.
pub(in crate::net) fn deliver(hub: &Hub, link: &SharedLink, session: SessionId, frame: &[u8]) -> bool {
    let Some(hole) = hub.errands.find(session) else { return false };
    if !hole.is_served_by(link.backend().key()) {
        hub.meter.standby_dropped.add(1);
        return true;
    }
    match hole.way.layout.measure_message(frame) {
        Ok(id) if id == hole.way.reply => hole.leave(News::Answer(frame.to_vec())),
        Ok(_) => link::undelivered(hub, link, session, Reason::PlayerLeft),
        Err(_) => {
            hub.meter.bad_backend_frames.add(1);
            link::undelivered(hub, link, session, Reason::Malformed);
            hole.leave(News::Declined); // what answers it was in there, or will never come
        }
    }
    true
}

/// What a backend says of an errand beyond frames; false where there is no such errand, or where it is not about one.
pub(in crate::net) fn hears(hub: &Hub, link: &SharedLink, session: SessionId, message: &Message<'_>) -> bool {
    let Some(hole) = hub.errands.find(session) else { return false };
    let is_served = hole.is_served_by(link.backend().key());
    match message {
        Message::Kick(_) | Message::Refuse { .. } if !is_served => hub.meter.standby_dropped.add(1),
        Message::Refuse { .. } => hole.leave(News::Refused),
        Message::Kick(_) => hole.leave(News::Declined),
        Message::Error { .. } => {
            if is_served {
                hole.leave(News::Declined);
            }
            return false; // the log hears of it too
        }
        Message::Bind { .. }
        | Message::Move { .. }
        | Message::Attributes { .. }
        | Message::Join { .. }
        | Message::Leave { .. } => {
            let (reason, text) =
                (Reason::Malformed.code(), "the session is one HTTP request, and no player's");
            link::answer(hub, link, session, Message::Error { reason, text: Some(text) });
        }
        Message::Hello(_)
        | Message::HelloAck(_)
        | Message::Ping { .. }
        | Message::Pong { .. }
        | Message::Load(_)
        | Message::State { .. }
        | Message::Exception(_)
        | Message::GoAway { .. }
        | Message::Open(_)
        | Message::Close { .. }
        | Message::Pause
        | Message::Resume
        | Message::Frame { .. }
        | Message::Multicast { .. }
        | Message::Broadcast { .. }
        | Message::Undelivered { .. }
        | Message::RoomClose { .. }
        | Message::Unknown { .. } => return false,
    }
    true
}

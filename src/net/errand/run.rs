//! One errand from its first try to its end: picked, told, awaited. What a backend had and lost is not sent again; one
//! that says no at once never had it.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use super::board::{News, Pigeonhole};
use super::choose::Choice;
use super::{Errand, MOST, Mishap, Outcome, Sent};
use crate::base::{BackendKey, Reason};
use crate::cluster::Backend;
use crate::net::guard::Promise;
use crate::net::hub::{self, Hub};
use crate::policy::RouteClass;
use crate::wire::Lent;
use crate::wire::link::{Open, Transport};

/// An errand under way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) hub: Rc<Hub>,
    pub(super) errand: Errand,
    pub(super) hole: Rc<Pigeonhole>,
    /// Who did not take it.
    pub(super) refused: Vec<BackendKey>,
    told: Vec<Told>,
}

/// A backend that was told of the errand, with a place among its sessions; given back when dropped.
#[derive(Debug)]
struct Told {
    backend: Arc<Backend>,
    /// The life of the link on which it was told.
    epoch: u32,
}

/// How an errand's wait ended.
enum Heard {
    News(News),
    Late,
    /// Nobody waits for the answer any more.
    Deserted,
}

/// Takes the errands that come to a worker.
pub(in crate::net) async fn serve(hub: Rc<Hub>, mut inbox: mpsc::Receiver<Sent>) {
    while let Some(Sent { errand, answer }) = inbox.recv().await {
        let number = hub.commons.switchboard.number_at(hub.worker);
        match number.filter(|_| hub.errands.len() < MOST) {
            Some(session) => {
                let hole = hub.errands.enter(session, &errand.way); // at once: the next one is counted behind it
                drop(tokio::task::spawn_local(carry(Rc::clone(&hub), hole, errand, answer)));
            }
            None => drop(answer.send(Err(Mishap::Overloaded))),
        }
    }
}

async fn carry(hub: Rc<Hub>, hole: Rc<Pigeonhole>, errand: Errand, mut answer: oneshot::Sender<Outcome>) {
    let session = hole.session;
    let mut run = Run { hub: Rc::clone(&hub), errand, hole, refused: Vec::new(), told: Vec::new() };
    let outcome = run.run(&mut answer).await;
    hub.errands.leave(session);
    run.part(if outcome == Err(Mishap::Stopping) { Reason::GatewayDraining } else { Reason::PlayerLeft });
    drop(answer.send(outcome));
}

impl Run {
    async fn run(&mut self, answer: &mut oneshot::Sender<Outcome>) -> Outcome {
        loop {
            let now = hub::now();
            if self.errand.until <= now || answer.is_closed() {
                return Err(Mishap::Late); // nobody waits for it: no backend is to answer for that
            }
            let choice = self.choose(self.hub.since_start(now))?;
            let promise = self.send(choice)?;
            let heard = self.heard(pin!(answer.closed())).await;
            let now = self.hub.since_start(hub::now());
            let dice = || self.hub.dice.borrow_mut();
            match heard {
                Heard::News(News::Answer(frame)) => {
                    promise.backend().succeeded();
                    promise.succeeded(now);
                    return Ok(frame);
                }
                Heard::News(News::Refused) => self.pass_over(promise.backend().key()),
                Heard::News(News::Declined) => {
                    promise.failed(now, &mut *dice());
                    return Err(Mishap::Declined);
                }
                Heard::News(News::Lost) => return Err(Mishap::Lost),
                Heard::News(News::Stopping) => return Err(Mishap::Stopping),
                Heard::Late => {
                    self.hub.count_failure(&self.errand.way.cluster, promise.backend(), now);
                    promise.failed(now, &mut *dice());
                    return Err(Mishap::Late);
                }
                Heard::Deserted => return Err(Mishap::Late),
            }
        }
    }

    async fn heard(&self, deserted: impl Future<Output = ()>) -> Heard {
        tokio::select! {
            biased;
            news = self.hole.news() => Heard::News(news),
            () = sleep_until(self.errand.until.into()) => Heard::Late,
            () = deserted => Heard::Deserted,
        }
    }

    /// Puts the errand on the link of the backend that was chosen, and of its standby.
    fn send(&mut self, choice: Choice) -> Result<Promise, Mishap> {
        let Choice { place, promise } = choice;
        let backend = Arc::clone(promise.backend());
        self.hole.listen_to(backend.key());
        let way = Arc::clone(&self.errand.way);
        if !self.tell(&backend) {
            return Err(Mishap::Overloaded);
        }
        if way.cluster.is_hot_standby() {
            let now = self.hub.since_start(hub::now());
            let second = way.cluster.entry.live(now, |backend| self.may_open_at(backend)).nth(1);
            let standby =
                second.filter(|second| *second != place && way.cluster.entry.open_session(*second, now));
            if let Some(standby) = standby.and_then(|place| way.cluster.entry.at(place)) {
                self.tell(standby); // what it cannot take it misses
            }
        }
        Ok(promise)
    }

    /// Tells a backend in which the errand has a place already; false where its link has no room, or it takes no
    /// envelope as long as what it has to be told.
    fn tell(&mut self, backend: &Arc<Backend>) -> bool {
        let epoch = self.put(backend);
        match epoch {
            Some(epoch) => self.told.push(Told { backend: Arc::clone(backend), epoch }),
            None => backend.take_back_session(),
        }
        epoch.is_some()
    }

    /// Puts it on a backend's link; the link's life.
    fn put(&self, backend: &Backend) -> Option<u32> {
        let (session, frame) = (self.hole.session, &self.errand.frame);
        let fits = |link: &Rc<_>| crate::net::link::SharedLink::admits(link, RouteClass::Normal, frame.len());
        let link = self.hub.link(backend.key()).filter(|link| link.is_up()).filter(fits)?;
        let sender = &self.errand.sender;
        let open = Open {
            client_address: sender.address,
            transport: if sender.door.is_tls() { Transport::Tls } else { Transport::Tcp },
            listener: sender.door.listener().name(),
            account: None,
            version: None,
            group: None,
            attributes: Some(&sender.attributes),
        };
        link.open_for(session, open).then(|| {
            link.frame(session, &Lent::alone(frame), hub::now());
            link.epoch()
        })
    }

    /// A backend does not take it, and forgets it by itself; its standby hears that it is over.
    fn pass_over(&mut self, backend: BackendKey) {
        self.refused.push(backend);
        self.told.retain(|told| told.backend.key() != backend);
        self.part(Reason::PlayerLeft);
    }

    /// The errand is over for everybody who was told of it.
    fn part(&mut self, reason: Reason) {
        for told in self.told.drain(..) {
            let link = self.hub.link(told.backend.key());
            if let Some(link) = link.filter(|link| link.is_up() && link.epoch() == told.epoch) {
                link.close(self.hole.session, reason.code());
            }
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.backend.close_session();
    }
}

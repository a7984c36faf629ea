//! From one world to the next: what is made ready before it is in force, what ends after, and who has to move. The
//! sessions and links that did not change are not touched.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use tokio::sync::oneshot;

use super::hub::{self, Hub};
use super::link::{self, SharedLink};
use super::seat::{Order, Seat};
use super::turns;
use super::world::{ClusterView, World};
use crate::base::BackendKey;
use crate::policy::leave_at;

/// A world that is in force now, and what is no longer.
#[derive(Debug)]
pub struct Transition {
    world: Arc<World>,
    /// Backends that the world before had and that this one has not, or not for anybody.
    gone: Arc<[BackendKey]>,
    /// Backends that serve nobody any more, of clusters that close for that.
    closing: Vec<BackendKey>,
    /// When it came into force.
    began: Instant,
    /// Over what time those who have to move do.
    spread: Duration,
    /// Whether that is another time than before: who waits for a moment gets a new one.
    respread: bool,
    /// Whether every session has to look: players have to log in from now on, so that those who play take their seats, or
    /// those who are away cannot come back any more.
    wakes: bool,
}

/// How long sessions have to leave a backend that is gone at a frame of their own before they are made to.
const GRACE: Duration = Duration::from_secs(5);
/// How long a backend may still answer after its last session has left.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

impl Transition {
    /// From one world to the next.
    #[must_use]
    pub fn new(old: &World, new: &Arc<World>) -> Arc<Self> {
        let before = || old.members().map(|(cluster, backend)| (cluster, backend.key()));
        let is_known = |key| new.clusters.iter().any(|cluster| cluster.entry.place_of(key).is_some());
        let is_gone = |(cluster, key): &(&Arc<ClusterView>, BackendKey)| {
            !serves(new, *key) && (cluster.lets_serve(*key) || !is_known(*key))
        };
        let closes = before().filter(|one| one.0.closes_on_loss() && one.0.lets_serve(one.1) && is_gone(one));
        Arc::new(Self {
            gone: before().filter(is_gone).map(|(_, key)| key).collect(),
            closing: closes.map(|(_, key)| key).collect(),
            began: hub::now(),
            spread: new.plan().release().spread(),
            respread: new.plan().release().spread() != old.plan().release().spread(),
            wakes: old.gatekeeper.is_none() && new.gatekeeper.is_some() || old.resume() != new.resume(),
            world: Arc::clone(new),
        })
    }
}

/// Makes the links of shared clusters that are not there yet.
pub(super) fn start_links(hub: &Rc<Hub>, world: &World) {
    for (cluster, backend) in world.members().filter(|(cluster, _)| cluster.is_shared()) {
        if hub.link(backend.key()).is_none_or(|link| link.is_retired()) {
            let link = SharedLink::new(Arc::clone(cluster), Arc::clone(backend), hub.started, hub::now());
            hub.add_link(&link);
            tokio::task::spawn_local(link::keep(Rc::clone(hub), link));
        }
    }
}

/// Makes them before the world is in force; answers when each has been tried once.
pub(super) async fn prepare(hub: Rc<Hub>, world: Arc<World>, answer: oneshot::Sender<()>) {
    start_links(&hub, &world);
    *hub.next_world.borrow_mut() = Some(world);
    std::future::poll_fn(|cx| hub.poll_links_tried(cx)).await;
    answer.send(()).unwrap_or_default();
}

/// Brings a worker into a world that is in force.
pub(super) fn carry_out(hub: &Rc<Hub>, transition: &Arc<Transition>) {
    let world = &transition.world;
    *hub.next_world.borrow_mut() = None;
    turns::follow(world.plan().net());
    start_links(hub, world);
    for link in hub.all_links() {
        let cluster = world.cluster(link.cluster().key()).cloned();
        if let Some(cluster) = cluster {
            link.belongs_to(&cluster);
        }
    }
    transition.closing.iter().for_each(|backend| hub.close_sessions_of(*backend));
    move_sessions(hub, transition);
    if transition.wakes {
        hub.all_seats().iter().for_each(|seat| seat.ring());
    }
    note_gone(hub, transition);
    if !hub.gone.borrow().is_empty() {
        drop(tokio::task::spawn_local(retire(Rc::clone(hub), transition.began)));
    }
}

/// Notes since when backends are not in force. One that comes back and goes again has its whole grace again.
fn note_gone(hub: &Hub, transition: &Transition) {
    let world = &transition.world;
    let is_unused = |link: &Rc<SharedLink>| !is_in_force(world, link);
    let mut gone = hub.gone.borrow_mut();
    gone.retain(|key, _| !serves(world, *key) || hub.link(*key).is_some_and(|link| is_unused(&link)));
    let unused = hub.all_links().into_iter().filter(is_unused).map(|link| link.backend().key());
    for key in transition.gone.iter().copied().chain(unused) {
        gone.entry(key).or_insert(transition.began);
    }
}

/// Whether anybody may be sent to a backend.
fn serves(world: &World, key: BackendKey) -> bool {
    world.clusters.iter().any(|cluster| cluster.lets_serve(key))
}

fn is_needed(hub: &Hub, world: &World, link: &SharedLink) -> bool {
    let next = hub.next_world.borrow();
    is_in_force(world, link) || next.as_ref().is_some_and(|next| is_in_force(next, link))
}

fn is_in_force(world: &World, link: &SharedLink) -> bool {
    let cluster = world.cluster(link.cluster().key());
    cluster
        .is_some_and(|cluster| cluster.is_shared() && cluster.entry.place_of(link.backend().key()).is_some())
}

/// Gives everybody who is in another release group than it would enter now its moment to go, evenly over the spread.
fn move_sessions(hub: &Hub, transition: &Transition) {
    let world = &transition.world;
    if !world.has_groups() {
        return;
    }
    let moves = |seat: &Rc<Seat>| seat.settle(world) && (transition.respread || seat.move_at.get().is_none());
    let mut seats: Vec<_> = hub.all_seats().into_iter().filter(moves).collect();
    seats.shuffle(&mut *hub.dice.borrow_mut());
    for (place, seat) in seats.iter().enumerate() {
        let at = transition.began + leave_at(place, seats.len(), transition.spread);
        seat.move_at.set(Some(at));
    }
}

/// Ends what is left of backends that are gone since then or longer, when their sessions had time to leave by themselves.
async fn retire(hub: Rc<Hub>, since: Instant) {
    tokio::time::sleep(GRACE).await;
    let links = forget(&hub, since);
    tokio::time::sleep(LAST_ANSWERS).await;
    let world = hub.world.load_full();
    for link in links.iter().filter(|link| !is_needed(&hub, &world, link)) {
        link.say_goodbye("this backend is no longer in the configuration");
        link.retire();
        hub.remove_link(link);
    }
}

/// Makes the sessions leave them; their links.
fn forget(hub: &Hub, since: Instant) -> Vec<Rc<SharedLink>> {
    let world = hub.world.load_full();
    let gone: Vec<_> = hub.gone.borrow_mut().extract_if(|_, at| *at <= since).map(|(key, _)| key).collect();
    let links = gone.iter().filter_map(|key| hub.link(*key));
    let links: Vec<_> = links.filter(|link| !is_needed(hub, &world, link)).collect();
    let linked = links.iter().map(|link| link.backend().key());
    let bound: Arc<[BackendKey]> =
        linked.chain(gone.iter().copied().filter(|key| !serves(&world, *key))).collect();
    if !bound.is_empty() {
        hub.order_all(&Order::Forget(bound));
    }
    links
}

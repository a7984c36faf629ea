//! The listening sockets: bound on the side, opened and closed as the world in force says, paused while a new process
//! takes them over.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::handover::Owner;
use super::legacy::Legacy;
use crate::config::{Listener, Problem};
use crate::net::{Bound, Reception, World, bind};
use crate::telemetry;

/// Every listening socket of the players.
#[derive(Debug)]
pub(super) struct Doors {
    reception: Reception,
    open: Vec<OpenDoor>,
}

#[derive(Debug)]
struct OpenDoor {
    bound: Arc<Bound>,
    accepting: Option<Accepting>,
}

/// A running accept loop.
#[derive(Debug)]
struct Accepting {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Doors {
    /// These, which accept nobody yet.
    pub(super) fn new(reception: Reception, bound: Vec<Bound>) -> Self {
        let open = bound.into_iter().map(|bound| OpenDoor { bound: Arc::new(bound), accepting: None });
        Self { reception, open: open.collect() }
    }

    /// Binds everything a first world needs; sockets that are there already are taken first.
    pub(super) fn bind_first(world: &World, legacy: &mut Legacy) -> Result<Vec<Bound>, Vec<Problem>> {
        bind_each(world.plan().listeners().iter(), |listener| {
            let owner = Owner::Listener(listener.name().to_owned());
            let bound = match legacy.socket(&owner, *listener.listen().get()) {
                Some(socket) => Bound::adopt(socket, listener),
                None => bind(listener),
            };
            bound.map_err(|error| cannot_listen(listener, &error, None))
        })
    }

    /// Binds what another world needs and is not open yet.
    pub(super) fn bind_missing(&self, world: &World) -> Result<Vec<Bound>, Vec<Problem>> {
        let is_new = |listener: &&Listener| !self.open.iter().any(|door| door.serves(listener));
        let missing = world.plan().listeners().iter().filter(is_new);
        bind_each(missing, |listener| {
            let port = listener.listen().get().port();
            let own = self.open.iter().map(|door| door.bound.address()).find(|own| own.port() == port);
            obtain(&self.open, listener).map_err(|error| cannot_listen(listener, &error, own))
        })
    }

    /// Those that this world does not have accept nobody from now on: connections wait in the sockets. Whoever came
    /// before meets the world in force, whoever comes later who has the socket then.
    pub(super) async fn pause_closing(&mut self, world: &World) {
        let listeners = world.plan().listeners();
        let closes = |door: &&mut OpenDoor| !listeners.iter().any(|listener| door.serves(listener));
        for door in self.open.iter_mut().filter(closes) {
            door.pause().await;
        }
    }

    /// Opens the new ones and closes those that the world in force does not have.
    pub(super) async fn follow(&mut self, old: &Arc<World>, world: &World, new: Vec<Bound>) {
        let listeners = world.plan().listeners();
        let (open, closed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|door| listeners.iter().any(|listener| door.serves(listener)));
        self.open = open;
        for bound in new {
            telemetry::listening(bound.name(), bound.address());
            let mut door = OpenDoor { bound: Arc::new(bound), accepting: None };
            door.accept(&self.reception);
            self.open.push(door);
        }
        // The world in force does not know the listener of those who wait there any more.
        let world = Arc::new(ArcSwap::new(Arc::clone(old)));
        let reception = Reception { world, ..self.reception.clone() };
        for door in closed {
            self.close(door, &reception).await;
        }
    }

    /// Takes no more connections; who waits already is still served, unless the socket lives on elsewhere.
    async fn close(&self, mut door: OpenDoor, reception: &Reception) {
        door.pause().await;
        let lives_on = self.open.iter().any(|other| other.bound.address() == door.bound.address());
        if !lives_on {
            door.bound.accept_waiting(reception).await;
            telemetry::listening_no_more(door.bound.name(), door.bound.address());
        }
    }

    /// Closes all of them.
    pub(super) async fn close_all(&mut self) {
        for door in std::mem::take(&mut self.open) {
            self.close(door, &self.reception).await;
        }
    }

    /// Drops the sockets at once: another process serves whoever waits there.
    pub(super) fn hand_over(&mut self) {
        self.open.clear();
    }

    /// Accepts nobody for now: connections wait in the sockets.
    pub(super) async fn pause(&mut self) {
        for door in &mut self.open {
            door.pause().await;
        }
    }

    /// Accepts, or accepts again.
    pub(super) fn resume(&mut self) {
        for door in self.open.iter_mut().filter(|door| door.accepting.is_none()) {
            telemetry::listening(door.bound.name(), door.bound.address());
            door.accept(&self.reception);
        }
    }

    /// The sockets for another process: the listener's name, where the configuration wants it, the socket.
    pub(super) fn share(&self) -> io::Result<Vec<(String, SocketAddr, std::net::TcpListener)>> {
        let share =
            |door: &OpenDoor| Ok((door.bound.name().to_owned(), door.bound.wanted(), door.bound.share()?));
        self.open.iter().map(share).collect()
    }

    /// Where each listener really listens, by name.
    pub(super) fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.open.iter().map(|door| (door.bound.name().to_owned(), door.bound.address())).collect()
    }
}

impl OpenDoor {
    fn serves(&self, listener: &Listener) -> bool {
        self.bound.name() == listener.name() && self.bound.wanted() == *listener.listen().get()
    }

    fn accept(&mut self, reception: &Reception) {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(Arc::clone(&self.bound).accept(reception.clone(), stopped));
        self.accepting = Some(Accepting { stop, task });
    }

    async fn pause(&mut self) {
        if let Some(Accepting { stop, task }) = self.accepting.take() {
            drop(stop);
            drop(task.await);
        }
    }
}

fn bind_each<'p>(
    listeners: impl Iterator<Item = &'p Listener>,
    mut obtain: impl FnMut(&Listener) -> Result<Bound, Problem>,
) -> Result<Vec<Bound>, Vec<Problem>> {
    let mut bound = Vec::new();
    let mut problems = Vec::new();
    for listener in listeners {
        match obtain(listener) {
            Ok(socket) => bound.push(socket),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(bound) } else { Err(problems) }
}

/// A listener that only got another name keeps its socket.
fn obtain(open: &[OpenDoor], listener: &Listener) -> io::Result<Bound> {
    let wanted = *listener.listen().get();
    match open.iter().find(|door| door.bound.wanted() == wanted && wanted.port() != 0) {
        Some(door) => Bound::adopt(door.bound.share()?, listener),
        None => bind(listener),
    }
}

/// `own`: where this process listens itself with the same port, if it does.
fn cannot_listen(listener: &Listener, error: &io::Error, own: Option<SocketAddr>) -> Problem {
    let title = format!("cannot listen here: {error}");
    let write = match (error.kind(), own) {
        (io::ErrorKind::AddrInUse, Some(own)) => format!(
            "this gateway listens at {own} itself: reload once without that listener and then with this one"
        ),
        (io::ErrorKind::PermissionDenied, _) => {
            "a port from 1024 on, or give the gateway the capability CAP_NET_BIND_SERVICE".to_owned()
        }
        _ => "an address of this machine and a port that no other program has".to_owned(),
    };
    Problem::at(listener.listen().site(), title).because("players could not connect").write(write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, parse};

    #[test]
    fn a_port_that_needs_a_capability_is_told_as_one() {
        let text = "[frame.game]\nlength = { width = 4 }\nid = { offset = 4, width = 2 }\n\
                    [listener.players]\nlisten = \"127.0.0.1:443\"\n\
                    [cluster.all]\nbackends = [{ address = \"127.0.0.1:1\" }]\n\
                    [route.all]\nids = [\"*\"]\ncluster = \"all\"\n";
        let plan = parse(vec![Source { path: "doors.toml".into(), text: text.to_owned() }]);
        let plan = plan.unwrap_or_else(|report| panic!("{report}"));
        let told = |kind: io::ErrorKind| {
            let problem = cannot_listen(&plan.listeners()[0], &kind.into(), None);
            plan.report(vec![problem]).render(false)
        };
        let refused = told(io::ErrorKind::PermissionDenied);
        assert!(refused.contains("a port from 1024 on, or give the gateway"), "{refused}");
        let taken = told(io::ErrorKind::AddrInUse);
        assert!(taken.contains("a port that no other program has"), "{taken}");
    }
}

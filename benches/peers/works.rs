//! What is done to every proxy.

use crate::orders::Load;
use crate::proxies::Peer;

/// One table of the report.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// What `--only` calls it.
    pub(crate) key: String,
    /// What the report calls it.
    pub(crate) title: String,
    /// What the connections do.
    pub(crate) load: Load,
    /// `Some`: the load's rate is this part of what HAProxy reaches with as many connections, measured before.
    pub(crate) part_of_haproxy: Option<f64>,
    /// How many there are.
    pub(crate) connections: usize,
    /// Bytes of a whole frame.
    pub(crate) frame: usize,
    /// Whether players speak TLS.
    pub(crate) tls: bool,
    /// Read buffers of HAProxy and nginx in KiB.
    pub(crate) buffers: u32,
    /// Who does it, in the order of their turns.
    pub(crate) peers: &'static [Peer],
}

/// A work before it is doubled into plain and TLS.
#[derive(Clone, Copy)]
struct Sketch {
    key: &'static str,
    title: &'static str,
    load: Load,
    connections: usize,
    frame: usize,
    peers: &'static [Peer],
}

/// Who is compared where every frame is answered as soon as it can be.
const FIVE: &[Peer] = &[Peer::Haproxy, Peer::Nginx, Peer::Envoy, Peer::Shared, Peer::Dedicated];
/// And where frames come at a rate, so that there is something to gather.
const SIX: &[Peer] =
    &[Peer::Haproxy, Peer::Nginx, Peer::Envoy, Peer::Shared, Peer::Gathered, Peer::Dedicated];
/// And up to 15,000 players: a connection to the backend for each of them and each cluster would be too many.
const MANY: &[Peer] = &[Peer::Haproxy, Peer::Nginx, Peer::Envoy, Peer::Shared, Peer::Gathered];

/// A: what is asked as fast as it goes, at a rate, at a part of what HAProxy can do, and of one worker and two.
const A: Sketch = Sketch {
    key: "a",
    title: "A: 200 connections, 64 B, one in flight, as fast as it goes",
    load: Load::Closed { in_flight: 1 },
    connections: 200,
    frame: 64,
    peers: FIVE,
};
/// B: a game's evening.
const B: Sketch = Sketch {
    key: "b",
    title: "B: 2,000 connections, 64 B, 10 frames/s each",
    load: Load::Open { per_second: 20_000.0 },
    connections: 2000,
    frame: 64,
    peers: SIX,
};
const FRAMES: [Sketch; 5] = [
    A,
    Sketch {
        key: "a40k",
        title: "A at 40,000 frames/s: 200 connections, 64 B, evenly spread",
        load: Load::Open { per_second: 40_000.0 },
        peers: SIX,
        ..A
    },
    B,
    Sketch {
        key: "c",
        title: "C: 50 connections, 1 KiB, 32 in flight",
        load: Load::Closed { in_flight: 32 },
        connections: 50,
        frame: 1024,
        peers: FIVE,
    },
    Sketch {
        key: "d",
        title: "D: 50 connections, 64 KiB, 4 in flight",
        load: Load::Closed { in_flight: 4 },
        connections: 50,
        frame: 64 * 1024,
        peers: FIVE,
    },
];
/// Latency is compared where nobody is at the end of what it can.
const AT_SIXTY: [Sketch; 2] = [
    Sketch { key: "a60", title: "A at 60 % of what HAProxy can: 200 connections, 64 B", peers: SIX, ..A },
    Sketch { key: "b60", title: "B at 60 % of what HAProxy can: 2,000 connections, 64 B", ..B },
];
const SIXTY: f64 = 0.6;
const WORKERS: Sketch = Sketch {
    key: "workers",
    title: "A with one worker and with two",
    peers: &[Peer::Shared, Peer::TwoWorkers],
    ..A
};
const RELOAD: Sketch = Sketch {
    key: "reload",
    title: "A at 20,000 frames/s while the file is changed and read again every 200 ms",
    load: Load::Open { per_second: 20_000.0 },
    peers: &[Peer::Shared, Peer::Reloaded],
    ..A
};
const MEMORY: Sketch =
    Sketch { key: "memory", title: "5,000 idle sessions", load: Load::Idle, connections: 5000, ..A };
const PEAK: Sketch = Sketch {
    key: "peak",
    title: "15,000 sessions: idle, then busy with 4 frames of 1 KiB in flight on each, then idle again",
    load: Load::Peak,
    connections: 15_000,
    frame: 1024,
    peers: &[Peer::Shared],
};

/// How many connections share the one rate of the cost curve.
pub(crate) const CURVE: [usize; 4] = [100, 1000, 5000, 15_000];
/// Frames a second over all of them.
pub(crate) const CURVE_RATE: f64 = 20_000.0;
/// What HAProxy and nginx read into when nobody tells them otherwise, in KiB.
const DEFAULT_BUFFERS: u32 = 16;
/// Handshakes under way at a time.
const HANDSHAKES: usize = 32;
/// Connections beyond those of the players: those that ask whether it is up, and whoever is not gone yet.
const SPARE: usize = 500;

/// Every work that was asked for, in the order of the report.
pub(crate) fn asked_for(only: &[String]) -> Vec<Work> {
    let mut works = Vec::new();
    let both = |sketch: Sketch| [false, true].map(|tls| sketch.work(tls));
    works.extend(FRAMES.into_iter().flat_map(both));
    let at_sixty = AT_SIXTY.into_iter().flat_map(both);
    works.extend(at_sixty.map(|work| Work { part_of_haproxy: Some(SIXTY), ..work }));
    works.extend([false, true].into_iter().flat_map(|tls| CURVE.map(|count| curve(count, tls))));
    works.extend(both(WORKERS));
    works.push(RELOAD.work(true));
    works.extend([MEMORY, PEAK].into_iter().flat_map(both));
    works.extend([
        handshakes("full", false, FIVE),
        handshakes("resumed", true, FIVE),
        handshakes("reload", true, RELOAD.peers),
    ]);
    works.retain(|work| is_asked_for(&work.key, only));
    works
}

/// By the key, or by the family before its first dash; everything if nothing was named.
pub(crate) fn is_asked_for(key: &str, only: &[String]) -> bool {
    let family = key.split_once('-').map_or(key, |(family, _)| family);
    only.is_empty() || only.iter().any(|wanted| wanted == key || wanted == family)
}

impl Work {
    /// Connections of players that a proxy must have room for.
    pub(crate) fn room(&self) -> usize {
        self.connections + SPARE
    }

    /// Whether it is a point of the cost curve.
    pub(crate) fn is_of_curve(&self) -> bool {
        self.key.starts_with("curve-")
    }

    /// Whether it asks for more cores than two, if the machine has them.
    pub(crate) fn wants_cores(&self) -> bool {
        self.key.starts_with("workers-")
    }
}

impl Sketch {
    fn work(&self, tls: bool) -> Work {
        let (suffix, over) = over(tls);
        Work {
            key: format!("{}-{suffix}", self.key),
            title: format!("{}; {over}", self.title),
            load: self.load,
            part_of_haproxy: None,
            connections: self.connections,
            frame: self.frame,
            tls,
            buffers: if self.frame > LARGE { 64 } else { DEFAULT_BUFFERS },
            peers: self.peers,
        }
    }
}

/// Frames above this do not fit into the buffers that HAProxy and nginx have by themselves.
const LARGE: usize = 16 * 1024;

/// In a key, and in a title.
fn over(tls: bool) -> (&'static str, &'static str) {
    if tls { ("tls", "TLS 1.3") } else { ("plain", "plain") }
}

fn curve(connections: usize, tls: bool) -> Work {
    let load = Load::Open { per_second: CURVE_RATE };
    let work = Sketch { load, connections, peers: MANY, ..A }.work(tls);
    let (suffix, over) = over(tls);
    Work {
        key: format!("curve-{connections}-{suffix}"),
        title: format!("Cost curve: {CURVE_RATE} frames/s in all, {connections} connections; {over}"),
        ..work
    }
}

fn handshakes(kind: &str, resumed: bool, peers: &'static [Peer]) -> Work {
    let how = if kind == "reload" { "resumed, while the file is read again every 200 ms" } else { kind };
    Work {
        key: format!("handshakes-{kind}"),
        title: format!("TLS 1.3 handshakes, {how}: connect, one frame, close; {HANDSHAKES} at a time"),
        load: Load::Handshakes { resumed },
        ..Sketch { connections: HANDSHAKES, peers, ..A }.work(true)
    }
}

//! What is done to every proxy.

use crate::orders::Load;

/// One table of the report.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// What `--only` calls it.
    pub(crate) key: String,
    /// What the report calls it.
    pub(crate) title: String,
    /// What the connections do.
    pub(crate) load: Load,
    /// How many there are.
    pub(crate) connections: usize,
    /// Bytes of a whole frame.
    pub(crate) frame: usize,
    /// Whether players speak TLS.
    pub(crate) tls: bool,
    /// Read buffers of HAProxy and nginx in KiB.
    pub(crate) buffers: u32,
}

/// A work before it is doubled into plain and TLS.
struct Sketch {
    key: &'static str,
    title: &'static str,
    load: Load,
    connections: usize,
    frame: usize,
    buffers: u32,
}

const FRAMES: [Sketch; 5] = [
    Sketch {
        key: "a",
        title: "A: 200 connections, 64 B, one in flight, as fast as it goes",
        load: Load::Closed { in_flight: 1 },
        connections: 200,
        frame: 64,
        buffers: DEFAULT_BUFFERS,
    },
    Sketch {
        key: "a40k",
        title: "A at 40,000 frames/s: 200 connections, 64 B, evenly spread",
        load: Load::Open { per_second: 40_000.0 },
        connections: 200,
        frame: 64,
        buffers: DEFAULT_BUFFERS,
    },
    Sketch {
        key: "b",
        title: "B: 2,000 connections, 64 B, 10 frames/s each",
        load: Load::Open { per_second: 20_000.0 },
        connections: 2000,
        frame: 64,
        buffers: DEFAULT_BUFFERS,
    },
    Sketch {
        key: "c",
        title: "C: 50 connections, 1 KiB, 32 in flight",
        load: Load::Closed { in_flight: 32 },
        connections: 50,
        frame: 1024,
        buffers: DEFAULT_BUFFERS,
    },
    Sketch {
        key: "d",
        title: "D: 50 connections, 64 KiB, 4 in flight",
        load: Load::Closed { in_flight: 4 },
        connections: 50,
        frame: 64 * 1024,
        buffers: 64,
    },
];

/// What HAProxy and nginx read into when nobody tells them otherwise, in KiB.
const DEFAULT_BUFFERS: u32 = 16;
const IDLE: usize = 5000;
/// Handshakes under way at a time.
const HANDSHAKES: usize = 32;

/// Every work that was asked for, in the order of the report.
pub(crate) fn asked_for(only: &[String]) -> Vec<Work> {
    let mut works = Vec::new();
    for sketch in &FRAMES {
        works.extend([false, true].map(|tls| sketch.work(tls)));
    }
    works.extend([false, true].map(memory));
    works.extend([false, true].map(handshakes));
    works.retain(|work| only.is_empty() || only.iter().any(|wanted| work.is_called(wanted)));
    works
}

impl Work {
    /// By its key or by the family before the dash.
    fn is_called(&self, wanted: &str) -> bool {
        self.key == wanted || self.key.split_once('-').is_some_and(|(family, _)| family == wanted)
    }
}

impl Sketch {
    fn work(&self, tls: bool) -> Work {
        let (suffix, over) = if tls { ("tls", "TLS 1.3") } else { ("plain", "plain") };
        Work {
            key: format!("{}-{suffix}", self.key),
            title: format!("{}; {over}", self.title),
            load: self.load,
            connections: self.connections,
            frame: self.frame,
            tls,
            buffers: self.buffers,
        }
    }
}

fn memory(tls: bool) -> Work {
    let (suffix, over) = if tls { ("tls", "TLS 1.3") } else { ("plain", "plain") };
    Work {
        key: format!("memory-{suffix}"),
        title: format!("{IDLE} idle sessions; {over}"),
        load: Load::Idle,
        connections: IDLE,
        frame: 64,
        tls,
        buffers: DEFAULT_BUFFERS,
    }
}

fn handshakes(resumed: bool) -> Work {
    let kind = if resumed { "resumed" } else { "full" };
    Work {
        key: format!("handshakes-{kind}"),
        title: format!("TLS 1.3 handshakes, {kind}: connect, one frame, close; {HANDSHAKES} at a time"),
        load: Load::Handshakes { resumed },
        connections: HANDSHAKES,
        frame: 64,
        tls: true,
        buffers: DEFAULT_BUFFERS,
    }
}

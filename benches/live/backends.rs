//! The game's servers: one thread answers at every backend's port, over shared links (`docs/link.md`) or a
//! connection for each session, signs what it answers and counts what reached it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use realmgate::wire::link::{
    DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, HEADER_LENGTH, HelloAck, LINK, LoadReport, Message,
    RawEnvelope,
};

use crate::Outcome;
use crate::frame::{Cluster, SIZE, Signature, Stamp};
use crate::serving::{Over, Serving, Trade};

/// A backend to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// What it serves.
    pub(crate) cluster: Cluster,
    /// Its release group: 0 for none, 1 for a, 2 for b.
    pub(crate) group: u8,
}

/// A backend that listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listening {
    /// What it serves.
    pub(crate) cluster: Cluster,
    /// Its release group: 0 for none, 1 for a, 2 for b.
    pub(crate) group: u8,
    /// Where.
    pub(crate) address: SocketAddr,
}

/// What reached the backends.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Questions, by the connection's serial.
    received: Vec<AtomicU32>,
    /// Bytes that are no question of this game, or a link that broke its rules.
    pub(crate) wrong: AtomicU64,
    /// Frames of a session that was not opened on that link.
    pub(crate) unopened: AtomicU64,
}

/// All of them; gone when dropped.
#[derive(Debug)]
pub(crate) struct Backends {
    /// In the order they were wanted.
    pub(crate) all: Vec<Listening>,
    /// What reached them.
    pub(crate) counts: Arc<Counts>,
    _serving: Serving,
}

/// Serials that are counted; a run has fewer connections.
const SERIALS: usize = 1 << 21;
const GATHER: Duration = Duration::from_micros(500);

impl Backends {
    /// Starts them, each at a port of its own.
    pub(crate) fn start(wanted: &[Wanted]) -> Outcome<Self> {
        let counts = Arc::new(Counts {
            received: (0..SERIALS).map(|_| AtomicU32::new(0)).collect(),
            wrong: AtomicU64::new(0),
            unopened: AtomicU64::new(0),
        });
        let mut signatures = Vec::new();
        for (place, Wanted { cluster, group }) in wanted.iter().enumerate() {
            let backend = u16::try_from(place + 1).map_err(|_| "too many backends")?;
            signatures.push(Signature { backend, group: *group, cluster: cluster.code() });
        }
        let serving = Serving::start(wanted.len(), Game { signatures, counts: Arc::clone(&counts) })?;
        let all = wanted.iter().zip(&serving.addresses).map(|(Wanted { cluster, group }, address)| {
            Listening { cluster: *cluster, group: *group, address: *address }
        });
        Ok(Self { all: all.collect(), counts, _serving: serving })
    }
}

impl Counts {
    /// How many questions of a connection reached any backend.
    pub(crate) fn received(&self, serial: u32) -> u32 {
        self.of(serial).map_or(0, |count| count.load(Relaxed))
    }

    fn of(&self, serial: u32) -> Option<&AtomicU32> {
        self.received.get(usize::try_from(serial).ok()?)
    }

    /// Signs a frame and counts it; false if it is none of this game.
    fn answer(&self, frame: &mut [u8], signature: Signature) -> bool {
        let Some((stamp, _)) = Stamp::read(frame).filter(|(_, by)| *by == Signature::default()) else {
            self.wrong.fetch_add(1, Relaxed);
            return false;
        };
        if let Some(count) = self.of(stamp.serial) {
            count.fetch_add(1, Relaxed);
        }
        signature.write(frame);
        true
    }
}

/// What all of them do: sign, answer, count.
struct Game {
    signatures: Vec<Signature>,
    counts: Arc<Counts>,
}

/// A connection of the gateway.
struct Speech {
    signature: Signature,
    tongue: Tongue,
}

enum Tongue {
    /// Envelopes, and the sessions that are open.
    Shared(EnvelopeDecoder, HashSet<u64>),
    /// Frames, and the front of one whose rest is under way.
    Dedicated(Vec<u8>),
}

impl Trade for Game {
    type Speech = Speech;

    fn greet(&mut self, listener: usize, _: usize) -> Speech {
        let signature = self.signatures.get(listener).copied().unwrap_or_default();
        let tongue = if signature.cluster == Cluster::Pay.code() {
            Tongue::Dedicated(Vec::new())
        } else {
            Tongue::Shared(EnvelopeDecoder::new(), HashSet::new())
        };
        Speech { signature, tongue }
    }

    fn digest(&mut self, _: usize, speech: &mut Speech, input: &[u8], out: &mut Vec<u8>) -> Result<(), Over> {
        let signature = speech.signature;
        match &mut speech.tongue {
            Tongue::Shared(decoder, open) => converse(decoder, open, input, signature, &self.counts, out),
            Tongue::Dedicated(part) => {
                part.extend_from_slice(input);
                let whole = part.len() - part.len() % SIZE;
                for frame in part.get_mut(..whole).unwrap_or_default().chunks_exact_mut(SIZE) {
                    self.counts.answer(frame, signature).then_some(()).ok_or(Over)?;
                }
                out.extend(part.drain(..whole));
                Ok(())
            }
        }
    }

    fn gather(&self) -> Duration {
        GATHER
    }
}

fn converse(
    decoder: &mut EnvelopeDecoder,
    open: &mut HashSet<u64>,
    input: &[u8],
    signature: Signature,
    counts: &Counts,
    out: &mut Vec<u8>,
) -> Result<(), Over> {
    let mut envelopes = decoder.envelopes(DEFAULT_MAX_ENVELOPE, input);
    while let Some(envelope) = envelopes.next() {
        let Ok(envelope) = envelope else {
            counts.wrong.fetch_add(1, Relaxed);
            return Err(Over);
        };
        if let Some((session, _)) = envelope.frame() {
            counts.unopened.fetch_add(u64::from(!open.contains(&session.raw())), Relaxed);
            let begins = out.len() + HEADER_LENGTH;
            out.extend_from_slice(envelope.bytes);
            counts.answer(out.get_mut(begins..).unwrap_or_default(), signature);
        } else if say(&envelope, open, signature, out).is_err() {
            counts.wrong.fetch_add(1, Relaxed);
            return Err(Over);
        }
    }
    Ok(())
}

/// Greets, answers PINGs and remembers who is there; all else needs no answer.
fn say(
    envelope: &RawEnvelope<'_>,
    open: &mut HashSet<u64>,
    signature: Signature,
    out: &mut Vec<u8>,
) -> Result<(), Over> {
    let heard = envelope.decode().map_err(|_| Over)?;
    #[expect(clippy::wildcard_enum_match_arm, reason = "an echo has no use for the rest")]
    let message = match heard.message {
        // The backends live as long as the run, so that they have one boot each.
        Message::Hello(_) => Message::HelloAck(HelloAck::new(u64::from(signature.backend))),
        Message::Ping { payload } => Message::Pong { payload, report: LoadReport::default() },
        Message::Open(_) => {
            open.insert(heard.session.raw());
            return Ok(());
        }
        Message::Close { .. } => {
            open.remove(&heard.session.raw());
            return Ok(());
        }
        Message::Error { .. } => return Err(Over),
        _ => return Ok(()),
    };
    Envelope { session: LINK, message }.encode(DEFAULT_MAX_ENVELOPE, out).map_err(|_| Over)
}

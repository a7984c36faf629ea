//! The frames of the game that is played here, and how an answer is known to be the right one.
//!
//! `length u32 | protocol ID u16 | connection u32 | sequence u64 | filler`, big-endian. The length counts the bytes
//! after the ID, so in realmgate's words: `length = { offset = 0, width = 4, adjust = 2 }`,
//! `id = { offset = 4, width = 2 }`.

/// Protocol IDs that go to one cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    /// The cluster.
    pub(crate) cluster: &'static str,
    /// Its lowest ID.
    pub(crate) first: u16,
    /// Its highest ID.
    pub(crate) last: u16,
}

/// The clusters behind realmgate.
pub(crate) const CLUSTERS: [Ids; 3] = [
    Ids { cluster: "battle", first: 1000, last: 1999 },
    Ids { cluster: "pay", first: 2000, last: 2099 },
    Ids { cluster: "chat", first: 3000, last: 3999 },
];

/// The bytes before the filler.
const HEAD: usize = 18;
/// The bytes of length and ID.
const UNCOUNTED: usize = 6;

/// What tells one frame from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The connection that sent it.
    pub(crate) connection: u32,
    /// Its number on that connection.
    pub(crate) sequence: u64,
}

/// Frames of one size.
#[derive(Debug)]
pub(crate) struct Shape {
    size: usize,
    counted: u32,
    filler: Vec<u8>,
}

impl Stamp {
    /// The cluster and the protocol ID of the frame: mixed, and known to both ends of the check.
    pub(crate) fn route(self) -> (usize, u16) {
        let mixed = (u64::from(self.connection) << 32 ^ self.sequence).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let [cluster, low, high, ..] = mixed.to_be_bytes();
        let cluster = usize::from(cluster) % CLUSTERS.len();
        let ids = CLUSTERS.get(cluster).unwrap_or(&CLUSTERS[0]);
        (cluster, ids.first + u16::from_be_bytes([low, high]) % (ids.last - ids.first + 1))
    }
}

/// How many frames a connection sends until each cluster has had one.
pub(crate) fn frames_to_every_cluster(connection: u32) -> usize {
    let mut met = [false; CLUSTERS.len()];
    let meets_all = |sequence| {
        let (cluster, _) = Stamp { connection, sequence }.route();
        if let Some(met) = met.get_mut(cluster) {
            *met = true;
        }
        met.iter().all(|met| *met)
    };
    (0..1000).position(meets_all).map_or(1, |last| last + 1)
}

impl Shape {
    /// Frames of `size` bytes in all, at least 18.
    pub(crate) fn new(size: usize) -> Self {
        let size = size.max(HEAD);
        let counted = u32::try_from(size - UNCOUNTED).expect("works have frames far below 4 GiB");
        Self { size, counted, filler: (0..=250).cycle().take(size - HEAD).collect() }
    }

    /// The bytes of a whole frame.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Appends the frame with this stamp.
    pub(crate) fn append(&self, stamp: Stamp, out: &mut Vec<u8>) {
        out.reserve(self.size);
        out.extend_from_slice(&self.head(stamp));
        out.extend_from_slice(&self.filler);
    }

    /// The stamp of an answer; `None` if a byte of it is not as it was sent.
    pub(crate) fn read(&self, frame: &[u8]) -> Option<Stamp> {
        let (head, filler) = frame.split_first_chunk::<HEAD>()?;
        let [_, _, _, _, _, _, c0, c1, c2, c3, sequence @ ..] = head;
        let stamp = Stamp {
            connection: u32::from_be_bytes([*c0, *c1, *c2, *c3]),
            sequence: u64::from_be_bytes(*sequence),
        };
        (*head == self.head(stamp) && filler == self.filler).then_some(stamp)
    }

    fn head(&self, stamp: Stamp) -> [u8; HEAD] {
        let [l0, l1, l2, l3] = self.counted.to_be_bytes();
        let [i0, i1] = stamp.route().1.to_be_bytes();
        let [c0, c1, c2, c3] = stamp.connection.to_be_bytes();
        let [s0, s1, s2, s3, s4, s5, s6, s7] = stamp.sequence.to_be_bytes();
        [l0, l1, l2, l3, i0, i1, c0, c1, c2, c3, s0, s1, s2, s3, s4, s5, s6, s7]
    }
}

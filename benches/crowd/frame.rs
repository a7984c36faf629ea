//! The frames of the game that is played here. All begin with `length u32 | protocol ID u16`, big-endian; the length
//! counts what follows it.

/// The protocol ID of the gateway's notices, and of what players say to the gateway itself.
pub(crate) const NOTICE: u16 = 9000;
/// A player's token; the gateway reads it.
pub(crate) const TOKEN: u16 = 100;
/// A question, which the backend sends back as it came: `due u64`.
pub(crate) const ASK: u16 = 1000;
/// A player takes its seat: `player u32 | room u8`.
pub(crate) const SEAT: u16 = 2000;
/// What a backend says by itself: `player u32 | number u32`, then bytes that follow from both.
pub(crate) const TALK: u16 = 3000;
/// The bytes before a frame's body.
pub(crate) const HEAD: usize = 6;
/// The player of talk that is for everybody.
pub(crate) const EVERYBODY: u32 = u32::MAX;
/// The shortest talk.
pub(crate) const SHORTEST_TALK: usize = HEAD + 8;

/// Where a player sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    /// Its number in the run.
    pub(crate) player: u32,
    /// The room that it joins; 0 for none.
    pub(crate) room: u8,
}

/// What a backend says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Talk {
    /// To whom, or [`EVERYBODY`].
    pub(crate) player: u32,
    /// Which one of its kind.
    pub(crate) number: u32,
}

/// A whole frame.
pub(crate) fn whole(id: u16, body: &[u8]) -> Vec<u8> {
    let counted = u32::try_from(body.len() + 2).unwrap_or(u32::MAX);
    [&counted.to_be_bytes()[..], &id.to_be_bytes()[..], body].concat()
}

/// The protocol ID and the body of a whole frame.
pub(crate) fn parts(frame: &[u8]) -> Option<(u16, &[u8])> {
    let ([_, _, _, _, i0, i1], body) = frame.split_first_chunk::<HEAD>()?;
    Some((u16::from_be_bytes([*i0, *i1]), body))
}

/// A question that was due then, in nanoseconds of the run.
pub(crate) fn ask(due: u64) -> Vec<u8> {
    whole(ASK, &due.to_be_bytes())
}

/// When an answered question was due.
pub(crate) fn asked(body: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(<[u8; 8]>::try_from(body).ok()?))
}

impl Seat {
    /// The frame that takes it.
    pub(crate) fn frame(self) -> Vec<u8> {
        let [p0, p1, p2, p3] = self.player.to_be_bytes();
        whole(SEAT, &[p0, p1, p2, p3, self.room])
    }

    /// Reads the body of such a frame.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let [p0, p1, p2, p3, room] = *<&[u8; 5]>::try_from(body).ok()?;
        Some(Self { player: u32::from_be_bytes([p0, p1, p2, p3]), room })
    }
}

impl Talk {
    /// Appends the whole frame, `size` bytes long.
    pub(crate) fn append(self, size: usize, out: &mut Vec<u8>) {
        let end = out.len() + size.max(SHORTEST_TALK);
        let counted = u32::try_from(size.max(SHORTEST_TALK) - 4).unwrap_or(u32::MAX);
        out.extend_from_slice(&counted.to_be_bytes());
        out.extend_from_slice(&TALK.to_be_bytes());
        out.extend_from_slice(&self.player.to_be_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.resize(end, self.filler());
    }

    /// Reads the body of such a frame; `None` if any byte is not as it was sent.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let ([p0, p1, p2, p3, n0, n1, n2, n3], rest) = body.split_first_chunk::<8>()?;
        let talk = Self {
            player: u32::from_be_bytes([*p0, *p1, *p2, *p3]),
            number: u32::from_be_bytes([*n0, *n1, *n2, *n3]),
        };
        rest.iter().all(|byte| *byte == talk.filler()).then_some(talk)
    }

    fn filler(self) -> u8 {
        let [.., last] = self.player.wrapping_mul(31).wrapping_add(self.number).to_be_bytes();
        last
    }
}

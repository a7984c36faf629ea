//! The frames of the game that is played here: who asked what, and who answered.
//!
//! `length u32 | protocol ID u16 | serial u32 | sequence u32 | lane u8 | 0 | backend u16 | group u8 | cluster u8 |
//! check u64`, big-endian. The length counts what follows it. A player leaves backend, group and cluster zero; the
//! backend that answers writes itself there and changes nothing else.

/// The bytes of a whole frame, question or answer.
pub(crate) const SIZE: usize = 28;
/// The protocol ID of the gateway's notices.
pub(crate) const NOTICE: u16 = 9000;

/// What tells one question from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The connection: no two of a run have the same.
    pub(crate) serial: u32,
    /// Its number on that connection, from 0.
    pub(crate) sequence: u32,
    /// The kind of question.
    pub(crate) lane: Lane,
}

/// Who answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signature {
    /// The backend's number, from 1.
    pub(crate) backend: u16,
    /// Its release group: 0 for none, 1 for a, 2 for b.
    pub(crate) group: u8,
    /// Its cluster's [`Cluster::code`].
    pub(crate) cluster: u8,
}

/// A kind of question, with a range of protocol IDs and a route of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// To battle, and never anywhere else.
    Battle,
    /// To chat, whose backends come and go.
    Chat,
    /// To battle or to chat, as the file says just now.
    Mail,
    /// To pay, over a connection of the session's own.
    Pay,
}

/// Backends that serve the same routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// Shared links, the same backends all the time.
    Battle,
    /// Shared links.
    Chat,
    /// Dedicated links.
    Pay,
}

impl Lane {
    /// In the order of their codes.
    pub(crate) const ALL: [Self; 4] = [Self::Battle, Self::Chat, Self::Mail, Self::Pay];

    /// The kind of a connection's next question.
    pub(crate) fn of(sequence: u32, has_pay: bool) -> Self {
        match sequence % 8 {
            4 | 5 => Self::Chat,
            6 => Self::Mail,
            7 if has_pay => Self::Pay,
            _ => Self::Battle,
        }
    }

    /// The lowest of its hundred protocol IDs.
    pub(crate) const fn first_id(self) -> u16 {
        match self {
            Self::Battle => 1000,
            Self::Mail => 2000,
            Self::Chat => 3000,
            Self::Pay => 4000,
        }
    }

    /// Its number in frames.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Battle => 0,
            Self::Chat => 1,
            Self::Mail => 2,
            Self::Pay => 3,
        }
    }

    /// Whether this cluster may answer it.
    pub(crate) fn allows(self, cluster: u8) -> bool {
        let may: &[Cluster] = match self {
            Self::Battle => &[Cluster::Battle],
            Self::Chat => &[Cluster::Chat],
            Self::Mail => &[Cluster::Battle, Cluster::Chat],
            Self::Pay => &[Cluster::Pay],
        };
        may.iter().any(|may| may.code() == cluster)
    }

    /// Whether all its questions go to one backend, so that no answer may overtake another.
    pub(crate) fn stays_put(self) -> bool {
        matches!(self, Self::Battle | Self::Pay)
    }
}

impl Cluster {
    /// Its name in the file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Battle => "battle",
            Self::Chat => "chat",
            Self::Pay => "pay",
        }
    }

    /// Its number in frames.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Battle => 1,
            Self::Chat => 2,
            Self::Pay => 3,
        }
    }
}

impl Stamp {
    /// The question with this stamp.
    pub(crate) fn ask(self) -> [u8; SIZE] {
        let [i0, i1] = (self.lane.first_id() + u16::try_from(self.sequence % 100).unwrap_or(0)).to_be_bytes();
        let [s0, s1, s2, s3] = self.serial.to_be_bytes();
        let [q0, q1, q2, q3] = self.sequence.to_be_bytes();
        let [c0, c1, c2, c3, c4, c5, c6, c7] = self.check().to_be_bytes();
        let lane = self.lane.code();
        [
            0, 0, 0, 24, i0, i1, s0, s1, s2, s3, q0, q1, q2, q3, lane, 0, 0, 0, 0, 0, c0, c1, c2, c3, c4, c5,
            c6, c7,
        ]
    }

    /// Reads a whole frame; `None` if any byte but the signature is not as it was sent.
    pub(crate) fn read(frame: &[u8]) -> Option<(Self, Signature)> {
        let frame = <&[u8; SIZE]>::try_from(frame).ok()?;
        let [_, _, _, _, _, _, s0, s1, s2, s3, q0, q1, q2, q3, lane, _, b0, b1, group, cluster, ..] = *frame;
        let stamp = Self {
            serial: u32::from_be_bytes([s0, s1, s2, s3]),
            sequence: u32::from_be_bytes([q0, q1, q2, q3]),
            lane: *Lane::ALL.get(usize::from(lane))?,
        };
        let signature = Signature { backend: u16::from_be_bytes([b0, b1]), group, cluster };
        let mut expected = stamp.ask();
        signature.write(&mut expected);
        (*frame == expected).then_some((stamp, signature))
    }

    fn check(self) -> u64 {
        let mixed = u64::from(self.serial) << 32 | u64::from(self.sequence);
        (mixed ^ u64::from(self.lane.code()) << 60).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23)
    }
}

impl Signature {
    /// Signs a frame that has been read.
    pub(crate) fn write(self, frame: &mut [u8]) {
        let [b0, b1] = self.backend.to_be_bytes();
        if let Some(place) = frame.get_mut(16..20) {
            place.copy_from_slice(&[b0, b1, self.group, self.cluster]);
        }
    }
}

//! The types of envelopes.

/// What an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The gateway says who it is.
    Hello = 1,
    /// The backend says who it is.
    HelloAck = 2,
    /// Are you there?
    Ping = 3,
    /// The answer to a PING.
    Pong = 4,
    /// How busy the backend is.
    Load = 5,
    /// Whether the backend wants sessions.
    State = 6,
    /// Protocol IDs that fail at the backend.
    Exception = 7,
    /// The gateway is leaving.
    GoAway = 8,
    /// What was wrong with the envelope before.
    Error = 9,
    /// A session comes.
    Open = 16,
    /// A session is gone.
    Close = 17,
    /// The player of a session is this account.
    Bind = 18,
    /// Close the player's connection.
    Kick = 19,
    /// The backend does not take the session.
    Refuse = 20,
    /// A session's frames of a cluster go to another backend.
    Move = 21,
    /// The player's send buffer is above its mark.
    Pause = 22,
    /// The player's send buffer is below its mark again.
    Resume = 23,
    /// Attributes of a session that changed.
    Attributes = 24,
    /// A frame of the game.
    Frame = 32,
    /// One frame for listed sessions.
    Multicast = 33,
    /// One frame for a room, a group, a zone or all.
    Broadcast = 34,
    /// What was sent to a session did not reach it.
    Undelivered = 35,
    /// A session enters a room.
    Join = 48,
    /// A session leaves a room.
    Leave = 49,
    /// A room ends.
    RoomClose = 50,
}

/// What the session field of an envelope must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The link itself: 0.
    Link,
    /// A session: not 0.
    Session,
    /// Either.
    Any,
}

impl Kind {
    /// Every type, for tables and tests.
    pub const ALL: [Self; 25] = [
        Self::Hello,
        Self::HelloAck,
        Self::Ping,
        Self::Pong,
        Self::Load,
        Self::State,
        Self::Exception,
        Self::GoAway,
        Self::Error,
        Self::Open,
        Self::Close,
        Self::Bind,
        Self::Kick,
        Self::Refuse,
        Self::Move,
        Self::Pause,
        Self::Resume,
        Self::Attributes,
        Self::Frame,
        Self::Multicast,
        Self::Broadcast,
        Self::Undelivered,
        Self::Join,
        Self::Leave,
        Self::RoomClose,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The type with this number; `None` for one that this version does not know.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::HelloAck => "hello_ack",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Load => "load",
            Self::State => "state",
            Self::Exception => "exception",
            Self::GoAway => "goaway",
            Self::Error => "error",
            Self::Open => "open",
            Self::Close => "close",
            Self::Bind => "bind",
            Self::Kick => "kick",
            Self::Refuse => "refuse",
            Self::Move => "move",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Attributes => "attributes",
            Self::Frame => "frame",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Undelivered => "undelivered",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::RoomClose => "room_close",
        }
    }

    /// What its session field must name.
    #[must_use]
    pub const fn subject(self) -> Subject {
        match self {
            Self::Error => Subject::Any,
            Self::Hello
            | Self::HelloAck
            | Self::Ping
            | Self::Pong
            | Self::Load
            | Self::State
            | Self::Exception
            | Self::GoAway
            | Self::Multicast
            | Self::Broadcast
            | Self::RoomClose => Subject::Link,
            Self::Open
            | Self::Close
            | Self::Bind
            | Self::Kick
            | Self::Refuse
            | Self::Move
            | Self::Pause
            | Self::Resume
            | Self::Attributes
            | Self::Frame
            | Self::Undelivered
            | Self::Join
            | Self::Leave => Subject::Session,
        }
    }
}

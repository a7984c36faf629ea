//! Why a request of a third party is not let through: a closed set, which is a label of a metric.

/// The reasons, in the order in which they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It shows nothing that says who it is, or not all of it.
    Unsigned,
    /// It names nobody who may ask here, or shows it in another way than was agreed.
    Unknown,
    /// The partner is switched off.
    Disabled,
    /// It comes from elsewhere than the partner's networks.
    Address,
    /// Its key is none of the partner's.
    BadKey,
    /// Its signature does not fit: not the partner's, or not for this request.
    BadSignature,
    /// It was signed too long ago, or for a time to come.
    Late,
    /// Its nonce was seen before.
    Replayed,
    /// Its token is over.
    Expired,
    /// The partner has as many connections as it may have.
    Connections,
    /// The partner asks too fast.
    Rate,
    /// The partner has had what it may have today.
    Quota,
    /// The partner has as many requests in progress as it may have.
    InFlight,
}

impl Refusal {
    /// Every reason, for tables.
    pub const ALL: [Self; 13] = [
        Self::Unsigned,
        Self::Unknown,
        Self::Disabled,
        Self::Address,
        Self::BadKey,
        Self::BadSignature,
        Self::Late,
        Self::Replayed,
        Self::Expired,
        Self::Connections,
        Self::Rate,
        Self::Quota,
        Self::InFlight,
    ];

    /// The word of metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Unknown => "unknown",
            Self::Disabled => "disabled",
            Self::Address => "address",
            Self::BadKey => "bad_key",
            Self::BadSignature => "bad_signature",
            Self::Late => "late",
            Self::Replayed => "replayed",
            Self::Expired => "expired",
            Self::Connections => "connections",
            Self::Rate => "rate",
            Self::Quota => "quota",
            Self::InFlight => "in_flight",
        }
    }

    /// The status of the answer: 401 for whoever has not proven who it is, 403 for whoever may not, 429 for too much.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Unsigned
            | Self::Unknown
            | Self::BadKey
            | Self::BadSignature
            | Self::Late
            | Self::Replayed
            | Self::Expired => 401,
            Self::Disabled | Self::Address => 403,
            Self::Connections | Self::Rate | Self::Quota | Self::InFlight => 429,
        }
    }
}

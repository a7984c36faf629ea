//! What became of logins, in words.

/// What became of one login: a token that a player showed, or a BIND of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginResult {
    /// The player is in, or waits for its turn.
    Ok,
    /// The player was in, and showed who it is again.
    Again,
    /// A newer login of the account is known.
    Older,
    /// The account plays already, and `duplicate = "refuse"`.
    Taken,
    /// The player is in with another account.
    OtherAccount,
    /// The account is banned.
    Banned,
    /// The client's version is none that may play.
    UpdateRequired,
    /// The waiting line is full.
    Full,
    /// A BIND of a backend that does not log players in.
    Stranger,
    /// The token is none.
    TokenMalformed,
    /// The token is signed in another way.
    TokenAlgorithm,
    /// The token names a key that is not known.
    TokenKey,
    /// The token's signature is wrong.
    TokenSignature,
    /// The token is over.
    TokenExpired,
    /// The token's time has not come.
    TokenNotYet,
    /// The token is for somebody else.
    TokenAudience,
    /// The token names no account.
    TokenAccount,
}

impl LoginResult {
    /// Every result, for tables.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Again,
        Self::Older,
        Self::Taken,
        Self::OtherAccount,
        Self::Banned,
        Self::UpdateRequired,
        Self::Full,
        Self::Stranger,
        Self::TokenMalformed,
        Self::TokenAlgorithm,
        Self::TokenKey,
        Self::TokenSignature,
        Self::TokenExpired,
        Self::TokenNotYet,
        Self::TokenAudience,
        Self::TokenAccount,
    ];

    /// The word of metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Again => "again",
            Self::Older => "older",
            Self::Taken => "taken",
            Self::OtherAccount => "other_account",
            Self::Banned => "banned",
            Self::UpdateRequired => "update_required",
            Self::Full => "full",
            Self::Stranger => "stranger",
            Self::TokenMalformed => "token_malformed",
            Self::TokenAlgorithm => "token_algorithm",
            Self::TokenKey => "token_key",
            Self::TokenSignature => "token_signature",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYet => "token_not_yet",
            Self::TokenAudience => "token_audience",
            Self::TokenAccount => "token_account",
        }
    }
}

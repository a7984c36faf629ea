//! `[login]`: how players prove who they are, and what becomes of too many of them.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::ProtocolId;
use crate::config::site::Located;
use crate::policy::VersionRule;

/// `[login]`.
#[derive(Clone, Debug)]
pub struct Login {
    pub(in crate::config) way: LoginWay,
    pub(in crate::config) duplicate: Duplicate,
    pub(in crate::config) resume: Option<Duration>,
    pub(in crate::config) versions: Option<VersionRule>,
    pub(in crate::config) queue: Option<Queue>,
}

/// How a player logs in.
#[derive(Clone, Debug)]
pub enum LoginWay {
    /// The backends of this route's cluster say who it is; a place in the plan's routes.
    Route(usize),
    /// The gateway verifies a token.
    Token(TokenRules),
}

/// `token` of `[login]`.
#[derive(Clone, Debug)]
pub struct TokenRules {
    pub(in crate::config) id: ProtocolId,
    pub(in crate::config) offset: usize,
    pub(in crate::config) trust: TokenTrust,
}

/// Which tokens are believed.
#[derive(Clone, Debug)]
pub struct TokenTrust {
    pub(in crate::config) algorithm: TokenAlgorithm,
    pub(in crate::config) key: Located<PathBuf>,
    pub(in crate::config) audience: Option<String>,
    pub(in crate::config) skew: Duration,
}

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// HMAC with SHA-256: whoever can verify can sign.
    Hs256,
}

/// What becomes of a second login of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicate {
    /// The elder session ends.
    Replace,
    /// The newer one is refused.
    Refuse,
    /// Both play.
    Allow,
}

/// `queue` of `[login]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    pub(in crate::config) above: u32,
    pub(in crate::config) admit: f64,
    pub(in crate::config) length: u32,
    pub(in crate::config) redirect: Vec<String>,
}

impl Login {
    /// How a player logs in.
    #[must_use]
    pub fn way(&self) -> &LoginWay {
        &self.way
    }

    /// What becomes of a second login of an account.
    #[must_use]
    pub fn duplicate(&self) -> Duplicate {
        self.duplicate
    }

    /// How long a player may come back to its session after its connection is gone; `None`: never.
    #[must_use]
    pub fn resume(&self) -> Option<Duration> {
        self.resume
    }

    /// Which clients may play; `None`: all.
    #[must_use]
    pub fn versions(&self) -> Option<&VersionRule> {
        self.versions.as_ref()
    }

    /// When players wait; `None`: never.
    #[must_use]
    pub fn queue(&self) -> Option<&Queue> {
        self.queue.as_ref()
    }
}

impl Duplicate {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Refuse => "refuse",
            Self::Allow => "allow",
        }
    }
}

impl TokenAlgorithm {
    /// The word of the file, which is the one of tokens too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }
}

impl TokenRules {
    /// The protocol ID of the frame that holds the token.
    #[must_use]
    pub fn id(&self) -> ProtocolId {
        self.id
    }

    /// Where in the frame the token begins; it goes to the frame's end.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Which tokens are believed.
    #[must_use]
    pub fn trust(&self) -> &TokenTrust {
        &self.trust
    }
}

impl TokenTrust {
    /// How tokens are signed, whatever a token says of itself.
    #[must_use]
    pub fn algorithm(&self) -> TokenAlgorithm {
        self.algorithm
    }

    /// The file with the key or keys, ready to open.
    #[must_use]
    pub fn key(&self) -> &Located<PathBuf> {
        &self.key
    }

    /// Whom a token must be for; `None`: it is not looked at.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// By how much clocks may differ.
    #[must_use]
    pub fn skew(&self) -> Duration {
        self.skew
    }
}

impl Queue {
    /// From so many players on who are in, more wait.
    #[must_use]
    pub fn above(&self) -> u32 {
        self.above
    }

    /// The most that are let in from the waiting line each second.
    #[must_use]
    pub fn admit(&self) -> f64 {
        self.admit
    }

    /// The most that wait.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Gateways for those who find the line full, each `host:port`.
    #[must_use]
    pub fn redirect(&self) -> &[String] {
        &self.redirect
    }
}

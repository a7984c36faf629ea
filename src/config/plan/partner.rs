//! `[partner.NAME]`: a third party, how it proves who it is, and how much it may ask.

use std::path::PathBuf;

use super::login::TokenTrust;
use super::network::Network;
use crate::config::site::Located;
use crate::policy::RateLimit;

/// `[partner.NAME]`.
#[derive(Clone, Debug)]
pub struct Partner {
    pub(in crate::config) name: String,
    pub(in crate::config) enabled: bool,
    pub(in crate::config) auth: PartnerAuth,
    pub(in crate::config) allow: Vec<Network>,
    pub(in crate::config) rate: RateLimit,
    pub(in crate::config) daily: Option<u64>,
    pub(in crate::config) in_flight: u32,
    pub(in crate::config) connections: u32,
}

/// `auth` of a partner.
#[derive(Clone, Debug)]
pub enum PartnerAuth {
    /// A secret word in each request, of which the file has the SHA-256 only.
    ApiKey {
        /// Hashes in hex, one a line.
        keys: Located<PathBuf>,
    },
    /// Each request is signed with a shared secret.
    Hmac {
        /// The secrets in use, one a line, without the white space around them.
        secret: Located<PathBuf>,
    },
    /// A signed token in each request.
    Jwt(TokenTrust),
    /// A certificate that the listener's `client_ca` vouches for.
    Mtls {
        /// Common names or alternative names in it; one is enough.
        names: Vec<String>,
    },
}

impl Partner {
    /// The most nonces of one partner that are remembered.
    pub const NONCES: u32 = 1 << 22;

    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kill switch: whether it may ask at all.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// How it proves who it is.
    #[must_use]
    pub fn auth(&self) -> &PartnerAuth {
        &self.auth
    }

    /// Whether it may ask from this address; no list: from everywhere.
    #[must_use]
    pub fn allows(&self, address: std::net::IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(address))
    }

    /// The networks it may ask from; empty: all.
    #[must_use]
    pub fn networks(&self) -> &[Network] {
        &self.allow
    }

    /// How fast it may ask.
    #[must_use]
    pub fn rate(&self) -> RateLimit {
        self.rate
    }

    /// How often it may ask on one day of UTC; `None`: any number.
    #[must_use]
    pub fn daily(&self) -> Option<u64> {
        self.daily
    }

    /// The most of its requests that wait for their answers at one time.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The most connections on which it asks at one time.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections
    }
}

impl PartnerAuth {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ApiKey { .. } => "api_key",
            Self::Hmac { .. } => "hmac",
            Self::Jwt(_) => "jwt",
            Self::Mtls { .. } => "mtls",
        }
    }
}

//! Tokens that prove an account: JWTs in their compact form. How one must be signed is the operator's word; what it
//! says of that itself is only held against it.

mod keys;

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value};

use self::keys::Key;
use crate::config::{TokenAlgorithm, TokenTrust};

pub use keys::KeyFault;

/// What verifies the tokens of one `[login]`.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Vec<Key>,
    /// How the library checks the signature; claims are checked here, with a time that is an argument.
    validation: Validation,
    audience: Option<String>,
    skew: Duration,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: whose it is; 1 to 128 bytes.
    pub account: String,
    /// `iat`: when it was issued, in seconds since 1970.
    pub issued: Option<u64>,
    /// `ver` or `version`: the client's version.
    pub version: Option<String>,
}

/// Why a token is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenFault {
    /// It is no JWT, longer than any, or wants something of its reader that this one does not know.
    Malformed,
    /// It is signed in another way than the operator wants.
    Algorithm,
    /// No key has the ID that it names.
    UnknownKey,
    /// No key fits its signature.
    Signature,
    /// It is over, or does not say when it is.
    Expired,
    /// Its time has not come: the clocks are too far apart, or it is for later.
    NotYet,
    /// It is for somebody else.
    Audience,
    /// It names no account, or a longer one than accounts can be.
    Account,
}

/// A longer one is no token.
const LONGEST: usize = 8 * 1024;
/// As long as the accounts of BIND.
const LONGEST_ACCOUNT: usize = 128;
/// A client's version is a few numbers.
const LONGEST_VERSION: usize = 64;
/// How many keys are tried for a token that names none.
const MOST_TRIED: usize = 8;

impl Verifier {
    /// Takes the rules of the file and what the file of the key contains.
    ///
    /// # Errors
    /// Why no token could be verified with it.
    pub fn open(rules: &TokenTrust, key: &[u8]) -> Result<Self, KeyFault> {
        let mut validation = Validation::new(algorithm(rules.algorithm()));
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Ok(Self {
            keys: keys::open(rules.algorithm(), key)?,
            validation,
            audience: rules.audience().map(str::to_owned),
            skew: rules.skew(),
        })
    }

    /// How many keys it has.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// What a token says; `now` is the time since 1970.
    ///
    /// # Errors
    /// Why it is no good.
    pub fn verify(&self, token: &[u8], now: Duration) -> Result<Claims, TokenFault> {
        if token.len() > LONGEST {
            return Err(TokenFault::Malformed);
        }
        let claims = self.signed(token)?;
        self.check_times(&claims, now)?;
        self.check_audience(&claims)?;
        let account = claims.get("sub").and_then(Value::as_str);
        let account = account.filter(|account| (1..=LONGEST_ACCOUNT).contains(&account.len()));
        let version = claims.get("ver").or_else(|| claims.get("version")).and_then(Value::as_str);
        Ok(Claims {
            account: account.ok_or(TokenFault::Account)?.to_owned(),
            issued: seconds(claims.get("iat"))?.map(|issued| issued.as_secs()),
            version: version.filter(|version| version.len() <= LONGEST_VERSION).map(str::to_owned),
        })
    }

    /// The claims, once a key fits the signature.
    fn signed(&self, token: &[u8]) -> Result<Map<String, Value>, TokenFault> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| fault(error.kind()))?;
        if !self.validation.algorithms.contains(&header.alg) {
            return Err(TokenFault::Algorithm);
        }
        if header.crit.is_some() {
            return Err(TokenFault::Malformed); // RFC 7515, 4.1.11: what it wants is not known here
        }
        let mut fault = TokenFault::UnknownKey;
        let fitting: Vec<_> = self.keys.iter().filter(|key| key.fits(header.kid.as_deref())).collect();
        for key in fitting.iter().filter(|_| fitting.len() <= MOST_TRIED) {
            match jsonwebtoken::decode::<Map<String, Value>>(token, &key.key, &self.validation) {
                Ok(signed) => return Ok(signed.claims),
                Err(error) => fault = self::fault(error.kind()),
            }
            if fault != TokenFault::Signature {
                break;
            }
        }
        Err(fault)
    }

    fn check_times(&self, claims: &Map<String, Value>, now: Duration) -> Result<(), TokenFault> {
        let expires = seconds(claims.get("exp"))?.ok_or(TokenFault::Expired)?;
        if now >= expires.saturating_add(self.skew) {
            return Err(TokenFault::Expired);
        }
        let begins = [seconds(claims.get("nbf"))?, seconds(claims.get("iat"))?];
        let latest = now.saturating_add(self.skew);
        if begins.into_iter().flatten().any(|begins| begins > latest) {
            Err(TokenFault::NotYet)
        } else {
            Ok(())
        }
    }

    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), TokenFault> {
        let Some(audience) = self.audience.as_deref() else { return Ok(()) };
        let names = |value: &Value| value.as_str() == Some(audience);
        let found = claims.get("aud");
        let among = found.and_then(Value::as_array).is_some_and(|several| several.iter().any(names));
        if among || found.is_some_and(names) { Ok(()) } else { Err(TokenFault::Audience) }
    }
}

/// The account that a token says it is of. Nothing is proven by that: it is where to look for the key.
#[must_use]
pub fn claimed_account(token: &[u8]) -> Option<String> {
    if token.len() > LONGEST {
        return None;
    }
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Map<String, Value>>(token).ok()?;
    claims.get("sub").and_then(Value::as_str).map(str::to_owned)
}

/// A time of a token, in seconds since 1970, perhaps with a fraction.
fn seconds(value: Option<&Value>) -> Result<Option<Duration>, TokenFault> {
    let Some(value) = value else { return Ok(None) };
    let whole = value.as_u64().map(Duration::from_secs);
    let time = whole.or_else(|| Duration::try_from_secs_f64(value.as_f64()?).ok());
    time.map(Some).ok_or(TokenFault::Malformed)
}

fn algorithm(algorithm: TokenAlgorithm) -> Algorithm {
    match algorithm {
        TokenAlgorithm::EdDsa => Algorithm::EdDSA,
        TokenAlgorithm::Es256 => Algorithm::ES256,
        TokenAlgorithm::Rs256 => Algorithm::RS256,
        TokenAlgorithm::Hs256 => Algorithm::HS256,
    }
}

fn fault(error: &ErrorKind) -> TokenFault {
    if matches!(error, ErrorKind::InvalidSignature) {
        TokenFault::Signature
    } else if matches!(error, ErrorKind::InvalidAlgorithm) {
        TokenFault::Algorithm
    } else {
        TokenFault::Malformed
    }
}

impl TokenFault {
    /// Every fault, for counters and tests.
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownKey,
        Self::Signature,
        Self::Expired,
        Self::NotYet,
        Self::Audience,
        Self::Account,
    ];
}

//! The keys that tokens are verified with: one PEM, one secret, or a set of them as JSON.

use std::fmt;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse};

use crate::config::TokenAlgorithm;

/// A key, and the ID by which tokens may name it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) key: DecodingKey,
}

/// Why a file is no key for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// A secret, shorter than what it signs.
    ShortSecret,
    /// A public key where a secret is wanted.
    PublicSecret,
    /// A private key where the public one is wanted.
    Private,
    /// No PEM of a public key, or of another sort than the algorithm's.
    NotPem(TokenAlgorithm),
    /// An RSA key that is too short to be safe, or longer than anybody can verify.
    RsaLength,
    /// JSON that is no key and no set of keys.
    NotJwks,
    /// A set of keys without one for the algorithm.
    NoneFits(TokenAlgorithm),
}

/// HMAC with SHA-256 wants as many bytes (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;
/// A P-256 key: a byte that says that it is not compressed, and two coordinates.
const P256_BYTES: usize = 65;
const ED25519_BYTES: usize = 32;
/// Base64 of 2048 and of 8192 bits.
const RSA_MODULUS: std::ops::RangeInclusive<usize> = 342..=1366;

/// The keys of a file. A file that begins with `{` is JSON, whatever its name.
pub(super) fn open(algorithm: TokenAlgorithm, file: &[u8]) -> Result<Vec<Key>, KeyFault> {
    let text = std::str::from_utf8(file).unwrap_or_default().trim();
    if text.starts_with('{') {
        return from_json(algorithm, text);
    }
    let key = match algorithm {
        TokenAlgorithm::Hs256 => secret(file, text)?,
        _ if text.contains("PRIVATE KEY") => return Err(KeyFault::Private),
        TokenAlgorithm::EdDsa | TokenAlgorithm::Es256 | TokenAlgorithm::Rs256 => pem(algorithm, text)?,
    };
    Ok(vec![Key { id: None, key }])
}

/// The bytes of the file; of a text, without the end of its line.
fn secret(file: &[u8], text: &str) -> Result<DecodingKey, KeyFault> {
    if text.starts_with("-----BEGIN") {
        return Err(KeyFault::PublicSecret);
    }
    let is_text = !text.is_empty() && !text.chars().any(char::is_control);
    let secret = if is_text { text.as_bytes() } else { file };
    if secret.len() < SHORTEST_SECRET {
        Err(KeyFault::ShortSecret)
    } else {
        Ok(DecodingKey::from_secret(secret))
    }
}

fn pem(algorithm: TokenAlgorithm, text: &str) -> Result<DecodingKey, KeyFault> {
    let not_pem = KeyFault::NotPem(algorithm);
    if text.contains("BEGIN CERTIFICATE") {
        return Err(not_pem);
    }
    let key = match algorithm {
        TokenAlgorithm::EdDsa => DecodingKey::from_ed_pem(text.as_bytes()),
        TokenAlgorithm::Es256 => DecodingKey::from_ec_pem(text.as_bytes()),
        TokenAlgorithm::Rs256 | TokenAlgorithm::Hs256 => DecodingKey::from_rsa_pem(text.as_bytes()),
    };
    let key = key.map_err(|_| not_pem)?;
    check(algorithm, &key, not_pem)?;
    Ok(key)
}

/// What verifying would only find with the first token: a key of another curve, or one of a wrong length.
fn check(algorithm: TokenAlgorithm, key: &DecodingKey, wrong: KeyFault) -> Result<(), KeyFault> {
    let length = key.try_get_as_bytes().map_or(0, <[u8]>::len);
    let fits = match algorithm {
        TokenAlgorithm::EdDsa => length == ED25519_BYTES,
        TokenAlgorithm::Es256 => length == P256_BYTES,
        TokenAlgorithm::Hs256 if length < SHORTEST_SECRET => return Err(KeyFault::ShortSecret),
        TokenAlgorithm::Hs256 => true,
        TokenAlgorithm::Rs256 => {
            let parts = Jwk::from_decoding_key(key, None).map_err(|_| wrong)?;
            let AlgorithmParameters::RSA(parts) = parts.algorithm else { return Err(wrong) };
            return if RSA_MODULUS.contains(&parts.n.len()) { Ok(()) } else { Err(KeyFault::RsaLength) };
        }
    };
    if fits { Ok(()) } else { Err(wrong) }
}

/// A set of keys, or a single one. Keys for other purposes are passed over: a set may have several.
fn from_json(algorithm: TokenAlgorithm, text: &str) -> Result<Vec<Key>, KeyFault> {
    let set = serde_json::from_str::<JwkSet>(text);
    let set = set.or_else(|_| serde_json::from_str::<Jwk>(text).map(|key| JwkSet { keys: vec![key] }));
    let set = set.map_err(|_| KeyFault::NotJwks)?;
    let mut keys = Vec::new();
    for jwk in set.keys.iter().filter(|jwk| is_meant(algorithm, jwk)) {
        let none = KeyFault::NoneFits(algorithm);
        let key = DecodingKey::from_jwk(jwk).map_err(|_| none)?;
        check(algorithm, &key, none)?;
        keys.push(Key { id: jwk.common.key_id.clone(), key });
    }
    if keys.is_empty() { Err(KeyFault::NoneFits(algorithm)) } else { Ok(keys) }
}

/// Whether a key of a set is for verifying tokens of this algorithm.
fn is_meant(algorithm: TokenAlgorithm, jwk: &Jwk) -> bool {
    let is_ours = match algorithm {
        TokenAlgorithm::EdDsa => matches!(&jwk.algorithm, AlgorithmParameters::OctetKeyPair(key)
            if key.curve == EllipticCurve::Ed25519),
        TokenAlgorithm::Es256 => matches!(&jwk.algorithm, AlgorithmParameters::EllipticCurve(key)
            if key.curve == EllipticCurve::P256),
        TokenAlgorithm::Rs256 => matches!(&jwk.algorithm, AlgorithmParameters::RSA(_)),
        TokenAlgorithm::Hs256 => matches!(&jwk.algorithm, AlgorithmParameters::OctetKey(_)),
    };
    let common = &jwk.common;
    let said = common.key_algorithm.is_none_or(|said| said == super::algorithm(algorithm).into());
    let used = common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
    let verifies = common.key_operations.as_ref().is_none_or(|does| does.contains(&KeyOperations::Verify));
    is_ours && said && used && verifies
}

impl Key {
    /// Whether a token that names this ID, or none, may be signed with it.
    pub(super) fn fits(&self, id: Option<&str>) -> bool {
        match (self.id.as_deref(), id) {
            (Some(own), Some(named)) => own == named,
            (None, _) | (_, None) => true,
        }
    }
}

impl KeyFault {
    /// What to write instead.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::ShortSecret => "make a longer one: openssl rand -hex 32",
            Self::PublicSecret => "name a file with a secret, or write the algorithm of this key",
            Self::Private => "name the file with the public key: openssl pkey -in FILE -pubout",
            Self::NotPem(TokenAlgorithm::EdDsa) => "name a PEM file with an Ed25519 public key",
            Self::NotPem(TokenAlgorithm::Es256) => "name a PEM file with a P-256 public key",
            Self::NotPem(TokenAlgorithm::Rs256 | TokenAlgorithm::Hs256) => {
                "name a PEM file with an RSA public key"
            }
            Self::RsaLength => "make a key of 2048 bits at least and 8192 at most",
            Self::NotJwks => {
                "name a file such as {\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", ...}]}"
            }
            Self::NoneFits(_) => "name a set with a whole key for this `algorithm`",
        }
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShortSecret => write!(f, "the secret is shorter than {SHORTEST_SECRET} bytes"),
            Self::PublicSecret => f.write_str("it is a key in PEM form and no secret"),
            Self::Private => f.write_str("it is a private key, which the gateway must not have"),
            Self::NotPem(_) => f.write_str("it is no public key of this `algorithm`"),
            Self::RsaLength => f.write_str("the RSA key is too short, or too long"),
            Self::NotJwks => f.write_str("it is JSON and no set of keys"),
            Self::NoneFits(_) => f.write_str("it has no key for this `algorithm`, or a broken one"),
        }
    }
}

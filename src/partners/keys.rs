//! What proves that a request is a partner's: hashes of its keys, secrets that both sides know, the key of whoever
//! signs its tokens, the names in its certificates.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::{constant_time, digest, hmac};

use super::claim::Claim;
use super::refusal::Refusal;
use super::signature::{Request, hex};
use crate::players::{TokenFault, Verifier};

/// What proves one partner.
#[derive(Clone, Debug)]
pub enum Keys {
    /// The SHA-256 of each key that is in use.
    ApiKey(Vec<[u8; digest::SHA256_OUTPUT_LEN]>),
    /// The secrets in use.
    Hmac(Vec<hmac::Key>),
    /// Who signs its tokens.
    Token(Box<Verifier>),
    /// Names of which its certificates have one.
    Certificate(Vec<String>),
}

/// Why a file holds nothing that could prove anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFault {
    /// It is no text.
    NotText,
    /// No line of it says anything.
    Empty,
    /// It holds more than anybody has in use.
    TooMany,
    /// This line is no SHA-256.
    NotHash(usize),
    /// The secret in this line is too short to be one.
    Short(usize),
}

/// Shorter ones could be found by trying.
const SHORTEST: usize = 32;
/// The old one, the new one, and some more.
const MOST: usize = 16;

impl Keys {
    /// Reads the hashes of keys, one on each line; what stands behind a hash is passed over, as are lines that begin
    /// with `#`.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn api_key(file: &[u8]) -> Result<Self, SecretFault> {
        let hash = |(line, text): (usize, &str)| {
            hex(text.split_whitespace().next().unwrap_or_default()).ok_or(SecretFault::NotHash(line))
        };
        lines(file)?.into_iter().map(hash).collect::<Result<_, _>>().map(Self::ApiKey)
    }

    /// Reads secrets, one on each line, without the blanks around it; lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn hmac(file: &[u8]) -> Result<Self, SecretFault> {
        let key = |(line, text): (usize, &str)| match text.len() < SHORTEST {
            true => Err(SecretFault::Short(line)),
            false => Ok(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())),
        };
        lines(file)?.into_iter().map(key).collect::<Result<_, _>>().map(Self::Hmac)
    }

    /// Whether such a claim is made in the way that was agreed; for a certificate, whether it is this partner's.
    #[must_use]
    pub fn fits(&self, claim: &Claim<'_>) -> bool {
        match (self, claim) {
            (Self::ApiKey(_), Claim::ApiKey { .. })
            | (Self::Hmac(_), Claim::Signed { .. })
            | (Self::Token(_), Claim::Token { .. }) => true,
            (Self::Certificate(own), Claim::Certificate { names }) => {
                names.iter().any(|name| own.iter().any(|own| own.eq_ignore_ascii_case(name)))
            }
            (Self::ApiKey(_) | Self::Hmac(_) | Self::Token(_) | Self::Certificate(_), _) => false,
        }
    }

    /// What can be told before the body has come; `now` is the time since 1970.
    ///
    /// # Errors
    /// Why it is not the partner.
    pub fn check_head(&self, claim: &Claim<'_>, now: Duration) -> Result<(), Refusal> {
        match (self, claim) {
            (Self::ApiKey(hashes), Claim::ApiKey { secret, .. }) => check_key(hashes, secret),
            (Self::Hmac(_), Claim::Signed { signed, .. }) => (*signed)?.check_time(now.as_secs()),
            (Self::Token(verifier), Claim::Token { partner, token }) => {
                let claims = verifier.verify(token.as_bytes(), now).map_err(of_token)?;
                if claims.account == *partner { Ok(()) } else { Err(Refusal::BadSignature) }
            }
            (Self::Certificate(_), Claim::Certificate { .. }) if self.fits(claim) => Ok(()),
            (Self::ApiKey(_) | Self::Hmac(_) | Self::Token(_) | Self::Certificate(_), _) => {
                Err(Refusal::Unknown)
            }
        }
    }

    /// What can only be told of all of the request. Only a signature is over the body; the others pass.
    ///
    /// # Errors
    /// When the request is not what was signed.
    pub fn check_all(&self, claim: &Claim<'_>, request: &Request<'_>) -> Result<(), Refusal> {
        match (self, claim) {
            (Self::Hmac(keys), Claim::Signed { signed, .. }) => (*signed)?.check(keys, request),
            (Self::ApiKey(_) | Self::Hmac(_) | Self::Token(_) | Self::Certificate(_), _) => Ok(()),
        }
    }
}

/// Every hash is looked at, so that the time says nothing.
fn check_key(hashes: &[[u8; digest::SHA256_OUTPUT_LEN]], secret: &str) -> Result<(), Refusal> {
    if secret.len() < SHORTEST {
        return Err(Refusal::BadKey);
    }
    let shown = digest::digest(&digest::SHA256, secret.as_bytes());
    let fits = |hash: &&[u8; 32]| constant_time::verify_slices_are_equal(*hash, shown.as_ref()).is_ok();
    if hashes.iter().filter(fits).count() > 0 { Ok(()) } else { Err(Refusal::BadKey) }
}

fn of_token(fault: TokenFault) -> Refusal {
    match fault {
        TokenFault::Expired => Refusal::Expired,
        TokenFault::NotYet => Refusal::Late,
        TokenFault::Malformed
        | TokenFault::Algorithm
        | TokenFault::UnknownKey
        | TokenFault::Signature
        | TokenFault::Audience
        | TokenFault::Account => Refusal::BadSignature,
    }
}

/// The lines that say something, with their numbers from 1.
fn lines(file: &[u8]) -> Result<Vec<(usize, &str)>, SecretFault> {
    let text = std::str::from_utf8(file).map_err(|_| SecretFault::NotText)?;
    let says = |(_, line): &(usize, &str)| !line.is_empty() && !line.starts_with('#');
    let lines: Vec<_> = (1..).zip(text.lines().map(str::trim)).filter(says).collect();
    match lines.len() {
        0 => Err(SecretFault::Empty),
        1..=MOST => Ok(lines),
        _ => Err(SecretFault::TooMany),
    }
}

impl SecretFault {
    /// What to write instead.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::NotText | Self::NotHash(_) => "write the hash of a key: printf %s \"$SECRET\" | sha256sum",
            Self::Empty => "write one on each line; docs/partners.md says how to make it",
            Self::TooMany => "keep those that are in use",
            Self::Short(_) => "make a longer one: openssl rand -hex 32",
        }
    }
}

impl fmt::Display for SecretFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("it is no text"),
            Self::Empty => f.write_str("it is empty"),
            Self::TooMany => write!(f, "it has more than {MOST} lines"),
            Self::NotHash(line) => write!(f, "line {line} is no SHA-256 in hexadecimal digits"),
            Self::Short(line) => write!(f, "the secret in line {line} is shorter than {SHORTEST} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    /// Of sha256sum.
    const HASH: &str = "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9";

    fn claim(secret: &'static str) -> Claim<'static> {
        Claim::ApiKey { partner: "adnet", secret }
    }

    #[test]
    fn only_a_key_whose_hash_is_in_the_file_is_right() {
        let file = format!("# since spring\n{HASH}  -\n\n{}\n", HASH.to_uppercase());
        let keys = Keys::api_key(file.as_bytes()).expect("hashes");
        assert_eq!(keys.check_head(&claim(KEY), Duration::ZERO), Ok(()));
        for wrong in ["0123456789abcdef0123456789abcdeF", "short", "", HASH] {
            let wrong = Claim::ApiKey { partner: "adnet", secret: wrong };
            assert_eq!(keys.check_head(&wrong, Duration::ZERO), Err(Refusal::BadKey));
        }
    }

    #[test]
    fn a_short_key_is_never_right_though_its_hash_is_there() {
        let short = "0000000000000000000000000000000000000000000000000000000000000000";
        let hash = digest::digest(&digest::SHA256, b"short");
        let keys = Keys::ApiKey(vec![hash.as_ref().try_into().expect("32 bytes"), hex(short).expect("hex")]);
        assert_eq!(keys.check_head(&claim("short"), Duration::ZERO), Err(Refusal::BadKey));
    }

    #[test]
    fn a_claim_in_another_way_than_was_agreed_proves_nobody() {
        let keys = Keys::hmac(KEY.as_bytes()).expect("a secret");
        assert!(!keys.fits(&claim(KEY)));
        assert_eq!(keys.check_head(&claim(KEY), Duration::ZERO), Err(Refusal::Unknown));
    }

    #[test]
    fn a_certificate_has_one_of_the_names() {
        let keys = Keys::Certificate(vec!["pay.example.com".to_owned()]);
        let other = ["pay.example.org".to_owned(), "example.com".to_owned()];
        assert!(!keys.fits(&Claim::Certificate { names: &other }));
        let own = ["x".to_owned(), "Pay.Example.com".to_owned()];
        assert!(keys.fits(&Claim::Certificate { names: &own }));
        assert_eq!(keys.check_head(&Claim::Certificate { names: &own }, Duration::ZERO), Ok(()));
        let other = Claim::Certificate { names: &other };
        assert_eq!(keys.check_head(&other, Duration::ZERO), Err(Refusal::Unknown));
    }

    #[test]
    fn files_that_prove_nobody_say_why() {
        let fault = |keys: Result<Keys, SecretFault>| keys.expect_err("a fault");
        assert_eq!(fault(Keys::api_key(b"")), SecretFault::Empty);
        assert_eq!(fault(Keys::hmac(b"# nothing yet\n\n")), SecretFault::Empty);
        assert_eq!(fault(Keys::hmac(&[0xFF, 0xFE])), SecretFault::NotText);
        let second = format!("{HASH}\n{KEY}\n");
        assert_eq!(fault(Keys::api_key(second.as_bytes())), SecretFault::NotHash(2));
        assert_eq!(fault(Keys::hmac(b"# one\nsecret\n")), SecretFault::Short(2));
        assert_eq!(fault(Keys::hmac(format!("{KEY}\n").repeat(17).as_bytes())), SecretFault::TooMany);
    }
}

//! What a request shows of whoever sent it. Nothing here is proven: a name is only where to look for the key.

use super::refusal::Refusal;
use super::signature::Signed;
use crate::players::claimed_account;

/// The headers of a request that speak of its sender, each as it came, and the names in its certificate. A header
/// that came more than once is no header of ours: give it as an empty text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'a> {
    /// `X-Realmgate-Key`.
    pub key: Option<&'a str>,
    /// `X-Realmgate-Timestamp`.
    pub timestamp: Option<&'a str>,
    /// `X-Realmgate-Nonce`.
    pub nonce: Option<&'a str>,
    /// `X-Realmgate-Signature`.
    pub signature: Option<&'a str>,
    /// `X-Api-Key`.
    pub api_key: Option<&'a str>,
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// The names in the certificate that the TLS handshake has verified.
    pub certificate: &'a [String],
}

/// Who a request says it is from, and what it says to prove that.
#[derive(Debug)]
pub enum Claim<'a> {
    /// A key that both sides know.
    ApiKey {
        /// Whose.
        partner: &'a str,
        /// The secret part.
        secret: &'a str,
    },
    /// A signature over the request.
    Signed {
        /// Whose.
        partner: &'a str,
        /// The rest, or why it is none.
        signed: Result<Signed<'a>, Refusal>,
    },
    /// A token that somebody signed.
    Token {
        /// Whose it says it is.
        partner: String,
        /// All of it.
        token: &'a str,
    },
    /// A certificate, which the TLS handshake has verified.
    Certificate {
        /// Its names.
        names: &'a [String],
    },
}

impl<'a> Claim<'a> {
    /// What is shown. A signature counts before a key, a key before a token, all of them before a certificate.
    ///
    /// # Errors
    /// When nothing is shown, or nothing that could be read.
    pub fn read(shown: &Shown<'a>) -> Result<Self, Refusal> {
        if shown.key.is_some() || shown.signature.is_some() {
            let partner = shown.key.ok_or(Refusal::Unsigned)?;
            return Ok(Self::Signed { partner, signed: Signed::read(shown) });
        }
        if let Some(key) = shown.api_key {
            return api_key(key).ok_or(Refusal::Unknown);
        }
        // Of another scheme it is for the service behind.
        if let Some(bearer) = shown.authorization.and_then(bearer) {
            return api_key(bearer).or_else(|| token(bearer)).ok_or(Refusal::Unknown);
        }
        match shown.certificate {
            [] => Err(Refusal::Unsigned),
            names => Ok(Self::Certificate { names }),
        }
    }

    /// The name that it gives; a certificate gives none that a partner would have.
    #[must_use]
    pub fn partner(&self) -> Option<&str> {
        match self {
            Self::ApiKey { partner, .. } | Self::Signed { partner, .. } => Some(partner),
            Self::Token { partner, .. } => Some(partner),
            Self::Certificate { .. } => None,
        }
    }

    /// Whether the signature is over the body too, so that all of it must have come.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        matches!(self, Self::Signed { .. })
    }
}

/// `NAME.SECRET`: neither has a dot, and a token has two.
fn api_key(text: &str) -> Option<Claim<'_>> {
    let (partner, secret) = text.split_once('.')?;
    (!secret.contains('.')).then_some(Claim::ApiKey { partner, secret })
}

fn token(text: &str) -> Option<Claim<'_>> {
    claimed_account(text.as_bytes()).map(|partner| Claim::Token { partner, token: text })
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, rest) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(shown: &Shown<'a>) -> Claim<'a> {
        Claim::read(shown).expect("something is shown")
    }

    #[test]
    fn what_another_scheme_says_is_not_for_the_gateway() {
        let names = ["adnet".to_owned()];
        let basic = Shown { authorization: Some("Basic YTpi"), ..Shown::default() };
        assert!(matches!(Claim::read(&basic), Err(Refusal::Unsigned)));
        let with_certificate = Shown { certificate: &names, ..basic };
        assert!(matches!(read(&with_certificate), Claim::Certificate { .. }));
    }

    #[test]
    fn a_key_has_one_dot_wherever_it_stands() {
        let own = Shown { api_key: Some("adnet.s3cret"), ..Shown::default() };
        let bearer = Shown { authorization: Some("bearer  adnet.s3cret"), ..Shown::default() };
        for shown in [own, bearer] {
            let Claim::ApiKey { partner, secret } = read(&shown) else { panic!("a key") };
            assert_eq!((partner, secret), ("adnet", "s3cret"));
        }
        for wrong in ["", "adnet", "a.b.c", "a.b.c.d"] {
            let shown = Shown { api_key: Some(wrong), ..Shown::default() };
            assert_eq!(Claim::read(&shown).expect_err(wrong), Refusal::Unknown);
        }
    }

    #[test]
    fn nothing_and_what_nobody_reads_is_unsigned() {
        assert_eq!(Claim::read(&Shown::default()).expect_err("nothing"), Refusal::Unsigned);
        for other in ["Basic YTpi", "Bearer", ""] {
            let shown = Shown { authorization: Some(other), ..Shown::default() };
            assert_eq!(Claim::read(&shown).expect_err(other), Refusal::Unsigned);
        }
        let nameless = Shown { signature: Some("00"), ..Shown::default() };
        assert_eq!(Claim::read(&nameless).expect_err("no key"), Refusal::Unsigned);
    }

    #[test]
    fn what_is_signed_counts_before_all_else_and_a_certificate_last() {
        let names = ["pay.example.com".to_owned()];
        let mut shown = Shown { certificate: &names, ..Shown::default() };
        assert!(matches!(read(&shown), Claim::Certificate { .. }));
        assert_eq!(read(&shown).partner(), None);
        shown.api_key = Some("other.key");
        assert_eq!(read(&shown).partner(), Some("other"));
        shown.key = Some("adnet");
        assert_eq!(read(&shown).partner(), Some("adnet"), "and what is missing is asked for later");
        assert!(read(&shown).needs_body());
    }
}

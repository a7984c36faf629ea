//! A signature over a request: HMAC with SHA-256 over its method, its path with the query, the hash of its body, the
//! time and a nonce, each on a line of its own.

use aws_lc_rs::{digest, hmac};

use super::claim::Shown;
use super::nonces::WINDOW;
use super::refusal::Refusal;

/// What a request shows beside its sender's name.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    timestamp: &'a str,
    seconds: u64,
    nonce: &'a str,
    signature: [u8; digest::SHA256_OUTPUT_LEN],
}

/// What a signature is over, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// The path and, if there is one, the query with its question mark.
    pub target: &'a str,
    /// All of the body.
    pub body: &'a [u8],
}

const NONCE: std::ops::RangeInclusive<usize> = 16..=64;
/// Seconds since 1970 for as long as anybody will ask.
const TIMESTAMP_DIGITS: usize = 12;

impl<'a> Signed<'a> {
    pub(super) fn read(shown: &Shown<'a>) -> Result<Self, Refusal> {
        let all = (shown.timestamp, shown.nonce, shown.signature);
        let (Some(timestamp), Some(nonce), Some(signature)) = all else { return Err(Refusal::Unsigned) };
        let digits =
            timestamp.len() <= TIMESTAMP_DIGITS && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = timestamp.parse().ok().filter(|_| digits).ok_or(Refusal::BadSignature)?;
        let good = NONCE.contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_graphic());
        let signature = hex(signature).filter(|_| good).ok_or(Refusal::BadSignature)?;
        Ok(Self { timestamp, seconds, nonce, signature })
    }

    /// The number that is used once.
    #[must_use]
    pub fn nonce(&self) -> &'a str {
        self.nonce
    }

    /// The last second, since 1970, at which it is in time.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.seconds.saturating_add(WINDOW.as_secs())
    }

    /// Whether it was signed about now, in seconds since 1970.
    ///
    /// # Errors
    /// When the two clocks are further apart than anybody may be.
    pub fn check_time(&self, now: u64) -> Result<(), Refusal> {
        if self.seconds.abs_diff(now) <= WINDOW.as_secs() { Ok(()) } else { Err(Refusal::Late) }
    }

    /// Whether one of these keys has signed this request.
    ///
    /// # Errors
    /// When none has.
    pub fn check(&self, keys: &[hmac::Key], request: &Request<'_>) -> Result<(), Refusal> {
        let text = self.text(request);
        let fits = |key: &hmac::Key| hmac::verify(key, text.as_bytes(), &self.signature).is_ok();
        if keys.iter().any(fits) { Ok(()) } else { Err(Refusal::BadSignature) }
    }

    fn text(&self, request: &Request<'_>) -> String {
        let body = to_hex(digest::digest(&digest::SHA256, request.body).as_ref());
        let Request { method, target, .. } = request;
        format!("{method}\n{target}\n{body}\n{}\n{}", self.timestamp, self.nonce)
    }
}

/// 32 bytes of 64 hexadecimal digits.
pub(super) fn hex(text: &str) -> Option<[u8; digest::SHA256_OUTPUT_LEN]> {
    let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
    if text.len() != 2 * bytes.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |four: u8| DIGITS.get(usize::from(four)).copied().unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with openssl:
    /// `printf 'POST\n/pay/done?a=1\n%s\n1790000000\n0123456789abcdef' $(printf '{"a":1}' | sha256sum | cut -d' ' -f1)
    /// | openssl dgst -sha256 -hmac 'a secret of thirty-two bytes....'`
    const SIGNATURE: &str = "379137ae044921199df51e4d255780858eb98e9594c8e27fe7bd27ab7b66efad";
    const SECRET: &[u8] = b"a secret of thirty-two bytes....";
    const SHOWN: Shown<'static> = Shown {
        key: Some("adnet"),
        timestamp: Some("1790000000"),
        nonce: Some("0123456789abcdef"),
        signature: Some(SIGNATURE),
        api_key: None,
        authorization: None,
        certificate: &[],
    };
    const REQUEST: Request<'static> = Request { method: "POST", target: "/pay/done?a=1", body: b"{\"a\":1}" };

    fn keys(secrets: &[&[u8]]) -> Vec<hmac::Key> {
        secrets.iter().map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret)).collect()
    }

    #[test]
    fn what_openssl_signs_is_signed() {
        let signed = Signed::read(&SHOWN).expect("four headers");
        assert_eq!(signed.check(&keys(&[SECRET]), &REQUEST), Ok(()));
        assert_eq!(signed.check(&keys(&[b"the one before", SECRET]), &REQUEST), Ok(()), "two are in use");
        assert_eq!(signed.check(&keys(&[b"another"]), &REQUEST), Err(Refusal::BadSignature));
        assert_eq!(signed.check(&[], &REQUEST), Err(Refusal::BadSignature));
    }

    #[test]
    fn whatever_is_different_is_not_signed() {
        let keys = keys(&[SECRET]);
        let signed = Signed::read(&SHOWN).expect("four headers");
        for altered in [
            Request { method: "PUT", ..REQUEST },
            Request { target: "/pay/done?a=2", ..REQUEST },
            Request { target: "/pay/done", ..REQUEST },
            Request { body: b"{\"a\":2}", ..REQUEST },
            Request { body: b"", ..REQUEST },
        ] {
            assert_eq!(signed.check(&keys, &altered), Err(Refusal::BadSignature), "{altered:?}");
        }
        let time = Shown { timestamp: Some("1790000001"), ..SHOWN };
        let nonce = Shown { nonce: Some("0123456789abcdeF"), ..SHOWN };
        for altered in [time, nonce] {
            let signed = Signed::read(&altered).expect("four headers");
            assert_eq!(signed.check(&keys, &REQUEST), Err(Refusal::BadSignature), "{altered:?}");
        }
    }

    #[test]
    fn it_is_in_time_for_five_minutes_either_way() {
        let signed = Signed::read(&SHOWN).expect("four headers");
        let at = 1_790_000_000;
        for now in [at - 300, at, at + 300] {
            assert_eq!(signed.check_time(now), Ok(()), "{now}");
        }
        for now in [0, at - 301, at + 301, u64::MAX] {
            assert_eq!(signed.check_time(now), Err(Refusal::Late), "{now}");
        }
        assert_eq!(signed.last(), at + 300);
    }

    #[test]
    fn what_is_missing_or_odd_has_its_own_reason() {
        let missing = [
            Shown { timestamp: None, ..SHOWN },
            Shown { nonce: None, ..SHOWN },
            Shown { signature: None, ..SHOWN },
        ];
        for shown in missing {
            assert_eq!(Signed::read(&shown).expect_err("three headers"), Refusal::Unsigned);
        }
        let odd = [
            Shown { timestamp: Some("+1790000000"), ..SHOWN },
            Shown { timestamp: Some("1790000000000"), ..SHOWN },
            Shown { timestamp: Some(""), ..SHOWN },
            Shown { nonce: Some("short"), ..SHOWN },
            Shown { nonce: Some("0123456789 abcdef"), ..SHOWN },
            Shown { nonce: Some(""), ..SHOWN },
            Shown { signature: Some(""), ..SHOWN },
            Shown { signature: Some("00"), ..SHOWN },
            Shown {
                signature: Some("+00000000000000000000000000000000000000000000000000000000000000"),
                ..SHOWN
            },
        ];
        for shown in odd {
            assert_eq!(Signed::read(&shown).expect_err("odd"), Refusal::BadSignature, "{shown:?}");
        }
    }
}

//! Tokens of accounts as the game's login service would sign them: compact JWT, HS256.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;

/// Signs with one secret.
#[derive(Debug)]
pub(crate) struct Signer(hmac::Key);

/// Tokens are good for so long.
const SECONDS: u64 = 3600;
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Signer {
    /// With this secret.
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// A token of this account, from now on.
    pub(crate) fn token(&self, account: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let claims = format!(r#"{{"sub":"{account}","iat":{now},"exp":{}}}"#, now + SECONDS);
        let signed =
            format!("{}.{}", base64url(br#"{"alg":"HS256","typ":"JWT"}"#), base64url(claims.as_bytes()));
        let signature = hmac::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", base64url(signature.as_ref()))
    }
}

/// RFC 4648, section 5, without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..=chunk.len() {
            let six = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            text.push(LETTERS.get(six).copied().unwrap_or(b'A').into());
        }
    }
    text
}

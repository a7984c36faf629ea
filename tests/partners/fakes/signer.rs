//! Signs requests as docs/partners.md says.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::{digest, hmac};

use super::{Request, seconds};

/// What every partner of these tests signs with.
pub(crate) const SECRET: &str = "3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855e";

/// How a partner signs.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    name: String,
    secret: String,
    time: u64,
    nonce: String,
}

/// Nonces so far.
static NONCES: AtomicUsize = AtomicUsize::new(0);

/// A signed request that was never there before.
pub(crate) fn fresh(name: &str) -> Request {
    Signer::new(name).sign(Request::new("POST", "/pay/done?order=17", "{\"order\":17}"))
}

impl Signer {
    pub(crate) fn new(name: &str) -> Self {
        let count = NONCES.fetch_add(1, Ordering::Relaxed);
        let nonce = format!("nonce-of-{}-{count:012}", std::process::id());
        Self { name: name.to_owned(), secret: SECRET.to_owned(), time: seconds(), nonce }
    }

    pub(crate) fn secret(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.secret);
        self
    }

    /// Signs for another time.
    pub(crate) fn at(mut self, time: u64) -> Self {
        self.time = time;
        self
    }

    pub(crate) fn sign(&self, request: Request) -> Request {
        let body = hex(digest::digest(&digest::SHA256, request.body.as_bytes()).as_ref());
        let Request { method, target, .. } = &request;
        let (time, nonce) = (self.time.to_string(), &self.nonce);
        let text = format!("{method}\n{target}\n{body}\n{time}\n{nonce}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let signature = hex(hmac::sign(&key, text.as_bytes()).as_ref());
        request
            .header("X-Realmgate-Key", &self.name)
            .header("X-Realmgate-Timestamp", &time)
            .header("X-Realmgate-Nonce", nonce)
            .header("X-Realmgate-Signature", &signature)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes all");
        text
    })
}

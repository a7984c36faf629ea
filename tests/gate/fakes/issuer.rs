//! A login server that hands out tokens, and the folder of its keys.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};

use super::Folder;

/// Issues Ed25519 tokens; its public key lies in a folder that goes with it.
pub(crate) struct Issuer {
    folder: Folder,
    key: EncodingKey,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let mut issuer = Self { folder: Folder::new(), key: EncodingKey::from_secret(b"") };
        issuer.change_key();
        issuer
    }

    /// Makes another key and writes its public half over the one before.
    pub(crate) fn change_key(&mut self) {
        let pair = KeyPair::generate_for(&PKCS_ED25519).expect("randomness");
        self.write_key(&pair.public_key_pem());
        self.key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).expect("a key");
    }

    /// Writes something else where the gate looks for the key.
    pub(crate) fn write_key(&self, text: &str) {
        self.folder.write("login.pem", text);
    }

    /// `[login]` with tokens in frames with the ID 10, and these lines besides.
    pub(crate) fn login(&self, more: &str) -> String {
        let key = self.folder.path("login.pem");
        format!(
            "[login]\ntoken = {{ id = 10, offset = 6, algorithm = \"EdDSA\", key = \"{}\" }}\n{more}",
            key.display()
        )
    }

    /// A token of an account that is good for an hour.
    pub(crate) fn token(&self, account: &str) -> Vec<u8> {
        self.sign(&json!({ "sub": account, "exp": now() + 3600 }))
    }

    /// One that says when it was issued.
    pub(crate) fn token_of(&self, account: &str, issued: u64) -> Vec<u8> {
        self.sign(&json!({ "sub": account, "exp": now() + 3600, "iat": issued }))
    }

    /// One that says whatever it is told to.
    pub(crate) fn sign(&self, claims: &Value) -> Vec<u8> {
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &self.key);
        token.expect("a token").into_bytes()
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "tokens go by the time of people")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("later").as_secs()
}

//! The keys of TLS session tickets. They are made once per process and handed to every configuration after it, so
//! that a reload forgets no ticket; and they can be handed on to another process, so that an upgrade forgets none.
//!
//! A ticket is the name of its key, a nonce, and the session's state sealed with AES-256-GCM, which the name is
//! part of. Keys are never written anywhere but by [`TicketKeys::to_bytes`], and are wiped when they are dropped.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use rustls::server::ProducesTickets;
use zeroize::Zeroizing;

/// The process's ticket keys: new tickets are made with the present one, those of the one before still count.
/// Whoever owns the clock rotates them every six hours, so a ticket is good for six hours at least and for twelve
/// at most.
#[derive(Clone)]
pub struct Tickets(Arc<Keyring>);

/// Ticket keys on their way to another process.
#[derive(Clone)]
pub struct TicketKeys {
    present: Key,
    previous: Option<Key>,
}

/// What rustls asks for tickets.
struct Keyring(ArcSwap<Pair>);

struct Pair {
    present: Arc<Sealer>,
    previous: Option<Arc<Sealer>>,
}

/// A key, ready for use.
struct Sealer {
    key: Key,
    aead: RandomizedNonceKey,
}

/// A name, which every ticket shows, and the secret behind it.
#[derive(Clone)]
struct Key {
    name: [u8; NAME],
    secret: Zeroizing<[u8; SECRET]>,
}

const NAME: usize = 16;
const SECRET: usize = 32;
/// What a client is told of a ticket's life, in seconds: twelve hours.
const LIFETIME: u32 = 12 * 60 * 60;

impl Tickets {
    /// Fresh keys.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn new() -> Result<Self, rustls::Error> {
        Ok(Self::with(Pair { present: Sealer::fresh()?, previous: None }))
    }

    /// From now on tickets are made with a fresh key. Those of the last one still count, those of the one before
    /// no longer.
    ///
    /// # Errors
    /// When the operating system gives no randomness; the keys stay as they are.
    pub fn rotate(&self) -> Result<(), rustls::Error> {
        let fresh = Sealer::fresh()?;
        self.0.0.rcu(|pair| Pair { present: Arc::clone(&fresh), previous: Some(Arc::clone(&pair.present)) });
        Ok(())
    }

    /// The keys, to be handed to another process.
    #[must_use]
    pub fn export(&self) -> TicketKeys {
        let pair = self.0.0.load();
        TicketKeys {
            present: pair.present.key.clone(),
            previous: pair.previous.as_ref().map(|sealer| sealer.key.clone()),
        }
    }

    /// Goes on with another process's keys.
    ///
    /// # Errors
    /// When the cryptographic library takes no key.
    pub fn import(keys: TicketKeys) -> Result<Self, rustls::Error> {
        let previous = keys.previous.map(Sealer::new).transpose()?;
        Ok(Self::with(Pair { present: Sealer::new(keys.present)?, previous }))
    }

    fn with(pair: Pair) -> Self {
        Self(Arc::new(Keyring(ArcSwap::from_pointee(pair))))
    }

    /// What a listener's configuration makes its tickets with.
    pub(super) fn producer(&self) -> Arc<dyn ProducesTickets> {
        Arc::<Keyring>::clone(&self.0)
    }
}

impl TicketKeys {
    /// The keys as bytes, the present one first. They open every session that was made with them: they go to
    /// nobody but the process that takes over, and never to a disk.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let keys = || [Some(&self.present), self.previous.as_ref()].into_iter().flatten();
        // Reserved at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * (NAME + SECRET)));
        for key in keys() {
            bytes.extend_from_slice(&key.name);
            bytes.extend_from_slice(key.secret.as_slice());
        }
        bytes
    }

    /// `None` for what is neither one key nor two.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (present, rest) = Key::read(bytes)?;
        if rest.is_empty() {
            return Some(Self { present, previous: None });
        }
        let (previous, rest) = Key::read(rest)?;
        rest.is_empty().then_some(Self { present, previous: Some(previous) })
    }
}

impl ProducesTickets for Keyring {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.load().present.seal(plain)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let pair = self.0.load();
        let name = ticket.first_chunk::<NAME>()?;
        let keys = [Some(&pair.present), pair.previous.as_ref()];
        keys.into_iter().flatten().find(|sealer| sealer.key.name == *name)?.open(ticket)
    }
}

impl Sealer {
    fn fresh() -> Result<Arc<Self>, rustls::Error> {
        Self::new(Key::fresh()?)
    }

    fn new(key: Key) -> Result<Arc<Self>, rustls::Error> {
        let aead = RandomizedNonceKey::new(&AES_256_GCM, key.secret.as_slice())
            .map_err(|_| rustls::Error::General("no key for session tickets can be made".to_owned()))?;
        Ok(Arc::new(Self { key, aead }))
    }

    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut state = plain.to_vec();
        let nonce = self.aead.seal_in_place_append_tag(Aad::from(self.key.name), &mut state).ok()?;
        Some([self.key.name.as_slice(), nonce.as_ref(), &state].concat())
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = ticket.get(NAME..)?.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut state = sealed.to_vec();
        let length = self.aead.open_in_place(nonce, Aad::from(self.key.name), &mut state).ok()?.len();
        state.truncate(length);
        Some(state)
    }
}

impl Key {
    fn fresh() -> Result<Self, rustls::Error> {
        let mut key = Self { name: [0; NAME], secret: Zeroizing::new([0; SECRET]) };
        let filled = aws_lc_rs::rand::fill(&mut key.name)
            .and_then(|()| aws_lc_rs::rand::fill(key.secret.as_mut_slice()));
        filled.map(|()| key).map_err(|_| rustls::Error::FailedToGetRandomBytes)
    }

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (name, rest) = bytes.split_first_chunk::<NAME>()?;
        let (secret, rest) = rest.split_first_chunk::<SECRET>()?;
        Some((Self { name: *name, secret: Zeroizing::new(*secret) }, rest))
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKeys")
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}

#[cfg(test)]
mod tests;

/// Tickets through real handshakes.
#[cfg(test)]
mod handshakes {
    use std::fs;
    use std::path::PathBuf;
    use std::time::SystemTime;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection};

    use super::tests::{handed_on, tickets};
    use super::*;
    use crate::config::{self, Source};
    use crate::net::tls::ServerTls;

    /// A certificate of its own in a folder of its own, and a client that trusts it.
    struct Bench {
        folder: PathBuf,
        client: Arc<ClientConfig>,
    }

    impl Bench {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("realmgate-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).expect("a folder");
            let made = rcgen::generate_simple_self_signed(["game.test".to_owned()]).expect("a certificate");
            fs::write(folder.join("game.pem"), made.cert.pem()).expect("written");
            fs::write(folder.join("game.key"), made.signing_key.serialize_pem()).expect("written");
            let mut roots = RootCertStore::empty();
            let certificate =
                CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).expect("a certificate");
            roots.add(certificate).expect("trusted");
            let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            Self { folder, client: Arc::new(client) }
        }

        fn server(&self, tickets: &Tickets) -> ServerTls {
            let text = "[frame.game]\nlength = { offset = 0, width = 4 }\nid = { offset = 4, width = 2 }\n\
                 [listener.players]\nlisten = \"127.0.0.1:7000\"\nframe = \"game\"\n\
                 tls = { certificate = \"game.pem\", key = \"game.key\" }\n\
                 [cluster.battle]\nbackends = [{ address = \"10.0.0.1:1\" }]\n\
                 [route.battle]\nids = [\"*\"]\ncluster = \"battle\"\n";
            let source = Source { path: self.folder.join("test.toml"), text: text.to_owned() };
            let plan =
                config::parse(vec![source]).unwrap_or_else(|report| panic!("{}", report.render(false)));
            #[expect(clippy::disallowed_methods, reason = "certificates are made for today")]
            let now = SystemTime::now();
            ServerTls::new(&plan.listeners()[0], tickets, now).expect("a certificate and its key")
        }

        /// One handshake, with the tickets after it taken in.
        fn shake_hands(&self, server: &ServerTls) -> HandshakeKind {
            let name = ServerName::try_from("game.test").expect("a name");
            let mut client = ClientConnection::new(Arc::clone(&self.client), name).expect("a client");
            let mut server = ServerConnection::new(server.config()).expect("a server");
            while client.wants_write() || server.wants_write() {
                let mut bytes = Vec::new();
                client.write_tls(&mut bytes).expect("a vector takes all");
                server.read_tls(&mut bytes.as_slice()).expect("a slice gives all");
                server.process_new_packets().expect("a good client");
                bytes.clear();
                server.write_tls(&mut bytes).expect("a vector takes all");
                client.read_tls(&mut bytes.as_slice()).expect("a slice gives all");
                client.process_new_packets().expect("a good server");
            }
            client.handshake_kind().expect("through")
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.folder).ok();
        }
    }

    #[test]
    fn a_player_resumes_its_session_at_the_process_that_took_the_keys_over() {
        let bench = Bench::new("tickets");
        let old = tickets();
        assert_eq!(bench.shake_hands(&bench.server(&old)), HandshakeKind::Full);
        old.rotate().expect("randomness");
        let new = bench.server(&handed_on(&old));
        assert_eq!(bench.shake_hands(&new), HandshakeKind::Resumed);
        assert_eq!(
            bench.shake_hands(&bench.server(&tickets())),
            HandshakeKind::Full,
            "a process without the keys"
        );
    }
}

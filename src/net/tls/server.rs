//! TLS of a listener: which certificate a player gets.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use super::TlsFault;
use super::pem::{Identity, authorities, identity};
use super::tickets::Tickets;
use crate::config::{Listener, Located, Problem, Protocol};

/// The TLS side of one listener.
#[derive(Clone, Debug)]
pub(in crate::net) struct ServerTls {
    config: Arc<ServerConfig>,
    expiries: Vec<(String, i64)>,
}

/// What is spoken at a listener for HTTP, the one that is liked best first.
const HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

impl ServerTls {
    /// TLS 1.2 and 1.3 with the certificates of a listener, the default one first.
    pub(in crate::net) fn new(
        listener: &Listener,
        tickets: &Tickets,
        now: SystemTime,
    ) -> Result<Self, TlsFault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut identities = Vec::new();
        let mut faults = TlsFault::new();
        let mut expiries = BTreeMap::new();
        for pair in listener.tls() {
            match identity(pair, &provider, now) {
                Ok(identity) => {
                    expiries.insert(pair.certificate().get().display().to_string(), identity.expires);
                    identities.push(identity);
                }
                Err(fault) => faults.extend(fault),
            }
        }
        let verifier = listener.client_ca().map(|path| client_verifier(path, &provider)).transpose();
        let verifier = verifier.map_err(|fault| faults.push(fault)).ok().flatten();
        if !faults.is_empty() {
            return Err(faults);
        }
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("the default provider speaks both versions");
        let names = Arc::new(ByName::new(identities));
        let mut config = match &verifier {
            None => builder.with_no_client_auth().with_cert_resolver(names),
            Some(verifier) => {
                builder.with_client_cert_verifier(Arc::clone(verifier)).with_cert_resolver(names)
            }
        };
        if listener.protocol() == Protocol::Http {
            config.alpn_protocols = HTTP.map(Vec::from).to_vec();
        }
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if verifier.is_some() {
            // A ticket stands for a proof that nobody looks at again, and any listener's keys open it.
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = tickets.producer();
            if listener.protocol() != Protocol::Http {
                config.send_tls13_tickets = 1; // a game has one connection at a time, a browser several
            }
        }
        Ok(Self { config: Arc::new(config), expiries: expiries.into_iter().collect() })
    }

    /// What a new session is made with.
    pub(in crate::net) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The files of its certificates, and when each expires, in seconds since 1970.
    pub(in crate::net) fn expiries(&self) -> &[(String, i64)] {
        &self.expiries
    }
}

/// Lets in only players whose certificate comes from these authorities.
fn client_verifier(
    path: &Located<PathBuf>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
    let because = "no player's certificate could be checked";
    let roots = Arc::new(authorities(path, because)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider)).build();
    verifier.map_err(|error| {
        Problem::at(path.site(), format!("{} cannot be used", path.get().display()))
            .because(format!("{because}: {error}"))
            .write("a PEM file with the certificate that signed the players' certificates")
    })
}

/// Certificates by server name: exact, then wildcard, then the default one.
#[derive(Debug)]
struct ByName {
    default: Option<Arc<CertifiedKey>>,
    names: HashMap<String, Arc<CertifiedKey>>,
}

impl ByName {
    fn new(identities: Vec<Identity>) -> Self {
        let default = identities.first().map(|identity| Arc::clone(&identity.key));
        let mut names = HashMap::new();
        for identity in identities {
            for name in identity.names {
                names.entry(name).or_insert_with(|| Arc::clone(&identity.key));
            }
        }
        Self { default, names }
    }

    fn find(&self, server_name: &str) -> Option<Arc<CertifiedKey>> {
        let name = server_name.to_ascii_lowercase();
        let wildcard = || name.split_once('.').and_then(|(_, parent)| self.names.get(&format!("*.{parent}")));
        self.names.get(&name).or_else(wildcard).or(self.default.as_ref()).cloned()
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name() {
            Some(name) => self.find(name),
            None => self.default.clone(),
        }
    }
}

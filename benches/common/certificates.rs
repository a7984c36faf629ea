//! An authority that the players trust, and the listener's certificate, which can be written anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::Outcome;

/// The name that the certificate is for.
pub(crate) const HOST: &str = "game.test";

/// The authority and where it writes.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    /// A new authority; nothing is written yet.
    pub(crate) fn new(folder: &Path) -> Outcome<Self> {
        let fail = |error: rcgen::Error| format!("certificates: {error}");
        let mut params = CertificateParams::new(Vec::new()).map_err(fail)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(fail)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(fail)?;
        Ok(Self { folder: folder.to_owned(), issuer })
    }

    /// Writes a new pair to `game.pem` and `game.key`; what players are shown from then on.
    pub(crate) fn write(&self) -> Outcome<CertificateDer<'static>> {
        let fail = |error: rcgen::Error| format!("certificates: {error}");
        let key = KeyPair::generate().map_err(fail)?;
        let params = CertificateParams::new([HOST.to_owned()]).map_err(fail)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(fail)?;
        self.put("game.pem", &certificate.pem())?;
        self.put("game.key", &key.serialize_pem())?;
        Ok(certificate.der().clone())
    }

    /// Writes a key of no certificate to `other.key`.
    pub(crate) fn write_foreign_key(&self) -> Outcome<()> {
        let key = KeyPair::generate().map_err(|error| format!("certificates: {error}"))?;
        self.put("other.key", &key.serialize_pem())
    }

    /// How players check what they are shown, with or without tickets.
    pub(crate) fn trust(&self, tickets: bool) -> Outcome<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).map_err(|error| error.to_string())?;
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        if !tickets {
            config.resumption = Resumption::disabled();
        }
        Ok(Arc::new(config))
    }

    fn put(&self, name: &str, text: &str) -> Outcome<()> {
        let file = self.folder.join(name);
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
    }
}

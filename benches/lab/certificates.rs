//! The certificate that all proxies show: ECDSA P-256, made anew for every run.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the PEM files are.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// Both in one file, as HAProxy wants it.
    pub(crate) both: PathBuf,
}

/// Every slot of the handshake works is a server of its own, so that it has its own tickets.
pub(crate) fn server_name(slot: usize) -> String {
    format!("p{slot}.peers.test")
}

impl Certificates {
    /// Makes them in `folder`.
    pub(crate) fn make(folder: &Path) -> Result<Self, String> {
        let names = vec!["*.peers.test".to_owned()];
        let made = rcgen::generate_simple_self_signed(names)
            .map_err(|error| format!("cannot make a certificate: {error}"))?;
        let certificates = Self {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
            both: folder.join("both.pem"),
        };
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        write(&certificates.certificate, &certificate)?;
        write(&certificates.key, &key)?;
        write(&certificates.both, &(certificate + &key))?;
        Ok(certificates)
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

//! Certificates and keys from PEM files; what is wrong with one is told at the line that names it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::config::{CertificatePair, Located, Problem};

/// Everything that is wrong with the certificates of one listener or cluster, ready for a report.
pub type TlsFault = Vec<Problem>;

/// A certificate chain with its key, and the names it is for.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    /// DNS names in lower case; `*.` in front stands for one label.
    pub(super) names: Vec<String>,
    /// When it expires, in seconds since 1970.
    pub(super) expires: i64,
}

/// Reads a pair and checks that it parses, is valid at `now` and belongs together.
pub(super) fn identity(
    pair: &CertificatePair,
    provider: &CryptoProvider,
    now: SystemTime,
) -> Result<Identity, TlsFault> {
    let chain = certificates(pair.certificate());
    let key = private_key(pair.key());
    let (chain, key) = match (chain, key) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
    };
    let leaf = chain.first().ok_or_else(|| no_certificate(pair.certificate(), "it has none"));
    let leaf = leaf.and_then(|leaf| inspect(leaf, pair.certificate(), now));
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| mismatch(pair, &error));
    match (leaf, key) {
        (Ok((names, expires)), Ok(key)) => Ok(Identity { key: Arc::new(key), names, expires }),
        (leaf, key) => Err(leaf.err().into_iter().chain(key.err()).collect()),
    }
}

/// The certificates of a PEM file, at least one.
fn certificates(path: &Located<PathBuf>) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(no_certificate(path, "it has no BEGIN CERTIFICATE block")),
        Err(error) => Err(no_certificate(path, &error.to_string())),
    }
}

/// The authorities of a PEM file.
pub(super) fn authorities(path: &Located<PathBuf>, because: &str) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| {
            Problem::at(path.site(), format!("{} is no certificate authority", path.get().display()))
                .because(format!("{because}: {error}"))
                .write("a PEM file with the certificate that signed the others' certificates")
        })?;
    }
    Ok(roots)
}

fn private_key(path: &Located<PathBuf>) -> Result<PrivateKeyDer<'static>, Problem> {
    let pem = read(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        Problem::at(path.site(), format!("no private key in {}", path.get().display()))
            .because(format!("TLS cannot start without one: {error}"))
            .write("a PEM file with an unencrypted PKCS#8, SEC1 or PKCS#1 key")
    })
}

fn read(path: &Located<PathBuf>) -> Result<Vec<u8>, Problem> {
    fs::read(path.get()).map_err(|error| {
        Problem::at(path.site(), format!("cannot read {}", absolute(path.get()).display()))
            .because(format!("TLS cannot start: {error}"))
            .write("the path of a PEM file, relative to this file, that the gateway's user may read")
    })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn no_certificate(path: &Located<PathBuf>, why: &str) -> Problem {
    Problem::at(path.site(), format!("no certificate in {}", path.get().display()))
        .because(format!("TLS cannot start: {why}"))
        .write("a PEM file with the certificate first and its intermediates behind it")
}

fn mismatch(pair: &CertificatePair, error: &rustls::Error) -> Problem {
    Problem::at(pair.key().site(), "the key does not fit the certificate")
        .because(format!("every handshake would fail: {error}"))
        .see(pair.certificate().site(), "this certificate")
        .write("the key that this certificate was made for")
}

/// The common names and the alternative names in a certificate that was verified.
#[must_use]
pub fn certificate_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.into_iter().flat_map(|extension| extension.value.general_names.iter());
    let text = |name: &GeneralName<'_>| {
        if let GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) = name {
            Some((*name).to_owned())
        } else {
            None
        }
    };
    common.map(str::to_owned).chain(names.filter_map(text)).collect()
}

/// Checks the time of a certificate; its names, and when it expires.
fn inspect(
    leaf: &CertificateDer<'_>,
    path: &Located<PathBuf>,
    now: SystemTime,
) -> Result<(Vec<String>, i64), Problem> {
    let (_, certificate) =
        X509Certificate::from_der(leaf).map_err(|error| no_certificate(path, &error.to_string()))?;
    let seconds =
        now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let validity = certificate.validity();
    if seconds > validity.not_after.timestamp() {
        return Err(Problem::at(path.site(), format!("the certificate expired at {}", validity.not_after))
            .because("players' clients would refuse it")
            .write("a renewed certificate"));
    }
    if seconds < validity.not_before.timestamp() {
        return Err(Problem::at(
            path.site(),
            format!("the certificate is not valid before {}", validity.not_before),
        )
        .because("players' clients would refuse it")
        .write("a certificate that is valid now, or set the machine's clock"));
    }
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.into_iter().flat_map(|extension| extension.value.general_names.iter());
    let dns = |name: &GeneralName<'_>| {
        if let GeneralName::DNSName(dns) = name { Some(dns.to_ascii_lowercase()) } else { None }
    };
    Ok((names.filter_map(dns).collect(), validity.not_after.timestamp()))
}

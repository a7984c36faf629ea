//! TLS towards the backends of a cluster.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::TlsFault;
use super::pem::{authorities, identity};
use crate::config::BackendTls;

/// Shakes hands with backends: checks them against the cluster's authorities and shows the gateway's own
/// certificate if there is one.
#[derive(Clone)]
pub struct BackendConnector(TlsConnector);

impl std::fmt::Debug for BackendConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BackendConnector")
    }
}

impl BackendConnector {
    pub(in crate::net) fn new(tls: &BackendTls, now: SystemTime) -> Result<Self, TlsFault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = authorities(tls.ca(), "no backend could be trusted");
        let own = tls.client().map(|pair| identity(pair, &provider, now)).transpose();
        let (roots, own) = match (roots, own) {
            (Ok(roots), Ok(own)) => (roots, own),
            (roots, own) => {
                return Err(roots.err().into_iter().chain(own.err().into_iter().flatten()).collect());
            }
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("the default provider speaks both versions")
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = rustls::sign::SingleCertAndKey::from(own.key);
                builder.with_client_cert_resolver(Arc::new(key))
            }
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Whether both check backends by the same authorities, read at the same time.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.0.config(), other.0.config())
    }

    /// Shakes hands over a connection to `address`, whose host is the name the backend must prove.
    ///
    /// # Errors
    /// When the backend does not prove it, or the connection breaks.
    pub async fn connect(&self, address: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.0.connect(name, stream).await
    }
}

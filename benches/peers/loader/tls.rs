//! The players' side of TLS 1.3, the same for every proxy: one cipher suite, one key exchange, so that none is
//! measured with another one's choice.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

use crate::lab::certificates::server_name;

/// Makes the players' ends of TLS connections.
#[derive(Clone, Debug)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// With or without tickets.
    pub(super) fn new(certificate: &Path, resumed: bool) -> Result<Self, String> {
        let fail = |error: String| format!("TLS: {error}");
        let expected = CertificateDer::from_pem_file(certificate).map_err(|error| fail(error.to_string()))?;
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![kx_group::X25519],
            ..aws_lc_rs::default_provider()
        });
        let verifier = Arc::new(Known { expected, provider: Arc::clone(&provider) });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| fail(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.resumption =
            if resumed { Resumption::in_memory_sessions(4096) } else { Resumption::disabled() };
        Ok(Self(Arc::new(config)))
    }

    /// One connection; tickets are kept by slot.
    pub(super) fn connection(&self, slot: usize) -> Result<ClientConnection, Error> {
        let name = ServerName::try_from(server_name(slot)).map_err(|_| Error::General("name".to_owned()))?;
        let mut connection = ClientConnection::new(Arc::clone(&self.0), name)?;
        connection.set_buffer_limit(None);
        Ok(connection)
    }
}

/// Takes the one certificate that was made for this run. Its signature is not computed again: the loader's core is
/// there to wait for the proxy, not to be waited for.
#[derive(Debug)]
struct Known {
    expected: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General("another certificate than the one of this run".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

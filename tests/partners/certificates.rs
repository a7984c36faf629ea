//! Partners that show a certificate: its names say whose it is, and only a verified one counts.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::fakes::{BOUND, Backend, Client, Folder, Program, Request};

const TABLES: &str = r#"
[http.pay]
listener = "open"
path = "/pay/*"
cluster = "pay"
partners = ["adnet", "paynet"]
[partner.adnet]
auth = { kind = "mtls", names = ["adnet.example.com"] }
[partner.paynet]
auth = { kind = "mtls", names = ["Pay Net Inc."] }
"#;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("randomness")).expect("a certificate")
}

/// A client with a certificate for these names.
fn client(issuer: &Issuer, common: &str, hosts: &[&str]) -> Arc<ClientConfig> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("host names");
    params.distinguished_name.push(DnType::CommonName, common);
    let key = KeyPair::generate().expect("randomness");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("PEM");
    let builder = ClientConfig::builder().with_root_certificates(roots(issuer));
    Arc::new(builder.with_client_auth_cert(vec![certificate.der().clone()], key).expect("a pair"))
}

fn roots(issuer: &Issuer) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).expect("an authority");
    roots
}

fn ask(address: SocketAddr, config: Arc<ClientConfig>) -> Option<u16> {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(BOUND)).expect("a bound");
    let name = ServerName::try_from("open.test").expect("a name");
    let mut session = ClientConnection::new(config, name).expect("a session");
    let mut socket = stream;
    while session.is_handshaking() {
        session.complete_io(&mut socket).ok()?;
    }
    let mut client = Client { stream: StreamOwned::new(session, socket) };
    let request = Request::new("POST", "/pay/done", "{}");
    std::io::Write::write_all(&mut client.stream, &request.bytes()).ok()?;
    let mut first = [0];
    std::io::Read::read_exact(&mut client.stream, &mut first).ok()?;
    let mut rest = [0; 11];
    std::io::Read::read_exact(&mut client.stream, &mut rest).ok()?;
    std::str::from_utf8(rest.get(8..11)?).ok()?.parse().ok()
}

#[test]
fn a_certificate_says_by_its_names_whose_it_is() {
    let (folder, backend, issuer) = (Folder::new(), Backend::start(), issuer());
    let key = KeyPair::generate().expect("randomness");
    let own = CertificateParams::new(vec!["open.test".to_owned()]).expect("a host");
    folder.write("open.pem", &own.signed_by(&key, &issuer).expect("a certificate").pem());
    folder.write("open.key", &key.serialize_pem());
    folder.write("ca.pem", &issuer.pem());
    let tls = "tls = { certificate = \"open.pem\", key = \"open.key\", client_ca = \"ca.pem\" }";
    let program = Program::start_in(folder, tls, backend.address, TABLES);
    let of = |common, hosts: &[&str]| ask(program.open, client(&issuer, common, hosts));
    assert_eq!(of("whatever", &["www.example.com", "adnet.example.com"]), Some(200));
    assert_eq!(of("Pay Net Inc.", &[]), Some(200));
    assert_eq!(of("somebody", &["bdnet.example.com"]), Some(401), "a name of nobody");
    let forged = super::certificates::issuer();
    let stranger = client(&forged, "Pay Net Inc.", &["adnet.example.com"]);
    let mut stranger_that_trusts =
        ClientConfig::builder().with_root_certificates(roots(&issuer)).with_no_client_auth();
    stranger_that_trusts.client_auth_cert_resolver = Arc::clone(&stranger.client_auth_cert_resolver);
    assert_eq!(
        ask(program.open, Arc::new(stranger_that_trusts)),
        None,
        "one of another authority ends in the handshake"
    );
    let named: Vec<_> = backend
        .seen()
        .iter()
        .filter_map(|seen| seen.header("x-realmgate-partner").map(str::to_owned))
        .collect();
    assert_eq!(named, ["adnet", "paynet"]);
    assert_eq!(program.refusals(), [(String::new(), "unknown".to_owned(), 1)]);
}

//! TLS at both sides of the gate.

use std::io::ErrorKind;
use std::sync::Arc;

use realmgate::session::EndReason;
use realmgate::telemetry::DoorRefusal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::client::TlsStream;

use crate::fakes::{Backend, Certificates, Gate, Player, frame, within};
use crate::http::tls;

/// A record with the first byte of a handshake message.
const TORN: [u8; 6] = [22, 3, 1, 0, 1, 1];

#[tokio::test]
async fn both_versions_of_tls_carry_frames_of_every_size() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate =
        Gate::builder().shared("battle", "1000", &[battle.address()], "").start_tls(&certificates).await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let config = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(certificates.roots())
            .with_no_client_auth();
        let player = Player::connect_tls(gate.address(), "game.test", Arc::new(config)).await;
        let mut player = player.expect("a handshake");
        for size in [0, 1, 100, 16_000, 16_384, 16_385, 40_000, 65_530] {
            player.echo(1000, &vec![3; size]).await;
        }
    }
}

#[tokio::test]
async fn the_server_name_chooses_the_certificate() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    certificates.write("first", &["first.test"]);
    certificates.write("second", &["second.test", "*.wild.test"]);
    let pairs = format!("tls = [{}, {}]", certificates.pair("first"), certificates.pair("second"));
    let gate =
        Gate::builder().listener(&pairs).shared("battle", "1000", &[battle.address()], "").start().await;
    for name in ["first.test", "second.test", "SECOND.test", "a.wild.test"] {
        let player = Player::connect_tls(gate.address(), name, certificates.client()).await;
        player.unwrap_or_else(|error| panic!("{name}: {error}")).echo(1000, name.as_bytes()).await;
    }
    let stranger = Player::connect_tls(gate.address(), "third.test", certificates.client()).await;
    let error = stranger.err().expect("the default certificate is not for that name");
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn a_ticket_of_the_first_connection_resumes_the_second() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate = Gate::builder()
        .workers(2)
        .shared("battle", "1000", &[battle.address()], "")
        .start_tls(&certificates)
        .await;
    let config = certificates.client();
    let mut resumed = 0;
    for _ in 0..4 {
        let mut stream = tls(gate.address(), &config, &[]).await.expect("a handshake");
        resumed += usize::from(is_resumed(&stream));
        hear(&mut stream).await;
    }
    assert_eq!(resumed, 3, "every connection but the first, on either worker");
}

#[tokio::test]
async fn a_player_gets_one_ticket_with_each_handshake() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate =
        Gate::builder().shared("battle", "1000", &[battle.address()], "").start_tls(&certificates).await;
    let config = certificates.client();
    let mut first = tls(gate.address(), &config, &[]).await.expect("a handshake");
    gate.shows("realmgate_tls_handshakes_total{result=\"ok\"} 1").await;
    let nothing = first.get_ref().0.try_read(&mut [0]).expect_err("it comes with the first words");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    hear(&mut first).await;
    let second = tls(gate.address(), &config, &[]).await.expect("a handshake");
    let third = tls(gate.address(), &config, &[]).await.expect("a handshake");
    assert_eq!((is_resumed(&second), is_resumed(&third)), (true, false));
}

fn is_resumed(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
}

/// A frame there and back: tickets come with the first bytes of the gateway.
async fn hear(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(&frame(1, b"")).await.expect("written");
    stream.read_exact(&mut [0; 6]).await.expect("an answer");
}

#[tokio::test]
async fn what_is_no_tls_gets_an_alert_and_an_end() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate =
        Gate::builder().shared("battle", "1000", &[battle.address()], "").start_tls(&certificates).await;
    let mut plain = gate.player().await;
    plain.send_raw(b"GET / HTTP/1.1\r\n\r\n").await;
    let (alert, _) = plain.read_to_end().await;
    assert_eq!(alert.first(), Some(&21), "a TLS alert, not {alert:?}");
    gate.has_sessions(0).await;
    gate.tls_player().await.echo(1000, b"others play on").await;
}

#[tokio::test]
async fn a_torn_handshake_message_ends_one_session_and_is_held_against_its_address() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate = Gate::builder()
        .limit("connections_per_ip = 1000")
        .shared("battle", "1000", &[battle.address()], "")
        .start_tls(&certificates)
        .await;
    let ended = |end| gate.meters().total(|meter| meter.ended(end));
    let alert: &[u8] = &[21, 3, 1, 0, 2, 1, 0];
    for behind in [alert, b"no record at all"] {
        let mut torn = gate.player().await;
        torn.send_raw(&[TORN.as_slice(), behind].concat()).await;
        drop(torn.read_to_end().await);
    }
    let mut gone = gate.player().await;
    gone.send_raw(&TORN).await;
    gone.finish().await;
    gone.closed().await;
    drop(gone);
    gate.has_sessions(0).await;
    assert_eq!((ended(EndReason::TlsFailed), ended(EndReason::PlayerLeft)), (2, 1));
    gate.tls_player().await.echo(1000, b"others play on").await;

    within("the address to be kept out", async {
        while gate.refused(DoorRefusal::Glitches) == 0 {
            let mut torn = gate.player().await;
            drop(torn.try_send_raw(&[TORN.as_slice(), alert].concat()).await);
            drop(torn.read_to_end().await);
        }
    })
    .await;
    assert_eq!(ended(EndReason::Bug), 0);
}

#[tokio::test]
async fn a_handshake_that_does_not_end_in_time_is_ended() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate = Gate::builder()
        .limit("handshake_timeout = \"100ms\"")
        .shared("battle", "1000", &[battle.address()], "")
        .start_tls(&certificates)
        .await;
    for begun in [&TORN[..3], &TORN] {
        let mut silent = gate.player().await;
        silent.send_raw(begun).await;
        let (_, _) = silent.read_to_end().await;
    }
    gate.has_sessions(0).await;
    let ended = gate.meters().total(|meter| meter.ended(EndReason::HandshakeTimeout));
    assert_eq!(ended, 2);
}

#[tokio::test]
async fn links_speak_tls_to_backends_that_prove_their_name_and_show_their_own() {
    let certificates = Certificates::new();
    certificates.write("backend", &["127.0.0.1"]);
    certificates.write("gateway", &["gateway.test"]);
    let battle = Backend::tls(acceptor(&certificates, "backend")).await;
    let folder = certificates.folder.display();
    let tls = format!(
        "tls = {{ ca = \"{folder}/ca.pem\", certificate = \"{folder}/gateway.pem\", key = \"{folder}/gateway.key\" }}"
    );
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], &tls).start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"over mTLS").await;
    player.echo(1000, &[1; 60_000]).await;

    let anonymous = format!("tls = {{ ca = \"{folder}/ca.pem\" }}");
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], &anonymous).start().await;
    let mut player = gate.player().await;
    player.send(1000, b"nobody").await;
    assert!(player.notice().await.contains("unavailable"), "a gateway without a certificate is not let in");
}

#[tokio::test]
async fn a_backend_with_a_wrong_name_is_not_trusted() {
    let certificates = Certificates::new();
    certificates.write("backend", &["elsewhere.test"]);
    certificates.write("gateway", &["gateway.test"]);
    let battle = Backend::tls(acceptor(&certificates, "backend")).await;
    let folder = certificates.folder.display();
    let tls = format!("tls = {{ ca = \"{folder}/ca.pem\" }}");
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], &tls).start().await;
    let mut player = gate.player().await;
    player.send(1000, b"secret").await;
    assert!(player.notice().await.contains("unavailable"));
    assert_eq!(battle.events(), [], "nothing reached it");
}

#[tokio::test]
async fn a_dedicated_connection_speaks_tls_too() {
    let certificates = Certificates::new();
    let (listener, gate) = before_dedicated(&certificates, "").await;
    let acceptor = acceptor(&certificates, "backend");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(acceptor.accept(stream)));
        }
    });
    let mut player = gate.player().await;
    player.echo(3000, b"over TLS").await;
    player.echo(3000, &[2; 60_000]).await;
}

#[tokio::test]
async fn a_dedicated_backend_reads_a_whole_end_of_tls_where_the_gate_ends_in_order() {
    let certificates = Certificates::new();
    let (listener, gate) = before_dedicated(&certificates, "idle_timeout = \"1s\"").await;
    let acceptor = acceptor(&certificates, "backend");
    let mut player = gate.player().await;
    player.send(3000, b"and nothing more").await;
    let (stream, _) = within("a connection", listener.accept()).await.expect("accepting");
    let mut stream = within("a handshake", acceptor.accept(stream)).await.expect("a handshake");
    let mut said = Vec::new();
    within("the end", stream.read_to_end(&mut said)).await.expect("no truncation");
    assert_eq!(said, frame(3000, b"and nothing more"));
    gate.is_empty().await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::Idle)), 1);
}

/// A gate before one dedicated backend that speaks TLS, and is not probed.
async fn before_dedicated(certificates: &Certificates, limit: &str) -> (TcpListener, Gate) {
    certificates.write("backend", &["127.0.0.1"]);
    certificates.write("gateway", &["gateway.test"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let pair = certificates.pair("gateway");
    let folder = certificates.folder.display();
    let tls = format!("tls = {{ ca = \"{folder}/ca.pem\", {}", pair.trim_start_matches('{'));
    let more = format!("health.interval = \"1h\"\n{tls}");
    let gate = Gate::builder().limit(limit).dedicated("chat", "3000", &[address], &more).start().await;
    (listener, gate)
}

#[tokio::test]
async fn a_truncated_connection_ends_the_session() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate =
        Gate::builder().shared("battle", "1000", &[battle.address()], "").start_tls(&certificates).await;
    let mut player = gate.tls_player().await;
    player.echo(1000, b"in").await;
    player.finish().await;
    let end = within("the end", player.try_recv()).await;
    assert_eq!(end.expect_err("nothing more").kind(), ErrorKind::UnexpectedEof);
    gate.has_sessions(0).await;
}

/// Sends back what comes. A probe breaks its connection without a word.
async fn echo(handshake: tokio_rustls::Accept<TcpStream>) {
    let Ok(stream) = handshake.await else { return };
    let (mut read, mut write) = tokio::io::split(stream);
    drop(tokio::io::copy(&mut read, &mut write).await);
}

pub(crate) fn acceptor(certificates: &Certificates, name: &str) -> TlsAcceptor {
    let verifier = WebPkiClientVerifier::builder(Arc::new(certificates.roots())).build().expect("roots");
    let path = |ending| certificates.folder.join(format!("{name}.{ending}"));
    let chain =
        CertificateDer::pem_file_iter(path("pem")).expect("PEM").collect::<Result<_, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_file(path("key")).expect("PEM");
    let config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key);
    TlsAcceptor::from(Arc::new(config.expect("a pair")))
}

//! Connections to backends: used again, found dead, and met under TLS.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::origin::{Deed, Origin, accept, ok};
use crate::stage::{Client, Stage, before};
use crate::within;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn one_connection_serves_many_clients_one_after_the_other() {
    let shop = Origin::named("shop").await;
    let stage = before(&[shop.address]).start().await;
    for _ in 0..20 {
        assert_eq!(stage.ask(GET).await.told(), (200, "shop"));
        assert_eq!(stage.ask(POST).await.told(), (200, "shop"));
    }
    // A request may come before the connection of the one before is seen to be free.
    assert!(shop.connections() <= 4, "{} connections for 40 requests", shop.connections());
}

#[tokio::test]
async fn a_connection_that_the_backend_says_it_closes_is_not_used_again() {
    let shop = Origin::start(|_| {
        Deed::SayAndLeave(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi".to_vec())
    })
    .await;
    let stage = before(&[shop.address]).start().await;
    for _ in 0..5 {
        assert_eq!(stage.ask(POST).await.told(), (200, "hi"));
    }
    assert_eq!(shop.connections(), 5);
}

#[tokio::test]
async fn a_connection_that_died_while_it_waited_fails_nobody() {
    // The backend leaves behind each answer without a word of it, as servers do whose patience is over.
    for deed in [
        Deed::SayAndLeave(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec()),
        Deed::SayAndBreak(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec()),
    ] {
        let shop = Origin::start(move |_| deed.clone()).await;
        let stage = before(&[shop.address]).route("retries = 0").start().await;
        for _ in 0..20 {
            assert_eq!(stage.ask(GET).await.told(), (200, "hi"));
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_connection_on_which_something_is_left_is_not_used_again() {
    // Bytes behind the answer would be taken for the answer of the next request.
    let shop = Origin::start(|asked| match asked.connection {
        0 => Deed::Say(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
                .to_vec(),
        ),
        _ => ok("good"),
    })
    .await;
    let stage = before(&[shop.address]).start().await;
    assert_eq!(stage.ask(GET).await.told(), (200, "hi"));
    for _ in 0..5 {
        let answered = stage.ask(GET).await;
        assert_eq!(answered.told(), (200, "good"), "the answer of nobody's request");
    }
}

/// A backend that speaks TLS and shows a certificate for this name, and the PEM of whoever vouches for it.
async fn secret(name: &str) -> (std::net::SocketAddr, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("randomness")).expect("an authority");
    let key = KeyPair::generate().expect("randomness");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.der().clone()], key.into()).expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(stream).await else { continue };
            tokio::spawn(async move {
                let mut read = vec![0; 4096];
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
                while tls.read(&mut read).await.is_ok_and(|length| length > 0) {
                    tls.write_all(answer).await?;
                    tls.flush().await?;
                }
                Ok::<_, std::io::Error>(())
            });
        }
    });
    (address, issuer.pem())
}

#[tokio::test]
async fn backends_are_met_under_tls_and_must_prove_who_they_are() {
    for (name, status) in [("127.0.0.1", 200), ("10.9.9.9", 502)] {
        let (address, authority) = secret(name).await;
        let folder = std::env::temp_dir().join(format!("realmgate-http-tls-{}-{status}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("ca.pem"), authority).expect("a file");
        let tls = format!("tls = {{ ca = \"{}/ca.pem\" }}", folder.display());
        let stage = before(&[address]).cluster(&tls).start().await;
        let answered = stage.ask(GET).await;
        assert_eq!(answered.status, status, "{name}: {}", answered.text());
        assert_eq!(answered.text() == "secret", status == 200);
        std::fs::remove_dir_all(&folder).expect("it is there");
    }
}

#[tokio::test]
async fn a_backend_that_had_the_request_for_a_while_has_failed_whatever_connection_it_came_on() {
    let mut shop = Origin::start(|asked| match asked.line() {
        "GET /slow" => Deed::WaitAndBreak(Duration::from_millis(500)),
        _ => ok("hi"),
    })
    .await;
    let breaker = "[http.shop.breaker]\nconsecutive = 1";
    let stage = before(&[shop.address]).route("retries = 0").table(breaker).start().await;
    assert_eq!(stage.ask(GET).await.told(), (200, "hi"));
    stage.has_in_flight(&[0]).await;
    let failed = stage.get("/slow").await;
    assert_eq!(failed.status, 502, "{}", failed.text());
    let asked = [shop.asked().await, shop.asked().await];
    assert_eq!(
        asked.each_ref().map(|asked| (asked.line(), asked.connection)),
        [("GET /", 0), ("GET /slow", 0)]
    );
    assert!(shop.is_idle(), "it was asked once");
    stage.shows("realmgate_http_tries_failed_total{http=\"shop\",reason=\"broken\"} 1").await;
    let labels = format!("{{route=\"http.shop\",backend=\"{}\"}}", shop.address);
    stage.shows(&format!("realmgate_route_breaker_state{labels} 2")).await;
}

/// A client that says the rest of its body behind the answer, in time for the backend to hear it. When a connection waits
/// for that no more, another client does the same.
async fn late_with_the_rest(stage: &Stage, listener: &TcpListener) -> Client {
    loop {
        let mut client = stage.client().await;
        client.send("POST /shop HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst").await;
        let mut backend = accept(listener).await;
        let mut read = Vec::new();
        while !read.ends_with(b"first") {
            assert!(within("the first half", backend.read_buf(&mut read)).await.expect("bytes") > 0);
        }
        backend.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await.expect("taken");
        assert_eq!(client.answer(false).await.told(), (200, "hi"));
        client.send("later").await;
        while within("the rest", backend.read_buf(&mut read)).await.is_ok_and(|length| length > 0) {
            if read.ends_with(b"firstlater") {
                return client;
            }
        }
    }
}

#[tokio::test]
async fn the_rest_of_a_body_behind_its_answer_does_not_begin_a_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let stage = before(&[listener.local_addr().expect("bound")])
        .limit("handshake_timeout = \"300ms\"")
        .route("path = \"/shop\"")
        .start()
        .await;
    let mut client = late_with_the_rest(&stage, &listener).await;
    let silent = tokio::time::timeout(Duration::from_millis(600), client.stream.readable()).await;
    assert!(silent.is_err(), "it is not told that it is late, nor cut");
    let nothing = client.ask("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(nothing.status, 404, "{}", nothing.text());
}

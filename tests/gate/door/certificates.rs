//! Players who have to show a certificate.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::fakes::{Backend, Certificates, Gate, GateBuilder, Player};

fn gate(battle: &Backend) -> GateBuilder {
    Gate::builder().shared("battle", "1000", &[battle.address()], "")
}

fn asks_for_proof(battle: &Backend, certificates: &Certificates) -> GateBuilder {
    let pair = certificates.pair("game");
    let folder = certificates.folder.display();
    let with_ca = pair.replace(" }", &format!(", client_ca = \"{folder}/ca.pem\" }}"));
    gate(battle).listener(&format!("tls = {with_ca}"))
}

/// Whether a player with this configuration plays. With TLS 1.3 it hears only after its own handshake that it may not.
async fn plays(gate: &Gate, config: Arc<ClientConfig>) -> bool {
    let Ok(mut player) = Player::connect_tls(gate.address(), "game.test", config).await else { return false };
    player.try_send_raw(&crate::fakes::frame(1000, b"in")).await.is_ok() && player.try_recv().await.is_ok()
}

#[tokio::test]
async fn only_who_shows_a_certificate_of_the_authority_comes_in() {
    let battle = Backend::echo().await;
    let (certificates, strangers) = (Certificates::new(), Certificates::new());
    certificates.write("game", &["game.test"]);
    certificates.write("ann", &["ann.test"]);
    let gate = asks_for_proof(&battle, &certificates).start_with(None).await;
    assert!(plays(&gate, certificates.client_with("ann")).await);
    assert!(!plays(&gate, certificates.client()).await, "without a certificate");
    strangers.write("eve", &["ann.test"]);
    std::fs::rename(strangers.folder.join("eve.pem"), certificates.folder.join("eve.pem")).expect("a file");
    std::fs::rename(strangers.folder.join("eve.key"), certificates.folder.join("eve.key")).expect("a file");
    assert!(!plays(&gate, certificates.client_with("eve")).await, "of another authority");
    let tls12 = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
        .with_root_certificates(certificates.roots())
        .with_no_client_auth();
    assert!(!plays(&gate, Arc::new(tls12)).await, "nor with an older version");
    gate.has_sessions(0).await;
    let failed = gate.meters().total(|meter| meter.handshake(realmgate::telemetry::Handshake::Failed));
    assert_eq!(failed, 3);
    assert_eq!(battle.frames().len(), 1);
}

#[tokio::test]
async fn a_ticket_of_a_time_without_proof_is_no_proof() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    certificates.write("game", &["game.test"]);
    certificates.write("ann", &["ann.test"]);
    let open = || gate(&battle).listener(&format!("tls = {}", certificates.pair("game")));
    let mut gate = open().start_with(None).await;
    let old = certificates.client();
    assert!(plays(&gate, Arc::clone(&old)).await && plays(&gate, Arc::clone(&old)).await);
    gate.reload(asks_for_proof(&battle, &certificates)).await;
    assert!(!plays(&gate, Arc::clone(&old)).await, "with a ticket from before");
    let ann = certificates.client_with("ann");
    for _ in 0..2 {
        let player = Player::connect_tls(gate.address(), "game.test", Arc::clone(&ann)).await;
        let mut player = player.expect("a handshake");
        player.echo(1000, b"in").await;
        assert!(!player.is_resumed(), "every connection proves it anew");
    }
    gate.reload(open()).await;
    assert!(plays(&gate, old).await);
}

#[tokio::test]
async fn an_authority_that_is_none_changes_nothing() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    certificates.write("game", &["game.test"]);
    let mut gate =
        gate(&battle).listener(&format!("tls = {}", certificates.pair("game"))).start_with(None).await;
    for (text, said) in [("no PEM", "no certificate in"), ("", "no certificate in")] {
        let path = certificates.folder.join("ca.pem");
        std::fs::write(&path, text).expect("a file");
        let told = gate.try_reload(asks_for_proof(&battle, &certificates)).await.expect_err("refused");
        assert!(told.contains(said) && told.contains("client_ca"), "{told}");
    }
    assert!(plays(&gate, certificates.client()).await);
}

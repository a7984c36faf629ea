//! Who may play: tokens, BIND, and what is refused before a login.

use realmgate::telemetry::LoginResult;
use realmgate::wire::link::Message;
use serde_json::{Value, json};

use crate::fakes::{Backend, Event, Frame, Gate, GateBuilder, Issuer, Manner, Player, now};

const ADMITTED: &str = r#"{"code":"admitted"}"#;

/// A game and tokens for it.
fn game(battle: &Backend, issuer: &Issuer, more: &str) -> GateBuilder {
    Gate::builder().shared("battle", "1000", &[battle.address()], "").table(&issuer.login(more))
}

/// A game and a cluster that logs players in.
fn binding(login: &Backend, battle: &Backend, more: &str) -> GateBuilder {
    Gate::builder()
        .shared("login", "500", &[login.address()], "")
        .shared("battle", "1000", &[battle.address()], "")
        .table(&format!("[login]\nroute = \"login\"\n{more}"))
}

fn logins(gate: &Gate, result: LoginResult) -> u64 {
    gate.meters().total(|meter| meter.login(result))
}

/// Waits until so many logins have had this result.
async fn has_logins(gate: &Gate, result: LoginResult, count: u64) {
    crate::fakes::within("logins", async {
        while logins(gate, result) < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn shown(player: &mut Player, token: &[u8]) -> String {
    player.send(10, token).await;
    player.notice().await
}

fn code(notice: &str) -> String {
    let notice: Value = serde_json::from_str(notice).expect("JSON");
    notice["code"].as_str().expect("a code").to_owned()
}

/// Waits for the account that a backend was told with a session.
async fn known(backend: &Backend, account: &str) {
    let told = |event: &Event| matches!(event, Event::Known { account: Some(known), .. } if known == account);
    backend.wait("the account", |events| events.iter().any(told).then_some(())).await;
}

#[tokio::test]
async fn only_routes_without_login_pass_until_a_token_is_shown() {
    let (battle, news) = (Backend::echo().await, Backend::echo().await);
    let issuer = Issuer::new();
    let gate = game(&battle, &issuer, "")
        .shared("news", "2000", &[news.address()], "")
        .table("[route.free]\nids = [3000]\ncluster = \"news\"\nlogin = \"none\"")
        .start()
        .await;
    let mut player = gate.player().await;
    let refused = r#"{"code":"login_required","route":"battle","id":1000}"#;
    player.send(1000, b"early").await;
    assert_eq!(player.notice().await, refused);
    player.echo(3000, b"anybody").await;
    player.send(1, b"").await;
    assert_eq!(player.recv().await, Frame { id: 2, body: Vec::new() }, "heartbeats are answered to guests");
    assert_eq!(shown(&mut player, &issuer.token("ann")).await, ADMITTED);
    player.echo(1000, b"in").await;
    player.echo(2000, b"everywhere").await;
    known(&battle, "ann").await;
    assert_eq!(battle.frames().len(), 1, "what came before the login went nowhere");
    assert_eq!(logins(&gate, LoginResult::Ok), 1);
    assert_eq!(gate.inner().workers()[0].list(Some("ann"), 10).await.len(), 1);
    assert_eq!(gate.inner().workers()[0].list(Some("bob"), 10).await.len(), 0);
}

#[tokio::test]
async fn a_good_token_goes_on_to_the_route_that_has_its_id_and_else_ends_here() {
    let (battle, auth) = (Backend::echo().await, Backend::echo().await);
    let issuer = Issuer::new();
    let gate = game(&battle, &issuer, "").shared("auth", "10", &[auth.address()], "").start().await;
    let mut player = gate.player().await;
    let token = issuer.token("ann");
    assert_eq!(shown(&mut player, &token).await, ADMITTED);
    assert_eq!(player.recv().await, Frame { id: 10, body: token }, "the echo of the backend");
    known(&auth, "ann").await;

    let mut bad = gate.player().await;
    assert_eq!(code(&shown(&mut bad, b"no token").await), "unauthorized");
    bad.closed().await;
    assert_eq!(auth.frames().len(), 1, "a wrong token goes nowhere");

    let gate = game(&battle, &issuer, "").start().await;
    let mut player = gate.player().await;
    assert_eq!(shown(&mut player, &issuer.token("bob")).await, ADMITTED);
    player.echo(1000, b"and nothing in between").await;
}

#[tokio::test]
async fn every_fault_of_a_token_ends_the_session_and_is_counted_by_itself() {
    let battle = Backend::echo().await;
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let gate = game(&battle, &issuer, "")
        .table("[route.none]\nids = [2000]\ncluster = \"battle\"\nlogin = \"none\"")
        .start()
        .await;
    let hour = now() + 3600;
    let long = "x".repeat(129);
    let cases = [
        (LoginResult::TokenMalformed, b"no token".to_vec()),
        (LoginResult::TokenMalformed, b"\xFF\xFE.\xFD.\xFC".to_vec()),
        (LoginResult::TokenMalformed, vec![b'a'; 9000]),
        (LoginResult::TokenSignature, stranger.token("ann")),
        (LoginResult::TokenExpired, issuer.sign(&json!({ "sub": "ann", "exp": now() - 61 }))),
        (LoginResult::TokenExpired, issuer.sign(&json!({ "sub": "ann" }))),
        (LoginResult::TokenNotYet, issuer.sign(&json!({ "sub": "ann", "exp": hour, "nbf": now() + 90 }))),
        (LoginResult::TokenAccount, issuer.sign(&json!({ "exp": hour }))),
        (LoginResult::TokenAccount, issuer.sign(&json!({ "sub": long, "exp": hour }))),
    ];
    for (result, token) in cases {
        let before = logins(&gate, result);
        let mut player = gate.player().await;
        player.echo(2000, b"a guest").await;
        assert_eq!(code(&shown(&mut player, &token).await), "unauthorized", "{result:?}");
        player.closed().await;
        assert_eq!(logins(&gate, result), before + 1, "{result:?}");
    }
    let closed = |events: &[Event]| {
        let closes = events.iter().filter(|event| matches!(event, Event::Close { reason: 0x8003, .. }));
        (closes.count() == 9).then_some(())
    };
    battle.wait("CLOSE of all of them", closed).await;
    gate.is_empty().await;
}

#[tokio::test]
async fn a_player_who_is_in_may_show_its_account_again_and_no_other() {
    let battle = Backend::echo().await;
    let issuer = Issuer::new();
    let gate = game(&battle, &issuer, "").start().await;
    let mut player = gate.player().await;
    assert_eq!(shown(&mut player, &issuer.token("ann")).await, ADMITTED);
    player.send(10, &issuer.token("ann")).await;
    player.echo(1000, b"still in").await;
    assert_eq!(logins(&gate, LoginResult::Again), 1);
    let notice = shown(&mut player, &issuer.token("bob")).await;
    assert_eq!(notice, r#"{"code":"unauthorized","message":"this session has another account"}"#);
    player.closed().await;
    assert_eq!(logins(&gate, LoginResult::OtherAccount), 1);
}

#[tokio::test]
async fn a_backend_of_the_login_cluster_logs_in_by_bind_and_no_other_one_does() {
    let (login, battle) = (Backend::with(Manner::LogIn).await, Backend::with(Manner::LogIn).await);
    let gate = binding(&login, &battle, "")
        .table("[route.free]\nids = [3000]\ncluster = \"battle\"\nlogin = \"none\"")
        .start()
        .await;
    let mut player = gate.player().await;
    player.send(1000, b"ann").await;
    assert_eq!(code(&player.notice().await), "login_required");
    player.echo(3000, b"ann").await;
    let error = Event::Error { text: "BIND from a cluster that does not log players in".to_owned() };
    battle.wait("ERROR", |events| events.contains(&error).then_some(())).await;
    assert_eq!(logins(&gate, LoginResult::Stranger), 1);
    player.send(1000, b"ann").await;
    assert_eq!(code(&player.notice().await), "login_required", "the BIND of a stranger logs nobody in");

    player.send(500, b"ann:7").await;
    let mut came = [player.recv().await, player.recv().await].map(|frame| frame.id);
    came.sort_unstable();
    assert_eq!(came, [500, 9000], "the answer of the backend and the notice");
    player.echo(3000, b"ann").await;
    player.send(1000, b"bob").await;
    assert_eq!(player.recv().await.id, 1000);
    let stale = Event::Error { text: "BIND with a lower epoch than the one known".to_owned() };
    player.echo(500, b"ann:6").await;
    login.wait("ERROR", |events| events.contains(&stale).then_some(())).await;
    player.echo(1000, b"bob").await;
}

/// Reads on until a frame with this ID comes.
async fn hears(player: &mut Player, id: u16) {
    while player.recv().await.id != id {}
}

#[tokio::test]
async fn each_account_counts_its_own_logins() {
    let (login, battle) = (Backend::with(Manner::LogIn).await, Backend::echo().await);
    let gates = [
        binding(&login, &battle, "").start().await,
        Gate::builder().shared("login", "500", &[login.address()], "").start().await,
    ];
    for gate in &gates {
        let mut player = gate.player().await;
        for account in ["ann:100", "bob:1", "bob:2"] {
            player.send(500, account.as_bytes()).await;
            hears(&mut player, 500).await;
        }
        login.settled().await;
        let name = "bob";
        crate::fakes::within("the account", async {
            while gate.inner().workers()[0].list(Some(name), 10).await.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        player.send(500, b"bob:1").await;
        let stale = Event::Error { text: "BIND with a lower epoch than the one known".to_owned() };
        login.wait("ERROR", |events| events.contains(&stale).then_some(())).await;
        let errors = |event: &&Event| matches!(event, Event::Error { .. });
        assert_eq!(login.events().iter().filter(errors).count(), 1, "only bob's old login is refused");
        assert_eq!(gate.inner().workers()[0].list(Some("ann"), 10).await.len(), 0);
        login.forget();
    }
}

#[tokio::test]
async fn who_leaves_an_account_for_one_with_a_lower_epoch_is_replaced_by_its_next_login() {
    let (login, battle) = (Backend::with(Manner::LogIn).await, Backend::echo().await);
    let gate = binding(&login, &battle, "").start().await;
    let (mut first, mut second) = (gate.player().await, gate.player().await);
    for account in ["ann:100", "bob:1"] {
        first.send(500, account.as_bytes()).await;
        hears(&mut first, 500).await;
    }
    login.settled().await;
    first.send(1000, b"in").await;
    hears(&mut first, 1000).await;
    second.send(500, b"bob:2").await;
    hears(&mut second, 500).await;
    login.settled().await;
    second.send(1000, b"in").await;
    hears(&mut second, 1000).await;
    assert_eq!(first.notice().await, r#"{"code":"replaced"}"#);
}

#[tokio::test]
async fn tokens_log_in_and_no_bind_does_where_tokens_are_wanted() {
    let battle = Backend::with(Manner::LogIn).await;
    let issuer = Issuer::new();
    let gate = game(&battle, &issuer, "").start().await;
    let mut player = gate.player().await;
    assert_eq!(shown(&mut player, &issuer.token("ann")).await, ADMITTED);
    player.echo(1000, b"bob").await;
    has_logins(&gate, LoginResult::Stranger, 1).await;
    assert_eq!(gate.inner().workers()[0].list(Some("ann"), 10).await.len(), 1);
}

#[tokio::test]
async fn who_does_not_log_in_in_time_is_told_and_closed_and_who_does_stays() {
    let battle = Backend::echo().await;
    let issuer = Issuer::new();
    let gate = game(&battle, &issuer, "").limit("login_timeout = \"3s\"").start().await;
    let (mut guest, mut player) = (gate.player().await, gate.player().await);
    assert_eq!(shown(&mut player, &issuer.token("ann")).await, ADMITTED);
    assert_eq!(guest.notice().await, r#"{"code":"login_required"}"#);
    guest.closed().await;
    player.echo(1000, b"still in").await;
}

#[tokio::test]
async fn only_clients_of_the_right_version_come_in() {
    let battle = Backend::echo().await;
    let issuer = Issuer::new();
    let gate = game(&battle, &issuer, "versions = \">=1.2.0\"").start().await;
    let claims = |version: Value| {
        let mut claims = json!({ "sub": "ann", "exp": now() + 3600 });
        claims["ver"] = version;
        claims
    };
    for old in [json!("1.1.9"), json!(2), json!("new"), Value::Null] {
        let mut player = gate.player().await;
        let notice = shown(&mut player, &issuer.sign(&claims(old))).await;
        assert_eq!(notice, r#"{"code":"update_required"}"#);
        player.closed().await;
    }
    let mut player = gate.player().await;
    assert_eq!(shown(&mut player, &issuer.sign(&claims(json!("1.2")))).await, ADMITTED);
    player.echo(1000, b"in").await;
    assert_eq!(logins(&gate, LoginResult::UpdateRequired), 4);
}

#[tokio::test]
async fn a_version_that_a_backend_tells_after_its_bind_is_judged_then() {
    let (login, battle) = (Backend::with(Manner::LogIn).await, Backend::echo().await);
    let gate = binding(&login, &battle, "versions = \">=1.2.0\"").start().await;
    let mut player = gate.player().await;
    player.send(500, b"ann").await;
    let mut came = [player.recv().await, player.recv().await].map(|frame| frame.id);
    came.sort_unstable();
    assert_eq!(came, [500, 9000]);
    let session = login.session().await;
    login.say(session, Message::Attributes { attributes: r#"{"version":"1.3"}"# }).await;
    player.echo(1000, b"good").await;
    login.say(session, Message::Attributes { attributes: r#"{"version":"1.1"}"# }).await;
    assert_eq!(player.notice().await, r#"{"code":"update_required"}"#);
    player.closed().await;
    let closed = Event::Close { session, reason: 0x8005 };
    login.wait("CLOSE", |events| events.contains(&closed).then_some(())).await;
}

/// Two players of one account on two workers, the elder first.
async fn two(gate: &Gate, issuer: &Issuer) -> (Player, Player, String) {
    let (mut elder, mut newer) = (gate.player().await, gate.player().await);
    gate.has_sessions(2).await;
    assert_eq!(gate.inner().sessions_by_worker(), [1, 1]);
    assert_eq!(shown(&mut elder, &issuer.token("ann")).await, ADMITTED);
    let said = shown(&mut newer, &issuer.token("ann")).await;
    (elder, newer, said)
}

#[tokio::test]
async fn a_second_login_replaces_refuses_or_joins_as_the_file_says() {
    let battle = Backend::echo().await;
    let issuer = Issuer::new();

    let gate = game(&battle, &issuer, "").workers(2).start().await;
    let (mut elder, mut newer, said) = two(&gate, &issuer).await;
    assert_eq!(said, ADMITTED);
    assert_eq!(elder.notice().await, r#"{"code":"replaced"}"#);
    elder.closed().await;
    newer.echo(1000, b"plays on").await;
    let mut again = gate.player().await;
    assert_eq!(shown(&mut again, &issuer.token("bob")).await, ADMITTED, "another account is another seat");
    newer.echo(1000, b"plays on").await;
    gate.stop().await;

    let gate = game(&battle, &issuer, "duplicate = \"refuse\"").workers(2).start().await;
    let (mut elder, mut newer, said) = two(&gate, &issuer).await;
    assert_eq!(said, r#"{"code":"unauthorized","message":"this account plays already"}"#);
    newer.closed().await;
    elder.echo(1000, b"plays on").await;
    assert_eq!(logins(&gate, LoginResult::Taken), 1);
    drop(elder);
    gate.is_empty().await;
    let mut back = gate.player().await;
    assert_eq!(shown(&mut back, &issuer.token("ann")).await, ADMITTED, "the seat is free again");
    gate.stop().await;

    let gate = game(&battle, &issuer, "duplicate = \"allow\"").workers(2).start().await;
    let (mut elder, mut newer, said) = two(&gate, &issuer).await;
    assert_eq!(said, ADMITTED);
    elder.echo(1000, b"plays").await;
    newer.echo(1000, b"plays too").await;
}

#[tokio::test]
async fn a_changed_key_file_is_taken_by_a_reload_and_a_broken_one_refuses_it() {
    let battle = Backend::echo().await;
    let mut issuer = Issuer::new();
    let mut gate = game(&battle, &issuer, "").start().await;
    let mut old = gate.player().await;
    assert_eq!(shown(&mut old, &issuer.token("ann")).await, ADMITTED);
    let before = issuer.token("bob");
    issuer.change_key();
    let mut early = gate.player().await;
    assert_eq!(code(&shown(&mut early, &issuer.token("bob")).await), "unauthorized", "not read yet");
    gate.reload(game(&battle, &issuer, "")).await;
    let mut new = gate.player().await;
    assert_eq!(shown(&mut new, &issuer.token("bob")).await, ADMITTED);
    let mut late = gate.player().await;
    assert_eq!(code(&shown(&mut late, &before).await), "unauthorized", "the key of before is gone");
    old.echo(1000, b"who is in stays in").await;

    issuer.write_key("no key\n");
    let refused = gate.try_reload(game(&battle, &issuer, "")).await.expect_err("a broken key");
    assert!(refused.contains("it is no public key of this `algorithm`"), "{refused}");
    assert!(refused.contains("test.toml:"), "{refused}");
    let mut after = gate.player().await;
    assert_eq!(shown(&mut after, &issuer.token("carol")).await, ADMITTED, "the key of before is in force");
}

#[tokio::test]
async fn a_login_that_comes_by_reload_leaves_in_who_is_there_and_one_that_goes_asks_nobody() {
    let battle = Backend::echo().await;
    let issuer = Issuer::new();
    let free = || Gate::builder().shared("battle", "1000", &[battle.address()], "");
    let mut gate = free().limit("login_timeout = \"400ms\"").start().await;
    let mut old = gate.player().await;
    old.echo(1000, b"no login yet").await;
    gate.reload(game(&battle, &issuer, "").limit("login_timeout = \"400ms\"")).await;
    let mut new = gate.player().await;
    new.send(1000, b"early").await;
    assert_eq!(code(&new.notice().await), "login_required");
    old.echo(1000, b"stays in").await;
    let mut guest = gate.player().await;
    assert_eq!(guest.notice().await, r#"{"code":"login_required"}"#, "in time, or not at all");
    old.echo(1000, b"stays in").await;
    gate.reload(free()).await;
    let mut last = gate.player().await;
    last.echo(1000, b"nobody asks").await;
}

#[tokio::test]
async fn a_bind_of_a_session_that_was_idle_over_a_reload_from_tokens_is_not_late() {
    let (login, battle) = (Backend::echo().await, Backend::echo().await);
    let issuer = Issuer::new();
    let tokens = game(&battle, &issuer, "").shared("login", "500", &[login.address()], "");
    let mut gate = tokens.start().await;
    let mut player = gate.player().await;
    assert_eq!(shown(&mut player, &issuer.token_of("ann", 1_760_000_000)).await, ADMITTED);
    player.echo(500, b"known there").await;
    let session = login.session().await;
    gate.reload(binding(&login, &battle, "")).await;
    login.say(session, Message::Bind { account: "ann", epoch: 1 }).await;
    has_logins(&gate, LoginResult::Again, 1).await;
    player.echo(500, b"plays on").await;
    let objects = |event: &Event| matches!(event, Event::Error { .. });
    assert!(!login.events().iter().any(objects), "{:?}", login.events());
}

#[tokio::test]
async fn a_banned_account_does_not_come_in_by_token_nor_by_bind() {
    use realmgate::config::{Banned, Override};
    let battle = Backend::echo().await;
    let issuer = Issuer::new();
    let mut gate = game(&battle, &issuer, "").start().await;
    let until = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now() + 3600);
    gate.change(Override::Ban { who: Banned::Account("eve".to_owned()), until }).await;
    let mut player = gate.player().await;
    let notice = shown(&mut player, &issuer.token("eve")).await;
    assert_eq!(notice, r#"{"code":"kicked","message":"this account is banned"}"#);
    player.closed().await;
    assert_eq!(logins(&gate, LoginResult::Banned), 1);

    let login = Backend::with(Manner::LogIn).await;
    let mut gate = binding(&login, &battle, "").start().await;
    gate.change(Override::Ban { who: Banned::Account("eve".to_owned()), until }).await;
    let mut player = gate.player().await;
    player.send(500, b"eve").await;
    let mut answer = player.recv().await;
    while answer.id == 500 {
        answer = player.recv().await;
    }
    assert!(String::from_utf8_lossy(&answer.body).contains("\"kicked\""), "{answer:?}");
    player.closed().await;
    let closed = |event: &Event| matches!(event, Event::Close { reason: 0x8006, .. });
    login.wait("CLOSE", |events| events.iter().any(closed).then_some(())).await;
}

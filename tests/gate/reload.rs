//! A running gate changes its world: what is different is touched, and nothing else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use realmgate::base::Reason;
use realmgate::config::{Banned, Override};
use realmgate::net::{Target, WorkerHandle};
use realmgate::wire::link::Message;

use crate::fakes::{Backend, Certificates, Dedicated, Event, Gate, Player, frame, within};

fn closes(backend: &Backend) -> usize {
    backend.events().iter().filter(|event| matches!(event, Event::Close { .. })).count()
}

fn opens(backend: &Backend) -> usize {
    backend.events().iter().filter(|event| matches!(event, Event::Open { .. })).count()
}

#[tokio::test]
async fn a_reload_without_a_difference_touches_nobody() {
    let battle = Backend::echo().await;
    let builder = || Gate::builder().shared("battle", "1000", &[battle.address()], "");
    let mut gate = builder().start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"before").await;
    gate.reload(builder()).await;
    player.echo(1000, b"after").await;
    gate.player().await.echo(1000, b"new").await;
    assert_eq!((opens(&battle), closes(&battle)), (2, 0));
}

#[tokio::test]
async fn a_session_whose_route_goes_elsewhere_is_bound_there_at_its_next_frame() {
    let (old, new, pay) = (Backend::echo().await, Backend::echo().await, Backend::echo().await);
    let pay_of = |builder: crate::fakes::GateBuilder| builder.shared("pay", "2000", &[pay.address()], "");
    let mut gate = pay_of(Gate::builder().shared("battle", "1000", &[old.address()], "")).start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"before").await;
    player.echo(2000, b"before").await;
    gate.reload(pay_of(Gate::builder().shared("battle", "1000", &[new.address()], ""))).await;
    player.echo(1000, b"after").await;
    player.echo(2000, b"after").await;
    assert_eq!((old.frames().len(), new.frames().len(), pay.frames().len()), (1, 1, 2));
    let moved = Reason::Moved.code();
    old.wait("CLOSE", |events| {
        events
            .iter()
            .find(|event| matches!(event, Event::Close { reason, .. } if *reason == moved))
            .map(|_| ())
    })
    .await;
    assert_eq!((opens(&pay), closes(&pay)), (1, 0));
}

#[tokio::test]
async fn a_backend_found_by_a_reload_serves_with_the_first_frame_after_it() {
    let (old, new) = (Backend::echo().await, Backend::echo().await);
    let mut gate = Gate::builder().shared("battle", "1000", &[old.address()], "").start().await;
    let mut player = gate.player().await;
    let next = Gate::builder().shared("battle", "1000", &[old.address()], "").shared(
        "pay",
        "2000",
        &[new.address()],
        "",
    );
    gate.reload(next).await;
    player.echo(2000, b"at once").await;
    player.echo(1000, b"as before").await;
}

#[tokio::test]
async fn a_link_to_a_backend_that_is_gone_ends_with_goaway_when_its_sessions_have_left() {
    let (old, new) = (Backend::echo().await, Backend::echo().await);
    let mut gate = Gate::builder().shared("battle", "1000", &[old.address()], "").start().await;
    let mut silent = gate.player().await;
    silent.echo(1000, b"and says nothing more").await;
    gate.reload(Gate::builder().shared("battle", "1000", &[new.address()], "")).await;
    // What the old one still says to a session that has sent nothing since goes through.
    let late = frame(7, b"late");
    old.say(old.session().await, Message::Frame { payload: &late }).await;
    assert_eq!(silent.recv().await.body, b"late");
    old.wait("GOAWAY", |events| events.contains(&Event::GoAway).then_some(())).await;
    assert_eq!(closes(&old), 1, "the session left before");
    silent.echo(1000, b"goes on").await;
    drop(silent);
    gate.is_empty().await;
}

#[tokio::test]
async fn the_sessions_of_a_backend_that_is_gone_are_closed_where_on_loss_says_so() {
    let (old, new) = (Backend::echo().await, Backend::echo().await);
    let close = "on_loss = \"close\"";
    let mut gate = Gate::builder().shared("battle", "1000", &[old.address()], close).start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    gate.reload(Gate::builder().shared("battle", "1000", &[new.address()], close)).await;
    assert!(player.notice().await.contains("unavailable"));
    player.closed().await;
}

#[tokio::test]
async fn who_was_told_to_be_bound_elsewhere_is_not_closed_by_what_on_loss_says_from_now_on() {
    let (old, new) = (Backend::echo().await, Backend::echo().await);
    let both = [old.address(), new.address()];
    let first = Gate::builder().shared("battle", "1000", &both, "balance = \"backup\"");
    let mut gate = first.start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    gate.reload(Gate::builder().shared("battle", "1000", &[new.address()], "on_loss = \"close\"")).await;
    player.echo(1000, b"elsewhere").await;
    assert_eq!((old.frames().len(), new.frames().len()), (1, 1));
}

#[tokio::test]
async fn a_dedicated_backend_that_is_gone_still_answers_what_it_was_asked() {
    let (old, new) = (Dedicated::start().await, Dedicated::start().await);
    let mut gate = Gate::builder().dedicated("battle", "1000", &[old.address()], "").start().await;
    let mut player = gate.player().await;
    player.send(1000, b"first").await;
    let mut first = old.accept().await;
    assert_eq!(first.recv().await.body, b"first");
    gate.reload(Gate::builder().dedicated("battle", "1000", &[new.address()], "")).await;
    player.send(1000, b"second").await;
    let mut second = new.accept().await;
    assert_eq!(second.recv().await.body, b"second");
    within("the end of the old one's input", first.end()).await.expect("an end in order");
    first.send_raw(&frame(1000, b"late answer")).await;
    assert_eq!(player.recv().await.body, b"late answer");
    drop(first);
    second.send_raw(&frame(1000, b"answer")).await;
    assert_eq!(player.recv().await.body, b"answer");
}

#[tokio::test]
async fn listeners_come_and_go_and_those_who_are_in_stay() {
    let battle = Backend::echo().await;
    let builder = || Gate::builder().shared("battle", "1000", &[battle.address()], "");
    let second = "[listener.second]\nlisten = \"127.0.0.1:0\"\nframe = \"game\"";
    let mut gate = builder().start().await;
    gate.reload(builder().table(second)).await;
    let address = gate.inner().address("second").expect("it listens");
    let mut player = Player::connect(address).await;
    player.echo(1000, b"in").await;
    gate.reload(builder()).await;
    assert!(gate.inner().address("second").is_none());
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens there");
    player.echo(1000, b"stays").await;
    gate.player().await.echo(1000, b"the other listener").await;
}

#[tokio::test]
async fn a_listener_that_gets_another_name_loses_nobody_who_comes_meanwhile() {
    let battle = Backend::echo().await;
    // An address of its own: no other test takes the port meanwhile.
    let free = TcpListener::bind("127.0.0.9:0").expect("a port").local_addr().expect("bound");
    let named = |name: &str| {
        let builder = Gate::builder().shared("battle", "1000", &[battle.address()], "");
        builder.table(&format!(
            "[listener.{name}]\nlisten = \"{free}\"\nframe = \"game\"\n\
             limits = {{ connections_per_ip = 0, new_per_ip = \"off\" }}"
        ))
    };
    let mut gate = named("one").start().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let playing = std::thread::spawn(move || {
        let mut players = 0_u32;
        while !over.load(Ordering::Relaxed) {
            let mut player = TcpStream::connect(free).expect("it listens");
            player.write_all(&frame(1, b"")).expect("a heartbeat");
            player.read_exact(&mut [0; 6]).unwrap_or_else(|error| panic!("after {players}: {error}"));
            players += 1;
        }
        players
    });
    for _ in 0..200 {
        gate.reload(named("two")).await;
        gate.reload(named("one")).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let players = tokio::task::spawn_blocking(|| playing.join()).await.expect("it ends");
    assert_ne!(players.expect("everybody is answered"), 0);
}

#[tokio::test]
async fn limits_of_a_listener_are_for_the_next_connection_and_its_count_goes_on() {
    let battle = Backend::echo().await;
    let builder = |most: &str| {
        Gate::builder()
            .shared("battle", "1000", &[battle.address()], "")
            .limit(&format!("connections = {most}"))
    };
    let mut gate = builder("2").start().await;
    let (mut one, mut two) = (gate.player().await, gate.player().await);
    one.echo(1000, b"in").await;
    two.echo(1000, b"in").await;
    gate.reload(builder("1")).await;
    gate.player().await.closed().await;
    gate.reload(builder("3")).await;
    gate.player().await.echo(1000, b"in").await;
    one.echo(1000, b"still in").await;
}

#[tokio::test]
async fn an_address_that_is_taken_changes_nothing() {
    let battle = Backend::echo().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("bound");
    let builder = || Gate::builder().shared("battle", "1000", &[battle.address()], "");
    let mut gate = builder().start().await;
    let mut player = gate.player().await;
    let other = format!("[listener.second]\nlisten = \"{address}\"\nframe = \"game\"");
    let text = gate.try_reload(builder().table(&other).shared("pay", "2000", &[battle.address()], "")).await;
    let text = text.expect_err("the address is taken");
    assert!(text.contains("cannot listen here") && text.contains("listen = "), "{text}");
    assert_eq!(gate.inner().world().generation(), 1);
    player.send(2000, b"no such route").await;
    assert!(player.notice().await.contains("unknown_id"));
    player.echo(1000, b"as before").await;
}

#[tokio::test]
async fn certificates_are_read_again_and_tickets_stay_good() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let builder = || {
        certificates.write("game", &["game.test"]);
        let pair = certificates.pair("game");
        Gate::builder().shared("battle", "1000", &[battle.address()], "").listener(&format!("tls = {pair}"))
    };
    let mut gate = builder().start_with(Some(certificates.client())).await;
    let mut first = gate.tls_player().await;
    first.echo(1000, b"in").await;
    let before = first.certificate();
    gate.reload(builder()).await;
    let mut resumed = gate.tls_player().await;
    resumed.echo(1000, b"in").await;
    assert!(resumed.is_resumed(), "the ticket of before the reload");
    let fresh = gate.tls_player_of(certificates.client()).await;
    assert_ne!(fresh.certificate(), before);
    first.echo(1000, b"still in").await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_changes_nothing() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    certificates.write("game", &["game.test"]);
    let pair = certificates.pair("game");
    let builder = || {
        Gate::builder().shared("battle", "1000", &[battle.address()], "").listener(&format!("tls = {pair}"))
    };
    let mut gate = builder().start_with(Some(certificates.client())).await;
    std::fs::write(certificates.folder.join("game.key"), "no key").expect("a file");
    let refused = gate.try_reload(builder().shared("pay", "2000", &[battle.address()], "")).await;
    assert!(refused.expect_err("no key").contains("game.key"));
    let mut player = gate.tls_player().await;
    player.echo(1000, b"with the certificate of before").await;
    assert_eq!(gate.inner().world().generation(), 1);
}

#[tokio::test]
async fn a_change_of_the_balance_leaves_sessions_where_they_are() {
    let (one, two) = (Backend::echo().await, Backend::echo().await);
    let backends = [one.address(), two.address()];
    let builder = |balance: &str| {
        Gate::builder().shared("battle", "1000", &backends, &format!("balance = \"{balance}\"")).workers(2)
    };
    let mut gate = builder("round_robin").start().await;
    let mut players = Vec::new();
    for _ in 0..10 {
        let mut player = gate.player().await;
        player.echo(1000, b"in").await;
        players.push(player);
    }
    for balance in ["backup", "modulo", "least_load", "consistent_hash", "random", "round_robin"] {
        gate.reload(builder(balance)).await;
        for player in &mut players {
            player.echo(1000, b"stays").await;
        }
    }
    assert_eq!((opens(&one) + opens(&two), closes(&one) + closes(&two)), (10, 0));
}

#[tokio::test]
async fn whoever_asks_is_told_of_every_session() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").workers(2).start().await;
    let mut players = Vec::new();
    for _ in 0..4 {
        let mut player = gate.player().await;
        player.echo(1000, b"in").await;
        players.push(player);
    }
    let mut all = Vec::new();
    for worker in gate.inner().workers() {
        all.extend(WorkerHandle::list(worker, None, 100).await);
    }
    assert_eq!(all.len(), 4);
    for facts in &all {
        assert_eq!(facts.backends, [("battle".to_owned(), battle.address().to_string())]);
        assert_eq!((facts.frames, facts.listener.as_str(), facts.transport), ((1, 1), "players", "tcp"));
    }
    let addresses: Vec<_> = all.iter().map(|facts| facts.address).collect();
    assert!(players.iter().all(|player| addresses.contains(&player.address)));
    let mut few = 0;
    for worker in gate.inner().workers() {
        few += worker.list(None, 1).await.len();
    }
    assert_eq!(few, 2, "one of each worker");
}

#[tokio::test]
async fn a_ban_ends_the_sessions_it_is_for_and_lets_nobody_in_until_it_is_over() {
    let battle = Backend::echo().await;
    let mut gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").workers(2).start().await;
    let (mut one, mut two) = (gate.player().await, gate.player().await);
    one.echo(1000, b"in").await;
    two.echo(1000, b"in").await;
    let ban = |until| Override::Ban { who: Banned::Address("127.0.0.1".parse().expect("an address")), until };
    #[expect(clippy::disallowed_methods, reason = "bans are told in the time of people")]
    let now = SystemTime::now();
    gate.change(ban(now + Duration::from_secs(3600))).await;
    for player in [&mut one, &mut two] {
        assert!(player.notice().await.contains("kicked"));
        player.closed().await;
    }
    gate.player().await.closed().await;
    let builder = Gate::builder().shared("battle", "1000", &[battle.address()], "").workers(2);
    gate.reload(builder).await;
    gate.player().await.closed().await;
    gate.change(ban(now)).await;
    gate.player().await.echo(1000, b"in again").await;
}

/// Says whose session it is, and waits until the gate has read it.
async fn log_in(backend: &Backend, player: &mut Player, account: &str, epoch: u64) {
    let session = backend.session().await;
    backend.say(session, Message::Bind { account, epoch }).await;
    let seen = frame(999, b"seen");
    backend.say(session, Message::Frame { payload: &seen }).await;
    assert_eq!(player.recv().await.id, 999);
}

#[tokio::test]
async fn an_account_is_known_by_its_bind_and_a_lower_epoch_is_refused() {
    let login = Backend::echo().await;
    let gate = Gate::builder().shared("login", "1000", &[login.address()], "").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"hello").await;
    log_in(&login, &mut player, "ann", 7).await;
    log_in(&login, &mut player, "ann", 6).await;
    let error = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Error { text } => Some(text.clone()),
            _ => None,
        })
    };
    assert!(login.wait("ERROR", error).await.contains("lower epoch"));
    let [worker] = gate.inner().workers() else { panic!("one worker") };
    assert_eq!(worker.list(Some("ann"), 9).await.len(), 1);
    assert_eq!(worker.kick(&Target::Account("ann".to_owned())).await, 1);
    assert!(player.notice().await.contains("kicked"));
    player.closed().await;
}

#[tokio::test]
async fn a_cluster_that_becomes_a_hot_standby_is_heard_by_those_who_are_in() {
    let (one, two) = (Backend::echo().await, Backend::echo().await);
    let backends = [one.address(), two.address()];
    let builder = |balance: &str| {
        Gate::builder().shared("battle", "1000", &backends, &format!("balance = \"{balance}\""))
    };
    let mut gate = builder("backup").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    gate.reload(builder("hot_standby")).await;
    one.say(one.session().await, Message::Frame { payload: &frame(7, b"pushed") }).await;
    assert_eq!(player.recv().await.body, b"pushed");
    player.echo(1000, b"to both").await;
    two.has_frames(1).await;
    gate.reload(builder("backup")).await;
    player.echo(1000, b"to one").await;
    assert_eq!((one.frames().len(), two.frames().len()), (3, 1));
}

#[tokio::test]
async fn a_cluster_may_change_its_kind_of_link_under_its_sessions() {
    let shared = Backend::echo().await;
    let dedicated = Dedicated::start().await;
    let of_links = || Gate::builder().shared("battle", "1000", &[shared.address()], "");
    let of_connections = || Gate::builder().dedicated("battle", "1000", &[dedicated.address()], "");
    let mut gate = of_links().start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"over the link").await;
    gate.reload(of_connections()).await;
    player.send(1000, b"over a connection").await;
    let mut connection = dedicated.accept().await;
    assert_eq!(connection.recv().await.body, b"over a connection");
    shared.wait("GOAWAY", |events| events.contains(&Event::GoAway).then_some(())).await;
    assert_eq!(closes(&shared), 1);
    gate.reload(of_links()).await;
    player.echo(1000, b"over the link again").await;
    within("the end of the connection's input", connection.end()).await.expect("an end in order");
    connection.send_raw(&frame(1000, b"late answer")).await;
    assert_eq!(player.recv().await.body, b"late answer");
    drop((connection, player));
    gate.is_empty().await;
}

#[tokio::test]
async fn a_cluster_may_change_its_kind_of_link_and_keep_its_addresses() {
    let (address, linked) = (Backend::echo().await.kill().await, Backend::echo().await);
    let before = Gate::builder().shared("battle", "1000", &[address], "");
    let mut gate = before.shared("chat", "2000", &[linked.address()], "").start().await;
    let dedicated = Dedicated::at(address).await;
    gate.reload(Gate::builder().dedicated("battle", "1000", &[address], "")).await;
    let mut player = gate.player().await;
    player.send(1000, b"first").await;
    let mut connection = loop {
        let mut connection = dedicated.accept().await; // or the link's, which tries until it is given up
        if connection.recv().await.body == b"first" {
            break connection;
        }
    };
    // When the link is given up, with that of the other backend, what the session has there by now stays.
    let lost = |events: &[Event]| events.contains(&Event::Lost).then_some(());
    linked.wait("the end of its link", lost).await;
    player.send(1000, b"second").await;
    assert_eq!(connection.recv().await.body, b"second");
}

#[tokio::test]
async fn a_cluster_that_no_route_leads_to_any_more_loses_its_sessions() {
    let (old, new) = (Backend::echo().await, Backend::echo().await);
    let builder = |cluster: &str| {
        Gate::builder().table(&format!(
            "[cluster.one]\nbackends = [{{ address = \"{}\" }}]\n[cluster.two]\nbackends = [{{ address = \"{}\" }}]\n\
             [route.battle]\nids = [1000]\ncluster = \"{cluster}\"",
            old.address(),
            new.address()
        ))
    };
    let mut gate = builder("one").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in one").await;
    gate.reload(builder("two")).await;
    player.echo(1000, b"in two").await;
    assert_eq!(closes(&old), 1);
    let sessions: Vec<_> = gate.inner().world().sessions().map(|(_, _, sessions)| sessions).collect();
    assert_eq!(sessions, [0, 1]);
}

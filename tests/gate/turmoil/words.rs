//! What an operator says twice, too late or in the wrong order: groups, maintenance, listeners, overrides.

use std::net::SocketAddr;
use std::time::Duration;

use realmgate::config::{AdminState, Override};
use realmgate::wire::link::Message;
use tokio::net::TcpStream;

use crate::fakes::{
    Backend, Certificates, Dedicated, Event, Gate, GateBuilder, Manner, Player, frame, within,
};

use super::*;

#[tokio::test]
async fn a_natural_move_leaves_a_session_whose_backend_says_its_account_once_more() {
    let (a, b) = (Backend::echo().await, Backend::echo().await);
    let of = |release: &str| groups(&[(&a, "a"), (&b, "b")], release);
    let mut gate = of("active = \"a\"").start().await;
    let mut player = in_with(&gate, b"in").await;
    let session = newest(&a);
    say_and_see(&a, &mut player, session, Message::Bind { account: "ann", epoch: 1 }).await;
    player.echo(1000, b"in a").await;
    gate.reload(of("active = \"b\"\nmove = \"natural\"")).await;
    say_and_see(&a, &mut player, session, Message::Bind { account: "ann", epoch: 1 }).await;
    player.echo(1000, b"still in a").await;
    assert_eq!((opens(&a), opens(&b)), (1, 0), "the same account is no new login: its battle is in a");
}

#[tokio::test]
async fn a_natural_move_leaves_a_session_whose_backend_says_its_version() {
    let (a, b) = (Backend::echo().await, Backend::echo().await);
    let of = |release: &str| groups(&[(&a, "a"), (&b, "b")], release);
    let mut gate = of("active = \"a\"").start().await;
    let mut player = in_with(&gate, b"in").await;
    let session = newest(&a);
    say_and_see(&a, &mut player, session, Message::Bind { account: "ann", epoch: 1 }).await;
    gate.reload(of("active = \"b\"\nmove = \"natural\"")).await;
    let attributes = "{\"version\": \"1.0.0\", \"level\": 7}";
    say_and_see(&a, &mut player, session, Message::Attributes { attributes }).await;
    player.echo(1000, b"still in a").await;
    assert_eq!((opens(&a), opens(&b)), (1, 0), "attributes are no login");
}

#[tokio::test]
async fn a_forced_move_can_be_hurried() {
    let (a, b) = (Backend::echo().await, Backend::echo().await);
    let of = |release: &str| groups(&[(&a, "a"), (&b, "b")], release);
    let mut gate = of("active = \"a\"").start().await;
    let mut players = vec![in_with(&gate, b"in").await, in_with(&gate, b"in").await];
    gate.reload(of("active = \"b\"\nmove = \"forced\"\nspread = \"1h\"")).await;
    gate.reload(of("active = \"b\"\nmove = \"forced\"\nspread = \"1ms\"")).await;
    let mut moved = 0;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        for mut player in std::mem::take(&mut players) {
            player.send(1000, b"the next frame").await;
            match player.recv().await.id {
                1000 => players.push(player),
                _ => moved += 1,
            }
        }
    }
    assert_eq!(moved, 2, "the operator said: over a millisecond");
}

#[tokio::test]
async fn a_session_that_waits_for_its_group_hears_of_its_own_group_only() {
    let (a, b, ab) = (Backend::echo().await, Backend::echo().await, Backend::echo().await);
    let chat = Backend::echo().await;
    let chat_of = |builder: GateBuilder| builder.shared("chat", "2000", &[chat.address()], "");
    let two = [(&a, "a"), (&b, "b")];
    let gate_of = |backends: &[(&Backend, &str)]| chat_of(groups(backends, "active = \"b\""));
    let mut gate = gate_of(&two).start().await;
    let mut player = in_with(&gate, b"in b").await;
    b.set_silent(true);
    b.behave(Manner::Refuse);
    gate.change(Override::State {
        cluster: "battle".to_owned(),
        address: b.address().to_string(),
        state: AdminState::Disable,
    })
    .await;
    player.send(1000, b"nobody").await;
    assert!(player.notice().await.contains("unavailable"));
    gate.reload(gate_of(&[(&a, "a"), (&ab, "ab"), (&b, "b")])).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        player.echo(2000, b"and no word of battle").await;
    }
    player.send(1000, b"still nobody").await;
    assert!(player.notice().await.contains("unavailable"));
}

#[tokio::test]
async fn a_listener_that_overlaps_with_itself_is_told_how_to_move() {
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("bound").port()
    };
    let battle = Backend::echo().await;
    let of = |listen: &str| {
        Gate::builder()
            .shared("battle", "1000", &[battle.address()], "")
            .table(&format!("[listener.other]\nlisten = \"{listen}:{port}\"\nframe = \"game\""))
    };
    let mut gate = of("127.0.0.1").start().await;
    let mut player = Player::connect(SocketAddr::from(([127, 0, 0, 1], port))).await;
    player.echo(1000, b"before").await;
    let told = gate.try_reload(of("0.0.0.0")).await;
    let told = told.expect_err("both cannot listen at one time");
    assert!(told.contains(&format!("this gateway listens at 127.0.0.1:{port} itself")), "{told}");
    player.echo(1000, b"as before").await;
}

#[tokio::test]
async fn two_listeners_may_swap_their_addresses() {
    let battle = Backend::echo().await;
    let ports: Vec<u16> = {
        let free = [0, 1].map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
        free.iter().map(|free| free.local_addr().expect("bound").port()).collect()
    };
    let of = |x: u16, y: u16| {
        Gate::builder().shared("battle", "1000", &[battle.address()], "").table(&format!(
            "[listener.x]\nlisten = \"127.0.0.1:{x}\"\nframe = \"game\"\n[listener.y]\nlisten = \"127.0.0.1:{y}\"\nframe = \"game\""
        ))
    };
    let mut gate = of(ports[0], ports[1]).start().await;
    for round in 0..6 {
        let (x, y) = if round % 2 == 0 { (ports[1], ports[0]) } else { (ports[0], ports[1]) };
        gate.reload(of(x, y)).await;
        let mut player = Player::connect(SocketAddr::from(([127, 0, 0, 1], x))).await;
        player.echo(1000, b"at x").await;
        let last = battle.events().iter().rev().find_map(|event| match event {
            Event::Open { listener, .. } => Some(listener.clone()),
            _ => None,
        });
        assert_eq!(last.as_deref(), Some("x"), "round {round}");
    }
}

#[tokio::test]
async fn an_override_of_a_backend_that_goes_and_comes_back_holds() {
    let (one, two) = (Backend::echo().await, Backend::echo().await);
    let of =
        |backends: &[SocketAddr]| Gate::builder().shared("battle", "1000", backends, "balance = \"backup\"");
    let mut gate = of(&[one.address(), two.address()]).start().await;
    gate.change(Override::State {
        cluster: "battle".to_owned(),
        address: one.address().to_string(),
        state: AdminState::Drain,
    })
    .await;
    gate.reload(of(&[two.address()])).await;
    gate.reload(of(&[one.address(), two.address()])).await;
    in_with(&gate, b"in").await;
    assert_eq!((opens(&one), opens(&two)), (0, 1));
}

#[tokio::test]
async fn a_group_that_is_removed_leaves_its_sessions_to_the_others() {
    let (a, b) = (Backend::echo().await, Backend::echo().await);
    let mut gate = groups(&[(&a, "a"), (&b, "b")], "active = \"b\"").start().await;
    let (mut busy, mut idle) = (in_with(&gate, b"in b").await, in_with(&gate, b"in b").await);
    gate.reload(groups(&[(&a, "a")], "active = \"a\"")).await;
    busy.echo(1000, b"in a").await;
    gate.reload(Gate::builder().shared("battle", "1000", &[a.address()], "")).await;
    busy.echo(1000, b"in none").await;
    idle.echo(1000, b"in none").await;
    gate.reload(groups(&[(&a, "a"), (&b, "b")], "active = \"b\"")).await;
    busy.echo(1000, b"wherever").await;
    drop((busy, idle));
    is_empty_soon(&gate).await;
}

#[tokio::test]
async fn a_forced_move_ends_an_opaque_session_that_still_speaks() {
    let (a, b) = (Dedicated::start().await.echo(), Dedicated::start().await.echo());
    let of = |release: &str| {
        Gate::builder().listener("frame = \"raw\"").table(&format!(
            "[frame.raw]\nlength = {{ kind = \"opaque\" }}\n[cluster.battle]\nlink = \"dedicated\"\nframe = \"raw\"\n\
             backends = [{{ address = \"{a}\", group = \"a\" }}, {{ address = \"{b}\", group = \"b\" }}]\n\
             [route.battle]\nids = [\"*\"]\ncluster = \"battle\"\n[release]\n{release}"
        ))
    };
    let mut gate = of("active = \"a\"").start().await;
    let mut player = in_with(&gate, b"in").await;
    gate.reload(of("active = \"b\"\nmove = \"forced\"\nspread = \"1ms\"")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    player.try_send_raw(&frame(1000, b"more")).await.ok();
    let (_, read) = player.read_to_end().await;
    drop(read);
    is_empty_soon(&gate).await;
}

#[tokio::test]
async fn a_session_in_its_handshake_keeps_the_certificate_it_began_with_or_gets_the_new_one() {
    let certificates = Certificates::new();
    let battle = Backend::echo().await;
    let of = || Gate::builder().shared("battle", "1000", &[battle.address()], "");
    let mut gate = of().start_tls(&certificates).await;
    for _ in 0..5 {
        let waiting = TcpStream::connect(gate.address()).await.expect("the gate listens");
        certificates.write("game", &["game.test"]);
        gate.reload(of().listener(&format!("tls = {}", certificates.pair("game")))).await;
        let connector = tokio_rustls::TlsConnector::from(certificates.client());
        let name = "game.test".try_into().expect("a name");
        within("a handshake", connector.connect(name, waiting)).await.expect("a handshake");
    }
    is_empty_soon(&gate).await;
}

#[tokio::test]
async fn a_maintenance_that_is_over_already_is_refused() {
    let rank = Backend::echo().await;
    let builder = |more: &str| {
        Gate::builder().table(&format!(
        "[cluster.rank]\nbackends = [{{ address = \"{}\" }}]\n[route.rank]\nids = [1000]\ncluster = \"rank\"\n{more}",
        rank.address()
    ))
    };
    let mut gate = builder("maintenance = { message = \"by the file\" }").start().await;
    #[expect(clippy::disallowed_methods, reason = "maintenance is told in the time of people")]
    let past = std::time::SystemTime::now() - Duration::from_secs(3600);
    let words = realmgate::config::Maintenance {
        message: "an hour ago".to_owned(),
        retry_after: None,
        until: Some(past),
    };
    let told = gate.try_change(Override::Maintenance { route: "rank".to_owned(), closed: Some(words) }).await;
    assert!(told.expect_err("it is over").error.contains("over already"));
    let mut player = gate.player().await;
    player.send(1000, b"ranks").await;
    assert!(player.notice().await.contains("by the file"));
}

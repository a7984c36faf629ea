//! Attempts to break the live operation of a gate: changes under load, changes that follow each other, changes that
//! name what is not there any more.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use realmgate::base::SessionId;
use realmgate::config::{AdminState, Override};
use realmgate::wire::link::Message;
use tokio::net::{TcpSocket, TcpStream};

use crate::fakes::{
    Backend, Certificates, Dedicated, Event, Gate, GateBuilder, Manner, Player, frame, within,
};

fn groups(backends: &[(&Backend, &str)], release: &str) -> GateBuilder {
    let backend = |(backend, group): &(&Backend, &str)| {
        format!("{{ address = \"{}\", group = \"{group}\" }}", backend.address())
    };
    let backends: Vec<_> = backends.iter().map(backend).collect();
    Gate::builder().table(&format!(
        "[cluster.battle]\nbackends = [{}]\n[route.battle]\nids = [1000]\ncluster = \"battle\"\n[release]\n{release}",
        backends.join(", ")
    ))
}

fn count(backend: &Backend, what: impl Fn(&Event) -> bool) -> usize {
    backend.events().iter().filter(|event| what(event)).count()
}

fn opens(backend: &Backend) -> usize {
    count(backend, |event| matches!(event, Event::Open { .. }))
}

fn newest(backend: &Backend) -> SessionId {
    let opened = |event: &Event| if let Event::Open { session, .. } = event { Some(*session) } else { None };
    backend.events().iter().rev().find_map(opened).expect("a session")
}

async fn in_with(gate: &Gate, body: &[u8]) -> Player {
    let mut player = gate.player().await;
    player.echo(1000, body).await;
    player
}

/// Says something of a session and waits until the gate has read it.
async fn say_and_see(backend: &Backend, player: &mut Player, session: SessionId, message: Message<'_>) {
    backend.say(session, message).await;
    let seen = frame(999, b"seen");
    backend.say(session, Message::Frame { payload: &seen }).await;
    assert_eq!(player.recv().await.id, 999);
}

/// Waits until every session is over and no backend counts one, in whatever order that comes.
async fn is_empty_soon(gate: &Gate) {
    within("every count to be zero", async {
        while gate.inner().sessions() > 0 || gate.inner().world().sessions().any(|(_, _, count)| count > 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

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
async fn a_backend_that_comes_back_within_the_grace_keeps_its_sessions() {
    let (one, two) = (Backend::echo().await, Backend::echo().await);
    let of =
        |backends: &[SocketAddr]| Gate::builder().shared("battle", "1000", backends, "balance = \"backup\"");
    let mut gate = of(&[one.address(), two.address()]).start().await;
    let mut player = in_with(&gate, b"in").await;
    for _ in 0..3 {
        gate.reload(of(&[two.address()])).await;
        gate.reload(of(&[one.address(), two.address()])).await;
    }
    tokio::time::sleep(Duration::from_secs(7)).await;
    player.echo(1000, b"as before").await;
    assert_eq!((opens(&one), opens(&two)), (1, 0));
    let hellos = count(&one, |event| matches!(event, Event::Hello { .. }));
    assert_eq!((hellos, count(&one, |event| matches!(event, Event::GoAway | Event::Lost))), (1, 0));
    drop(player);
    is_empty_soon(&gate).await;
}

#[tokio::test]
async fn five_hundred_reloads_with_ever_new_backends_leave_no_link_and_no_count() {
    let many = Backend::at("0.0.0.0:0".parse().expect("an address")).await;
    let port = many.address().port();
    let at = |number: u32| -> SocketAddr {
        let [_, _, high, low] = number.to_be_bytes();
        SocketAddr::from(([127, 1, high, low], port))
    };
    let of = |number| Gate::builder().shared("battle", "1000", &[at(number)], "");
    let mut gate = of(0).start().await;
    let before = std::fs::read_dir("/proc/self/fd").expect("linux").count();
    let mut player = gate.player().await;
    for number in 1..=500 {
        gate.reload(of(number)).await;
        if number % 10 == 0 {
            player.echo(1000, b"at the new one").await;
        }
    }
    let hellos = || count(&many, |event| matches!(event, Event::Hello { .. }));
    let lost = || count(&many, |event| matches!(event, Event::Lost));
    within("all links but one to end", async {
        while lost() + 1 < hellos() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    player.echo(1000, b"at the last one").await;
    drop(player);
    is_empty_soon(&gate).await;
    let after = std::fs::read_dir("/proc/self/fd").expect("linux").count();
    assert!(after <= before + 20, "{before} descriptors became {after}");
    assert_eq!(hellos(), 501);
}

#[tokio::test]
async fn no_frame_is_lost_doubled_or_out_of_order_while_backends_come_and_go() {
    let (one, two) = (Backend::echo().await, Backend::echo().await);
    let of =
        |backends: &[SocketAddr]| Gate::builder().shared("battle", "1000", backends, "balance = \"backup\"");
    let mut gate = of(&[one.address(), two.address()]).start().await;
    let mut player = gate.player().await;
    let (mut sent, mut back) = (0_u32, BTreeSet::new());
    let state =
        |state| Override::State { cluster: "battle".to_owned(), address: one.address().to_string(), state };
    for round in 0..40_u32 {
        for _ in 0..50 {
            player.send(1000, &sent.to_be_bytes()).await;
            sent += 1;
        }
        match round % 4 {
            0 => gate.reload(of(&[two.address()])).await,
            1 => gate.reload(of(&[one.address(), two.address()])).await,
            2 => gate.change(state(AdminState::Disable)).await,
            _ => gate.change(state(AdminState::Ready)).await,
        }
    }
    while back.len() < usize::try_from(sent).expect("small") {
        let frame = player.recv().await;
        assert_eq!(frame.id, 1000, "after {} of {sent}: {frame:?}", back.len());
        let number = u32::from_be_bytes(frame.body.try_into().expect("a number"));
        assert!(back.insert(number), "{number} came twice");
    }
    let numbers = |backend: &Backend| -> Vec<u32> {
        let number = |frame: &Vec<u8>| u32::from_be_bytes(frame[6..].try_into().expect("a number"));
        backend.frames().iter().map(number).collect()
    };
    for backend in [&one, &two] {
        assert!(numbers(backend).is_sorted(), "out of order");
    }
    assert_eq!(numbers(&one).len() + numbers(&two).len(), usize::try_from(sent).expect("small"));
    drop(player);
    is_empty_soon(&gate).await;
}

/// A listener whose backlog is full: connecting to it takes until its time is over.
async fn unreachable() -> (tokio::net::TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("bound");
    let mut held = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        held.push(stream);
    }
    (listener, held)
}

#[tokio::test]
async fn a_frame_that_waits_for_a_cluster_that_vanishes_is_answered() {
    let (tarpit, _held) = unreachable().await;
    let other = Backend::echo().await;
    let address = tarpit.local_addr().expect("bound");
    let rest = |builder: GateBuilder| builder.shared("chat", "2000", &[other.address()], "");
    let with = rest(Gate::builder().table(&format!(
        "[cluster.battle]\nlink = \"dedicated\"\nframe = \"game\"\nconnect_timeout = \"3s\"\nbackends = [{{ address = \"{address}\" }}]\n\
         [cluster.battle.health]\nprobe = \"tcp\"\nfall = 100\n[route.battle]\nids = [1000]\ncluster = \"battle\""
    )));
    let mut gate = with.start().await;
    let mut player = gate.player().await;
    player.send(1000, b"waits").await;
    player.echo(2000, b"and the gate has read it").await;
    gate.reload(rest(Gate::builder())).await;
    let notice = within("a word on the frame", player.notice()).await;
    assert!(notice.contains("\"id\":1000"), "{notice}");
    drop(player);
    is_empty_soon(&gate).await;
}

#[tokio::test]
async fn a_listener_may_go_from_one_address_to_all() {
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
async fn a_backend_that_comes_back_after_the_grace_serves_with_the_first_frame() {
    let one = Backend::echo().await;
    let (tarpit, _held) = unreachable().await;
    let chat = Backend::echo().await;
    let base = || Gate::builder().shared("chat", "2000", &[chat.address()], "");
    let with =
        |backends: &[SocketAddr]| base().shared("battle", "1000", backends, "connect_timeout = \"4s\"");
    let mut gate = with(&[one.address()]).start().await;
    let mut player = in_with(&gate, b"in").await;
    gate.reload(base()).await;
    tokio::time::sleep(Duration::from_millis(5500)).await;
    // The link is still there when the new world is prepared, and is retired before it is in force.
    gate.reload(with(&[one.address(), tarpit.local_addr().expect("bound")])).await;
    player.echo(1000, b"at once").await;
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
async fn a_hot_standby_whose_order_changes_under_load_loses_and_doubles_nothing() {
    let [one, two, three] = [Backend::echo().await, Backend::echo().await, Backend::echo().await];
    let [x, y, z] = [&one, &two, &three].map(Backend::address);
    let of = |backends: &[SocketAddr]| {
        Gate::builder().shared("battle", "1000", backends, "balance = \"hot_standby\"")
    };
    let mut gate = of(&[x, y]).start().await;
    let mut player = gate.player().await;
    for round in 0..12_u32 {
        for number in 0..20_u32 {
            player.send(1000, &(round * 20 + number).to_be_bytes()).await;
            let answer = tokio::time::timeout(Duration::from_secs(10), player.recv()).await;
            let has = [&one, &two, &three].map(|backend| backend.frames().len());
            assert!(
                answer.is_ok(),
                "frame {number} of round {round} is not answered; the backends have {has:?}"
            );
        }
        match round % 4 {
            0 => gate.reload(of(&[y, x])).await,
            1 => gate.reload(of(&[y, z])).await,
            2 => gate.reload(of(&[z, x])).await,
            _ => gate.reload(of(&[x, y])).await,
        }
    }
    drop(player);
    is_empty_soon(&gate).await;
}

#[tokio::test]
async fn dedicated_backends_that_flap_leave_no_count() {
    let backends = [Dedicated::start().await.echo(), Dedicated::start().await.echo()];
    let of = |backends: &[SocketAddr]| {
        Gate::builder().dedicated("battle", "1000", backends, "frame = \"game\"\nbalance = \"backup\"")
    };
    let mut gate = of(&backends).workers(2).start().await;
    let mut players = Vec::new();
    for _ in 0..8 {
        players.push(in_with(&gate, b"in").await);
    }
    let state =
        |state| Override::State { cluster: "battle".to_owned(), address: backends[0].to_string(), state };
    for round in 0..24 {
        match round % 4 {
            0 => gate.change(state(AdminState::Disable)).await,
            1 => gate.change(state(AdminState::Ready)).await,
            2 => gate.reload(of(&backends[1..]).workers(2)).await,
            _ => gate.reload(of(&backends).workers(2)).await,
        }
        for player in &mut players {
            player.echo(1000, &[round]).await;
        }
    }
    players.clear();
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
async fn the_first_of_a_hot_standby_is_heard_when_the_operator_gives_it_back() {
    let mut lost = Vec::new();
    for out in [AdminState::Drain, AdminState::Disable] {
        let (one, two) = (Backend::echo().await, Backend::echo().await);
        let backends = [one.address(), two.address()];
        let more = "balance = \"hot_standby\"";
        let mut gate = Gate::builder().shared("battle", "1000", &backends, more).start().await;
        let state = |state| Override::State {
            cluster: "battle".to_owned(),
            address: one.address().to_string(),
            state,
        };
        let mut player = gate.player().await;
        for state in [state(AdminState::Ready), state(out), state(AdminState::Ready)] {
            gate.change(state).await;
            for number in 0..5 {
                player.send(1000, &[number]).await;
                let answer = tokio::time::timeout(Duration::from_secs(2), player.recv()).await;
                if answer.is_err() {
                    lost.push((out, number));
                }
            }
        }
    }
    assert!(lost.is_empty(), "frames that nobody answered: {lost:?}");
}

#[tokio::test]
async fn a_disabled_backend_is_idle_soon_whatever_the_balance() {
    let mut left = Vec::new();
    for (more, speaks) in [
        ("balance = \"backup\"", true),
        ("balance = \"backup\"", false),
        ("balance = \"hot_standby\"", true),
        ("balance = \"round_robin\"\nsticky = false", true),
    ] {
        let (one, two) = (Backend::echo().await, Backend::echo().await);
        let backends = [one.address(), two.address()];
        let mut gate = Gate::builder().shared("battle", "1000", &backends, more).start().await;
        let mut player = in_with(&gate, b"in").await;
        player.echo(1000, b"in both, if it is not sticky").await;
        gate.change(Override::State {
            cluster: "battle".to_owned(),
            address: one.address().to_string(),
            state: AdminState::Disable,
        })
        .await;
        if speaks {
            player.echo(1000, b"elsewhere").await;
            player.echo(1000, b"elsewhere").await;
        }
        let at_one = || {
            let world = gate.inner().world();
            let one = one.address().to_string();
            world.sessions().any(|(_, address, count)| address == one && count > 0)
        };
        let idle = async {
            while at_one() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(8), idle).await.is_err() {
            left.push((more, speaks));
        }
    }
    assert!(left.is_empty(), "`wait idle` would wait for ever: {left:?}");
}

#[tokio::test]
async fn bind_refuse_and_waiting_survive_a_storm_of_changes() {
    let (one, two) = (Backend::echo().await, Backend::echo().await);
    let of = |backends: &[SocketAddr], more: &str| Gate::builder().shared("battle", "1000", backends, more);
    let both = [one.address(), two.address()];
    let mut gate = of(&both, "").workers(2).start().await;
    let mut players = Vec::new();
    for _ in 0..10 {
        players.push(in_with(&gate, b"in").await);
    }
    let balances =
        ["round_robin", "least_load", "modulo", "consistent_hash", "hot_standby", "backup", "random"];
    for (round, balance) in (0_u8..).zip(balances.iter().cycle().take(28)) {
        let more = format!("balance = \"{balance}\"\non_loss = \"repick\"\nsticky = {}", round % 3 != 0);
        gate.reload(of(&both, &more).workers(2)).await;
        for (place, player) in players.iter_mut().enumerate() {
            player.send(1000, &[round]).await;
            let answer = tokio::time::timeout(Duration::from_secs(10), player.recv()).await;
            let answer = answer.unwrap_or_else(|_| panic!("{place} in round {round}, {balance}: no answer"));
            assert_eq!((answer.id, answer.body), (1000, vec![round]), "{place} in round {round}, {balance}");
        }
    }
    players.clear();
    is_empty_soon(&gate).await;
}

#[tokio::test]
async fn pipelined_frames_to_dedicated_backends_that_come_and_go_all_come_back() {
    let backends = [Dedicated::start().await.echo(), Dedicated::start().await.echo()];
    let of = |backends: &[SocketAddr]| {
        Gate::builder().dedicated("battle", "1000", backends, "frame = \"game\"\nbalance = \"backup\"")
    };
    let mut gate = of(&backends).start().await;
    let mut player = gate.player().await;
    let (mut sent, mut back) = (0_u32, BTreeSet::new());
    let state =
        |state| Override::State { cluster: "battle".to_owned(), address: backends[0].to_string(), state };
    for round in 0..40_u32 {
        for _ in 0..50 {
            player.send(1000, &sent.to_be_bytes()).await;
            sent += 1;
        }
        match round % 4 {
            0 => gate.change(state(AdminState::Disable)).await,
            1 => gate.change(state(AdminState::Ready)).await,
            2 => gate.reload(of(&backends[1..])).await,
            _ => gate.reload(of(&backends)).await,
        }
    }
    while back.len() < usize::try_from(sent).expect("small") {
        let frame = player.recv().await;
        assert_eq!(frame.id, 1000, "after {} of {sent}: {frame:?}", back.len());
        let number = u32::from_be_bytes(frame.body.try_into().expect("a number"));
        assert!(back.insert(number), "{number} came twice");
    }
    drop(player);
    is_empty_soon(&gate).await;
}

#[tokio::test]
async fn a_maintenance_that_is_over_gives_the_route_back_to_the_file() {
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
    let mut player = gate.player().await;
    player.send(1000, b"ranks").await;
    assert!(told.is_err() || player.recv().await.id == 9000, "`maintenance on` has opened the route");
}

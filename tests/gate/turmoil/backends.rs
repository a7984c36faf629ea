//! Backends that come, go and come back.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use realmgate::config::{AdminState, Override};

use crate::fakes::{Backend, Dedicated, Event, Gate, GateBuilder, frame, unreachable, until, within};

use super::*;

/// Another gate, which has just lost a backend: when the link to that one ends, so have graces that began before.
async fn bereft() -> (Gate, Backend) {
    let gone = Backend::echo().await;
    let nobody = ["127.0.0.1:1".parse().expect("an address")];
    let rest = || Gate::builder().dedicated("none", "\"*\"", &nobody, "");
    let mut gate = rest().shared("chat", "2000", &[gone.address()], "").start().await;
    gate.reload(rest()).await;
    (gate, gone)
}

#[tokio::test]
async fn a_backend_that_comes_back_within_the_grace_keeps_its_sessions() {
    let (one, two) = (Backend::echo().await, Backend::echo().await);
    let of =
        |backends: &[SocketAddr]| Gate::builder().shared("battle", "1000", backends, "balance = \"backup\"");
    let mut gate = of(&[one.address(), two.address()]).start().await;
    let mut player = in_with(&gate, b"in").await;
    gate.reload(of(&[two.address()])).await;
    gate.reload(of(&[one.address(), two.address()])).await;
    // A grace that began with an elder removal ends within a younger one.
    let (_other, gone) = bereft().await;
    let back_and_forth = async {
        while !is_lost(&gone) {
            gate.reload(of(&[two.address()])).await;
            gate.reload(of(&[one.address(), two.address()])).await;
        }
    };
    within("the end of the first grace", Box::pin(back_and_forth)).await;
    let (_other, gone) = bereft().await;
    until("the end of the last grace", || is_lost(&gone)).await;
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
    let mut player = gate.player().await;
    for number in 1..=500 {
        gate.reload(of(number)).await;
        if number % 10 == 0 {
            player.echo(1000, b"at the new one").await;
        }
    }
    let hellos = || count(&many, |event| matches!(event, Event::Hello { .. }));
    let lost = || count(&many, |event| matches!(event, Event::Lost));
    while lost() + 1 < hellos() {
        let before = lost();
        until("one more link of all but one to end", || lost() > before).await;
    }
    player.echo(1000, b"at the last one").await;
    drop(player);
    is_empty_soon(&gate).await;
    until("all sockets but both ends of the last link to be given back", || sockets_of(port) <= 2).await;
    assert_eq!(hellos(), 501);
}

/// Connections from and to a port that somebody still holds; each of their ends is one.
fn sockets_of(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("linux");
    let ending = format!(":{port:04X}");
    let is_held = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_listening = fields[3] == "0A";
        !is_listening && fields[9] != "0" && fields[1..3].iter().any(|end| end.ends_with(&ending))
    };
    table.lines().skip(1).filter(is_held).count()
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
    let closed = |event: &Event| matches!(event, Event::Close { .. });
    one.wait("CLOSE at the end of the grace", |events| events.iter().any(closed).then_some(())).await;
    // The link is still there when the new world is prepared, and is retired before it is in force.
    gate.reload(with(&[one.address(), tarpit.local_addr().expect("bound")])).await;
    player.echo(1000, b"at once").await;
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
async fn the_first_of_a_hot_standby_is_heard_when_the_operator_gives_it_back() {
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
        let before = answered(&mut player).await;
        gate.change(state(out)).await;
        let meanwhile = answered(&mut player).await;
        gate.change(state(AdminState::Ready)).await;
        let after = answered(&mut player).await;
        assert_eq!((before, meanwhile, after), (5, 5, 5), "{out:?}: frames that nobody answered");
    }
}

#[tokio::test]
async fn who_is_out_is_idle_soon_whatever_the_balance() {
    let mut left = Vec::new();
    let (drain, disable) = (AdminState::Drain, AdminState::Disable);
    for (more, state, speaks) in [
        ("balance = \"backup\"", disable, true),
        ("balance = \"backup\"", disable, false),
        ("balance = \"hot_standby\"", disable, true),
        ("balance = \"hot_standby\"", drain, true),
        ("balance = \"hot_standby\"", drain, false),
        ("balance = \"round_robin\"\nsticky = false", disable, true),
    ] {
        let (one, two) = (Backend::echo().await, Backend::echo().await);
        let backends = [one.address(), two.address()];
        let mut gate = Gate::builder().shared("battle", "1000", &backends, more).start().await;
        let mut player = in_with(&gate, b"in").await;
        player.echo(1000, b"in both, if it is not sticky").await;
        gate.change(Override::State {
            cluster: "battle".to_owned(),
            address: one.address().to_string(),
            state,
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
            left.push((more, state, speaks));
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
async fn what_a_dedicated_backend_was_asked_before_it_was_removed_may_be_answered_as_long_as_when_it_was_disabled()
 {
    let (one, other) = (Dedicated::start().await, Dedicated::start().await.echo());
    let linked = Backend::echo().await;
    let of = |backends: &[SocketAddr]| {
        Gate::builder().dedicated("battle", "1000", backends, "frame = \"game\"\nbalance = \"backup\"")
    };
    let before = of(&[one.address(), other]).shared("chat", "2000", &[linked.address()], "");
    let mut gate = before.start().await;
    let mut player = gate.player().await;
    player.send(1000, b"a long battle").await;
    let mut connection = one.accept().await;
    assert_eq!(connection.recv().await.body, b"a long battle");
    gate.reload(of(&[other])).await;
    player.echo(1000, b"elsewhere").await;
    until("the end of who went with it and has a link", || is_lost(&linked)).await;
    connection.stream.try_write(&frame(1000, b"the end of it")).ok();
    let answer = tokio::time::timeout(Duration::from_secs(2), player.recv()).await;
    assert!(answer.is_ok(), "a disabled one has ten seconds, a removed one five");
}

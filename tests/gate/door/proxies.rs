//! Proxies that speak for players: what they say is believed, and their own address counts for nothing.

use std::net::SocketAddr;

use realmgate::config::{Banned, Override};
use realmgate::session::EndReason;
use realmgate::telemetry::DoorRefusal;
use realmgate::wire::{append_proxy_v1, append_proxy_v1_local, append_proxy_v2, append_proxy_v2_local};

use crate::fakes::{Backend, Certificates, Event, Gate, GateBuilder, Player, frame, log, within};

const TRUSTED: &str = "proxy_protocol = { trusted = [\"127.0.0.1\"] }";
const GATE: &str = "198.51.100.1:7000";

fn gate(battle: &Backend) -> GateBuilder {
    Gate::builder().listener(TRUSTED).shared("battle", "1000", &[battle.address()], "")
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn v1(player: &str) -> Vec<u8> {
    let gate = if at(player).is_ipv4() { GATE } else { "[2001:db8::1]:7000" };
    let mut header = Vec::new();
    append_proxy_v1(at(player), at(gate), &mut header);
    header
}

fn v2(player: &str) -> Vec<u8> {
    let mut header = Vec::new();
    append_proxy_v2(at(player), at(GATE), &mut header);
    header
}

async fn behind(gate: &Gate, header: &[u8]) -> Player {
    let mut player = gate.player().await;
    player.send_raw(header).await;
    player
}

/// One that was let in.
async fn plays(gate: &Gate, player: &str) -> Player {
    let mut player = behind(gate, &v2(player)).await;
    player.echo(1000, b"in").await;
    player
}

async fn turned_away(gate: &Gate, header: &[u8]) {
    let mut player = gate.player().await;
    drop(player.try_send_raw(header).await);
    let (rest, _) = player.read_to_end().await;
    assert_eq!(rest, b"", "it is told nothing");
}

/// Where the backend was told that its sessions are.
fn opened(battle: &Backend) -> Vec<SocketAddr> {
    let open = |event| if let Event::Open { address, .. } = event { Some(address) } else { None };
    battle.events().into_iter().filter_map(open).collect()
}

#[tokio::test]
async fn the_player_is_where_the_header_says_for_backends_operators_and_the_log() {
    log::listen();
    let battle = Backend::echo().await;
    let gate = gate(&battle).start().await;
    for (header, address) in [
        (v1("203.0.113.9:50001"), "203.0.113.9:50001"),
        (v2("203.0.113.9:50002"), "203.0.113.9:50002"),
        (v1("[2001:db8::9]:50003"), "[2001:db8::9]:50003"),
        (v2("[2001:db8::9]:50004"), "[2001:db8::9]:50004"),
        (b"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:198.51.100.1 50005 7000\r\n".to_vec(), "203.0.113.9:50005"),
    ] {
        let mut player = behind(&gate, &[header, frame(1000, b"right behind it")].concat()).await;
        assert_eq!(player.recv().await.body, b"right behind it");
        assert_eq!(opened(&battle).last(), Some(&at(address)));
        let sessions = gate.inner().workers()[0].list(None, 9).await;
        assert_eq!(sessions.iter().map(|facts| facts.address).collect::<Vec<_>>(), [at(address)]);
        drop(player);
        let is_it = |line: &log::Line| line.get("address") == address && line.get("message") == "session";
        let line = within("a line of the access log", log::wait(1, is_it)).await;
        assert!(["player_left", "player_reset"].contains(&line.get("end_reason")), "{line:?}");
        gate.has_sessions(0).await;
    }
    gate.has_refused(&[]).await;
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    let battle = Backend::echo().await;
    let gate = gate(&battle).start().await;
    for header in [v1("203.0.113.9:50000"), v2("[2001:db8::9]:50000")] {
        let mut player = gate.player().await;
        for byte in [header, frame(1000, b"slowly")].concat() {
            player.send_raw(&[byte]).await;
        }
        assert_eq!(player.recv().await.body, b"slowly");
    }
    assert_eq!(opened(&battle), [at("203.0.113.9:50000"), at("[2001:db8::9]:50000")]);
}

#[tokio::test]
async fn the_header_comes_before_tls_and_may_come_with_it() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate = gate(&battle).start_tls(&certificates).await;
    for header in [v1("203.0.113.9:50000"), v2("203.0.113.9:50000")] {
        let player = Player::connect_tls_behind(&header, gate.address(), certificates.client()).await;
        player.expect("a handshake").echo(1000, b"in").await;
    }
    assert_eq!(opened(&battle), [at("203.0.113.9:50000"); 2]);
    let plain = Player::connect_tls(gate.address(), "game.test", certificates.client()).await;
    assert!(plain.is_err(), "a handshake is no header");
    gate.has_refused(&[(DoorRefusal::ProxyHeader, 1)]).await;
}

#[tokio::test]
async fn a_proxy_that_speaks_for_nobody_keeps_its_address_and_has_no_limits() {
    let battle = Backend::echo().await;
    let gate = gate(&battle).limit("connections_per_ip = 1\nnew_per_ip = \"1/h\"").start().await;
    let (mut text, mut binary) = (Vec::new(), Vec::new());
    append_proxy_v1_local(&mut text);
    append_proxy_v2_local(&mut binary);
    let mut players = Vec::new();
    for header in [text, binary] {
        let mut player = behind(&gate, &header).await;
        player.echo(1000, b"well?").await;
        assert_eq!(opened(&battle).last(), Some(&player.address));
        players.push(player);
    }
    drop(gate.player().await); // whoever looks whether somebody listens says nothing at all
    gate.has_sessions(2).await;
    gate.has_refused(&[]).await;
}

#[tokio::test]
async fn what_is_no_header_is_turned_away_and_costs_the_proxy_nothing() {
    let battle = Backend::echo().await;
    let gate = gate(&battle).start().await;
    let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
    let claims_much = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec();
    let wrong = [frame(1000, b"no header"), b"PROXY TCP4 nobody\r\n".to_vec(), endless, claims_much];
    for _ in 0..5 {
        for header in &wrong {
            turned_away(&gate, header).await;
        }
    }
    gate.has_refused(&[(DoorRefusal::ProxyHeader, 20)]).await;
    gate.has_sessions(0).await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::ProxyHeader)), 20);
    plays(&gate, "203.0.113.9:50000").await;
    assert_eq!(battle.frames(), [frame(1000, b"in")]);
}

#[tokio::test]
async fn a_proxy_that_says_nothing_holds_up_nobody_and_is_turned_away() {
    let battle = Backend::echo().await;
    let gate = gate(&battle).limit("handshake_timeout = \"10ms\"").start().await;
    let (mut silent, mut half) = (gate.player().await, behind(&gate, b"PROXY TCP4 203").await);
    plays(&gate, "203.0.113.9:50000").await;
    drop(silent.read_to_end().await);
    drop(half.read_to_end().await);
    gate.has_refused(&[(DoorRefusal::ProxyHeader, 2)]).await;
}

#[tokio::test]
async fn from_who_is_not_trusted_a_header_is_refused_and_everything_else_is_taken() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let elsewhere = "proxy_protocol = { trusted = [\"127.0.0.9\"] }";
    let file = || Gate::builder().listener(elsewhere).shared("battle", "1000", &[battle.address()], "");
    let (plain, tls) = (file().start().await, file().start_tls(&certificates).await);
    for gate in [&plain, &tls] {
        turned_away(gate, &v1("203.0.113.9:50000")).await;
        turned_away(gate, &v2("203.0.113.9:50000")).await;
        gate.has_refused(&[(DoorRefusal::ProxyHeader, 2)]).await;
    }
    plain.player().await.echo(1000, b"in").await;
    tls.tls_player().await.echo(1000, b"in").await;
    // It begins like a header and is a frame that claims to be long.
    let mut odd = plain.player().await;
    odd.send_raw(b"PROX").await;
    odd.send_raw(b"!").await;
    assert_eq!(odd.notice().await, "{\"code\":\"frame_too_long\"}");
    let mut proxy = Player::connect_from("127.0.0.9", plain.address()).await;
    proxy.send_raw(&[v1("203.0.113.9:1"), frame(1000, b"believed")].concat()).await;
    assert_eq!(proxy.recv().await.body, b"believed");
    assert_eq!(opened(&battle).last(), Some(&at("203.0.113.9:1")));
}

#[tokio::test]
async fn limits_are_those_of_the_player_by_64_bits_and_in_any_clothes() {
    let battle = Backend::echo().await;
    let gate = gate(&battle).workers(2).limit("connections_per_ip = 1").start().await;
    let mut players = Vec::new();
    for host in 1..=20 {
        players.push(plays(&gate, &format!("203.0.113.{host}:1")).await);
    }
    turned_away(&gate, &v2("203.0.113.20:2")).await;
    turned_away(&gate, b"PROXY TCP6 ::ffff:203.0.113.20 2001:db8::1 3 7000\r\n").await;
    players.push(plays(&gate, "[2001:db8:0:1::1]:1").await);
    turned_away(&gate, &v2("[2001:db8:0:1:ffff::9]:1")).await;
    players.push(plays(&gate, "[2001:db8:0:2::1]:1").await);
    gate.has_refused(&[(DoorRefusal::ConnectionsPerIp, 3)]).await;
    drop(players);
    gate.has_sessions(0).await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::Refused)), 3);
    plays(&gate, "203.0.113.20:4").await;
}

#[tokio::test]
async fn bans_lists_and_glitches_are_about_the_player_and_never_about_the_proxy() {
    let battle = Backend::echo().await;
    let lists = "allow = [\"203.0.113.0/24\"]\ndeny = [\"203.0.113.7\"]";
    let mut gate = gate(&battle).listener(lists).limit("connections_per_ip = 1000").start().await;
    let who = Banned::Address("203.0.113.8".parse().expect("one"));
    #[expect(clippy::disallowed_methods, reason = "the time of an operator")]
    let until = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let mut banned = plays(&gate, "203.0.113.8:1").await;
    gate.change(Override::Ban { who, until }).await;
    assert!(banned.notice().await.contains("kicked"), "a ban ends the sessions of the address");
    for (address, why) in [
        ("203.0.113.8:2", DoorRefusal::Banned),
        ("203.0.113.7:1", DoorRefusal::Deny),
        ("127.0.0.1:1", DoorRefusal::Allow),
    ] {
        turned_away(&gate, &v2(address)).await;
        within("it to be counted", async {
            while gate.refused(why) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    within("the player to be kept out", async {
        while gate.refused(DoorRefusal::Glitches) == 0 {
            let mut junk = behind(&gate, &[v2("203.0.113.6:1"), vec![0, 0, 0, 1, 0]].concat()).await;
            drop(junk.read_to_end().await);
        }
    })
    .await;
    plays(&gate, "203.0.113.5:1").await;
}

#[tokio::test]
async fn players_are_spread_and_chosen_by_their_own_addresses() {
    let backends = [Backend::echo().await, Backend::echo().await];
    let addresses = backends.each_ref().map(Backend::address);
    let hashed = "balance = \"modulo\"\nhash_on = \"client_ip\"";
    let gate = Gate::builder().listener(TRUSTED).shared("battle", "1000", &addresses, hashed).start().await;
    for round in 1..=2 {
        for host in 1..=16 {
            plays(&gate, &format!("203.0.113.{host}:{round}")).await;
        }
    }
    let [one, other] = backends.each_ref().map(|backend| {
        let mut hosts: Vec<_> = opened(backend).iter().map(SocketAddr::ip).collect();
        hosts.sort();
        hosts
    });
    assert_eq!(one.len() + other.len(), 32);
    assert!(!one.is_empty() && !other.is_empty(), "all have the proxy's address");
    assert!(one.iter().all(|host| !other.contains(host)), "each host has its backend");

    let [a, b] = [Backend::echo().await, Backend::echo().await];
    let groups = format!(
        "[release]\nactive = \"a\"\ncanary = [{{ group = \"b\", percent = 50, by = \"client_ip\" }}]\n\
         [cluster.battle]\nbackends = [{{ address = \"{}\", group = \"a\" }}, {{ address = \"{}\", group = \"b\" }}]\n\
         [route.battle]\nids = [1000]\ncluster = \"battle\"",
        a.address(),
        b.address()
    );
    let gate = Gate::builder().listener(TRUSTED).table(&groups).start().await;
    for host in 1..=32 {
        plays(&gate, &format!("203.0.113.{host}:1")).await;
    }
    let counts = (opened(&a).len(), opened(&b).len());
    assert_eq!(counts.0 + counts.1, 32);
    assert!(counts.0 > 0 && counts.1 > 0, "{counts:?}: all have the proxy's address");
}

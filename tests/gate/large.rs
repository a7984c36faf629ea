//! Large frames among small ones: at every kind of link and with every kind of player.

use realmgate::wire::link::{Message as Link, append_frame_envelope};

use crate::fakes::{Backend, Certificates, Dedicated, Event, Frame, Gate, Manner, Player, frame};
use crate::tls::acceptor;

/// Lengths of bodies: below, at and above what is held instead of copied, and up to the longest.
const LENGTHS: [usize; 9] = [0, 65_530, 10, 32_761, 32_762, 3, 50_000, 50_001, 700];

fn body(number: u8, length: usize) -> Vec<u8> {
    (0..length).map(|place| u8::try_from(place % 251).expect("small") ^ number).collect()
}

/// Sends frames of all lengths in pieces of several sizes, and gets each back, in order.
async fn echoes(player: &mut Player, id: u16) {
    for piece in [1_000, 4_096, 17_000, 40_000, 66_000, 300_000] {
        let bodies: Vec<_> = LENGTHS.iter().zip(1..).map(|(length, number)| body(number, *length)).collect();
        let sent: Vec<u8> = bodies.iter().flat_map(|body| frame(id, body)).collect();
        for piece in sent.chunks(piece) {
            player.send_raw(piece).await;
            tokio::task::yield_now().await;
        }
        for body in bodies {
            let answer = player.recv().await;
            assert_eq!((answer.id, answer.body.len()), (id, body.len()), "in pieces of {piece}");
            assert!(answer.body == body, "in pieces of {piece}");
        }
    }
}

/// What may wait for a player: all that is sent to it at a time.
const ROOM: &str = "send_buffer = \"1MiB\"";

#[tokio::test]
async fn frames_of_all_lengths_come_back_in_order_over_a_shared_link() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().limit(ROOM).shared("battle", "1000", &[battle.address()], "").start().await;
    echoes(&mut gate.player().await, 1000).await;
}

#[tokio::test]
async fn frames_of_all_lengths_come_back_in_order_over_a_dedicated_connection() {
    let chat = Dedicated::start().await.echo();
    let gate = Gate::builder().limit(ROOM).dedicated("chat", "3000", &[chat], "").start().await;
    echoes(&mut gate.player().await, 3000).await;
}

#[tokio::test]
async fn frames_of_all_lengths_come_back_in_order_with_tls_at_both_sides() {
    let certificates = Certificates::new();
    certificates.write("backend", &["127.0.0.1"]);
    certificates.write("gateway", &["gateway.test"]);
    let battle = Backend::tls(acceptor(&certificates, "backend")).await;
    let ca = format!("tls = {{ ca = \"{}/ca.pem\", ", certificates.folder.display());
    let tls = ca + certificates.pair("gateway").trim_start_matches('{');
    let gate = Gate::builder()
        .limit(ROOM)
        .shared("battle", "1000", &[battle.address()], &tls)
        .start_tls(&certificates)
        .await;
    echoes(&mut gate.tls_player().await, 1000).await;
}

#[tokio::test]
async fn a_browser_gets_large_frames_in_messages() {
    let battle = Backend::echo().await;
    let chat = Dedicated::start().await.echo();
    let gate = Gate::builder()
        .websocket()
        .shared("battle", "1000", &[battle.address()], "")
        .dedicated("chat", "3000", &[chat], "")
        .start()
        .await;
    let mut browser = gate.browser().await;
    for (length, number) in LENGTHS.into_iter().zip(1..) {
        browser.echo(1000, &body(number, length)).await;
        browser.echo(3000, &body(number, length)).await;
    }
}

#[tokio::test]
async fn a_buffer_that_holds_just_the_longest_frame_takes_it_though_its_route_is_not_critical() {
    let (battle, chat) = (Backend::echo().await, Dedicated::start().await.echo());
    for class in ["normal", "optional"] {
        let class = format!("class = \"{class}\"");
        let gate = Gate::builder()
            .limit(ROOM)
            .shared("battle", "1000", &[battle.address()], "send_buffer = \"65552B\"")
            .table(&class)
            .dedicated("chat", "3000", &[chat], "send_buffer = \"64KiB\"")
            .table(&class)
            .start()
            .await;
        let mut player = gate.player().await;
        let longest = body(1, 65_530);
        player.echo(1000, &longest).await;
        player.echo(3000, &longest).await;
    }
}

#[tokio::test]
async fn both_of_a_hot_standby_hear_large_frames_and_the_player_each_answer_once() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let addresses = [first.address(), second.address()];
    let gate = Gate::builder()
        .limit(ROOM)
        .shared("battle", "1000", &addresses, "balance = \"hot_standby\"")
        .start()
        .await;
    let mut player = gate.player().await;
    echoes(&mut player, 1000).await;
    let count = 6 * LENGTHS.len();
    first.has_frames(count).await;
    second.has_frames(count).await;
    assert!(first.frames() == second.frames());
}

#[tokio::test]
async fn who_leaves_within_a_large_frame_leaves_nothing_behind() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().limit(ROOM).shared("battle", "1000", &[battle.address()], "").start().await;
    let mut other = gate.player().await;
    for come in [7, 600, 20_000, 60_000] {
        let mut player = gate.player().await;
        player.echo(1000, b"in").await;
        player.send_raw(&frame(1000, &body(9, 65_000))[..come]).await;
        other.echo(1000, &body(3, 60_000)).await;
        drop(player);
        gate.has_sessions(1).await;
        echoes(&mut other, 1000).await;
    }
}

#[tokio::test]
async fn a_link_that_breaks_within_a_large_envelope_begins_anew() {
    let mut battle = Backend::echo().await;
    let gate = Gate::builder().limit(ROOM).shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    for come in [600, 20_000, 60_000] {
        echoes(&mut player, 1000).await;
        let session = battle.session().await;
        let mut envelope = Vec::new();
        let whole = frame(1000, &body(5, 65_000));
        append_frame_envelope(session, &whole, &mut envelope).expect("a frame");
        battle.say_raw(&envelope[..come]).await;
        let address = battle.kill().await;
        battle = Backend::at(address).await;
        battle.wait("HELLO", |events| events.first().cloned()).await;
        battle.settled().await;
    }
    echoes(&mut player, 1000).await;
}

#[tokio::test]
async fn large_frames_for_who_does_not_read_end_at_its_send_buffer_and_the_backend_hears_of_the_first_lost() {
    let battle = Backend::with(Manner::Silent).await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = Player::connect_narrow(gate.address()).await;
    player.send(1000, b"in").await;
    let session = battle.session().await;
    let payload = frame(1001, &body(7, 60_000));
    let undelivered = Event::Undelivered { session, reason: 7 };
    let mut said = 0;
    while !battle.events().contains(&undelivered) {
        battle.say(session, Link::Frame { payload: &payload }).await;
        battle.settled().await;
        said += 1;
        assert!(said < 1000, "the gateway holds more than it may");
    }
    let (rest, _) = player.read_to_end().await;
    let whole = rest.chunks_exact(payload.len()).take_while(|chunk| *chunk == payload).count();
    assert!((1..said).contains(&whole), "{whole} of {said}: the last one was lost");
    let behind = &rest[whole * payload.len()..];
    let notice = frame(9000, br#"{"code":"too_slow"}"#);
    assert!(payload.starts_with(behind) || notice == behind, "{} bytes behind {whole}", behind.len());
}

#[tokio::test]
async fn a_notice_among_large_frames_is_whole() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().limit(ROOM).shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    let large = frame(1000, &body(1, 65_000));
    let unknown = frame(77, &body(2, 65_000));
    player.send_raw(&[&*large, &unknown, &large].concat()).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let Frame { id, body } = player.recv().await;
        assert!(id == 9000 || frame(id, &body) == large);
        ids.push(id);
    }
    ids.sort_unstable();
    assert_eq!(ids, [1000, 1000, 9000]);
}

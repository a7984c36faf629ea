//! The rules of the shared link at the gate.

use std::time::Duration;

use realmgate::base::SessionId;
use realmgate::wire::NoticeCode;
use realmgate::wire::link::{
    BackendState, DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, HelloAck, Kick, LINK, LoadReport, Message,
    Redirects, append_frame_envelope,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fakes::{Backend, Event, Gate, Manner, frame, log, within};

#[tokio::test]
async fn a_frame_for_a_session_that_is_gone_comes_back_as_undelivered() {
    let battle = Backend::echo().await;
    let _gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    battle.wait("HELLO", |events| events.first().cloned()).await;
    let nobody = SessionId::from_raw(12_345);
    let mut envelope = Vec::new();
    append_frame_envelope(nobody, &frame(1001, b"late"), &mut envelope).expect("a frame");
    battle.say_raw(&envelope).await;
    battle.say(nobody, Message::Kick(kick(0x8002, None))).await;
    let undelivered = Event::Undelivered { session: nobody, reason: 1 };
    let both =
        |events: &[Event]| (events.iter().filter(|event| **event == undelivered).count() == 2).then_some(());
    battle.wait("two UNDELIVERED", both).await;
}

#[tokio::test]
async fn what_is_not_one_whole_frame_never_reaches_a_player() {
    let battle = Backend::with(Manner::Silent).await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    player.send(1000, b"in").await;
    let session = battle.session().await;
    let whole = frame(1001, b"right");
    let two = [whole.clone(), whole.clone()].concat();
    let wrong = [&b""[..], b"abc", &whole[..whole.len() - 1], &two, &frame(1001, &[0; 70_000])];
    for (sent, payload) in (1..).zip(wrong) {
        let mut envelope = Vec::new();
        append_frame_envelope(session, payload, &mut envelope).expect("an envelope");
        battle.say_raw(&envelope).await;
        let undelivered = Event::Undelivered { session, reason: 0x8004 };
        let each = |events: &[Event]| {
            (events.iter().filter(|event| **event == undelivered).count() == sent).then_some(())
        };
        battle.wait("UNDELIVERED", each).await;
    }
    battle.say(session, Message::Frame { payload: &whole }).await;
    assert_eq!(player.recv().await.body, b"right");
    assert_eq!(gate.meters().total(|meter| Some(&meter.bad_backend_frames)), 5);
}

#[tokio::test]
async fn a_kick_follows_what_was_sent_before_and_says_why() {
    let (battle, pay) = (Backend::with(Manner::Silent).await, Backend::echo().await);
    let gate = Gate::builder()
        .shared("battle", "1000", &[battle.address()], "")
        .shared("pay", "2000", &[pay.address()], "")
        .start()
        .await;
    let mut player = gate.player().await;
    player.echo(2000, b"in").await;
    player.send(1000, b"cheat").await;
    let session = battle.session().await;
    battle.say(session, Message::Frame { payload: &frame(1001, b"last words") }).await;
    battle.say(session, Message::Kick(kick(0x8002, Some("no cheating")))).await;
    battle.say(session, Message::Frame { payload: &frame(1001, b"too late") }).await;
    assert_eq!(player.recv().await.body, b"last words");
    let notice = player.notice().await;
    assert_eq!(
        notice,
        r#"{"code":"kicked","message":"no cheating","retry_after_ms":500,"redirect":["gw2.test:7000"]}"#
    );
    player.closed().await;
    for backend in [&battle, &pay] {
        let closed = Event::Close { session, reason: 0x8002 };
        backend.wait("CLOSE", |events| events.contains(&closed).then_some(())).await;
    }
}

#[tokio::test]
async fn a_kick_waits_for_a_player_that_takes_what_was_sent_before_slowly() {
    let battle = Backend::with(Manner::Silent).await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    player.send(1000, b"in").await;
    let (session, mut said) = (battle.session().await, 0);
    while !battle.events().contains(&Event::Pause { session }) {
        battle.say(session, Message::Frame { payload: &frame(1001, &[5; 60_000]) }).await;
        battle.settled().await;
        said += 1;
    }
    battle.say(session, Message::Kick(kick(0x8002, None))).await;
    battle.settled().await;
    tokio::time::sleep(Duration::from_millis(1500)).await; // the player is slow
    for _ in 0..said {
        assert_eq!(player.recv().await.body.len(), 60_000);
    }
    assert_eq!(
        player.notice().await,
        r#"{"code":"kicked","retry_after_ms":500,"redirect":["gw2.test:7000"]}"#
    );
    player.closed().await;
    gate.has_sessions(0).await;
}

#[tokio::test]
async fn a_player_that_reads_gets_more_at_once_than_may_wait_for_it() {
    let battle = Backend::with(Manner::Silent).await;
    let gate = Gate::builder()
        .limit("send_buffer = \"64KiB\"")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let mut player = gate.player().await;
    player.send(1000, b"in").await;
    let session = battle.session().await;
    let mut burst = Vec::new();
    for _ in 0..1000 {
        append_frame_envelope(session, &frame(1001, &[5; 1000]), &mut burst).expect("a frame");
    }
    battle.say_raw(&burst).await;
    for count in 0..1000 {
        assert_eq!(player.recv().await.body, [5; 1000], "{count}");
    }
    assert_eq!(gate.meters().total(|meter| Some(&meter.undelivered)), 0);
}

#[tokio::test]
async fn a_refused_session_goes_to_another_backend_and_is_not_offered_again() {
    let (full, free) = (Backend::with(Manner::Refuse).await, Backend::echo().await);
    let gate = Gate::builder()
        .shared("battle", "1000", &[full.address(), free.address()], "balance = \"backup\"")
        .start()
        .await;
    let mut player = gate.player().await;
    player.send(1000, b"first").await;
    assert_eq!(player.notice().await, r#"{"code":"unavailable","route":"battle","retry_after_ms":0}"#);
    for turn in 0..10_u8 {
        player.echo(1000, &[turn]).await;
    }
    let opened = full.events().iter().filter(|event| matches!(event, Event::Open { .. })).count();
    assert_eq!(opened, 1, "the backend that refused was asked once");
    drop(player);
    gate.is_empty().await;
}

#[tokio::test]
async fn a_backend_that_refuses_or_drains_gets_no_new_sessions_and_keeps_those_it_has() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let gate = Gate::builder()
        .shared("battle", "1000", &[first.address(), second.address()], "balance = \"backup\"")
        .start()
        .await;
    let mut old = gate.player().await;
    old.echo(1000, b"old").await;
    first.say(LINK, Message::State { state: BackendState::Draining, text: None }).await;
    first.say(LINK, Message::Ping { payload: b"in order" }).await;
    let pong = Event::Pong { payload: b"in order".to_vec() };
    first.wait("PONG", |events| events.contains(&pong).then_some(())).await;
    old.echo(1000, b"still here").await;
    let mut new = gate.player().await;
    new.echo(1000, b"new").await;
    assert_eq!(first.frames().len(), 2);
    assert_eq!(second.frames(), [frame(1000, b"new")]);
}

#[tokio::test]
async fn a_backend_that_breaks_the_protocol_is_told_and_dropped_and_may_come_back() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    battle.say_raw(&[0, 0, 0, 12, 0xEE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await; // an unknown type with the high bit
    let error = Event::Error { text: "type 238 is not known and must not be skipped".to_owned() };
    battle.wait("ERROR", |events| events.contains(&error).then_some(())).await;
    let hellos = |events: &[Event]| {
        (events.iter().filter(|event| matches!(event, Event::Hello { .. })).count() == 2).then_some(())
    };
    battle.wait("the link to come back", hellos).await;
    player_gets_through(&gate).await;
    let opens = battle.events().iter().filter(|event| matches!(event, Event::Open { .. })).count();
    assert!(opens >= 2, "a new link opens its sessions anew");
    player.echo(1000, b"opened again").await;
}

#[tokio::test]
async fn a_backend_whose_hello_ack_is_wrong_is_told_what_is_missing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let builder = Gate::builder().shared("battle", "1000", &[address], "health.interval = \"1h\"");
    let starting = tokio::spawn(builder.start());
    let (mut stream, _) = within("the gate to dial", listener.accept()).await.expect("a connection");
    let only_version = [0, 0, 0, 17, 2, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 1];
    stream.write_all(&only_version).await.expect("written");
    let mut said = Vec::new();
    within("the end", stream.read_to_end(&mut said)).await.expect("an end in order");
    let mut decoder = EnvelopeDecoder::new();
    let mut envelopes = decoder.envelopes(DEFAULT_MAX_ENVELOPE, &said);
    let hello = envelopes.next().expect("HELLO").expect("an envelope");
    assert!(matches!(hello.decode().expect("valid").message, Message::Hello(_)));
    let last = envelopes.next().expect("ERROR").expect("an envelope");
    let text = Some("the TLV boot_id is missing");
    assert_eq!(last.decode().expect("valid").message, Message::Error { reason: 0x8004, text });
    drop(within("the gate to start", starting).await.expect("no panic"));
}

#[tokio::test]
async fn unknown_types_without_the_high_bit_and_types_that_only_a_gateway_sends_are_skipped() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    battle.say_raw(&[0, 0, 0, 12, 0x6E, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await;
    battle.say(battle.session().await, Message::Pause).await;
    player.echo(1000, b"on").await;
    assert_eq!(gate.meters().total(|meter| Some(&meter.ignored_envelopes)), 2);
    let links = battle.events().iter().filter(|event| matches!(event, Event::Hello { .. })).count();
    assert_eq!(links, 1, "the link was kept");
}

#[tokio::test]
async fn a_stopping_gate_says_goaway() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    gate.stop().await;
    battle.wait("GOAWAY", |events| events.contains(&Event::GoAway).then_some(())).await;
    let (rest, _) = player.read_to_end().await;
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_gate_that_is_let_go_ends_with_all_its_links() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").workers(2).start().await;
    gate.player().await.echo(1000, b"in").await;
    drop(gate);
    let count = |events: &[Event], wanted| events.iter().filter(|event| **event == wanted).count();
    let both_ended = |events: &[Event]| count(events, Event::GoAway) == 2 && count(events, Event::Lost) == 2;
    battle.wait("both workers to leave", |events| both_ended(events).then_some(())).await;
}

#[tokio::test]
async fn frames_over_a_stuck_link_are_shed_by_class_and_other_clusters_go_on() {
    let (stuck, chat) = (Backend::with(Manner::Stuck).await, Backend::echo().await);
    let gate = Gate::builder()
        .shared("battle", "1000", &[stuck.address()], "send_buffer = \"256KiB\"")
        .shared("chat", "3000", &[chat.address()], "")
        .start()
        .await;
    let mut player = gate.player().await;
    let mut bystander = gate.player().await;
    // More than socket buffers and the link's own buffer hold together.
    for _ in 0..400 {
        player.send(1000, &[1; 60_000]).await;
        bystander.echo(3000, b"hello").await;
    }
    let notice = player.notice().await;
    assert_eq!(notice, r#"{"code":"overloaded","route":"battle","id":1000}"#);
    let counter = gate.meters().total(|meter| meter.notice(NoticeCode::Overloaded));
    assert!(counter > 0, "the refusal was counted");
    bystander.echo(3000, b"hello").await;
}

#[tokio::test]
async fn a_frame_in_the_longest_envelope_that_a_backend_takes_gets_through() {
    let battle = Backend::echo().await;
    battle.set_max_envelope(12 + 4006); // what follows the length field: the rest of the header and the frame
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    player.echo(1000, &[7; 4000]).await;
    player.send(1000, &[7; 4001]).await;
    assert_eq!(player.notice().await, r#"{"code":"overloaded","route":"battle","id":1000}"#);
}

#[tokio::test]
async fn no_frame_comes_before_an_open_that_the_backend_cannot_take() {
    let (lobby, battle) = (Backend::echo().await, Backend::echo().await);
    battle.set_max_envelope(4096);
    let gate = Gate::builder()
        .shared("lobby", "2000", &[lobby.address()], "")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let (mut long, mut short) = (gate.player().await, gate.player().await);
    long.echo(2000, b"in").await;
    let session = lobby.session().await;
    let attributes = |mood: &str| format!("{{\"mood\":\"{mood}\"}}");
    lobby.say(session, Message::Attributes { attributes: &attributes(&"x".repeat(4070)) }).await;
    lobby.settled().await;
    let report = LoadReport { load: None, sessions: Some(0), capacity: Some(3) };
    battle.say(LINK, Message::Load(report)).await;
    battle.settled().await;
    for _ in 0..5 {
        long.send(1000, b"x").await;
        assert_eq!(long.notice().await, r#"{"code":"overloaded","route":"battle","id":1000}"#);
    }
    short.echo(1000, b"short").await;
    assert_eq!(battle.frames(), [frame(1000, b"short")]);
    lobby.say(session, Message::Attributes { attributes: &attributes("good") }).await;
    lobby.settled().await;
    long.echo(1000, b"in").await;
    drop((long, short));
    gate.is_empty().await;
}

#[tokio::test]
async fn who_cannot_be_told_again_and_again_fills_no_log() {
    log::listen();
    let battle = Backend::echo().await;
    battle.set_max_envelope(32);
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    for _ in 0..500 {
        player.send(1000, b"x").await;
        assert!(player.notice().await.contains("overloaded"));
    }
    let name = battle.address().to_string();
    let lines = log::lines(|line| line.get("backend") == name && line.get("message") == "cannot be told");
    assert!((1..100).contains(&lines.len()), "one a second, not {}", lines.len());
}

#[tokio::test]
async fn what_comes_right_behind_hello_ack_counts_and_a_backend_that_never_reads_is_not_answered_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let more = "send_buffer = \"128KiB\"\nhealth.interval = \"1h\"";
    let builder = Gate::builder().shared("battle", "1000", &[address], more);
    let starting = tokio::spawn(builder.start());
    let (mut stream, _) = within("the gate to dial", listener.accept()).await.expect("a connection");
    let mut first = Vec::new();
    let ack = Message::HelloAck(HelloAck::new(1));
    let refusing = Message::State { state: BackendState::Refusing, text: None };
    for message in [ack, refusing] {
        Envelope { session: LINK, message }.encode(DEFAULT_MAX_ENVELOPE, &mut first).expect("an envelope");
    }
    stream.write_all(&first).await.expect("written");
    let gate = within("the gate to start", starting).await.expect("no panic");
    let mut player = gate.player().await;
    player.send(1000, b"in").await;
    assert!(player.notice().await.contains("unavailable"), "the backend wants no sessions");

    let mut flood = Vec::new();
    for _ in 0..10_000 {
        append_frame_envelope(SessionId::from_raw(9), &frame(1001, b""), &mut flood).expect("an envelope");
    }
    let unsaid = || gate.meters().total(|meter| Some(&meter.unsaid));
    within("answers to be left out", async {
        while unsaid() == 0 {
            stream.write_all(&flood).await.expect("the gate reads on");
        }
    })
    .await;
}

#[tokio::test]
async fn changes_of_attributes_do_not_pile_up_for_a_backend_that_never_reads() {
    let (says, stuck) = (Backend::echo().await, Backend::with(Manner::Stuck).await);
    let little = "send_buffer = \"128KiB\"";
    let gate = Gate::builder().shared("stuck", "2000", &[stuck.address()], little);
    let gate = gate.shared("says", "1000", &[says.address()], "").start().await;
    let mut player = gate.player().await;
    player.send(2000, b"known there").await;
    player.echo(1000, b"and here").await;
    let session = says.session().await;
    let attributes = format!("{{\"mood\":\"{}\"}}", "x".repeat(4000));
    within("changes to be left out", async {
        while gate.meters().total(|meter| Some(&meter.unsaid)) == 0 {
            says.say(session, Message::Attributes { attributes: &attributes }).await;
        }
    })
    .await;
}

async fn player_gets_through(gate: &Gate) {
    loop {
        let mut player = gate.player().await;
        player.send(1000, b"again").await;
        if player.recv().await.id == 1000 {
            return;
        }
    }
}

fn kick(reason: u16, text: Option<&'static str>) -> Kick<'static> {
    Kick { reason, text, retry_after_ms: Some(500), redirect: Redirects::new(&["gw2.test:7000"]) }
}

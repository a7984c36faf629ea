//! What backends say to many players at once: to a list, to a room, to a group, to a zone, to all.

use realmgate::base::SessionId;
use realmgate::telemetry::Fate;
use realmgate::wire::link::{LINK, Message, Scope, Sessions};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::fakes::{Backend, Event, Gate, Issuer, Manner, Player, frame, log, within};

/// A player whose session a silent backend knows.
struct Known {
    player: Player,
    session: SessionId,
}

/// So many players, each known to the backend before the next one comes.
async fn players(gate: &Gate, backend: &Backend, count: usize) -> Vec<Known> {
    let mut players: Vec<Known> = Vec::new();
    for _ in 0..count {
        players.push(come(gate, backend).await);
    }
    players
}

async fn come(gate: &Gate, backend: &Backend) -> Known {
    let mut player = gate.player().await;
    player.send(1000, b"in").await;
    let address = player.address;
    let opened = |event: &Event| match event {
        Event::Open { session, address: known, .. } if *known == address => Some(*session),
        _ => None,
    };
    let session = backend.wait("an OPEN", |events| events.iter().rev().find_map(opened)).await;
    Known { player, session }
}

/// Where a session of a gate with so many workers lives.
fn worker(session: SessionId, workers: u32) -> u16 {
    u16::try_from(session.counter() % workers).expect("few workers")
}

fn published(gate: &Gate, fate: Fate) -> u64 {
    gate.meters().total(|meter| meter.published(fate))
}

/// Rooms and the sessions in them, over all workers.
fn rooms(gate: &Gate) -> (u64, u64) {
    let meters = gate.meters().workers().map(|meter| (meter.rooms.get(), meter.room_members.get()));
    meters.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

async fn silent(workers: usize, more: &str) -> (Gate, Backend) {
    let chat = Backend::with(Manner::Silent).await;
    let gate = Gate::builder().workers(workers).table(more).shared("chat", "1000", &[chat.address()], "");
    (gate.start().await, chat)
}

#[tokio::test]
async fn a_room_hears_what_is_said_on_any_link_and_nobody_else_does() {
    let (gate, chat) = silent(2, "").await;
    let mut players = players(&gate, &chat, 6).await;
    let workers: Vec<_> = players.iter().map(|known| worker(known.session, 2)).collect();
    assert!(workers.contains(&0) && workers.contains(&1), "{workers:?}");
    for known in players.iter().skip(2) {
        chat.say_on(worker(known.session, 2), known.session, Message::Join { room: "hall" }).await;
    }
    chat.settled().await;
    assert_eq!(rooms(&gate).1, 4);
    for link in [0, 1] {
        let (to_room, to_all) = (frame(1, &[b'r', link]), frame(1, &[b'a', link]));
        let room = Message::Broadcast { scope: Scope::Room("hall"), payload: &to_room };
        chat.say_on(link.into(), LINK, room).await;
        chat.say_on(link.into(), LINK, Message::Broadcast { scope: Scope::All, payload: &to_all }).await;
        for (place, known) in players.iter_mut().enumerate() {
            if place >= 2 {
                assert_eq!(known.player.recv().await.body, [b'r', link]);
            }
            assert_eq!(known.player.recv().await.body, [b'a', link], "player {place}");
        }
    }
    assert_eq!(published(&gate, Fate::Delivered), 2 * (4 + 6));
}

#[tokio::test]
async fn who_leaves_a_room_or_the_game_hears_it_no_more_and_a_closed_room_is_empty_everywhere() {
    let (gate, chat) = silent(2, "").await;
    let mut players = players(&gate, &chat, 4).await;
    for known in &players {
        for room in ["hall", "yard"] {
            chat.say_on(worker(known.session, 2), known.session, Message::Join { room }).await;
        }
    }
    chat.settled().await;
    assert_eq!(rooms(&gate), (4, 8));
    let left = players[0].session;
    chat.say_on(worker(left, 2), left, Message::Leave { room: "hall" }).await;
    chat.say_on(worker(left, 2), left, Message::Leave { room: "nowhere" }).await;
    let gone = players.pop().expect("four");
    drop(gone.player);
    let closed = Event::Close { session: gone.session, reason: 1 };
    chat.wait("CLOSE", |events| events.contains(&closed).then_some(())).await;
    chat.settled().await;
    assert_eq!(rooms(&gate).1, 5);
    chat.say_on(worker(gone.session, 2), gone.session, Message::Join { room: "hall" }).await;
    let undelivered = Event::Undelivered { session: gone.session, reason: 1 };
    chat.wait("UNDELIVERED", |events| events.contains(&undelivered).then_some(())).await;

    let (before, after) = (frame(1, b"before"), frame(1, b"after"));
    let to_hall = |payload| Message::Broadcast { scope: Scope::Room("hall"), payload };
    chat.say_on(0, LINK, to_hall(&before)).await;
    chat.say_on(0, LINK, Message::RoomClose { room: "hall" }).await;
    chat.say_on(0, LINK, to_hall(&after)).await;
    let to_yard = frame(1, b"yard");
    chat.say_on(0, LINK, Message::Broadcast { scope: Scope::Room("yard"), payload: &to_yard }).await;
    for (place, known) in players.iter_mut().enumerate() {
        if place > 0 {
            assert_eq!(known.player.recv().await.body, b"before");
        }
        assert_eq!(known.player.recv().await.body, b"yard");
    }
    assert_eq!(rooms(&gate).1, 3);
    drop(players);
    gate.is_empty().await;
    assert_eq!(rooms(&gate), (0, 0));
}

#[tokio::test]
async fn one_session_is_in_sixty_four_rooms_at_most() {
    let (gate, chat) = silent(1, "").await;
    let session = players(&gate, &chat, 1).await.remove(0);
    for room in 0..65 {
        chat.say(session.session, Message::Join { room: &room.to_string() }).await;
    }
    let error = Event::Error { text: "JOIN beyond 64 rooms of one session".to_owned() };
    chat.wait("ERROR", |events| events.contains(&error).then_some(())).await;
    assert_eq!(rooms(&gate), (64, 64));
}

/// More players than one turn serves: what is said for one of them behind comes behind, for all of them in one order.
#[tokio::test]
async fn what_one_link_says_arrives_in_its_order_however_many_hear_it() {
    let (gate, chat) = silent(2, "").await;
    let mut players = players(&gate, &chat, 700).await;
    for round in 0..5_u8 {
        for known in &players {
            chat.say_on(
                worker(known.session, 2),
                known.session,
                Message::Frame { payload: &frame(1, &[round, 0]) },
            )
            .await;
        }
        chat.settled().await;
        let all = |step| frame(1, &[round, step]);
        for step in 1..=3 {
            chat.say_on(0, LINK, Message::Broadcast { scope: Scope::All, payload: &all(step) }).await;
        }
        for known in players.iter().filter(|known| worker(known.session, 2) == 0) {
            chat.say_on(0, known.session, Message::Frame { payload: &all(4) }).await;
        }
    }
    for known in &mut players {
        let last = if worker(known.session, 2) == 0 { 4 } else { 3 };
        let mut heard = Vec::new();
        while heard.len() < 5 * (usize::from(last) + 1) {
            heard.push(known.player.recv().await.body);
        }
        let of_link =
            |first: u8| (0..5).flat_map(move |round| (first..=last).map(move |step| vec![round, step]));
        let expected: Vec<_> = of_link(u8::from(last == 3)).collect();
        // What another worker's link says has an order of its own.
        heard.retain(|body| last == 4 || body[1] > 0);
        assert_eq!(heard, expected);
    }
    assert_eq!(published(&gate, Fate::Delivered), 700 * 15);
}

#[tokio::test]
async fn a_list_of_eight_thousand_reaches_who_is_there_and_names_who_is_not() {
    let (gate, chat) = silent(2, "").await;
    let mut players = players(&gate, &chat, 20).await;
    let mut list: Vec<_> =
        (0..7980).map(|number| SessionId::from_raw(0xABC0_0000_0000_0001 + number)).collect();
    for (place, known) in players.iter().enumerate() {
        list.insert(place * 300, known.session);
    }
    let payload = frame(1, b"listed");
    chat.say_on(1, LINK, Message::Multicast { sessions: Sessions::new(&list), payload: &payload }).await;
    for known in &mut players {
        assert_eq!(known.player.recv().await.body, b"listed");
    }
    let gone = |event: &&Event| matches!(event, Event::Undelivered { reason: 1, .. });
    let all = |events: &[Event]| (events.iter().filter(gone).count() == 7980).then_some(());
    chat.wait("an UNDELIVERED for each", all).await;
    assert_eq!((published(&gate, Fate::Delivered), published(&gate, Fate::Gone)), (20, 7980));
}

#[tokio::test]
async fn players_of_another_layout_get_nothing_that_they_would_misread() {
    let other = "[frame.small]\nmax_length = \"1KiB\"\nlength = { offset = 0, width = 2 }\nid = { offset = 2, width = 2 }\n\
                 [listener.small]\nlisten = \"127.0.0.1:0\"\nframe = \"small\"\n[listener.small.limits]\nconnections = 10\n";
    let (gate, chat) = silent(1, other).await;
    let mut player = players(&gate, &chat, 1).await.remove(0);
    let address = gate.inner().address("small").expect("a listener");
    let mut small = TcpStream::connect(address).await.expect("the gate listens");
    gate.has_sessions(2).await;
    let big = frame(7, b"big");
    let little = [0, 4, 0, 7, b'h', b'i'];
    for payload in [&big[..], &little, &big] {
        chat.say(LINK, Message::Broadcast { scope: Scope::All, payload }).await;
    }
    let mut read = [0; 6];
    within("the small frame", small.read_exact(&mut read)).await.expect("a frame");
    assert_eq!(read, little);
    assert_eq!(player.player.recv().await.body, b"big");
    assert_eq!(player.player.recv().await.body, b"big");
    assert_eq!((published(&gate, Fate::Delivered), published(&gate, Fate::Misfit)), (3, 3));
}

#[tokio::test]
async fn who_does_not_read_is_too_slow_and_delays_nobody() {
    let chat = Backend::with(Manner::Silent).await;
    let builder = Gate::builder().limit("send_buffer = \"128KiB\"");
    let gate = builder.shared("chat", "1000", &[chat.address()], "").start().await;
    let mut players = players(&gate, &chat, 2).await;
    let slow = players.remove(0);
    let payload = frame(1, &[7; 60_000]);
    let closed = Event::Close { session: slow.session, reason: 7 };
    while !chat.events().contains(&closed) {
        chat.say(LINK, Message::Broadcast { scope: Scope::All, payload: &payload }).await;
        assert_eq!(players[0].player.recv().await.body.len(), 60_000);
        chat.settled().await;
    }
    assert_eq!(published(&gate, Fate::TooSlow), 1);
    let list = [slow.session, players[0].session];
    chat.say(LINK, Message::Multicast { sessions: Sessions::new(&list), payload: &frame(1, b"on") }).await;
    assert_eq!(players[0].player.recv().await.body, b"on");
}

#[tokio::test]
async fn a_group_and_a_zone_are_those_of_the_session_and_of_the_gateway() {
    let (a, b) = (Backend::with(Manner::Silent).await, Backend::with(Manner::Silent).await);
    let tables = |active: &str| {
        Gate::builder().table(&format!(
            "[cluster.chat]\nbackends = [{{ address = \"{}\", group = \"a\" }}, {{ address = \"{}\", group = \"b\" }}]\n\
             [route.chat]\nids = [1000]\ncluster = \"chat\"\n[release]\nactive = \"{active}\"",
            a.address(),
            b.address()
        ))
    };
    let mut gate = tables("a").start().await;
    let mut old = come(&gate, &a).await;
    gate.reload(tables("b")).await;
    let mut new = come(&gate, &b).await;
    let scopes =
        [Scope::Group("a"), Scope::Group("b"), Scope::Group("c"), Scope::Zone("test"), Scope::Zone("other")];
    for (scope, body) in scopes.into_iter().zip(b'1'..) {
        a.say(LINK, Message::Broadcast { scope, payload: &frame(1, &[body]) }).await;
    }
    a.say(LINK, Message::Broadcast { scope: Scope::All, payload: &frame(1, b"all") }).await;
    for (known, expected) in [(&mut old, [&b"1"[..], b"4", b"all"]), (&mut new, [b"2", b"4", b"all"])] {
        for body in expected {
            assert_eq!(known.player.recv().await.body, body);
        }
    }
}

#[tokio::test]
async fn the_second_of_a_hot_standby_commands_nobody() {
    let (first, second) = (Backend::with(Manner::Silent).await, Backend::with(Manner::Silent).await);
    let backends = [first.address(), second.address()];
    let gate = Gate::builder().shared("chat", "1000", &backends, "balance = \"hot_standby\"").start().await;
    let mut known = come(&gate, &first).await;
    let (session, list) = (known.session, [known.session]);
    second.session().await;
    for backend in [&second, &first] {
        let payload = frame(1, if std::ptr::eq(backend, &first) { b"first" } else { b"second" });
        backend.say(session, Message::Join { room: "hall" }).await;
        backend.say(session, Message::Attributes { attributes: "{\"a\":1}" }).await;
        backend.say(LINK, Message::Broadcast { scope: Scope::All, payload: &payload }).await;
        backend.say(LINK, Message::Multicast { sessions: Sessions::new(&list), payload: &payload }).await;
        backend.say(LINK, Message::RoomClose { room: "hall" }).await;
        backend.settled().await;
    }
    assert_eq!(
        (known.player.recv().await.body, known.player.recv().await.body),
        (b"first".to_vec(), b"first".to_vec())
    );
    assert_eq!(gate.meters().total(|meter| Some(&meter.standby_dropped)), 5);
}

#[tokio::test]
async fn what_is_for_all_is_for_those_who_have_come_in_and_a_list_or_a_room_for_whom_it_names() {
    let chat = Backend::with(Manner::Silent).await;
    let issuer = Issuer::new();
    let gate = Gate::builder()
        .shared("chat", "1000", &[chat.address()], "")
        .table("[route.free]\nids = [2000]\ncluster = \"chat\"\nlogin = \"none\"")
        .table(&issuer.login(""))
        .start()
        .await;
    let (mut guest, mut member) = (gate.player().await, gate.player().await);
    guest.send(2000, b"hello").await;
    let session = chat.session().await;
    member.send(10, &issuer.token("ann")).await;
    assert_eq!(member.notice().await, r#"{"code":"admitted"}"#);
    let (all, one) = (frame(1, b"all"), frame(1, b"one"));
    chat.say(LINK, Message::Broadcast { scope: Scope::All, payload: &all }).await;
    chat.say(LINK, Message::Broadcast { scope: Scope::Zone("test"), payload: &all }).await;
    chat.say(LINK, Message::Multicast { sessions: Sessions::new(&[session]), payload: &one }).await;
    chat.say(session, Message::Join { room: "door" }).await;
    chat.say(LINK, Message::Broadcast { scope: Scope::Room("door"), payload: &one }).await;
    for _ in 0..2 {
        assert_eq!(guest.recv().await.body, b"one");
        assert_eq!(member.recv().await.body, b"all");
    }
    guest.send(10, &issuer.token("bob")).await;
    assert_eq!(guest.notice().await, r#"{"code":"admitted"}"#);
    chat.say(LINK, Message::Broadcast { scope: Scope::All, payload: &all }).await;
    assert_eq!((guest.recv().await.body, member.recv().await.body), (b"all".to_vec(), b"all".to_vec()));
}

#[tokio::test]
async fn a_backend_that_complains_without_end_or_lists_nobody_fills_no_log() {
    log::listen();
    let (gate, chat) = silent(1, "").await;
    let mut known = come(&gate, &chat).await;
    let list = [vec![LINK; 1000], vec![known.session]].concat();
    let payload = frame(1, b"on");
    chat.say(LINK, Message::Multicast { sessions: Sessions::new(&list), payload: &payload }).await;
    assert_eq!(known.player.recv().await.body, b"on");
    for _ in 0..1000 {
        chat.say(LINK, Message::Error { reason: 0x8004, text: Some("again") }).await;
    }
    chat.settled().await;
    let name = chat.address().to_string();
    let lines =
        |message| log::lines(|line| line.get("backend") == name && line.get("message") == message).len();
    assert_eq!(lines("cannot be told"), 0);
    assert!((1..100).contains(&lines("says that the gateway erred")), "one a second");
}

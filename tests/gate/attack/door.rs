//! Bans, bad neighbours, moves and floods.

use super::*;

#[tokio::test]
async fn a_ban_right_behind_a_login_is_of_the_account_and_not_of_everybody_at_its_address() {
    let (login, battle) = (Backend::echo().await, Backend::echo().await);
    let gate = Gate::builder()
        .shared("login", "10", &[login.address()], "")
        .shared("battle", "1000", &[battle.address()], "")
        .table("[login]\nroute = \"login\"");
    let gate = gate.start().await;
    let mut player = gate.player().await;
    player.echo(10, b"let me in").await;
    let session = login.session().await;
    let bind = Message::Bind { account: "cheater", epoch: 1 };
    login.say_raw(&[envelope(session, bind), envelope(session, kick(0x8006))].concat()).await;
    loop {
        if notice(&mut player).await["code"] == "kicked" {
            break;
        }
    }
    let banned: Vec<_> = gate.inner().bans().into_iter().map(|(who, _)| who).collect();
    assert_eq!(banned, [Banned::Account("cheater".to_owned())]);
}

#[tokio::test]
async fn one_bad_client_does_not_shut_out_an_address_that_has_no_limits() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    for _ in 0..12 {
        let mut bad = gate.player().await;
        drop(bad.try_send_raw(&[0xFF; 6]).await);
        drop(bad.read_to_end().await);
        drop(bad);
        gate.has_sessions(0).await;
    }
    gate.player().await.echo(1000, b"another player behind the same balancer").await;
}

#[tokio::test]
async fn an_account_meets_the_same_backend_where_that_is_chosen_by_the_account() {
    let issuer = Issuer::new();
    let backends = [Backend::echo().await, Backend::echo().await, Backend::echo().await];
    let addresses: Vec<_> = backends.iter().map(Backend::address).collect();
    let gate = Gate::builder()
        .shared("battle", "1000", &addresses, "balance = \"modulo\"\nhash_on = \"account\"")
        .table(&issuer.login(""));
    let gate = gate.start().await;
    for _ in 0..12 {
        let (mut player, _) = comes_in(&gate, &issuer, "ann").await;
        player.echo(1000, b"ann").await;
        drop(player);
        gate.has_sessions(0).await;
    }
    let served: Vec<_> = backends.iter().map(|backend| backend.frames().len()).collect();
    assert!(served.contains(&12), "frames of one account at three backends: {served:?}");
}

/// A session of a cluster that closes on loss is moved to a backend that takes none.
async fn moved_to_one_that_takes_nobody(drained: bool) {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let full = format!(
        "[cluster.battle]\nbalance = \"backup\"\non_loss = \"close\"\nbackends = [{{ address = \"{}\" }}, {{ address = \"{}\", max_sessions = 1 }}]\n\
         [route.battle]\nids = [1000]\ncluster = \"battle\"",
        first.address(),
        second.address()
    );
    let mut gate = Gate::builder().table(&full).start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"one").await;
    let session = first.session().await;
    let mut other = gate.player().await;
    if drained {
        let (cluster, address) = ("battle".to_owned(), second.address().to_string());
        let state = realmgate::config::AdminState::Drain;
        gate.change(realmgate::config::Override::State { cluster, address, state }).await;
    } else {
        other.echo(1000, b"two").await;
        let sessions = |events: &[Event]| {
            let opened = |event: &Event| match event {
                Event::Open { session, .. } => Some(*session),
                _ => None,
            };
            events.iter().rev().filter_map(opened).find(|opened| *opened != session)
        };
        let taken = first.wait("another OPEN", sessions).await;
        let to = second.address().to_string();
        first.say(taken, Message::Move { cluster: "battle", backend: &to }).await;
        first.settled().await;
        other.echo(1000, b"takes the only place").await;
    }
    let to = second.address().to_string();
    first.say(session, Message::Move { cluster: "battle", backend: &to }).await;
    first.settled().await;
    for _ in 0..3 {
        player.echo(1000, b"goes on, wherever").await;
    }
}

#[tokio::test]
async fn a_move_to_a_backend_that_is_drained_strands_nobody() {
    moved_to_one_that_takes_nobody(true).await;
}

#[tokio::test]
async fn a_move_to_a_backend_that_is_full_strands_nobody() {
    moved_to_one_that_takes_nobody(false).await;
}

#[tokio::test]
async fn what_comes_right_behind_a_login_meets_the_release_group_of_the_account() {
    let (a, b, issuer) = (Backend::echo().await, Backend::echo().await, Issuer::new());
    let list = std::env::temp_dir().join(format!("realmgate-attack-canary-{}", std::process::id()));
    std::fs::write(&list, "ann\n").expect("a file");
    let gate = Gate::builder()
        .table(&format!(
            "[cluster.battle]\nbackends = [{{ address = \"{}\", group = \"a\" }}, {{ address = \"{}\", group = \"b\" }}]\n\
             [route.battle]\nids = [1000]\ncluster = \"battle\"\n[release]\nactive = \"a\"\ncanary = [{{ group = \"b\", accounts = \"{}\" }}]",
            a.address(),
            b.address(),
            list.display()
        ))
        .table(&issuer.login(""))
        .start()
        .await;
    std::fs::remove_file(&list).expect("a file");
    let mut player = gate.player().await;
    player.send_raw(&[frame(10, &issuer.token("ann")), frame(1000, b"first")].concat()).await;
    assert_eq!(notice(&mut player).await["code"], "admitted");
    assert_eq!(player.recv().await.body, b"first");
    player.echo(1000, b"second").await;
    assert_eq!((a.frames().len(), b.frames().len()), (0, 2), "ann is a tester");
}

#[tokio::test]
async fn half_a_word_of_a_proxy_is_half_a_frame() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .shared("battle", "1000", &[battle.address()], "")
        .listener("proxy_protocol = { trusted = [\"192.0.2.0/24\"] }")
        .limit("frame_timeout = \"500ms\"");
    let gate = gate.start().await;
    let mut player = gate.player().await;
    player.send_raw(b"PROX").await;
    let end = tokio::time::timeout(Duration::from_secs(5), player.read_to_end()).await;
    assert!(end.is_ok(), "four bytes hold a connection for `idle_timeout` instead of `frame_timeout`");
}

#[tokio::test]
async fn a_flood_of_words_for_all_starves_nobody_who_plays() {
    let (chat, battle) = (Backend::with(crate::fakes::Manner::Silent).await, Backend::echo().await);
    let gate = Gate::builder().shared("chat", "2000", &[chat.address()], "").shared(
        "battle",
        "1000",
        &[battle.address()],
        "",
    );
    let gate = gate.start().await;
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let mut reader = gate.player().await;
        reader.send(2000, b"here").await;
        readers.spawn(until_the_end(reader));
    }
    chat.has_frames(200).await;
    let mut player = gate.player().await;
    let payload = frame(2000, &[3; 4096]);
    let word = envelope(
        realmgate::wire::link::LINK,
        Message::Broadcast { scope: realmgate::wire::link::Scope::All, payload: &payload },
    );
    let flood = async {
        for _ in 0..300 {
            chat.say_raw(&word).await;
        }
    };
    let plays = async {
        let mut worst = Duration::ZERO;
        let began = tokio::time::Instant::now();
        for _ in 0..50 {
            let sent = tokio::time::Instant::now();
            player.send(1000, b"me").await;
            while player.recv().await.id != 1000 {}
            worst = worst.max(sent.elapsed());
        }
        (worst, began.elapsed())
    };
    let ((), (worst, all)) = tokio::join!(flood, plays);
    assert!(worst < Duration::from_secs(5), "{worst:?} for one frame, {all:?} for fifty");
    readers.abort_all();
}

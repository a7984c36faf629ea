//! Release groups, maintenance and the operator's word on backends, through the running gate.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use realmgate::base::SessionId;
use realmgate::config::{AdminState, Maintenance, Override};
use realmgate::wire::link::{DEFAULT_MAX_ENVELOPE, Envelope, LINK, Message, Scope};

use crate::fakes::{Backend, Event, Gate, GateBuilder, Manner, Player, frame, within};

/// A cluster with a backend of each group, the release table besides.
fn groups(a: &Backend, b: &Backend, release: &str) -> GateBuilder {
    let (a, b) = (a.address(), b.address());
    Gate::builder().table(&format!(
        "[cluster.battle]\nbackends = [{{ address = \"{a}\", group = \"a\" }}, {{ address = \"{b}\", group = \"b\" }}]\n\
         [route.battle]\nids = [1000]\ncluster = \"battle\"\n[release]\n{release}"
    ))
}

fn opens(backend: &Backend) -> usize {
    backend.events().iter().filter(|event| matches!(event, Event::Open { .. })).count()
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

#[tokio::test]
async fn new_sessions_enter_the_active_group_and_old_ones_stay_until_they_end() {
    let (a, b) = (Backend::echo().await, Backend::echo().await);
    let mut gate = groups(&a, &b, "active = \"a\"").start().await;
    let mut old = in_with(&gate, b"old").await;
    assert_eq!((opens(&a), opens(&b)), (1, 0));
    gate.reload(groups(&a, &b, "active = \"b\"")).await;
    let mut new = in_with(&gate, b"new").await;
    old.echo(1000, b"stays").await;
    assert_eq!((opens(&a), opens(&b)), (1, 1));
    gate.reload(groups(&a, &b, "active = \"a\"")).await;
    new.echo(1000, b"stays in b").await;
    old.echo(1000, b"stays in a").await;
    in_with(&gate, b"third").await;
    assert_eq!((opens(&a), opens(&b)), (2, 1));
}

#[tokio::test]
async fn a_forced_move_answers_the_next_frame_with_moved_and_the_reconnect_enters_the_new_group() {
    let (a, b) = (Backend::echo().await, Backend::echo().await);
    let mut gate = groups(&a, &b, "active = \"a\"").workers(2).start().await;
    let mut players = Vec::new();
    for _ in 0..6 {
        players.push(in_with(&gate, b"old").await);
    }
    gate.reload(groups(&a, &b, "active = \"b\"\nmove = \"forced\"\nspread = \"1ms\"").workers(2)).await;
    for player in &mut players {
        player.send(1000, b"the next frame").await;
        // The last of them have their moment a millisecond after the swap.
        let mut answer = player.recv().await;
        while answer.id == 1000 {
            player.send(1000, b"the next frame").await;
            answer = player.recv().await;
        }
        let notice = String::from_utf8(answer.body).expect("JSON");
        assert!(notice.contains("\"code\":\"moved\"") && notice.contains("\"id\":1000"), "{notice}");
        player.closed().await;
    }
    in_with(&gate, b"back").await;
    assert_eq!((opens(&a), opens(&b)), (6, 1));
    gate.is_empty().await;
}

#[tokio::test]
async fn answers_on_their_way_reach_a_session_that_is_told_to_go() {
    let (a, b) = (Backend::with(Manner::Silent).await, Backend::echo().await);
    let mut gate = groups(&a, &b, "active = \"a\"").start().await;
    let mut player = gate.player().await;
    player.send(1000, b"asked before").await;
    a.has_frames(1).await;
    gate.reload(groups(&a, &b, "active = \"b\"\nmove = \"forced\"\nspread = \"0s\"")).await;
    player.send(1000, b"the next frame").await;
    assert!(player.notice().await.contains("moved"));
    a.say(a.session().await, Message::Frame { payload: &frame(1000, b"answer") }).await;
    assert_eq!(player.recv().await.body, b"answer");
    player.closed().await;
    assert_eq!(a.frames().len(), 1, "what came after it was not forwarded");
    gate.is_empty().await;
}

#[tokio::test]
async fn rolling_back_before_its_moment_leaves_a_session_where_it_is() {
    let (a, b) = (Backend::echo().await, Backend::echo().await);
    let mut gate = groups(&a, &b, "active = \"a\"").start().await;
    let mut player = in_with(&gate, b"old").await;
    let mut second = in_with(&gate, b"old").await;
    gate.reload(groups(&a, &b, "active = \"b\"\nmove = \"forced\"\nspread = \"1h\"")).await;
    // One of the two has its moment at once, the other one half an hour later.
    gate.reload(groups(&a, &b, "active = \"a\"\nmove = \"forced\"\nspread = \"1h\"")).await;
    player.echo(1000, b"still here").await;
    second.echo(1000, b"still here").await;
    assert_eq!((opens(&a), opens(&b)), (2, 0));
}

#[tokio::test]
async fn a_canary_is_for_the_accounts_of_its_list_from_their_login_on() {
    let (a, b, login) = (Backend::echo().await, Backend::echo().await, Backend::echo().await);
    let folder = std::env::temp_dir().join(format!("realmgate-canary-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let list = folder.join("testers.txt");
    std::fs::write(&list, "# who tests\nann\n\n").expect("a file");
    let release = format!(
        "active = \"a\"\ncanary = [{{ group = \"b\", accounts = \"{}\" }}, {{ group = \"b\", version = \">=2\" }}]",
        list.display()
    );
    let gate = groups(&a, &b, &release).shared("login", "2000", &[login.address()], "").start().await;
    for (account, version, group) in [("ann", None, "b"), ("bob", None, "a"), ("bob", Some("2.0.1"), "b")] {
        let mut player = gate.player().await;
        player.echo(2000, b"hello").await;
        let session = newest(&login);
        login.say(session, Message::Bind { account, epoch: 1 }).await;
        if let Some(version) = version {
            let attributes = format!("{{\"version\": \"{version}\"}}");
            login.say(session, Message::Attributes { attributes: &attributes }).await;
        }
        let seen = frame(999, b"seen");
        login.say(session, Message::Frame { payload: &seen }).await;
        assert_eq!(player.recv().await.id, 999);
        let before = (opens(&a), opens(&b));
        player.echo(1000, b"into its group").await;
        let entered = (opens(&a) - before.0, opens(&b) - before.1);
        assert_eq!(entered, if group == "a" { (1, 0) } else { (0, 1) }, "{account} {version:?}");
    }
    std::fs::remove_dir_all(&folder).expect("the folder");
}

#[tokio::test]
async fn what_is_said_right_behind_what_changes_the_group_goes_by_the_new_one() {
    let (a, b, lobby) = (Backend::echo().await, Backend::echo().await, Backend::echo().await);
    let release = "active = \"a\"\ncanary = [{ group = \"b\", version = \">=2\" }]";
    let gate = groups(&a, &b, release).shared("lobby", "2000", &[lobby.address()], "").start().await;
    let mut player = gate.player().await;
    player.echo(2000, b"in").await;
    let (session, to) = (lobby.session().await, b.address().to_string());
    let payload = frame(999, b"for b");
    let said = [
        (session, Message::Attributes { attributes: r#"{"version":"2.0.1"}"# }),
        (session, Message::Move { cluster: "battle", backend: &to }),
        (LINK, Message::Broadcast { scope: Scope::Group("b"), payload: &payload }),
    ];
    let mut at_once = Vec::new();
    for (session, message) in said {
        Envelope { session, message }.encode(DEFAULT_MAX_ENVELOPE, &mut at_once).expect("an envelope");
    }
    lobby.say_raw(&at_once).await;
    assert_eq!(player.recv().await.body, b"for b");
    player.echo(1000, b"moved").await;
    assert_eq!((opens(&a), opens(&b)), (0, 1));
    lobby.settled().await;
    assert!(!lobby.events().iter().any(|event| matches!(event, Event::Error { .. })));
}

#[tokio::test]
async fn whose_release_group_changes_is_moved_and_not_closed_whatever_on_loss_says() {
    let (a, b, lobby) = (Backend::echo().await, Backend::echo().await, Backend::echo().await);
    let of =
        |backend: &Backend, group| format!("{{ address = \"{}\", group = \"{group}\" }}", backend.address());
    let gate = Gate::builder()
        .shared("lobby", "2000", &[lobby.address()], "")
        .table(&format!(
            "[cluster.battle]\non_loss = \"close\"\nbackends = [{}, {}]\n[route.battle]\nids = [1000]\ncluster = \"battle\"\n\
             [release]\nactive = \"a\"\ncanary = [{{ group = \"b\", version = \">=2\" }}]",
            of(&a, "a"),
            of(&b, "b")
        ))
        .start()
        .await;
    let mut player = gate.player().await;
    player.echo(2000, b"in").await;
    player.echo(1000, b"in a").await;
    let attributes = r#"{"version":"2.0.1"}"#;
    lobby.say(lobby.session().await, Message::Attributes { attributes }).await;
    lobby.settled().await;
    player.echo(1000, b"in b").await;
    assert_eq!((opens(&a), opens(&b)), (1, 1));
}

#[tokio::test]
async fn a_list_with_other_accounts_is_told_as_what_it_does() {
    let (a, b) = (Backend::echo().await, Backend::echo().await);
    let folder = std::env::temp_dir().join(format!("realmgate-lists-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let list = folder.join("testers.txt");
    std::fs::write(&list, "ann\n").expect("a file");
    let rule = format!("canary = [{{ group = \"b\", accounts = \"{}\" }}]", list.display());
    let release = format!("active = \"a\"\nmove = \"forced\"\nspread = \"5s\"\n{rule}");
    let mut gate = groups(&a, &b, &release).start().await;
    std::fs::write(&list, "# again\nann\n").expect("a file");
    let told = gate.try_reload(groups(&a, &b, &release)).await.expect("a reload");
    assert_eq!((told.changes, told.effects), (Vec::new(), Vec::new()));
    std::fs::write(&list, "bob\n").expect("a file");
    let told = gate.try_reload(groups(&a, &b, &release)).await.expect("a reload");
    let what = "release: other accounts in the lists of its canary rules";
    assert_eq!(told.changes, [what]);
    let [effect] = &*told.effects else { panic!("{:?}", told.effects) };
    assert!(effect.contains("over 5s, the next frame of each session of another group"), "{effect}");
    std::fs::remove_dir_all(&folder).expect("the folder");
}

#[tokio::test]
async fn a_group_that_is_down_is_no_panic_of_the_other_one() {
    let a = Backend::echo().await;
    let (gone, also_gone) = (Backend::echo().await.kill().await, Backend::echo().await.kill().await);
    let of = |address: SocketAddr, group| format!("{{ address = \"{address}\", group = \"{group}\" }}");
    let backends = [of(a.address(), "a"), of(gone, "b"), of(also_gone, "b")].join(", ");
    let active = |group: &str| {
        Gate::builder().table(&format!(
            "[cluster.battle]\nhealth = {{ interval = \"100ms\", fall = 1 }}\nbackends = [{backends}]\n\
             [route.battle]\nids = [1000]\nclass = \"critical\"\ncluster = \"battle\"\n[release]\nactive = \"{group}\""
        ))
    };
    let mut gate = active("a").start().await;
    within("the probes to fail", async {
        let health =
            || gate.inner().world().cluster_facts(Duration::ZERO)[0].backends[1..].iter().any(|it| it.up);
        while health() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    in_with(&gate, b"in").await;
    let panic = |gate: &Gate| {
        let page = gate.inner().metrics_page();
        let facts = gate.inner().world().cluster_facts(Duration::ZERO)[0].panic;
        assert_eq!(page.contains("realmgate_cluster_panic{cluster=\"battle\"} 1"), facts);
        facts
    };
    assert!(!panic(&gate), "for everybody who comes in there is a healthy one");
    gate.reload(active("b")).await;
    assert!(panic(&gate), "for everybody who comes in there is none");
}

#[tokio::test]
async fn a_cluster_with_its_own_active_group_does_not_follow_the_release() {
    let (a, b) = (Backend::echo().await, Backend::echo().await);
    let builder = |active: &str| {
        let (a, b) = (a.address(), b.address());
        Gate::builder().table(&format!(
            "[cluster.battle]\nactive = \"{active}\"\nbackends = [{{ address = \"{a}\", group = \"a\" }}, {{ address = \"{b}\", group = \"b\" }}]\n\
             [route.battle]\nids = [1000]\ncluster = \"battle\"\n[release]\nactive = \"a\""
        ))
    };
    let mut gate = builder("b").start().await;
    let mut old = in_with(&gate, b"old").await;
    assert_eq!((opens(&a), opens(&b)), (0, 1));
    gate.reload(builder("a")).await;
    old.echo(1000, b"stays").await;
    in_with(&gate, b"new").await;
    assert_eq!((opens(&a), opens(&b)), (1, 1));
}

#[tokio::test]
async fn a_cluster_that_says_its_own_group_from_now_on_leaves_those_who_are_in() {
    let (a, b) = (Backend::echo().await, Backend::echo().await);
    let own = |active: &str| {
        let (a, b) = (a.address(), b.address());
        Gate::builder().table(&format!(
            "[cluster.battle]\n{active}\nbackends = [{{ address = \"{a}\", group = \"a\" }}, {{ address = \"{b}\", group = \"b\" }}]\n\
             [route.battle]\nids = [1000]\ncluster = \"battle\"\n[release]\nactive = \"a\""
        ))
    };
    let mut gate = own("").start().await;
    let mut first = in_with(&gate, b"in a").await;
    gate.reload(own("active = \"b\"")).await;
    let mut second = in_with(&gate, b"in b").await;
    first.echo(1000, b"stays in a").await;
    gate.reload(own("")).await;
    second.echo(1000, b"stays in b").await;
    assert_eq!((opens(&a), opens(&b)), (1, 1));
}

fn closed(message: &str, until: Option<SystemTime>) -> Override {
    let words =
        Maintenance { message: message.to_owned(), retry_after: Some(Duration::from_secs(1200)), until };
    Override::Maintenance { route: "rank".to_owned(), closed: Some(words) }
}

#[tokio::test]
async fn maintenance_is_for_one_route_and_ends_with_recovered_for_those_who_were_refused() {
    let (battle, rank) = (Backend::echo().await, Backend::echo().await);
    let builder = |more: &str| {
        Gate::builder()
            .shared("battle", "1000", &[battle.address()], "")
            .table(&format!(
                "[cluster.rank]\nbackends = [{{ address = \"{}\" }}]\n[route.rank]\nids = [3000]\ncluster = \"rank\"\n{more}",
                rank.address()
            ))
    };
    let mut gate = builder("maintenance = { message = \"until ten\", retry_after = \"20m\" }").start().await;
    let (mut refused, mut other) = (in_with(&gate, b"in").await, in_with(&gate, b"in").await);
    refused.send(3000, b"ranks").await;
    let notice = refused.notice().await;
    assert!(
        [
            "\"code\":\"maintenance\"",
            "\"route\":\"rank\"",
            "until ten",
            "\"retry_after_ms\":1200000",
            "\"id\":3000"
        ]
        .iter()
        .all(|part| notice.contains(part)),
        "{notice}"
    );
    refused.echo(1000, b"everything else goes on").await;
    gate.reload(builder("")).await;
    let notice = refused.notice().await;
    assert!(notice.contains("recovered") && notice.contains("rank"), "{notice}");
    refused.echo(3000, b"ranks").await;
    other.echo(3000, b"and hears of nothing").await;
    gate.change(closed("by the operator", None)).await;
    other.send(3000, b"ranks").await;
    assert!(other.notice().await.contains("by the operator"));
    gate.change(Override::Maintenance { route: "rank".to_owned(), closed: None }).await;
    assert!(other.notice().await.contains("recovered"));
    refused.echo(3000, b"was not told of the second time").await;
}

/// The operator closes the route for some seconds, and the player hears of both.
async fn closes_for_a_moment(gate: &mut Gate, player: &mut Player) {
    #[expect(clippy::disallowed_methods, reason = "maintenance is told in the time of people")]
    let soon = SystemTime::now() + Duration::from_secs(4);
    gate.change(closed("a moment", Some(soon))).await;
    player.send(3000, b"ranks").await;
    assert!(player.notice().await.contains("a moment"));
    assert!(player.notice().await.contains("recovered"));
    player.echo(3000, b"ranks").await;
}

#[tokio::test]
async fn maintenance_ends_by_itself_at_its_time() {
    let rank = Backend::echo().await;
    let mut gate = Gate::builder().shared("rank", "3000", &[rank.address()], "").start().await;
    let mut player = gate.player().await;
    closes_for_a_moment(&mut gate, &mut player).await;
}

#[tokio::test]
async fn a_maintenance_whose_time_is_over_hides_that_of_the_file_no_longer_than_to_the_next_reload() {
    let rank = Backend::echo().await;
    let builder = || {
        Gate::builder().table(&format!(
            "[cluster.rank]\nbackends = [{{ address = \"{}\" }}]\n[route.rank]\nids = [3000]\ncluster = \"rank\"\nmaintenance = {{ message = \"by the file\" }}",
            rank.address()
        ))
    };
    let mut gate = builder().start().await;
    let mut player = gate.player().await;
    closes_for_a_moment(&mut gate, &mut player).await;
    gate.reload(builder()).await;
    player.send(3000, b"ranks").await;
    assert!(player.notice().await.contains("by the file"));
}

fn state(backend: &Backend, state: AdminState) -> Override {
    Override::State { cluster: "battle".to_owned(), address: backend.address().to_string(), state }
}

#[tokio::test]
async fn a_drained_backend_keeps_its_sessions_and_gets_no_new_ones() {
    let (one, two) = (Backend::echo().await, Backend::echo().await);
    let backends = [one.address(), two.address()];
    let builder = || Gate::builder().shared("battle", "1000", &backends, "balance = \"backup\"");
    let mut gate = builder().start().await;
    let mut old = in_with(&gate, b"old").await;
    gate.change(state(&one, AdminState::Drain)).await;
    in_with(&gate, b"new").await;
    old.echo(1000, b"goes on").await;
    assert_eq!((opens(&one), opens(&two)), (1, 1));
    gate.reload(builder()).await;
    in_with(&gate, b"the operator's word survives a reload").await;
    assert_eq!((opens(&one), opens(&two)), (1, 2));
    gate.change(state(&one, AdminState::Ready)).await;
    in_with(&gate, b"new").await;
    assert_eq!((opens(&one), opens(&two)), (2, 2));
}

#[tokio::test]
async fn a_disabled_backend_loses_its_sessions_as_on_loss_says() {
    for on_loss in ["repick", "close"] {
        let (one, two) = (Backend::echo().await, Backend::echo().await);
        let backends = [one.address(), two.address()];
        let more = format!("balance = \"backup\"\non_loss = \"{on_loss}\"");
        let mut gate = Gate::builder().shared("battle", "1000", &backends, &more).start().await;
        let mut player = in_with(&gate, b"in").await;
        gate.change(state(&one, AdminState::Disable)).await;
        if on_loss == "close" {
            assert!(player.notice().await.contains("unavailable"));
            player.closed().await;
        } else {
            player.echo(1000, b"elsewhere").await;
        }
        in_with(&gate, b"new").await;
        assert_eq!(opens(&one), 1, "{on_loss}");
    }
}

#[tokio::test]
async fn a_fleet_of_which_a_third_is_drained_is_not_in_panic() {
    let backends = [Backend::echo().await, Backend::echo().await, Backend::echo().await];
    let addresses: Vec<_> = backends.iter().map(Backend::address).collect();
    let more = "panic_threshold = 100";
    let mut gate = Gate::builder().shared("battle", "1000", &addresses, more).start().await;
    gate.change(state(&backends[0], AdminState::Disable)).await;
    for _ in 0..4 {
        in_with(&gate, b"in").await;
    }
    assert_eq!(opens(&backends[0]), 0);
}

#[tokio::test]
async fn an_operators_word_on_what_is_not_there_is_refused_with_the_nearest_name() {
    let battle = Backend::echo().await;
    let mut gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let change = Override::State {
        cluster: "batle".to_owned(),
        address: battle.address().to_string(),
        state: AdminState::Drain,
    };
    let refused = gate.try_change(change).await.expect_err("there is no such cluster");
    assert!(refused.hint.contains("battle"), "{refused:?}");
    assert_eq!(gate.inner().world().generation(), 1);
}

#[tokio::test]
async fn the_backend_is_told_the_group_and_the_account_of_a_session() {
    let (a, b, login) = (Backend::echo().await, Backend::echo().await, Backend::echo().await);
    let gate = groups(&a, &b, "active = \"b\"").shared("login", "2000", &[login.address()], "").start().await;
    let mut player = gate.player().await;
    player.echo(2000, b"hello").await;
    let session = login.session().await;
    login.say(session, Message::Bind { account: "ann", epoch: 1 }).await;
    login.say(session, Message::Frame { payload: &frame(999, b"seen") }).await;
    assert_eq!(player.recv().await.id, 999);
    player.echo(1000, b"in").await;
    let told = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Known { account, group } => Some((account.clone(), group.clone())),
            _ => None,
        })
    };
    let expected = (Some("ann".to_owned()), Some("b".to_owned()));
    assert_eq!(b.wait("OPEN", told).await, expected);
}

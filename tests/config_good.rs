//! Files that are right: the shipped ones, the values they give and the defaults of the rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use realmgate::base::ProtocolId;
use realmgate::config::{Duplicate, LinkKind, LoginWay, Problem, Protocol, ProxyHeader, UnknownId};
use realmgate::policy::{Balance, OnLoss, RateLimit, RouteClass};
use realmgate::wire::{ByteOrder, Framing, Heartbeat, IdField, Width};

#[path = "config/plans.rs"]
mod plans;

use plans::{SMALLEST, file, plan};

/// Every shipped file, so that none goes stale.
fn shipped(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            shipped(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
}

#[test]
fn every_shipped_file_loads() {
    let mut files = Vec::new();
    shipped(Path::new("conf"), &mut files);
    assert!(files.len() >= 4);
    for path in files {
        file(&path.to_string_lossy());
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let plan = plan(SMALLEST);
    assert_eq!((plan.gateway().id().get(), plan.gateway().zone(), plan.gateway().workers()), (0, "", 0));
    let drain = plan.drain();
    let seconds = [drain.lame_duck(), drain.spread(), drain.deadline()].map(|time| time.as_secs());
    assert_eq!(seconds, [5, 30, 120]);

    let listener = &plan.listeners()[0];
    assert_eq!((listener.name(), listener.frame(), listener.tls().len()), ("players", "game", 0));
    assert_eq!(listener.layout().max_length, 64 << 10);
    assert_eq!((listener.layout().heartbeat, listener.layout().notice), (None, None));
    let limits = listener.limits();
    assert_eq!((limits.connections(), limits.send_buffer()), (20_000, 256 << 10));
    let times =
        [limits.handshake_timeout(), limits.frame_timeout(), limits.idle_timeout(), limits.write_timeout()];
    assert_eq!(times.map(|time| time.as_secs()), [5, 10, 90, 15]);

    let cluster = &plan.clusters()[0];
    assert!(matches!(cluster.link(), LinkKind::Shared));
    assert_eq!((cluster.balance(), cluster.on_loss()), (Balance::RoundRobin, OnLoss::Repick));
    assert!(cluster.sticky() && cluster.tls().is_none());
    assert_eq!((cluster.connect_timeout(), cluster.send_buffer()), (Duration::from_secs(1), 4 << 20));
    let backend = &cluster.backends()[0];
    assert_eq!((backend.weight(), backend.zone(), backend.max_sessions()), (100, "", None));

    let route = &plan.routes()[0];
    assert_eq!((route.class(), route.catch_all(), route.ids().len()), (RouteClass::Normal, true, 0));
}

#[test]
fn players_of_a_frame_without_notices_cannot_be_told() {
    assert_eq!(plan(SMALLEST).listeners()[0].unknown_id(), UnknownId::Drop);
    let told = SMALLEST.replace("[listener", "notice = { id = 9 }\n[listener");
    assert_eq!(plan(&told).listeners()[0].unknown_id(), UnknownId::Notice);
}

#[test]
fn the_complete_file_gives_what_it_says() {
    let plan = file("conf/realmgate.toml");
    assert_eq!((plan.gateway().id().get(), plan.gateway().zone()), (1, "sh-a"));
    let game = plan.frames().iter().find(|frame| frame.name() == "game").expect("it is there").layout();
    let framing = Framing::Fixed { offset: 0, width: Width::Four, order: ByteOrder::Big, adjust: 0 };
    assert_eq!(game.framing, framing);
    let id = IdField::Fixed { offset: 4, width: Width::Two, order: ByteOrder::Big, mask: 0xFFFF, shift: 0 };
    assert_eq!(game.id, Some(id));
    assert_eq!(game.heartbeat, Some(Heartbeat { id: ProtocolId(1), reply: ProtocolId(2) }));
    assert_eq!(game.notice, Some(ProtocolId(9000)));

    let names: Vec<_> = plan.clusters().iter().map(|cluster| cluster.name()).collect();
    assert_eq!(names, ["battle", "chat", "pay", "shop"]);
    for route in plan.routes().iter().filter(|route| !["rank", "login"].contains(&route.name())) {
        assert_eq!(plan.clusters()[route.cluster()].name(), route.name());
    }
    assert_eq!(plan.routes()[0].ids(), [(1000, 1000), (1001, 1999)]);
    let login = plan.login().expect("it has one");
    assert!(matches!(login.way(), LoginWay::Route(place) if plan.routes()[*place].name() == "login"));
    assert_eq!((login.duplicate(), login.resume()), (Duplicate::Replace, Some(Duration::from_secs(60))));
    let queue = login.queue().expect("it has one");
    assert_eq!((queue.above(), queue.length(), queue.redirect().len()), (18_000, 50_000, 1));
    assert!((queue.admit() - 200.0).abs() < f64::EPSILON);
    let guests: Vec<_> = plan.routes().iter().filter(|route| !route.needs_login()).collect();
    assert_eq!(guests.iter().map(|route| route.name()).collect::<Vec<_>>(), ["chat", "login"]);
    assert_eq!(
        (plan.clusters()[2].balance(), plan.clusters()[2].on_loss()),
        (Balance::Backup, OnLoss::Close)
    );
    let weights: Vec<_> = plan.clusters()[1].backends().iter().map(|backend| backend.weight()).collect();
    assert_eq!(weights, [100, 50]);
    let LinkKind::Dedicated { frame, proxy, .. } = plan.clusters()[1].link() else {
        panic!("chat is dedicated")
    };
    assert_eq!((frame.as_str(), *proxy), ("game", ProxyHeader::Off));
}

#[test]
fn a_dedicated_cluster_may_speak_websocket() {
    let text = SMALLEST.replace("[cluster.battle]", "[cluster.battle]\nlink = 'dedicated'");
    let path = |text: &str| match plan(text).clusters()[0].link() {
        LinkKind::Dedicated { websocket, .. } => websocket.clone(),
        LinkKind::Shared | LinkKind::Http => panic!("it is dedicated"),
    };
    assert_eq!(path(&text), None);
    let with = text.replace("'dedicated'", "'dedicated'\nwebsocket = '/play?v=2'");
    assert_eq!(path(&with).as_deref(), Some("/play?v=2"));
}

#[test]
fn every_kind_of_layout_can_be_said() {
    let plan = file("conf/examples/layouts.toml");
    let framing = |name: &str| {
        let frame = plan.frames().iter().find(|frame| frame.name() == name).expect("it is there");
        (frame.layout().framing, frame.layout().id)
    };
    assert_eq!(framing("varint"), (Framing::Varint { offset: 0, max_width: 3 }, Some(IdField::Varint)));
    let high = IdField::Fixed { offset: 0, width: Width::One, order: ByteOrder::Big, mask: 0xF0, shift: 4 };
    assert_eq!(framing("mqtt"), (Framing::Varint { offset: 1, max_width: 4 }, Some(high)));
    assert_eq!(framing("message").0, Framing::Message);
    let whole = Framing::Fixed { offset: 2, width: Width::Two, order: ByteOrder::Little, adjust: -4 };
    assert_eq!(framing("counted_whole").0, whole);
}

#[test]
fn a_listener_may_have_several_certificates_and_the_first_is_the_default() {
    let pairs =
        "tls = [{ certificate = 'a.pem', key = 'a.key' }, { certificate = 'b.pem', key = 'b.key' }]\n";
    let plan = plan(&SMALLEST.replace("[cluster", &format!("{pairs}[cluster")));
    let names: Vec<_> =
        plan.listeners()[0].tls().iter().map(|pair| pair.certificate().get().clone()).collect();
    assert_eq!(names, [PathBuf::from("a.pem"), PathBuf::from("b.pem")]);
}

#[test]
fn a_dedicated_cluster_has_the_frame_of_all_listeners() {
    let two = SMALLEST
        .replace(
            "[listener.players]",
            "[frame.other]\nlength = { kind = 'opaque' }\n[listener.players]\nframe = 'game'",
        )
        .replace("[cluster.battle]", "[cluster.battle]\nlink = 'dedicated'");
    let plan = plan(&two);
    assert!(matches!(plan.clusters()[0].link(), LinkKind::Dedicated { frame, .. } if frame == "game"));
}

#[test]
fn two_listeners_may_ask_for_any_port() {
    let more = "[listener.a]\nlisten = '127.0.0.1:0'\n[listener.b]\nlisten = '127.0.0.1:0'\n";
    assert_eq!(plan(&format!("{SMALLEST}{more}")).listeners().len(), 3);
}

#[test]
fn the_edge_reports_in_the_same_form() {
    let plan = plan(SMALLEST);
    let address = plan.clusters()[0].backends()[0].address();
    let problem = Problem::at(address.site(), "this host has no address")
        .because("no player of it would have been served")
        .write("write a name that resolves");
    let report = plan.report(vec![problem]).with_outcome("nothing was changed");
    insta::assert_snapshot!(report.render(false), @r#"
    error: this host has no address
      --> test.toml:10:25
       |
    10 | backends = [{ address = "10.0.1.1:7100" }]
       |                         ^^^^^^^^^^^^^^^
       |
       = note: no player of it would have been served
       = help: write a name that resolves

    1 mistake in test.toml; nothing was changed
    "#);
    assert_eq!(plan.place(address.site()), "test.toml:10:25");
}

#[test]
fn who_may_come_is_what_the_file_says() {
    let defaults = plan(SMALLEST);
    let listener = &defaults.listeners()[0];
    let address = |text: &str| text.parse().expect("an address");
    assert!(listener.client_ca().is_none() && !listener.has_proxies());
    assert!(listener.allows(address("192.0.2.1")) && !listener.denies(address("192.0.2.1")));
    let limits = listener.limits();
    let rate = |per_second, burst| Some(RateLimit { per_second, burst });
    assert_eq!((limits.connections_per_ip(), limits.handshakes()), (Some(200), 256));
    assert_eq!((limits.new_per_ip(), limits.frames_per_session()), (rate(50.0, 50), rate(100.0, 200)));
    assert_eq!(limits.login_timeout().as_secs(), 15);

    let more = "allow = ['10.0.0.0/8', '2001:db8::/32']\ndeny = ['10.9.0.0/16']\n\
        proxy_protocol = { trusted = ['192.0.2.7'] }\n\
        limits = { connections_per_ip = 0, new_per_ip = '600/m', frames_per_session = 'off', handshakes = 7, login_timeout = '3s' }\n";
    let given = plan(&SMALLEST.replace("listen = ", &format!("{more}listen = ")));
    let listener = &given.listeners()[0];
    assert!(listener.is_proxy(address("::ffff:192.0.2.7")) && !listener.is_proxy(address("192.0.2.8")));
    assert!(listener.allows(address("10.9.0.1")) && listener.denies(address("10.9.0.1")));
    assert!(listener.allows(address("2001:db8::1")) && !listener.allows(address("192.0.2.7")));
    let limits = listener.limits();
    assert_eq!((limits.connections_per_ip(), limits.handshakes()), (None, 7));
    assert_eq!((limits.new_per_ip(), limits.frames_per_session()), (rate(10.0, 600), None));
    assert_eq!(limits.login_timeout().as_secs(), 3);
}

#[test]
fn where_no_frames_are_read_none_are_counted() {
    let opaque = SMALLEST
        .replace(
            "[frame.game]\nlength = { width = 4 }\nid     = { offset = 4, width = 2 }",
            "[frame.game]\nlength = { kind = 'opaque' }",
        )
        .replace("[cluster.battle]", "[cluster.battle]\nlink = 'dedicated'");
    assert_eq!(plan(&opaque).listeners()[0].limits().frames_per_session(), None);
}

#[test]
fn what_a_websocket_listener_asks_of_a_handshake_is_what_the_file_says() {
    let tcp = plan(SMALLEST);
    assert_eq!(tcp.listeners()[0].protocol(), Protocol::Tcp);
    assert!(tcp.listeners()[0].websocket().is_none());
    let with = |more: &str| {
        plan(&SMALLEST.replace("listen = ", &format!("protocol = 'websocket'\n{more}listen = ")))
    };
    let least = with("");
    let rules = least.listeners()[0].websocket().expect("WebSocket");
    assert_eq!((rules.path(), rules.compression()), ("/", false));
    assert!(rules.origins().is_empty() && rules.subprotocols().is_empty());
    let all = with(
        "path = '/play/%7Enow'\norigins = ['https://game.example.com', 'http://[::1]:8080']\n\
         subprotocols = ['game.v2', 'game.v1']\ncompression = true\n",
    );
    let rules = all.listeners()[0].websocket().expect("WebSocket");
    assert_eq!(rules.path(), "/play/%7Enow");
    assert_eq!(rules.origins(), ["https://game.example.com", "http://[::1]:8080"]);
    assert_eq!(rules.subprotocols(), ["game.v2", "game.v1"]);
    assert!(rules.compression());
}

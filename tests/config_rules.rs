//! The rules of clusters and routes in files that are right: every value, and what holds without one.

use std::path::Path;
use std::time::Duration;

use realmgate::base::ProtocolId;
use realmgate::config::{HashOn, HttpTarget, Probe};
use realmgate::policy::{Balance, BreakerRules, HealthRules, OutlierRules};
use realmgate::wire::{ByteOrder, Width};

#[path = "config/plans.rs"]
mod plans;

use plans::{SMALLEST, file, plan};

#[test]
fn rules_that_are_left_out_have_the_numbers_of_their_policy() {
    let plan = plan(SMALLEST);
    let cluster = &plan.clusters()[0];
    assert_eq!((cluster.hash_on(), cluster.balance_key()), (&HashOn::Session, None));
    assert_eq!((cluster.slow_start(), cluster.panic_threshold()), (Duration::from_secs(30), 50));
    assert_eq!((cluster.health().probe(), cluster.health().rules()), (&Probe::Link, &HealthRules::default()));
    assert_eq!(cluster.outlier(), &OutlierRules::default());
    let route = &plan.routes()[0];
    assert_eq!((route.breaker(), route.reply()), (&BreakerRules::default(), None));
    let empty = "[cluster.battle.health]\n[cluster.battle.outlier]\n[route.battle.breaker]\n";
    let empty = self::plan(&format!("{SMALLEST}{empty}"));
    assert_eq!(empty.clusters()[0].health(), cluster.health());
    assert_eq!(empty.clusters()[0].outlier(), cluster.outlier());
    assert_eq!(empty.routes()[0].breaker(), route.breaker());
}

#[test]
fn frames_gather_only_where_the_file_says_so() {
    let delay = |text: &str| plan(&format!("{SMALLEST}{text}")).net().gather();
    assert_eq!(delay(""), None);
    assert_eq!(delay("[net]\n"), None);
    assert_eq!(delay("[net]\ngather = 'off'\ngather_delay = '1ms'\n"), None);
    assert_eq!(delay("[net]\ngather = 'adaptive'\n"), Some(Duration::from_micros(500)));
    assert_eq!(delay("[net]\ngather = 'adaptive'\ngather_delay = '5ms'\n"), Some(Duration::from_millis(5)));
}

#[test]
fn a_dedicated_cluster_is_probed_by_connecting() {
    let dedicated = SMALLEST.replace("[cluster.battle]", "[cluster.battle]\nlink = 'dedicated'");
    let only_times = "[cluster.battle.health]\ninterval = '3s'\n";
    for text in [dedicated.clone(), format!("{dedicated}{only_times}")] {
        assert_eq!(plan(&text).clusters()[0].health().probe(), &Probe::Tcp);
    }
}

#[test]
fn every_word_of_balance_and_every_key_can_be_said() {
    let balance = |text: &str| {
        let two = "backends = [{ address = \"10.0.1.2:7100\" }, ";
        let plan = plan(&SMALLEST.replace("backends = [", &format!("{text}\n{two}")));
        (plan.clusters()[0].balance(), plan.clusters()[0].hash_on().clone())
    };
    for word in [
        Balance::RoundRobin,
        Balance::Random,
        Balance::LeastLoad,
        Balance::Modulo,
        Balance::ConsistentHash,
        Balance::HotStandby,
        Balance::Backup,
    ] {
        assert_eq!(balance(&format!("balance = '{}'", word.as_str())), (word, HashOn::Session));
    }
    let field = |order| HashOn::Field { offset: 6, width: Width::Four, order };
    for (written, key) in [
        ("'session'", HashOn::Session),
        ("'account'", HashOn::Account),
        ("'client_ip'", HashOn::ClientIp),
        ("{ offset = 6, width = 4 }", field(ByteOrder::Big)),
        ("{ offset = 6, width = 4, order = 'little' }", field(ByteOrder::Little)),
    ] {
        let text = format!("balance = 'modulo'\nhash_on = {written}");
        assert_eq!(balance(&text), (Balance::Modulo, key.clone()), "{written}");
    }
}

#[test]
fn a_key_may_end_where_the_longest_frame_ends() {
    let key = "[cluster.battle]\nbalance = 'modulo'\nhash_on = { offset = 60, width = 4 }";
    let small = SMALLEST.replace("[frame.game]", "[frame.game]\nmax_length = '64B'");
    let cluster = plan(&small.replace("[cluster.battle]", key)).clusters()[0].clone();
    assert_eq!(cluster.balance_key(), Some(cluster.hash_on()));
}

#[test]
fn a_zone_that_no_backend_has_is_no_mistake() {
    let far = SMALLEST.replace(":7100\"", ":7100\", zone = 'bj-a', max_sessions = 1");
    let plan = plan(&format!("[gateway]\nzone = 'sh-a'\n{far}"));
    let backend = &plan.clusters()[0].backends()[0];
    assert_eq!((backend.zone(), backend.max_sessions()), ("bj-a", Some(1)));
}

#[test]
fn a_backend_may_be_chosen_by_every_part_of_a_request() {
    let cluster = |written: &str| {
        let text = format!(
            "[listener.open]\nlisten = '127.0.0.1:0'\nprotocol = 'http'\n\
             [cluster.shop]\nlink = 'http'\nbalance = 'consistent_hash'\n{written}\n\
             backends = [{{ address = '10.0.1.1:80' }}]\n\
             [http.shop]\nlistener = 'open'\npath = '/*'\ncluster = 'shop'\n"
        );
        plan(&text).clusters()[0].clone()
    };
    let cookie = |insert| HashOn::Cookie { name: "Gate".to_owned(), insert };
    for (written, key) in [
        ("", HashOn::ClientIp),
        ("hash_on = 'client_ip'", HashOn::ClientIp),
        ("hash_on = { header = 'X-Player' }", HashOn::Header("x-player".to_owned())),
        ("hash_on = { cookie = 'Gate' }", cookie(false)),
        ("hash_on = { cookie = 'Gate', insert = true }", cookie(true)),
        ("hash_on = { query = 'sid' }", HashOn::Query("sid".to_owned())),
    ] {
        let cluster = cluster(written);
        assert_eq!((cluster.hash_on(), cluster.health().probe()), (&key, &Probe::Tcp), "{written}");
    }
}

#[test]
fn the_complete_file_gives_the_rules_that_it_says() {
    let plan = file("conf/realmgate.toml");
    let [battle, chat, pay, shop] = plan.clusters() else { panic!("four clusters") };
    assert_eq!((battle.slow_start(), battle.panic_threshold()), (Duration::from_secs(30), 50));
    assert_eq!((battle.health().probe(), battle.health().rules()), (&Probe::Link, &HealthRules::default()));
    assert_eq!(battle.outlier(), &OutlierRules::default());
    let backends: Vec<_> =
        battle.backends().iter().map(|backend| (backend.zone(), backend.max_sessions())).collect();
    assert_eq!(backends, [("", None), ("", None), ("sh-a", None), ("", Some(2000)), ("", None)]);
    let key = HashOn::Field { offset: 6, width: Width::Four, order: ByteOrder::Big };
    assert_eq!((chat.balance(), chat.balance_key()), (Balance::ConsistentHash, Some(&key)));
    assert_eq!(chat.health().probe(), &Probe::Http { path: "/health".to_owned() });
    let bytes = |id| vec![0, 0, 0, 2, 0x0B, id];
    assert_eq!(pay.health().probe(), &Probe::Frame { send: bytes(0xB8), expect: bytes(0xB9) });
    assert_eq!((shop.link().as_str(), shop.health().probe()), ("http", &Probe::Tcp));
    assert_eq!(plan.http()[0].breaker(), &BreakerRules::default());
    let route = &plan.routes()[0];
    assert_eq!(route.breaker(), &BreakerRules::default());
    let reply = route.reply().map(|reply| (reply.id(), reply.within()));
    assert_eq!(reply, Some((ProtocolId(1001), Duration::from_secs(3))));
}

#[test]
fn every_number_of_the_rules_comes_from_its_key() {
    let ms = Duration::from_millis;
    let plan = plan(&format!(
        "{SMALLEST}{}",
        r#"
[route.battle.breaker]
consecutive = 1
failure_rate = 2
min_frames = 3
window = "40ms"
open = "50ms"
max_open = "60ms"
max_in_flight = 7
reply = { id = 8, within = "90ms" }
[cluster.battle.health]
probe = "http"
interval = "20ms"
timeout = "10ms"
fall = 3
rise = 4
[cluster.battle.outlier]
consecutive = 1
eject = "20ms"
max_eject = "30ms"
max_percent = 4
"#
    ));
    let (cluster, route) = (&plan.clusters()[0], &plan.routes()[0]);
    let breaker = BreakerRules {
        consecutive: 1,
        failure_rate: 2,
        min_frames: 3,
        window: ms(40),
        open: ms(50),
        max_open: ms(60),
        max_in_flight: 7,
    };
    assert_eq!(route.breaker(), &breaker);
    assert_eq!(route.reply().map(|reply| (reply.id().0, reply.within())), Some((8, ms(90))));
    let health = HealthRules { interval: ms(20), timeout: ms(10), fall: 3, rise: 4 };
    assert_eq!(cluster.health().rules(), &health);
    assert_eq!(cluster.health().probe(), &Probe::Http { path: "/health".to_owned() });
    let outlier = OutlierRules { consecutive: 1, eject: ms(20), max_eject: ms(30), max_percent: 4 };
    assert_eq!(cluster.outlier(), &outlier);
}

#[test]
fn a_request_is_answered_by_a_cluster_by_frames_or_by_a_file() {
    let text = r#"
        [frame.game]
        length = { width = 4 }
        id     = { offset = 4, width = 2 }
        [frame.other]
        length = { width = 2 }
        id     = { offset = 2, width = 1 }
        [listener.open]
        listen   = "127.0.0.1:8080"
        protocol = "http"
        [cluster.pay]
        frame    = "game"
        backends = [{ address = "10.0.1.1:7100" }]
        [cluster.web]
        link     = "http"
        backends = [{ address = "10.0.1.1:7300" }]
        [http.file]
        listener = "open"
        path     = "/season.json"
        file     = "season.json"
        cache    = "1h"
        [http.pay]
        listener = "open"
        path     = "/pay"
        cluster  = "pay"
        convert  = { id = 5001, reply = 5002 }
        [http.put]
        listener = "open"
        path     = "/put"
        cluster  = "pay"
        methods  = ["PUT"]
        convert  = { id = 5001, reply = 5001 }
        [http.web]
        listener = "open"
        path     = "/*"
        cluster  = "web"
        cache    = "10s"
    "#;
    let plan = plan(text);
    let targets: Vec<_> =
        plan.http().iter().map(|route| (route.target().cluster(), route.methods())).collect();
    let methods = |methods: &[&str]| methods.iter().map(|&method| method.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        targets,
        [
            (None, &methods(&["GET", "HEAD"])[..]),
            (Some(0), &methods(&["POST"])),
            (Some(0), &methods(&["PUT"])),
            (Some(1), &[]),
        ]
    );
    let HttpTarget::Convert(conversion) = plan.http()[1].target() else { panic!("it is converted") };
    assert_eq!((conversion.id(), conversion.reply()), (ProtocolId(5001), ProtocolId(5002)));
    assert_eq!(conversion.layout(), plan.frames()[0].layout());
    let HttpTarget::File(path) = plan.http()[0].target() else { panic!("it is a file") };
    assert_eq!(
        (path.get().as_path(), plan.http()[0].cache()),
        (Path::new("season.json"), Some(Duration::from_hours(1)))
    );
}

//! The metrics page of a running gate: every name of the contract, counts that are exact, and nothing of what is gone.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use realmgate::cluster::Registry;
use realmgate::config::{self, Source};
use realmgate::net::{Commons, Tickets, World, metrics_page};
use realmgate::telemetry::{Meters, ReloadResult, metric};
use realmgate::wire::link::{LINK, LoadReport, Message};
use tokio::io::AsyncReadExt;

use crate::fakes::{Backend, Certificates, Dedicated, Gate, until, within};
use crate::http::{Asker, get, open};

/// What `operations.md` asks for and this version has: the name, and all of its labels.
const CONTRACT: &[(&str, &[&str])] = &[
    ("listener_connections", &["listener"]),
    ("listener_accepted_total", &["listener"]),
    ("listener_refused_total", &["listener", "reason"]),
    ("tls_handshakes_total", &["result"]),
    ("tls_handshake_seconds_bucket", &["le"]),
    ("tls_certificate_expiry_timestamp_seconds", &["listener", "certificate"]),
    ("sessions", &["worker"]),
    ("session_ended_total", &["reason"]),
    ("route_frames_total", &["route", "direction"]),
    ("route_bytes_total", &["route", "direction"]),
    ("route_refused_total", &["route", "reason"]),
    ("route_breaker_state", &["route", "backend"]),
    ("backend_up", &["cluster", "backend"]),
    ("backend_sessions", &["cluster", "backend"]),
    ("backend_load_ratio", &["cluster", "backend", "kind"]),
    ("backend_probe_seconds_bucket", &["cluster", "backend", "le"]),
    ("backend_ejections_total", &["cluster", "backend"]),
    ("link_buffered_bytes", &["cluster", "backend"]),
    ("link_reconnects_total", &["cluster", "backend"]),
    ("http_requests_total", &["http", "partner", "status"]),
    ("http_request_seconds_bucket", &["http", "le"]),
    ("partner_refused_total", &["partner", "reason"]),
    ("config_reloads_total", &["result"]),
    ("config_generation", &[]),
    ("notices_total", &["code"]),
    ("worker_lag_seconds", &["worker"]),
    ("process_cpu_seconds_total", &[]),
    ("process_open_fds", &[]),
    ("process_resident_memory_bytes", &[]),
    ("process_start_time_seconds", &[]),
];

/// The names of a series' labels. Their values are words and addresses: none has a comma in it.
fn labels(series: &str) -> Vec<&str> {
    let list = series.split_once('{').map_or("", |(_, list)| list.trim_end_matches('}'));
    list.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name).collect()
}

/// A page, read: each series with its number.
struct Read(BTreeMap<String, f64>);

impl Read {
    fn of(page: &str) -> Self {
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| line.rsplit_once(' ').expect("a series and its number"));
        let read = |(series, number): (&str, &str)| {
            (series.to_owned(), number.parse().unwrap_or_else(|_| panic!("{number} of {series}")))
        };
        let lines = page.lines().filter(|line| !line.starts_with('#')).count();
        let all: BTreeMap<_, _> = samples.map(read).collect();
        assert_eq!(all.len(), lines, "no series twice");
        Self(all)
    }

    fn get(&self, series: &str) -> f64 {
        *self.0.get(&format!("realmgate_{series}")).unwrap_or_else(|| panic!("no {series} in {:#?}", self.0))
    }

    fn has(&self, part: &str) -> bool {
        self.0.keys().any(|series| series.contains(part))
    }
}

/// Waits until a series of the page has this number.
async fn wait_for(gate: &Gate, series: &str, number: f64) {
    until(series, || Read::of(&gate.inner().metrics_page()).get(series) == number).await;
}

async fn handshake_of(gate: &Gate, bytes: &[u8]) {
    let mut stream = tokio::net::TcpStream::connect(gate.address()).await.expect("the gate listens");
    if !bytes.is_empty() {
        tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await.expect("written");
        let mut answer = Vec::new();
        drop(within("the gate to close", stream.read_to_end(&mut answer)).await);
    }
}

/// A listener for HTTP with a route that one partner may ask.
fn partners(keys: &Path) -> String {
    let key = "0".repeat(64);
    std::fs::write(keys, format!("{key}  -\n")).expect("a file");
    format!(
        "[listener.open]\nlisten = \"127.0.0.1:0\"\nprotocol = \"http\"\n\
         [cluster.web]\nlink = \"http\"\nbackends = [{{ address = \"127.0.0.1:1\" }}]\n\
         [http.pay]\nlistener = \"open\"\ncluster = \"web\"\npath = \"/*\"\npartners = [\"adnet\"]\n\
         [partner.adnet]\nauth = {{ kind = \"api_key\", keys_file = \"{}\" }}",
        keys.display()
    )
}

/// A gate with every kind of thing in it, and players and a stranger that have used them.
async fn served(certificates: &Certificates) -> (Gate, Backend) {
    let (battle, chat) = (Backend::echo().await, Dedicated::start().await);
    let gate = Gate::builder()
        .workers(2)
        .shared("battle", "1000", &[battle.address()], "health = { interval = \"100ms\" }")
        .dedicated("chat", "2000", &[chat.address()], "frame = \"game\"")
        .table(&partners(&certificates.folder.path("keys")))
        .start_tls(certificates)
        .await;
    let mut one = gate.tls_player().await;
    for body in [&b"a"[..], b"bc", b"def"] {
        one.echo(1000, body).await;
    }
    let report = LoadReport { load: Some(5000), sessions: Some(1), capacity: Some(100) };
    battle.say(LINK, Message::Load(report)).await;
    let mut two = gate.tls_player().await;
    two.send(1, b"").await;
    assert_eq!(two.recv().await.id, 2);
    two.send(77, b"").await;
    assert!(two.notice().await.contains("unknown_id"));
    handshake_of(&gate, b"this is no TLS at all, whatever it may be").await;
    handshake_of(&gate, b"").await;
    let mut stranger = Asker::connect(open(&gate)).await;
    assert_eq!(stranger.ask(get("/pay")).await.status, 401);
    drop((one, two, stranger));
    wait_for(&gate, "listener_accepted_total{listener=\"players\"}", 4.0).await;
    gate.is_empty().await;
    (gate, battle)
}

#[tokio::test]
async fn every_name_of_the_contract_is_on_the_page_in_its_order() {
    let certificates = Certificates::new();
    let (gate, battle) = served(&certificates).await;
    let probed = format!("backend_up{{cluster=\"battle\",backend=\"{}\"}}", battle.address());
    wait_for(&gate, &probed, 1.0).await;
    let load = r#"kind="reported""#;
    until("the report", || Read::of(&gate.inner().metrics_page()).has(load)).await;
    let page = gate.inner().metrics_page();
    // What promtool thinks of it: conf/prometheus/verify.sh.
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("metrics.prom"), &page).expect("a file");
    let read = Read::of(&page);
    for (name, wanted) in CONTRACT {
        let is_it = |series: &&String| series.split('{').next() == Some(&format!("realmgate_{name}"));
        let found: Vec<_> = read.0.keys().filter(is_it).map(|series| labels(series)).collect();
        assert!(!found.is_empty(), "no {name} in\n{page}");
        assert!(found.iter().all(|labels| labels == wanted), "{name}: {found:?} instead of {wanted:?}");
    }
    let heads: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let all: Vec<_> =
        metric::ALL.iter().map(|entry| format!("{} {}", entry.name, entry.kind.as_str())).collect();
    assert_eq!(heads, all, "every metric of the table, in its order");
}

#[tokio::test]
async fn a_count_goes_up_by_what_happened_and_by_nothing_else() {
    let certificates = Certificates::new();
    let (gate, battle) = served(&certificates).await;
    let read = Read::of(&gate.inner().metrics_page());
    let here = format!("cluster=\"battle\",backend=\"{}\"", battle.address());
    let expected = [
        ("listener_accepted_total{listener=\"players\"}".to_owned(), 4.0),
        ("listener_connections{listener=\"players\"}".to_owned(), 0.0),
        ("tls_handshakes_total{result=\"ok\"}".to_owned(), 2.0),
        ("tls_handshakes_total{result=\"failed\"}".to_owned(), 1.0),
        ("tls_handshakes_total{result=\"timeout\"}".to_owned(), 0.0),
        ("tls_handshakes_total{result=\"abandoned\"}".to_owned(), 1.0),
        ("tls_handshake_seconds_count".to_owned(), 2.0),
        ("session_started_total".to_owned(), 4.0),
        ("session_ended_total{reason=\"tls_failed\"}".to_owned(), 1.0),
        ("session_heartbeats_total".to_owned(), 1.0),
        ("session_unknown_ids_total".to_owned(), 1.0),
        ("notices_total{code=\"unknown_id\"}".to_owned(), 1.0),
        ("notices_total{code=\"kicked\"}".to_owned(), 0.0),
        ("route_frames_total{route=\"battle\",direction=\"in\"}".to_owned(), 3.0),
        ("route_frames_total{route=\"battle\",direction=\"out\"}".to_owned(), 3.0),
        ("route_bytes_total{route=\"battle\",direction=\"in\"}".to_owned(), 24.0),
        ("route_frames_total{route=\"chat\",direction=\"in\"}".to_owned(), 0.0),
        (format!("route_breaker_state{{route=\"battle\",backend=\"{}\"}}", battle.address()), 0.0),
        (format!("backend_sessions{{{here}}}"), 0.0),
        (format!("link_up{{{here}}}"), 2.0),
        (format!("link_reconnects_total{{{here}}}"), 0.0),
        ("http_requests_total{http=\"pay\",partner=\"\",status=\"401\"}".to_owned(), 1.0),
        ("http_request_seconds_count{http=\"pay\"}".to_owned(), 1.0),
        ("partner_refused_total{partner=\"\",reason=\"unsigned\"}".to_owned(), 1.0),
        ("partner_refused_total{partner=\"adnet\",reason=\"unsigned\"}".to_owned(), 0.0),
        ("config_generation".to_owned(), 1.0),
    ];
    for (series, number) in expected {
        assert_eq!(read.get(&series), number, "{series}");
    }
    let ended: f64 =
        read.0.iter().filter(|(series, _)| series.contains("session_ended")).map(|(_, number)| number).sum();
    assert_eq!(ended, 4.0, "each session ended once");
    let (expiry, start) = (read.has("game.pem"), read.get("process_start_time_seconds"));
    assert!(expiry && start > 1e9);
}

#[tokio::test]
async fn a_lost_backend_is_counted_once_and_its_return_too() {
    let battle = Backend::echo().await;
    let address = battle.address();
    let rules = "outlier = { consecutive = 1 }\nhealth = { interval = \"1h\" }";
    let gate = Gate::builder().shared("battle", "1000", &[address], rules).start().await;
    gate.player().await.echo(1000, b"in").await;
    let here = format!("{{cluster=\"battle\",backend=\"{address}\"}}");
    assert_eq!(battle.kill().await, address);
    wait_for(&gate, &format!("backend_ejections_total{here}"), 1.0).await;
    let read = Read::of(&gate.inner().metrics_page());
    assert_eq!(read.get(&format!("backend_ejected{here}")), 1.0);
    assert_eq!(read.get(&format!("link_up{here}")), 0.0);
    assert_eq!(read.get(&format!("link_buffered_bytes{here}")), 0.0);
    let _again = Backend::at(address).await;
    wait_for(&gate, &format!("link_reconnects_total{here}"), 1.0).await;
    assert_eq!(Read::of(&gate.inner().metrics_page()).get(&format!("backend_ejections_total{here}")), 1.0);
}

#[tokio::test]
async fn every_worker_turns_and_says_how_late_it_was() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().workers(2).shared("battle", "1000", &[battle.address()], "").start().await;
    let read = || Read::of(&gate.inner().metrics_page());
    let lag = |worker: &str| read().get(&format!("worker_lag_seconds{{worker=\"{worker}\"}}"));
    // Nothing before it has turned, and no alarm is on time to the microsecond.
    until("both to turn", || !["0", "1"].map(lag).contains(&0.0)).await;
    assert!(!read().has("worker=\"2\""));
}

fn world(routes: &[&str], registry: &mut Registry, meters: &Meters) -> World {
    let tables: String = routes
        .iter()
        .enumerate()
        .map(|(place, name)| {
            format!(
                "[cluster.{name}]\nbackends = [{{ address = \"127.0.0.1:{}\" }}]\n\
                 [route.{name}]\nids = [{place}]\ncluster = \"{name}\"\n",
                place + 1
            )
        })
        .collect();
    let text = format!(
        "[frame.game]\nlength = {{ offset = 0, width = 4 }}\nid = {{ offset = 4, width = 2 }}\n\
         [listener.players]\nlisten = \"127.0.0.1:0\"\n{tables}"
    );
    let plan = config::parse(vec![Source { path: "test.toml".into(), text }]);
    let plan = plan.unwrap_or_else(|report| panic!("{}", report.render(false)));
    World::build(plan, registry, meters, &Tickets::new().expect("randomness"), UNIX_EPOCH).expect("a world")
}

#[test]
fn what_a_reload_took_away_is_not_on_the_page_and_what_stays_keeps_its_count() {
    let (mut registry, meters) = (Registry::default(), Meters::new(1));
    let before = world(&["battle", "shop"], &mut registry, &meters);
    for route in ["battle", "shop"] {
        meters.route(route).of(0).expect("one worker").frames_in.add(7);
    }
    let page = metrics_page(&before, &meters, &Commons::new(), &[], Duration::ZERO);
    assert!(page.contains("shop") && page.contains("127.0.0.1:2"));
    let after = world(&["battle"], &mut registry, &meters);
    meters.reloads.reloaded(ReloadResult::Applied);
    meters.reloads.set_generation(2);
    meters.reloads.reloaded(ReloadResult::Rejected);
    let page = metrics_page(&after, &meters, &Commons::new(), &[], Duration::ZERO);
    assert!(!page.contains("shop") && !page.contains("127.0.0.1:2"), "{page}");
    let read = Read::of(&page);
    assert_eq!(read.get("route_frames_total{route=\"battle\",direction=\"in\"}"), 7.0);
    assert_eq!(read.get("config_reloads_total{result=\"applied\"}"), 1.0);
    assert_eq!(read.get("config_reloads_total{result=\"rejected\"}"), 1.0);
    assert_eq!((read.get("config_generation"), read.get("config_last_reload_successful")), (2.0, 0.0));
}

//! Every row of the table that is only read.

use realmgate::admin::Bounds;
use realmgate::base::Phase;
use realmgate::policy::Resource;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fakes::{Office, within};

#[tokio::test]
async fn status_says_what_runs_where() {
    let office = Office::open().await;
    let reply = office.get("/v1/status").await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let status = reply.json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pid"], std::process::id());
    assert_eq!(status["phase"], "serving");
    assert_eq!(status["generation"], 1);
    let hash = format!("{:016x}", office.gate.world().plan().hash());
    assert_eq!(status["file_hash"], hash);
    assert_eq!(status["sessions_by_worker"], json!([0, 0]));
    assert_eq!((&status["players_in"], &status["queue_length"]), (&json!(0), &json!(0)));
    assert!(status["uptime_s"].is_u64() && status["overrides"] == 0);
    let address = office.gate.address("players").expect("it listens").to_string();
    let players = json!([{ "name": "players", "address": address, "tls": false, "connections": 0 }]);
    assert_eq!(status["listeners"], players);
    office.close().await;
}

#[tokio::test]
async fn clusters_are_told_backend_by_backend() {
    let office = Office::open().await;
    let all = office.get("/v1/clusters").await.json();
    let names: Vec<_> = all["clusters"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["battle", "rest"]);
    let battle = office.get("/v1/clusters/battle").await.json();
    assert_eq!((&battle["link"], &battle["group"]), (&json!("shared"), &json!("b")));
    let backends = battle["backends"].as_array().expect("a list");
    let addresses: Vec<_> = backends.iter().map(|one| &one["address"]).collect();
    assert_eq!(addresses, ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"], "in the order of the file");
    assert_eq!((&backends[0]["zone"], &backends[1]["weight"]), (&json!("a"), &json!(50)));
    for key in [
        "group",
        "weight_now",
        "admin",
        "health",
        "reason",
        "ejected_ms",
        "state",
        "load_reported",
        "load_predicted",
        "capacity",
        "sessions",
        "links",
        "breakers",
    ] {
        assert!(backends[0].get(key).is_some(), "{key}");
    }
    let (status, error, hint) = office.get("/v1/clusters/batle%0A").await.error();
    assert_eq!((status, error.as_str()), (404, "there is no [cluster.batle?]"));
    assert_eq!(hint, "the clusters are: battle, rest");
    office.close().await;
}

#[tokio::test]
async fn routes_are_told_with_what_they_counted() {
    let office = Office::open().await;
    let routes = office.get("/v1/routes").await.json();
    let battle = &routes["routes"][0];
    assert_eq!(battle["ids"], json!([[1000, 1000], [1100, 1199]]));
    assert_eq!((&battle["cluster"], &battle["catch_all"]), (&json!("battle"), &json!(false)));
    assert_eq!((&battle["frames_in"], &battle["frames_out"]), (&json!(0), &json!(0)));
    assert!(battle["refused"].as_object().is_some_and(|reasons| !reasons.is_empty()));
    assert_eq!((&battle["breaker"], &battle["maintenance"]), (&json!("closed"), &json!(null)));
    assert_eq!(routes["routes"][1]["catch_all"], true);
    office.close().await;
}

#[tokio::test]
async fn sessions_are_listed_found_and_ended() {
    let office = Office::open().await;
    let gate = office.gate.address("players").expect("it listens");
    let mut player = TcpStream::connect(gate).await.expect("a connection");
    player.write_all(&[0, 0, 0, 2, 0, 1]).await.expect("a heartbeat");
    let mut reply = [0; 6];
    within("the heartbeat's reply", player.read_exact(&mut reply)).await.expect("a reply");
    let told = office.get("/v1/sessions").await.json();
    let session = &told["sessions"][0];
    assert_eq!(told["total"], 1);
    assert_eq!(session["address"], player.local_addr().expect("connected").to_string());
    assert_eq!((&session["listener"], &session["transport"]), (&json!("players"), &json!("tcp")));
    assert_eq!((&session["frames_in"], &session["bytes_out"]), (&json!(1), &json!(6)));
    assert_eq!(session["away"], false);
    let id = session["session"].as_str().expect("a number").to_owned();
    assert_eq!(office.get("/v1/sessions?account=ann").await.json()["sessions"], json!([]));
    assert_eq!(office.get("/v1/sessions?limit=0").await.json()["sessions"], json!([]));
    let kicked = office.post(&format!("/v1/sessions/{id}/kick"), "").await;
    assert_eq!((kicked.status, kicked.json()), (200, json!({ "kicked": 1 })));
    let mut last = Vec::new();
    within("the end of the session", player.read_to_end(&mut last)).await.expect("an end");
    assert!(String::from_utf8_lossy(&last).contains("kicked"), "{last:?}");
    office.close().await;
}

#[tokio::test]
async fn what_is_asked_of_sessions_is_checked() {
    let office = Office::open().await;
    for (query, error) in [
        ("limit=10001", "`limit` is wrong"),
        ("limit=-1", "`limit` is wrong"),
        ("limit=x", "`limit` is wrong"),
        ("acount=ann", "there is no key \"acount\" here"),
    ] {
        let (status, told, hint) = office.get(&format!("/v1/sessions?{query}")).await.error();
        assert_eq!((status, told.replace("missing or ", "").as_str()), (400, error), "{hint}");
    }
    let (_, _, hint) = office.get("/v1/sessions?acount=ann").await.error();
    assert!(hint.contains("did you mean \"account\"?"), "{hint}");
    office.close().await;
}

#[tokio::test]
async fn the_plan_is_told_without_its_secrets() {
    let probe = "[cluster.rest.health]\nprobe = \"http\"\npath = \"/health?key=hush\"";
    let office = Office::with(&format!("token_file = \"token\"\n{probe}"), Bounds::default()).await;
    let head = [format!("Authorization: Bearer {}", crate::fakes::TOKEN)];
    let reply = office.request("GET /v1/config", &[&head[0]], "").await;
    let config = reply.json();
    assert_eq!(config["gateway"]["workers"], 2);
    assert!(config["admin"]["token_file"].as_str().is_some_and(|path| path.ends_with("token")));
    assert_eq!(config["clusters"][0]["backends"][1]["weight"], 50);
    assert_eq!(config["release"]["active"], "b");
    assert_eq!(config["frames"][0]["notice"], 9000);
    assert_eq!(config["clusters"][1]["health"]["path"], "/health");
    for secret in [crate::fakes::TOKEN, "hush"] {
        assert!(!reply.body.contains(secret), "{secret}: {}", reply.body);
    }
    office.close().await;
}

/// One of everything that `configuration` lacks.
const THE_REST: &str = r#"
[net]
gather = "adaptive"
[listener.proxied]
listen = "127.0.0.1:0"
proxy_protocol = { trusted = ["10.0.0.0/8"] }
deny = ["192.0.2.0/24"]
[listener.proxied.limits]
connections_per_ip = 0
login_timeout = "20s"
[listener.browsers]
listen = "127.0.0.1:0"
protocol = "websocket"
frame = "game"
path = "/play"
origins = ["https://game.example.com"]
allow = ["127.0.0.1"]
[listener.open]
listen = "127.0.0.1:0"
protocol = "http"
[cluster.game]
link = "dedicated"
websocket = "/game?key=hush"
backends = [{ address = "127.0.0.1:6" }]
[cluster.shop]
link = "http"
backends = [{ address = "127.0.0.1:5" }]
[route.game]
ids = [600]
cluster = "game"
limit = { per_session = "30/s" }
[route.login]
ids = [500]
cluster = "battle"
[http.shop]
listener = "open"
host = "open.example.com"
path = "/shop/*"
strip = "/shop"
methods = ["GET"]
partners = ["adnet"]
cluster = "shop"
cache = "1h"
[http.frames]
listener = "open"
path = "/frames"
cluster = "battle"
convert = { id = 1101, reply = 1102 }
max_body = "1KiB"
[http.season]
listener = "open"
path = "/season"
file = "token"
[partner.adnet]
auth = { kind = "hmac", secret_file = "secret" }
[login]
route = "login"
queue = { above = 5 }
"#;

#[tokio::test]
async fn the_plan_is_told_as_it_is() {
    let office = Office::with(THE_REST, Bounds::default()).await;
    let reply = office.get("/v1/config").await;
    let config = reply.json();
    let named = |list: &str, name: &str| {
        let found = config[list].as_array().expect("a list").iter().find(|one| one["name"] == name);
        found.unwrap_or_else(|| panic!("{list} has no {name}: {config}")).clone()
    };
    assert_eq!(config["net"], json!({ "gather": "adaptive", "gather_delay": "500us" }));
    let length = json!({ "kind": "fixed", "offset": 0, "width": 4, "order": "big", "adjust": 0 });
    assert_eq!(named("frames", "game")["length"], length);
    assert_eq!(named("frames", "game")["heartbeat"], json!({ "id": 1, "reply": 2 }));
    assert_eq!(named("frames", "game")["id"]["mask"], 0xFFFF);
    let proxied = named("listeners", "proxied");
    assert_eq!(proxied["proxy_protocol"], json!({ "trusted": ["10.0.0.0/8"] }));
    assert_eq!((&proxied["allow"], &proxied["deny"]), (&json!([]), &json!(["192.0.2.0/24"])));
    assert_eq!((&proxied["protocol"], &proxied["path"]), (&json!("tcp"), &json!(null)));
    let limits = &proxied["limits"];
    assert_eq!((&limits["connections_per_ip"], &limits["login_timeout"]), (&json!(null), &json!("20s")));
    assert_eq!((&limits["new_per_ip"], &limits["frames_per_session"]), (&json!("50/s"), &json!("100/s")));
    let browsers = named("listeners", "browsers");
    assert_eq!((&browsers["path"], &browsers["compression"]), (&json!("/play"), &json!(false)));
    assert_eq!(browsers["origins"], json!(["https://game.example.com"]));
    assert_eq!(browsers["proxy_protocol"], json!(null), "nobody speaks for others there");
    assert_eq!(named("clusters", "game")["websocket"], "/game");
    let shop = named("http", "shop");
    for (key, value) in [
        ("listener", json!("open")),
        ("host", json!("open.example.com")),
        ("path", json!("/shop/*")),
        ("strip", json!("/shop")),
        ("methods", json!(["GET"])),
        ("partners", json!(["adnet"])),
        ("cluster", json!("shop")),
        ("cache", json!("1h")),
        ("retries", json!(1)),
    ] {
        assert_eq!(shop[key], value, "{key}");
    }
    assert_eq!(named("http", "frames")["convert"], json!({ "id": 1101, "reply": 1102 }));
    assert_eq!(named("http", "frames")["max_body"], 1024);
    assert_eq!(named("clusters", "battle")["frame"], "game", "what requests become there");
    assert!(named("http", "season")["file"].as_str().is_some_and(|path| path.ends_with("token")));
    for secret in [crate::fakes::SECRET, "hush"] {
        assert!(!reply.body.contains(secret), "{secret}: {}", reply.body);
    }
    office.close().await;
}

/// The keys of the example that has all of them, each behind the table it stands in; those in comments, too.
fn keys_of_the_file() -> Vec<(String, String)> {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/realmgate.toml");
    let example = std::fs::read_to_string(example).expect("the example");
    let mut table = String::new();
    let mut keys = Vec::new();
    for line in example.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)) {
        let header = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        if let Some((name, _)) = header {
            name.clone_into(&mut table);
        } else if let Some((key, _)) = line.split_once('=') {
            let key = key.trim_end();
            let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            keys.extend(is_key.then(|| (table.clone(), key.to_owned())));
        }
    }
    keys
}

/// Where the plan in force has a key of the file; `None`: it is a secret.
fn told_as(table: &str, key: &str) -> Option<Vec<String>> {
    let (list, rest) = match table.split_once('.') {
        Some(("http", rest)) => ("http".to_owned(), rest),
        Some((kind @ ("frame" | "listener" | "cluster" | "route" | "partner"), rest)) => {
            (format!("{kind}s"), rest)
        }
        _ => (table.replace('.', "/"), ""),
    };
    let inside = rest.split_once('.').map_or("", |(_, inside)| inside);
    let words = match (list.as_str(), inside, key) {
        ("clusters", "health", "send" | "expect") => return None,
        ("frames", "notice", _) => "notice",
        ("partners", "", "rate") => "rate_per_second",
        ("login/queue", "", "admit") => "admit_per_second",
        (_, "", key) => key,
        (_, inside, key) => &format!("{inside}/{key}"),
    };
    Some(format!("{list}/{words}").split('/').map(str::to_owned).collect())
}

/// Whether something is told at a path, in one of the items where there is a list.
fn has(value: &serde_json::Value, path: &[String]) -> bool {
    let [first, rest @ ..] = path else { return true };
    match value.as_array() {
        Some(items) => items.iter().any(|item| has(item, path)),
        None => value.get(first).is_some_and(|inner| has(inner, rest)),
    }
}

#[tokio::test]
async fn the_plan_has_every_key_of_the_file() {
    let office = Office::with(THE_REST, Bounds::default()).await;
    let config = office.get("/v1/config").await.json();
    let keys = keys_of_the_file();
    assert!(keys.len() > 130, "{} keys", keys.len());
    let missing: Vec<_> = keys
        .iter()
        .filter(|(table, key)| told_as(table, key).is_some_and(|path| !has(&config, &path)))
        .collect();
    assert!(missing.is_empty(), "{missing:?} of the file are not told: {config}");
    office.close().await;
}

#[tokio::test]
async fn health_checks_follow_the_phase() {
    let office = Office::open().await;
    let alive = office.get("/healthz").await;
    assert_eq!((alive.status, alive.body.as_str()), (200, "ok\n"));
    let ready = office.get("/readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "serving\n"));
    for phase in [Phase::Starting, Phase::LameDuck, Phase::Draining, Phase::Stopped] {
        office.phase.send_replace(phase);
        let reply = office.get("/readyz").await;
        assert_eq!((reply.error().0, reply.json()["phase"].as_str()), (503, Some(phase.as_str())));
        assert_eq!(office.get("/healthz").await.status, 200, "it lives while it is {phase:?}");
    }
    office.close().await;
}

#[tokio::test]
async fn the_metrics_page_is_prometheus_text() {
    let office = Office::open().await;
    let page = office.get("/metrics").await;
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(page.body.contains("# TYPE realmgate_sessions gauge"), "{}", page.body);
    office.close().await;
}

/// `### METHOD PATH` of the manual, with the path's parts in capitals given a name.
fn documented() -> Vec<(String, String)> {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/admin-api.md");
    let manual = std::fs::read_to_string(manual).expect("the manual");
    let headings = manual.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase());
    let path = |path: &str| {
        path.split('/').map(|part| if is_name(part) { "x" } else { part }).collect::<Vec<_>>().join("/")
    };
    let split = |heading: &str| heading.split_once(' ').map(|(method, rest)| (method.to_owned(), path(rest)));
    headings.filter_map(split).collect()
}

#[tokio::test]
async fn the_manual_has_every_path() {
    let office = Office::open().await;
    let documented = documented();
    for (method, path) in &documented {
        let reply = office.request(&format!("PATCH {path}"), &[], "").await;
        let allowed = reply.header("allow").unwrap_or_default();
        assert!(allowed.contains(method.as_str()), "{method} {path} is not there: {reply:?}");
    }
    assert_eq!(documented.len(), 22, "a new path is described in docs/admin-api.md");
    office.close().await;
}

#[tokio::test]
async fn a_gateway_that_has_next_to_nothing_left_is_not_ready_and_says_of_what() {
    let office = Office::open().await;
    let press = async {
        loop {
            // Much more often than the gate's own samples come.
            (0..20).for_each(|_| office.gate.pressure().report(Resource::Descriptors, 1.0));
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let asked = async {
        let reply = loop {
            let reply = office.get("/readyz").await;
            if reply.status != 200 {
                break reply;
            }
        };
        let told = reply.json();
        assert_eq!(
            (reply.status, &told["resource"], &told["phase"]),
            (503, &json!("descriptors"), &json!("serving"))
        );
        assert!(told["pressure"].as_f64().is_some_and(|pressure| pressure >= 0.8), "{told}");
        let status = office.get("/v1/status").await.json();
        assert_eq!(status["pressure"]["level"], "refusing");
        assert_eq!(office.get("/healthz").await.status, 200, "it lives");
    };
    tokio::select! {
        () = press => unreachable!("it never ends"),
        () = asked => {}
    }
    within("the gate's own samples to calm it", async { while office.get("/readyz").await.status != 200 {} })
        .await;
    office.close().await;
}

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

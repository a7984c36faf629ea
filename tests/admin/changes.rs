//! Every row of the table that changes something: what order it becomes, and what comes back.

use std::time::Duration;

use realmgate::admin::{Order, Why};
use realmgate::base::Phase;
use realmgate::config::{AdminState, Banned, Maintenance, Moving, Override, Overrides, parse_moment};
use serde_json::json;

use crate::fakes::{Office, refuse, reloaded, within};

fn backend() -> (String, String) {
    ("battle".to_owned(), "127.0.0.1:1".to_owned())
}

#[tokio::test]
async fn a_change_becomes_an_order_and_is_answered_when_that_is_done() {
    let mut office = Office::open().await;
    let (cluster, address) = backend();
    let until = parse_moment("2030-01-01T00:00:00Z");
    let closed = |message: &str, minutes: u64| Maintenance {
        message: message.to_owned(),
        retry_after: Some(Duration::from_secs(minutes * 60)),
        until,
    };
    for (path, body, order) in [
        (
            "/v1/backends/battle/127.0.0.1:1",
            r#"{"state": "disable"}"#,
            Override::State {
                cluster: cluster.clone(),
                address: address.clone(),
                state: AdminState::Disable,
            },
        ),
        (
            "/v1/backends/battle/127.0.0.1%3A1",
            r#"{"weight": 0}"#,
            Override::Weight { cluster, address, weight: 0 },
        ),
        (
            "/v1/routes/battle/maintenance",
            r#"{"on": true, "message": "a \"b\"", "retry_after": "20m", "until": "2030-01-01T00:00:00Z"}"#,
            Override::Maintenance { route: "battle".to_owned(), closed: Some(closed("a \"b\"", 20)) },
        ),
        (
            "/v1/routes/battle/maintenance",
            r#"{"on": false}"#,
            Override::Maintenance { route: "battle".to_owned(), closed: None },
        ),
        (
            "/v1/release",
            r#"{"active": "c", "move": "forced"}"#,
            Override::Release { active: "c".to_owned(), moving: Some(Moving::Forced) },
        ),
        ("/v1/release", r#"{"active": "c"}"#, Override::Release { active: "c".to_owned(), moving: None }),
    ] {
        let (change, reply) = office.change(path, body).await;
        assert_eq!(change, order, "{path} {body}");
        let told = json!({ "generation": 7, "changes": ["a change"], "effects": ["3 sessions"] });
        assert_eq!((reply.status, reply.json()), (200, told));
    }
    office.close().await;
}

#[tokio::test]
async fn a_ban_ends_when_it_is_said_to() {
    let mut office = Office::open().await;
    for (body, whom) in [
        (
            r#"{"address": "192.0.2.1", "for": "1h"}"#,
            Banned::Address("192.0.2.1".parse().expect("an address")),
        ),
        (r#"{"account": "ann", "for": "1h"}"#, Banned::Account("ann".to_owned())),
    ] {
        let before = clock();
        let (change, reply) = office.change("/v1/bans", body).await;
        let Override::Ban { who, until } = change else { panic!("{change:?}") };
        let hour = Duration::from_secs(3600);
        assert!(who == whom && until >= before + hour && until <= clock() + hour, "{who:?} {until:?}");
        assert_eq!(reply.status, 200);
    }
    office.close().await;
}

#[expect(clippy::disallowed_methods, reason = "bans are told in the time of people")]
fn clock() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

#[tokio::test]
async fn what_is_in_force_is_told_as_it_was_asked_for() {
    let office = Office::open().await;
    let (cluster, address) = backend();
    let (later, over) = (clock() + Duration::from_secs(60), clock() - Duration::from_secs(60));
    let ban = |account: &str, until| Override::Ban { who: Banned::Account(account.to_owned()), until };
    let drained = Override::State { cluster, address, state: AdminState::Drain };
    let all: Overrides = [drained, ban("ann", later), ban("bob", over)].into_iter().collect();
    office.overrides.store(std::sync::Arc::new(all));
    let told = office.get("/v1/overrides").await.json();
    let drained = json!({ "kind": "state", "cluster": "battle", "address": "127.0.0.1:1", "state": "drain" });
    assert_eq!(told["overrides"][0], drained);
    let bans = office.get("/v1/bans").await.json();
    assert_eq!(bans["bans"].as_array().map(Vec::len), Some(1), "a ban that is over is none: {bans}");
    let mut ordered = told["overrides"][1].clone();
    ordered["by"] = json!("operator");
    assert_eq!((&ordered["account"], &ordered), (&json!("ann"), &bans["bans"][0]));
    assert_eq!(office.get("/v1/status").await.json()["overrides"], 2);
    office.close().await;
}

#[tokio::test]
async fn reload_clear_and_upgrade_are_orders_of_their_own() {
    let mut office = Office::open().await;
    for path in ["/v1/reload", "/v1/overrides/clear", "/v1/upgrade"] {
        let mut connection = office.connect().await;
        let head = format!("Host: {}\r\nContent-Type: application/json; charset=utf-8", office.address);
        connection
            .send(format!("POST {path} HTTP/1.1\r\n{head}\r\nContent-Length: 0\r\n\r\n").as_bytes())
            .await;
        let order = within("an order", office.orders.recv()).await.expect("an order");
        match (path, order) {
            ("/v1/reload", Order::Reload { answer, .. }) => drop(answer.send(Ok(reloaded()))),
            ("/v1/overrides/clear", Order::ClearOverrides { answer, .. }) => refuse(answer, Why::Busy),
            ("/v1/upgrade", Order::Upgrade { answer, .. }) => drop(answer.send(Ok(4711))),
            (path, order) => panic!("{path} became {order:?}"),
        }
        let reply = connection.reply().await.expect("an answer");
        let expected = match path {
            "/v1/reload" => json!({ "generation": 7, "changes": ["a change"], "effects": ["3 sessions"] }),
            "/v1/upgrade" => json!({ "pid": 4711 }),
            _ => json!({ "error": "it is \"so\"", "hint": "do\nthat" }),
        };
        assert_eq!(reply.json(), expected, "{path}");
    }
    office.close().await;
}

#[tokio::test]
async fn who_has_asked_is_answered_before_the_api_is_gone() {
    let mut office = Office::open().await;
    let mut idle = office.connect().await;
    idle.send(b"GET /v1/bans HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    assert_eq!(idle.reply().await.expect("an answer").status, 200);
    let mut asking = office.connect().await;
    let head = format!("Host: {}\r\nContent-Type: application/json\r\nContent-Length: 0", office.address);
    asking.send(format!("POST /v1/upgrade HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).await;
    let Some(Order::Upgrade { answer, .. }) = within("an order", office.orders.recv()).await else {
        panic!("another order")
    };
    office.ending.send_replace(true);
    assert!(idle.reply().await.is_none(), "who asks nothing holds nothing up");
    assert!(!office.ending.is_closed(), "there is an answer to come");
    drop(answer.send(Ok(4711)));
    assert_eq!(asking.reply().await.expect("an answer").json(), json!({ "pid": 4711 }));
    within("the last connection to end", office.ending.closed()).await;
    office.close().await;
}

#[tokio::test]
async fn a_refusal_has_its_status_and_its_words() {
    let mut office = Office::open().await;
    for (why, status) in [(Why::Unknown, 404), (Why::Invalid, 400), (Why::Busy, 409), (Why::Failed, 500)] {
        let told = office.refused(why).await.error();
        assert_eq!(told, (status, "it is \"so\"".to_owned(), "do\nthat".to_owned()));
    }
    office.close().await;
}

#[tokio::test]
async fn who_stops_takes_no_orders_and_says_so() {
    let office = Office::open().await;
    let mut waiting = office.connect().await;
    let head = format!("Host: {}\r\nContent-Type: application/json\r\nContent-Length: 0", office.address);
    waiting.send(format!("POST /v1/reload HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).await;
    office.phase.send_replace(Phase::Draining);
    assert_eq!(waiting.reply().await.expect("an answer").error().0, 503, "who waits is told");
    assert_eq!(office.post("/v1/reload", "").await.error().0, 503);
    assert_eq!(office.get("/v1/status").await.status, 200, "it still tells how it is");
    office.close().await;
}

#[tokio::test]
async fn a_body_that_makes_no_sense_is_told_what_would() {
    let office = Office::open().await;
    let long = format!(r#"{{"on": true, "message": "{}"}}"#, "x".repeat(1001));
    for (path, body, error, hint) in [
        ("/v1/reload", "{", "the body is no JSON", "send no body, or {}"),
        ("/v1/reload", "[]", "the body is no JSON object", "send no body, or {}"),
        ("/v1/reload", r#"{"now": true}"#, "there is no key \"now\" here", "send no body, or {}"),
        (
            "/v1/release",
            r#"{"actve": "b"}"#,
            "\"actve\"",
            "did you mean \"active\"? the keys are: active, move",
        ),
        ("/v1/release", "{}", "`active` is missing", r#"write {"active": "b"}"#),
        ("/v1/release", r#"{"active": 1}"#, "`active` is missing or wrong", "a text"),
        ("/v1/release", r#"{"active": "b", "move": "fast"}"#, "`move`", "\"natural\" or \"forced\""),
        ("/v1/backends/battle/a:1", "{}", "`state`", r#"either {"state": "drain"} or {"weight": 50}"#),
        ("/v1/backends/battle/a:1", r#"{"state": "off"}"#, "`state`", "\"ready\", \"drain\" or \"disable\""),
        ("/v1/backends/battle/a:1", r#"{"state": "drain", "weight": 1}"#, "`state`", "either"),
        ("/v1/backends/battle/a:1", r#"{"weight": 65536}"#, "`weight`", "0 to 65535"),
        ("/v1/backends/battle/a:1", r#"{"weight": -1}"#, "`weight`", "a whole number"),
        ("/v1/routes/battle/maintenance", "{}", "`on`", r#"{"on": true}"#),
        ("/v1/routes/battle/maintenance", &long, "`message`", "at most 1000 bytes"),
        ("/v1/routes/battle/maintenance", "{\"on\": true, \"message\": \"a\\nb\"}", "`message`", "control"),
        ("/v1/routes/battle/maintenance", r#"{"on": true, "retry_after": "5"}"#, "`retry_after`", "\"20m\""),
        (
            "/v1/routes/battle/maintenance",
            r#"{"on": true, "until": "10:00"}"#,
            "`until`",
            "2026-11-21T10:00:00Z",
        ),
        (
            "/v1/routes/battle/maintenance",
            r#"{"on": true, "until": "9999-12-31T23:59:59-08:00"}"#,
            "`until`",
            "before the year 10000 in UTC",
        ),
        ("/v1/bans", r#"{"account": "ann"}"#, "`for`", "\"1h\""),
        ("/v1/bans", r#"{"account": "ann", "for": "9000h"}"#, "`for`", "at most 8760h"),
        ("/v1/bans", r#"{"for": "1h"}"#, "`address`", "either an address or an account"),
        ("/v1/bans", r#"{"address": "ann", "for": "1h"}"#, "`address`", "an IP address"),
        ("/v1/partners/adnet", "{}", "`enabled`", r#"{"enabled": true}"#),
        ("/v1/sessions/1/kick", "", "this is no session", "ctl sessions"),
    ] {
        let (status, told, how) = office.post(path, body).await.error();
        assert_eq!(status, 400, "{path} {body}: {told}");
        assert!(told.contains(error) && how.contains(hint), "{path} {body}: {told} / {how}");
    }
    office.close().await;
}

#[tokio::test]
async fn what_is_not_there_cannot_be_changed() {
    let office = Office::open().await;
    let long = format!("/v1/routes/{}/maintenance", "x".repeat(261));
    for path in ["/v1/backends/a%0Ab/127.0.0.1:1", "/v1/backends/battle/%1b[2J", long.as_str()] {
        let body = if path == long { r#"{"on": true}"# } else { r#"{"state": "drain"}"# };
        let (status, error, _) = office.post(path, body).await.error();
        assert!(status == 404 && error.len() < 250 && !error.contains(char::is_control), "{path}: {error}");
    }
    assert_eq!(office.post("/v1/sessions/00100000000000ff/kick", "").await.error().0, 404);
    assert_eq!(office.post("/v1/accounts/ann%20b%C3%A4r/kick", "{}").await.error().0, 404);
    office.close().await;
}

//! What speaks of metrics speaks of those that are there: the document, the alerts and the dashboard.
#![expect(clippy::string_slice, reason = "a test may panic and names what it means")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use realmgate::session::EndReason;
use realmgate::telemetry::metric::{self, Kind};
use realmgate::telemetry::{Audience, Fate, LoginResult, ReloadResult, Resumption, TryFailure};
use serde_json::{Value, json};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file of the project")
}

fn dashboard() -> Value {
    serde_json::from_str(&read("conf/grafana/realmgate.json")).expect("JSON")
}

/// Every series that a page can have.
fn series() -> BTreeSet<String> {
    let all = metric::ALL.iter().flat_map(|entry| {
        let suffixes: &[&str] =
            if entry.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        suffixes.iter().map(|suffix| format!("{}{suffix}", entry.name))
    });
    all.collect()
}

/// Every `realmgate_...` of a text.
fn named_in(text: &str) -> BTreeSet<String> {
    let name = |(at, _): (usize, &str)| {
        let end = text[at..].find(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        text[at..end.map_or(text.len(), |end| at + end)].to_owned()
    };
    text.match_indices("realmgate_").map(name).collect()
}

/// Every expression below a value.
fn expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("expr").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(expressions)).collect()
        }
        Value::Array(values) => values.iter().flat_map(expressions).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[test]
fn the_document_has_a_row_for_every_metric_and_no_other() {
    let text = read("docs/metrics.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `realmgate_")).collect();
    let labels = |labels: &[&str]| {
        let quoted: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        if quoted.is_empty() { "-".to_owned() } else { quoted.join(", ") }
    };
    let expected = metric::ALL.iter().map(|entry| {
        format!("| `{}` | {} | {} | {} |", entry.name, entry.kind.as_str(), labels(entry.labels), entry.help)
    });
    assert_eq!(rows, expected.collect::<Vec<_>>());
}

#[test]
fn every_word_of_a_label_is_explained_where_the_document_tells_of_its_metric() {
    let text = read("docs/metrics.md");
    let (_, told) = text.split_once("## What the words mean").expect("the section");
    for (metric, words) in [
        ("session_ended_total", EndReason::ALL.map(EndReason::as_str).to_vec()),
        ("session_logins_total", LoginResult::ALL.map(LoginResult::as_str).to_vec()),
        ("session_resumes_total", Resumption::ALL.map(Resumption::as_str).to_vec()),
        ("http_tries_failed_total", TryFailure::ALL.map(TryFailure::as_str).to_vec()),
        ("config_reloads_total", ReloadResult::ALL.map(ReloadResult::as_str).to_vec()),
        ("publications_total", Audience::ALL.map(Audience::as_str).to_vec()),
        ("publication_frames_total", Fate::ALL.map(Fate::as_str).to_vec()),
    ] {
        let point = told.split("\n* ").find(|point| point.starts_with(&format!("`{metric}`")));
        let point = point.unwrap_or_else(|| panic!("nothing is told of {metric}"));
        let missing: Vec<_> = words.iter().filter(|word| !point.contains(&format!("`{word}`"))).collect();
        assert!(missing.is_empty(), "{metric}: {missing:?}");
    }
}

#[test]
fn alerts_and_dashboard_name_only_metrics_of_the_page() {
    let known = series();
    for file in
        ["conf/prometheus/alerts.yml", "conf/prometheus/alerts.test.yml", "conf/grafana/realmgate.json"]
    {
        let named = named_in(&read(file));
        assert!(named.len() > 10, "{file} names {named:?}");
        let foreign: Vec<_> = named.difference(&known).collect();
        assert!(foreign.is_empty(), "{file} names {foreign:?}");
    }
}

#[test]
fn every_metric_has_its_place_in_the_dashboard_but_those_that_count_the_machine_twice() {
    let shown: String = expressions(&dashboard()).join("\n");
    let named = named_in(&shown);
    let hidden: Vec<_> = metric::ALL
        .iter()
        .map(|entry| entry.name)
        .filter(|name| !named.iter().any(|shown| shown.starts_with(name)))
        .collect();
    assert_eq!(hidden, ["realmgate_process_virtual_memory_bytes", "realmgate_process_threads"]);
}

#[test]
fn the_dashboard_asks_the_chosen_source_for_the_chosen_gateways() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let kinds: Vec<_> = variables.iter().map(|variable| (&variable["name"], &variable["type"])).collect();
    assert_eq!(kinds, [(&json!("datasource"), &json!("datasource")), (&json!("instance"), &json!("query"))]);
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().expect("a number")).collect();
    assert_eq!(ids.len(), panels.len(), "no panel's number twice");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        let targets = panel["targets"].as_array().expect("what it shows");
        assert!(!targets.is_empty(), "{}", panel["title"]);
        for target in targets {
            let expression = target["expr"].as_str().expect("an expression");
            let names = expression.matches("realmgate_").count();
            assert_eq!(expression.matches("instance=~\"$instance\"").count(), names, "{expression}");
        }
    }
}

/// JSON is YAML too: conf/prometheus/verify.sh gives this file to promtool, which reads every expression.
#[test]
fn the_dashboards_expressions_are_left_for_promtool() {
    let filled = |expression: String| expression.replace("$instance", ".*").replace("$__rate_interval", "1m");
    let rules: Vec<_> = expressions(&dashboard())
        .into_iter()
        .enumerate()
        .map(|(place, expression)| json!({ "record": format!("dashboard:{place}"), "expr": filled(expression) }))
        .collect();
    assert!(rules.len() > 40, "{} expressions", rules.len());
    let file = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard.rules.yml");
    fs::write(path, file.to_string()).expect("a file");
}

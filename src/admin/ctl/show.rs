//! The API's answers as people read them.

use serde_json::Value;

use super::table::Table;
pub(super) use super::table::plain;
use super::units::{bytes, span};

/// `status`.
pub(super) fn status(answer: &Value) -> String {
    let workers: Vec<_> = list(answer, "sessions_by_worker").iter().map(word).collect();
    let lines = [
        ("version", format!("{}, process {}", text(answer, "version"), text(answer, "pid"))),
        ("phase", phase(answer)),
        ("file", format!("{} ({})", text(answer, "file"), text(answer, "file_hash"))),
        ("generation", text(answer, "generation")),
        ("sessions", format!("{} (by worker: {})", text(answer, "sessions"), workers.join(" "))),
        ("pressure", pressure(answer)),
        ("players", format!("{} in, {} waiting", text(answer, "players_in"), text(answer, "queue_length"))),
        ("overrides", text(answer, "overrides")),
    ];
    let refused = Some(text(answer, "file_refused")).filter(|mistakes| !mistakes.is_empty());
    let refused = refused.map(|mistakes| ("refused", format!("{mistakes}: see the log, or realmgate check")));
    let lines = lines.into_iter().chain(refused);
    let lines: String = lines.map(|(name, value)| format!("{name:<12}{}\n", plain(&value))).collect();
    let mut table = Table::new(&["LISTENER", "ADDRESS", "TLS", ">CONNECTIONS"]);
    for one in list(answer, "listeners") {
        table.row([text(one, "name"), text(one, "address"), text(one, "tls"), text(one, "connections")]);
    }
    format!("{lines}\n{table}")
}

/// How far the process is. It serves for as long as it lives; any other phase is younger than the process.
fn phase(answer: &Value) -> String {
    let (phase, age) = (text(answer, "phase"), span(number(answer, "uptime_s") * 1000));
    if phase == "serving" { format!("{phase} for {age}") } else { format!("{phase}, up for {age}") }
}

/// What is given up, and how near each resource is to its end.
fn pressure(answer: &Value) -> String {
    let Some(Value::Object(pressure)) = answer.get("pressure") else { return "-".to_owned() };
    let ratios = pressure.iter().filter_map(|(name, ratio)| Some((name, ratio.as_f64()?)));
    let each: Vec<_> = ratios.map(|(name, ratio)| format!("{name} {:.0} %", ratio * 100.0)).collect();
    format!("{} ({})", pressure.get("level").map(word).unwrap_or_default(), each.join(", "))
}

/// `clusters`: one table for each.
pub(super) fn clusters(answer: &Value) -> String {
    list(answer, "clusters").iter().map(cluster).collect::<Vec<_>>().join("\n")
}

fn cluster(cluster: &Value) -> String {
    let mut head =
        format!("{}: {} {}", text(cluster, "name"), text(cluster, "link"), text(cluster, "balance"));
    if let Some(group) = cluster.get("group").and_then(Value::as_str) {
        head += &format!(", group {group}");
    }
    if cluster.get("panic") == Some(&Value::Bool(true)) {
        head += ", in panic: so few are healthy that health is ignored";
    }
    let mut table = Table::new(&[
        "ADDRESS",
        "ZONE",
        "GROUP",
        ">WEIGHT",
        "ADMIN",
        "HEALTH",
        "STATE",
        ">LOAD",
        ">SESSIONS",
        ">LINKS",
        "BREAKERS",
        "LAST REASON",
    ]);
    for one in list(cluster, "backends") {
        table.row([
            text(one, "address"),
            text(one, "zone"),
            text(one, "group"),
            weight(one),
            text(one, "admin"),
            health(one),
            text(one, "state"),
            load(one),
            text(one, "sessions"),
            text(one, "links"),
            breakers(one),
            text(one, "reason"),
        ]);
    }
    format!("{}\n{table}", plain(&head))
}

/// The weight of the plan, and the one under slow start while that is less.
fn weight(backend: &Value) -> String {
    let whole = text(backend, "weight");
    match backend.get("weight_now").and_then(Value::as_f64) {
        Some(now) if format!("{now}") != whole => format!("{now:.0}/{whole}"),
        _ => whole,
    }
}

fn health(backend: &Value) -> String {
    match backend.get("ejected_ms").and_then(Value::as_u64) {
        Some(left) => format!("ejected {}", span(left)),
        None => text(backend, "health"),
    }
}

/// Reported and predicted, in percent.
fn load(backend: &Value) -> String {
    let percent = |key| backend.get(key).and_then(Value::as_f64).map(|load| format!("{:.0}%", load * 100.0));
    match (percent("load_reported"), percent("load_predicted")) {
        (Some(reported), Some(predicted)) if reported != predicted => format!("{reported} -> {predicted}"),
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => String::new(),
    }
}

/// Those that are not closed.
fn breakers(backend: &Value) -> String {
    let open = list(backend, "breakers").iter().filter(|breaker| text(breaker, "state") != "closed");
    open.map(|breaker| format!("{} {}", text(breaker, "route"), text(breaker, "state")))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `routes`.
pub(super) fn routes(answer: &Value) -> String {
    let mut table =
        Table::new(&["ROUTE", "IDS", "CLUSTER", "CLASS", ">IN", ">OUT", "REFUSED", "BREAKER", "MAINTENANCE"]);
    for one in list(answer, "routes") {
        table.row([
            text(one, "name"),
            ids(one),
            text(one, "cluster"),
            text(one, "class"),
            text(one, "frames_in"),
            text(one, "frames_out"),
            refused(one),
            text(one, "breaker"),
            one.get("maintenance").map(|words| text(words, "message")).unwrap_or_default(),
        ]);
    }
    table.to_string()
}

fn ids(route: &Value) -> String {
    let range = |range: &Value| match range.as_array().map(Vec::as_slice) {
        Some([first, last]) if first == last => word(first),
        Some([first, last]) => format!("{first}-{last}"),
        _ => word(range),
    };
    let rest = (route.get("catch_all") == Some(&Value::Bool(true))).then(|| "*".to_owned());
    list(route, "ids").iter().map(range).chain(rest).collect::<Vec<_>>().join(",")
}

/// Why frames were refused, where some were.
fn refused(route: &Value) -> String {
    let reasons = route.get("refused").and_then(Value::as_object).into_iter().flatten();
    let some = reasons.filter(|(_, count)| count.as_u64() != Some(0));
    some.map(|(reason, count)| format!("{reason} {count}")).collect::<Vec<_>>().join(", ")
}

/// `partners`.
pub(super) fn partners(answer: &Value) -> String {
    let mut table = Table::new(&[
        "PARTNER",
        "SERVED",
        "AUTH",
        ">RATE",
        ">TODAY",
        ">IN FLIGHT",
        ">CONNECTIONS",
        ">PASSED",
        "REFUSED",
    ]);
    let of = |one: &Value, now: &str, most: &str| match number_at(one, most) {
        Some(most) => format!("{}/{most}", text(one, now)),
        None => text(one, now),
    };
    for one in list(answer, "partners") {
        table.row([
            text(one, "name"),
            text(one, "enabled"),
            text(one, "auth"),
            format!("{}/s", text(one, "rate_per_second")),
            of(one, "used_today", "daily"),
            of(one, "in_flight", "in_flight_most"),
            of(one, "connections", "connections_most"),
            text(one, "passed"),
            refused(one),
        ]);
    }
    let strangers = answer.get("strangers").map(refused).filter(|refused| !refused.is_empty());
    let strangers = strangers.map(|refused| format!("\nof strangers: {refused}\n")).unwrap_or_default();
    format!("{table}{strangers}")
}

fn number_at(value: &Value, key: &str) -> Option<u64> {
    value.get(key).and_then(Value::as_u64)
}

/// `sessions`, `account NAME where`.
pub(super) fn sessions(answer: &Value) -> String {
    let mut table = Table::new(&[
        "SESSION",
        "ACCOUNT",
        "ADDRESS",
        "LISTENER",
        "BY",
        ">AGE",
        ">IN",
        ">OUT",
        ">BUFFERED",
        "BACKENDS",
    ]);
    let all = list(answer, "sessions");
    for one in all {
        let size = |key| bytes(number(one, key));
        table.row([
            text(one, "session"),
            text(one, "account"),
            text(one, "address"),
            text(one, "listener"),
            text(one, "transport") + if one["away"] == true { ", away" } else { "" },
            span(number(one, "age_ms")),
            format!("{} / {}", text(one, "frames_in"), size("bytes_in")),
            format!("{} / {}", text(one, "frames_out"), size("bytes_out")),
            size("buffered"),
            backends(one),
        ]);
    }
    format!("{table}\n{} of {} sessions of this gateway\n", all.len(), text(answer, "total"))
}

fn backends(session: &Value) -> String {
    let one = |backend: &Value| format!("{} {}", text(backend, "cluster"), text(backend, "address"));
    list(session, "backends").iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `overrides`.
pub(super) fn overrides(answer: &Value) -> String {
    changes(list(answer, "overrides"), "nothing differs from the file\n")
}

/// `bans`.
pub(super) fn bans(answer: &Value) -> String {
    changes(list(answer, "bans"), "nobody is banned\n")
}

fn changes(entries: &[Value], none: &str) -> String {
    if entries.is_empty() {
        return none.to_owned();
    }
    let mut table = Table::new(&["KIND", "OF", "WHAT"]);
    for one in entries {
        let (of, what) = difference(one);
        table.row([text(one, "kind"), of, what]);
    }
    table.to_string()
}

/// What a runtime change is about, and what it says.
fn difference(entry: &Value) -> (String, String) {
    let text = |key| text(entry, key);
    let backend = || format!("{} {}", text("cluster"), text("address"));
    match text("kind").as_str() {
        "state" => (backend(), text("state")),
        "weight" => (backend(), text("weight")),
        "maintenance" if entry.get("on") == Some(&Value::Bool(true)) => {
            let until = Some(text("until")).filter(|until| !until.is_empty());
            let until = until.map(|until| format!("until {until}: ")).unwrap_or_default();
            (text("route"), format!("{until}{}", text("message")))
        }
        "maintenance" => (text("route"), "open".to_owned()),
        "release" => (text("active"), text("move")),
        "partner" if entry.get("enabled") == Some(&Value::Bool(true)) => {
            (text("partner"), "enabled".to_owned())
        }
        "partner" => (text("partner"), "disabled".to_owned()),
        _ if text("account").is_empty() => {
            (format!("address {}", text("address")), format!("until {}", text("until")))
        }
        _ => (format!("account {}", text("account")), format!("until {}", text("until"))),
    }
}

/// Every change that ends in a new world.
pub(super) fn changed(answer: &Value) -> String {
    let lines = |key, name: &str| -> String {
        list(answer, key).iter().map(|line| format!("{name:<12}{}\n", plain(&word(line)))).collect()
    };
    let (changes, effects) = (lines("changes", "changed"), lines("effects", "sessions"));
    let changes = if changes.is_empty() { format!("{:<12}nothing\n", "changed") } else { changes };
    format!("{changes}{effects}{:<12}{}\n", "generation", text(answer, "generation"))
}

/// `session ID kick`, `account NAME kick`.
pub(super) fn kicked(answer: &Value) -> String {
    let noun = if number(answer, "kicked") == 1 { "session" } else { "sessions" };
    format!("kicked {} {noun}\n", text(answer, "kicked"))
}

/// `upgrade`.
pub(super) fn upgraded(answer: &Value) -> String {
    format!("process {} serves now\n", text(answer, "pid"))
}

/// `drain`.
pub(super) fn drained(answer: &Value) -> String {
    let drained = list(answer, "drained");
    let lines: String = drained.iter().map(|one| format!("  {}\n", plain(&word(one)))).collect();
    let cluster = plain(&text(answer, "cluster"));
    format!("{} of {} backends of {cluster} get no new sessions:\n{lines}", drained.len(), text(answer, "of"))
}

/// The list at a key; none is an empty one.
pub(super) fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What is at a key, in a word; empty for nothing.
pub(super) fn text(value: &Value, key: &str) -> String {
    value.get(key).map(word).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn the_age_of_the_process_is_not_told_as_that_of_a_later_phase() {
        let told = |phase: &str| super::phase(&json!({ "phase": phase, "uptime_s": 147 }));
        assert_eq!(told("serving"), "serving for 2m 27s");
        assert_eq!(told("lame_duck"), "lame_duck, up for 2m 27s");
    }
}

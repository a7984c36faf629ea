//! What each verb asks of the API.

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::client::{Client, encoded, path};
use super::parts::Fraction;
use super::verb::{Closing, Move, OfAccount, OfRelease, OfRoute, Switch, Verb, Wanted};
use super::{Failure, Outcome, show};
use crate::config::Banned;

type Done = Result<Outcome, Failure>;

/// How often `wait` looks.
const LOOK: Duration = Duration::from_millis(500);
/// As many sessions of one account as the API lists.
const ALL: u32 = 10_000;

/// Does what a verb says.
pub(super) async fn run(client: &Client, verb: &Verb) -> Done {
    match verb {
        Verb::Status => see(client, "/v1/status", show::status).await,
        Verb::Sessions { account, limit } => sessions(client, account.as_deref(), *limit).await,
        Verb::Clusters => see(client, "/v1/clusters", show::clusters).await,
        Verb::Routes => see(client, "/v1/routes", show::routes).await,
        Verb::Backend { cluster, address, wanted } => {
            change(client, &["v1", "backends", cluster, address], &wish(wanted)).await
        }
        Verb::Drain { cluster, fraction, part } => drain(client, cluster, *fraction, *part).await,
        Verb::Wait { cluster, address, goal: _, timeout } => wait(client, cluster, address, *timeout).await,
        Verb::Route { name, what: OfRoute::Maintenance { switch } } => {
            change(client, &["v1", "routes", name, "maintenance"], &closing(switch)).await
        }
        Verb::Partners => see(client, "/v1/partners", show::partners).await,
        Verb::Partner { name, switch } => {
            let enabled = matches!(switch, Switch::Enable);
            change(client, &["v1", "partners", name], &json!({ "enabled": enabled })).await
        }
        Verb::Release { what: OfRelease::Activate { group, moving } } => {
            change(client, &["v1", "release"], &activation(group, *moving)).await
        }
        Verb::Session { id, what: _ } => kick(client, &["v1", "sessions", id, "kick"]).await,
        Verb::Account { name, what: OfAccount::Kick } => {
            kick(client, &["v1", "accounts", name, "kick"]).await
        }
        Verb::Account { name, what: OfAccount::Where } => sessions(client, Some(name), ALL).await,
        Verb::Ban { who, account, length } => ban(client, who.as_deref(), account.as_deref(), length).await,
        Verb::Bans => see(client, "/v1/bans", show::bans).await,
        Verb::Reload => change(client, &["v1", "reload"], &json!({})).await,
        Verb::Upgrade => post(client, &["v1", "upgrade"], &json!({}), show::upgraded).await,
        Verb::Overrides { what: None } => see(client, "/v1/overrides", show::overrides).await,
        Verb::Overrides { what: Some(_) } => change(client, &["v1", "overrides", "clear"], &json!({})).await,
    }
}

async fn see(client: &Client, path: &str, shown: fn(&Value) -> String) -> Done {
    let answer = client.get(path).await?;
    Ok(Outcome { text: shown(&answer), answer })
}

async fn post(client: &Client, parts: &[&str], body: &Value, shown: fn(&Value) -> String) -> Done {
    let answer = client.post(&path(parts), body).await?;
    Ok(Outcome { text: shown(&answer), answer })
}

async fn change(client: &Client, parts: &[&str], body: &Value) -> Done {
    post(client, parts, body, show::changed).await
}

async fn kick(client: &Client, parts: &[&str]) -> Done {
    post(client, parts, &json!({}), show::kicked).await
}

async fn sessions(client: &Client, account: Option<&str>, limit: u32) -> Done {
    let account = account.map(|name| format!("&account={}", encoded(name))).unwrap_or_default();
    see(client, &format!("/v1/sessions?limit={limit}{account}"), show::sessions).await
}

fn wish(wanted: &Wanted) -> Value {
    match wanted {
        Wanted::Ready => json!({ "state": "ready" }),
        Wanted::Drain => json!({ "state": "drain" }),
        Wanted::Disable => json!({ "state": "disable" }),
        Wanted::Weight { weight } => json!({ "weight": weight }),
    }
}

fn closing(switch: &Closing) -> Value {
    match switch {
        Closing::On { message, retry_after, until } => {
            let mut body = json!({ "on": true });
            for (key, text) in [("message", message), ("retry_after", retry_after), ("until", until)] {
                put(&mut body, key, text.as_deref());
            }
            body
        }
        Closing::Off => json!({ "on": false }),
    }
}

fn activation(group: &str, moving: Option<Move>) -> Value {
    let word = moving.map(|moving| match moving {
        Move::Forced => "forced",
        Move::Natural => "natural",
    });
    let mut body = json!({ "active": group });
    put(&mut body, "move", word);
    body
}

/// A key that is only there when it says something.
fn put(body: &mut Value, key: &str, text: Option<&str>) {
    if let (Value::Object(keys), Some(text)) = (body, text) {
        keys.insert(key.to_owned(), text.into());
    }
}

/// Who is written without a flag is an address if it reads as one.
async fn ban(client: &Client, who: Option<&str>, account: Option<&str>, length: &str) -> Done {
    let named = who.map(|who| (who, Banned::named(who)));
    let body = match (named, account) {
        (Some((_, Some(Banned::Address(address)))), _) => {
            json!({ "address": address.to_string(), "for": length })
        }
        (Some((who, Some(Banned::Account(_)))), _) | (None, Some(who)) => {
            json!({ "account": who, "for": length })
        }
        (Some((who, None)), _) => {
            let hint = format!(
                "write one IP address such as 192.0.2.1; networks belong into `deny` of the listener; an account of \
                 that name: --account {who}"
            );
            return Err(Failure::told(&format!("{who} is no address"), &hint));
        }
        (None, None) => return Err(Failure::new("write whom: an address or an account")),
    };
    change(client, &["v1", "bans"], &body).await
}

async fn drain(client: &Client, cluster: &str, fraction: Fraction, part: u32) -> Done {
    let addresses = addresses(&client.get(&path(&["v1", "clusters", cluster])).await?);
    let chosen =
        fraction.part(part, addresses.len()).map_err(|(error, hint)| Failure::told(&error, &hint))?;
    let chosen = addresses.get(chosen).unwrap_or_default();
    for (place, address) in chosen.iter().enumerate() {
        let order = json!({ "state": "drain" });
        let asked = client.post(&path(&["v1", "backends", cluster, address]), &order).await;
        asked.map_err(|failure| failure.after(chosen.get(..place).unwrap_or_default()))?;
    }
    let answer = json!({ "cluster": cluster, "drained": chosen, "of": addresses.len() });
    Ok(Outcome { text: show::drained(&answer), answer })
}

fn addresses(cluster: &Value) -> Vec<String> {
    let text = |backend: &Value| show::text(backend, "address");
    show::list(cluster, "backends").iter().map(text).collect()
}

async fn wait(client: &Client, cluster: &str, address: &str, most: Duration) -> Done {
    let left = Cell::new(None);
    match timeout(most, idle(client, cluster, address, &left)).await {
        Ok(done) => done,
        Err(_) => {
            let sessions =
                left.get().map_or_else(|| "an unknown number of".to_owned(), |left: u64| left.to_string());
            let error = format!("{address} of {cluster} still has {sessions} sessions");
            let hint = format!(
                "wait longer with --timeout, or move them now with: realmgate ctl backend {cluster} {address} disable"
            );
            Err(Failure::told(&error, &hint))
        }
    }
}

async fn idle(client: &Client, cluster: &str, address: &str, left: &Cell<Option<u64>>) -> Done {
    let at = path(&["v1", "clusters", cluster]);
    loop {
        let facts = client.get(&at).await?;
        let found =
            show::list(&facts, "backends").iter().find(|backend| show::text(backend, "address") == address);
        let Some(backend) = found else { return Err(stranger(cluster, address, &addresses(&facts))) };
        left.set(backend.get("sessions").and_then(Value::as_u64));
        if left.get() == Some(0) {
            let text = format!("{} of {} has no sessions\n", show::plain(address), show::plain(cluster));
            return Ok(Outcome { text, answer: backend.clone() });
        }
        sleep(LOOK).await;
    }
}

fn stranger(cluster: &str, address: &str, known: &[String]) -> Failure {
    let error = format!("cluster {cluster} has no backend {address}");
    Failure::told(&error, &format!("its backends are: {}", known.join(", ")))
}

impl Failure {
    /// The same, which came when these had been drained already.
    fn after(mut self, drained: &[String]) -> Self {
        if !drained.is_empty() {
            self.said = format!("{}\n  drained before that: {}", self.said, drained.join(", "));
        }
        self
    }
}

//! What the API changes: a body becomes an order, and the answer waits until it is carried out.

use std::net::IpAddr;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;
use tokio::sync::oneshot;

use super::answer::{self, Answer};
use super::body::{Body, shown, wrong};
use super::desk::Desk;
use super::order::{Order, Refused, Reloaded};
use super::store;
use crate::base::{Phase, SessionId};
use crate::config::{Banned, MOST_WEIGHT, Maintenance, Override, parse_moment};
use crate::net::Target;

/// A change that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) desk: &'a Desk,
    pub(super) body: &'a [u8],
    /// The peer's address.
    pub(super) who: &'a str,
}

type Changed = Result<Answer, Answer>;

/// `POST /v1/backends/CLUSTER/ADDRESS`.
pub(super) async fn backend(ask: &Ask<'_>, cluster: &str, address: &str) -> Changed {
    let mut body = Body::read(ask.body, &["state", "weight"])?;
    let (cluster, address) = (name(cluster)?, name(address)?);
    let change = match (body.text("state")?, body.number("weight")?) {
        (Some(word), None) => {
            let state = store::admin_state(&word);
            let state = state.ok_or_else(|| wrong("state", "\"ready\", \"drain\" or \"disable\""))?;
            Override::State { cluster, address, state }
        }
        (None, Some(weight)) if weight <= MOST_WEIGHT => Override::Weight { cluster, address, weight },
        (None, Some(_)) => return Err(wrong("weight", "a number from 0 to 65535")),
        _ => return Err(wrong("state", "either {\"state\": \"drain\"} or {\"weight\": 50}")),
    };
    order(ask, change).await
}

/// `POST /v1/routes/NAME/maintenance`.
pub(super) async fn maintenance(ask: &Ask<'_>, route: &str) -> Changed {
    let mut body = Body::read(ask.body, &["on", "message", "retry_after", "until"])?;
    let on = body.boolean("on")?.ok_or_else(|| wrong("on", "{\"on\": true} or {\"on\": false}"))?;
    let words = Maintenance {
        message: body.text("message")?.unwrap_or_else(|| Maintenance::MESSAGE.to_owned()),
        retry_after: body.duration("retry_after")?,
        until: match body.text("until")? {
            Some(text) => Some(parse_moment(&text).ok_or_else(|| {
                wrong("until", "a time before the year 10000 in UTC: \"2026-11-21T10:00:00Z\"")
            })?),
            None => None,
        },
    };
    order(ask, Override::Maintenance { route: name(route)?, closed: on.then_some(words) }).await
}

/// `POST /v1/release`.
pub(super) async fn release(ask: &Ask<'_>) -> Changed {
    let mut body = Body::read(ask.body, &["active", "move"])?;
    let active = body.text("active")?.ok_or_else(|| wrong("active", "{\"active\": \"b\"}"))?;
    let moving = match body.text("move")? {
        Some(word) => Some(store::moving(&word).ok_or_else(|| wrong("move", "\"natural\" or \"forced\""))?),
        None => None,
    };
    order(ask, Override::Release { active, moving }).await
}

/// `POST /v1/bans`.
pub(super) async fn ban(ask: &Ask<'_>) -> Changed {
    let mut body = Body::read(ask.body, &["address", "account", "for"])?;
    let length = body.duration("for")?.filter(|length| *length <= LONGEST_BAN);
    let length = length.ok_or_else(|| wrong("for", "a duration such as \"1h\", at most 8760h"))?;
    let who = match (body.text("address")?, body.text("account")?) {
        (Some(text), None) => {
            let address = text.parse::<IpAddr>();
            let address = address.map_err(|_| wrong("address", "an IP address such as \"192.0.2.1\""))?;
            Banned::Address(address.to_canonical())
        }
        (None, Some(account)) if !account.is_empty() => Banned::Account(account),
        _ => return Err(wrong("address", "either an address or an account")),
    };
    order(ask, Override::Ban { who, until: Desk::clock() + length }).await
}

const LONGEST_BAN: Duration = Duration::from_hours(24 * 365);

/// `POST /v1/partners/NAME`.
pub(super) async fn partner(ask: &Ask<'_>, partner: &str) -> Changed {
    let mut body = Body::read(ask.body, &["enabled"])?;
    let enabled = body.boolean("enabled")?;
    let enabled = enabled.ok_or_else(|| wrong("enabled", "{\"enabled\": true} or {\"enabled\": false}"))?;
    order(ask, Override::Partner { name: name(partner)?, enabled }).await
}

/// `POST /v1/reload`.
pub(super) async fn reload(ask: &Ask<'_>) -> Changed {
    Body::read(ask.body, &[])?;
    let who = ask.who.to_owned();
    send(ask, |answer| Order::Reload { who, answer }).await.map(|reloaded| told(&reloaded))
}

/// `POST /v1/overrides/clear`.
pub(super) async fn clear(ask: &Ask<'_>) -> Changed {
    Body::read(ask.body, &[])?;
    let who = ask.who.to_owned();
    send(ask, |answer| Order::ClearOverrides { who, answer }).await.map(|reloaded| told(&reloaded))
}

/// `POST /v1/upgrade`.
pub(super) async fn upgrade(ask: &Ask<'_>) -> Changed {
    Body::read(ask.body, &[])?;
    let who = ask.who.to_owned();
    let pid = send(ask, |answer| Order::Upgrade { who, answer }).await?;
    Ok(answer::json(&json!({ "pid": pid })))
}

/// `POST /v1/sessions/ID/kick`.
pub(super) async fn kick_session(ask: &Ask<'_>, id: &str) -> Changed {
    Body::read(ask.body, &[])?;
    let session: SessionId = id.parse().map_err(|_| {
        answer::error(
            StatusCode::BAD_REQUEST,
            "this is no session",
            "sessions are named as `realmgate ctl sessions` shows them",
        )
    })?;
    kick(ask, Target::Session(session), "no such session: it has ended, or never was here").await
}

/// `POST /v1/accounts/NAME/kick`.
pub(super) async fn kick_account(ask: &Ask<'_>, name: &str) -> Changed {
    Body::read(ask.body, &[])?;
    kick(ask, Target::Account(name.to_owned()), "no session of this account is here").await
}

async fn kick(ask: &Ask<'_>, target: Target, nobody: &str) -> Changed {
    let mut kicked = 0;
    for worker in ask.desk.workers.iter() {
        kicked += worker.kick(&target).await;
    }
    crate::telemetry::operator_kicked(ask.who, &shown(&target.to_string()), kicked);
    match kicked {
        0 => Err(answer::error(StatusCode::NOT_FOUND, nobody, "see `realmgate ctl sessions`")),
        kicked => Ok(answer::json(&json!({ "kicked": kicked }))),
    }
}

/// A name of the file. What cannot be one goes no further: the answer and the log would have to repeat it.
fn name(text: &str) -> Result<String, Answer> {
    if text.len() <= LONGEST_NAME && !text.contains(char::is_control) {
        return Ok(text.to_owned());
    }
    let error = format!("nothing has a name like \"{}\"", shown(text));
    Err(answer::error(
        StatusCode::NOT_FOUND,
        &error,
        "see `realmgate ctl clusters` and `realmgate ctl routes`",
    ))
}

/// A host name of the longest kind, and a port.
const LONGEST_NAME: usize = 260;

async fn order(ask: &Ask<'_>, change: Override) -> Changed {
    let who = ask.who.to_owned();
    send(ask, |answer| Order::Change { change, who, answer }).await.map(|reloaded| told(&reloaded))
}

async fn send<T>(
    ask: &Ask<'_>,
    order: impl FnOnce(oneshot::Sender<Result<T, Refused>>) -> Order,
) -> Result<T, Answer> {
    let (answer, answered) = oneshot::channel();
    let leaving = || {
        let hint = "it is stopping, or another process has taken over: ask that one";
        answer::error(StatusCode::SERVICE_UNAVAILABLE, "the gateway takes no orders any more", hint)
    };
    let mut phase = ask.desk.phase.clone();
    let obeyed = async {
        ask.desk.orders.send(order(answer)).await.ok()?;
        answered.await.ok()
    };
    let obeyed = tokio::select! {
        biased;
        obeyed = obeyed => obeyed,
        // Whoever stops looks into its inbox no more.
        _ = phase.wait_for(|phase| *phase > Phase::Serving) => None,
    };
    obeyed.ok_or_else(leaving)?.map_err(|refused| answer::refused(&refused))
}

fn told(reloaded: &Reloaded) -> Answer {
    answer::json(&json!({
        "generation": reloaded.generation,
        "changes": reloaded.changes,
        "effects": reloaded.effects,
    }))
}

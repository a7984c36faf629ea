//! What a frame would meet, in words.

use std::time::SystemTime;

use super::rules::{Asked, describe_route};
use super::{Groups, RouteIndex, Router, Who};
use crate::base::ProtocolId;
use crate::config::{Listener, LoginWay, Plan, Route, TokenRules, UnknownId};
use crate::wire::Framing;

/// One line of an explanation: what it is about, and what is so.
pub type Line = (&'static str, String);

/// What is asked: whose frame, where and when.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Where it arrives.
    pub listener: &'a Listener,
    /// Its protocol ID.
    pub id: ProtocolId,
    /// Whose it is.
    pub who: Who<'a>,
    /// What maintenance is judged by.
    pub now: SystemTime,
}

/// Which route, rules, group, cluster and backends such a frame meets, and why.
#[must_use]
pub fn explain(plan: &Plan, groups: &Groups, question: &Question<'_>) -> Vec<Line> {
    let Question { listener, id, .. } = *question;
    let arrival =
        format!("{} ({}), frames as [frame.{}]", listener.name(), listener.listen().get(), listener.frame());
    let mut lines = vec![("listener", arrival)];
    let router = Router::new(plan);
    let route = |found: RouteIndex| plan.routes().get(found.get());
    if listener.layout().framing == Framing::Opaque {
        if let Some(route) = router.opaque().and_then(route) {
            lines
                .push(("verdict", "no frames are read here: a session goes whole to one backend".to_owned()));
            lines.push(("route", format!("{} because it takes \"*\" for opaque frames", route.name())));
            describe_route(&mut lines, plan, route, &Asked { groups, question });
        }
        return lines;
    }
    match listener.layout().heartbeat {
        Some(heartbeat) if heartbeat.id == id => {
            let reply = heartbeat.reply;
            lines.push((
                "verdict",
                format!("the heartbeat: answered by the gateway with {reply}, never forwarded"),
            ));
        }
        Some(_) | None if token_of(plan).is_some_and(|token| token.id() == id) => {
            let told = token_of(plan).map(describe_token).unwrap_or_default();
            lines.push(("verdict", told));
            if let Some(route) = router.route(id).and_then(route) {
                lines.push(("route", format!("{} because {}", route.name(), why(route, id))));
                describe_route(&mut lines, plan, route, &Asked { groups, question });
            }
        }
        Some(_) | None => match router.route(id).and_then(route) {
            Some(route) => {
                lines.push(("route", format!("{} because {}", route.name(), why(route, id))));
                describe_route(&mut lines, plan, route, &Asked { groups, question });
            }
            None => describe_unknown(&mut lines, plan, listener, id),
        },
    }
    lines
}

fn token_of(plan: &Plan) -> Option<&TokenRules> {
    match plan.login()?.way() {
        LoginWay::Token(rules) => Some(rules),
        LoginWay::Route(_) => None,
    }
}

fn describe_token(rules: &TokenRules) -> String {
    let (algorithm, offset) = (rules.trust().algorithm().as_str(), rules.offset());
    format!(
        "the login: an {algorithm} token from byte {offset} on, verified by the gateway; a good one goes on to the route, if there is one"
    )
}

fn why(route: &Route, id: ProtocolId) -> String {
    let range = route.ids().iter().find(|(first, last)| (*first..=*last).contains(&id.0));
    range.map_or_else(
        || "no other route has this ID, and this one takes \"*\"".to_owned(),
        |range| format!("{id} is in {}", ids(*range)),
    )
}

fn describe_unknown(lines: &mut Vec<Line>, plan: &Plan, listener: &Listener, id: ProtocolId) {
    let what = match listener.unknown_id() {
        UnknownId::Notice => "the player gets the notice unknown_id",
        UnknownId::Drop => "it is dropped and counted",
        UnknownId::Close => "the player gets the notice unknown_id and is closed",
    };
    lines.push(("verdict", format!("refused: no route has {id}; {what}")));
    let ranges = plan.routes().iter().flat_map(|route| route.ids().iter().map(move |range| (route, *range)));
    if let Some((route, range)) = ranges.min_by_key(|(_, range)| distance(*range, id.0)) {
        lines.push(("nearest", format!("route {} has {}", route.name(), ids(range))));
    }
}

fn distance((first, last): (u64, u64), id: u64) -> u64 {
    first.saturating_sub(id).max(id.saturating_sub(last))
}

fn ids((first, last): (u64, u64)) -> String {
    if first == last { format!("{first}") } else { format!("{first}-{last}") }
}

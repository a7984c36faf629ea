//! What an operator changed and was answered is there after a kill, whenever the kill comes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::Outcome;
use crate::http;
use crate::options::{Number, Options};
use crate::stage::{Setting, Stage};
use crate::verdict::Verdict;

/// In a line.
pub(super) const ABOUT: &str = "runtime changes, each followed by SIGKILL within a second";

/// What can be chosen.
pub(super) const NUMBERS: &[Number] = &[
    ("rounds", 100, "changes and kills"),
    ("seed", 1, "of the dice"),
    ("seconds", 600, "for all of it at most"),
];

/// Backends without players.
pub(super) fn setting() -> Setting {
    Setting::plain()
}

/// What is changed of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    State,
    Weight,
}

/// What was asked for last, by backend and kind; a second value if that one was not answered.
type Asked = BTreeMap<(SocketAddr, Kind), (Value, Option<Value>)>;

const STATES: [&str; 2] = ["drain", "disable"];

/// Plays it.
pub(super) fn play(stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
    let mut dice = Dice(options.number("seed"));
    let mut asked = Asked::new();
    let (mut at_once, mut midway) = (0, 0);
    let rounds = options.number("rounds");
    let mut held = 0;
    for round in 0..rounds {
        let (path, key, value) = draw(stage, &mut dice)?;
        let answer = http::post(stage.gateway.admin()?, &path, &body(key.1, &value))?;
        if !(200..300).contains(&answer.status) {
            return Err(format!("POST {path}: {} {}", answer.status, answer.body));
        }
        asked.insert(key, (value, None));
        // Every third time another change is under way when the kill comes: it may be there or not.
        let mut under_way = None;
        if round % 3 == 2 {
            let (path, key, value) = draw(stage, &mut dice)?;
            under_way = Some(http::post_blindly(stage.gateway.admin()?, &path, &body(key.1, &value))?);
            match asked.get_mut(&key) {
                Some((_, instead)) => *instead = Some(value),
                None => drop(asked.insert(key, (Value::Null, Some(value)))),
            }
            midway += 1;
        } else if dice.below(3) == 0 {
            at_once += 1;
        } else {
            std::thread::sleep(Duration::from_millis(dice.below(1000)));
        }
        stage.gateway.signal(Signal::KILL)?;
        stage.gateway.wait_for_end(Duration::from_secs(5), &stage.patience)?;
        drop(under_way);
        stage.gateway.start_again(&stage.folder, &stage.patience)?;
        let shown = stage.gateway.document("/v1/overrides")?;
        compare(&shown, &mut asked).map_err(|reason| format!("round {}: {reason} in {shown}", round + 1))?;
        held += 1;
    }
    verdict.figure("killed at once after the answer", at_once.to_string());
    verdict.figure("killed with another change under way", midway.to_string());
    verdict.figure("changes in force at the end", asked.len().to_string());
    verdict.must(held == rounds, "kills after which every change is shown", format!("{held} of {rounds}"));
    Ok(())
}

/// A change: the path, what it is about, and the new value, which is never what the file says.
fn draw(stage: &Stage, dice: &mut Dice) -> Outcome<(String, (SocketAddr, Kind), Value)> {
    let all = &stage.backends.all;
    let place = usize::try_from(dice.below(u64::try_from(all.len()).unwrap_or(1))).unwrap_or(0);
    let backend = all.get(place).ok_or("no backends")?;
    let path = format!("/v1/backends/{}/{}", backend.cluster.name(), backend.address);
    let (kind, value) = if dice.below(2) == 0 {
        (Kind::State, STATES.get(usize::try_from(dice.below(2)).unwrap_or(0)).copied().into())
    } else {
        (Kind::Weight, (101 + dice.below(60_000)).into())
    };
    Ok((path, (backend.address, kind), value))
}

fn body(kind: Kind, value: &Value) -> String {
    format!("{{\"{}\": {value}}}", kind.name())
}

impl Kind {
    /// Its name in the API.
    fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Weight => "weight",
        }
    }
}

/// Every change must be shown as it was answered; one that was not answered may be there instead, and is from now on
/// if it is.
fn compare(shown: &Value, asked: &mut Asked) -> Outcome<()> {
    for ((address, kind), (answered, under_way)) in asked.iter_mut() {
        let seen = values(shown, &address.to_string(), *kind);
        let is_there = |value: &Value| seen.len() == 1 && seen.contains(value);
        match under_way.take() {
            Some(value) if is_there(&value) => *answered = value,
            _ if is_there(answered) || (answered.is_null() && seen.is_empty()) => {}
            _ => return Err(format!("{kind:?} of {address} must be {answered} and is {seen:?}")),
        }
    }
    asked.retain(|_, (answered, _)| !answered.is_null());
    Ok(())
}

/// What the document says of a backend: the states or the weights in the smallest objects that name it, or that are
/// named after it.
fn values(document: &Value, address: &str, kind: Kind) -> Vec<Value> {
    if let Some((_, named)) =
        document.as_object().and_then(|fields| fields.iter().find(|(name, _)| name.contains(address)))
    {
        return http::find(named, kind.name()).into_iter().cloned().collect();
    }
    let children: Vec<&Value> = match document {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(values) => values.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Vec::new(),
    };
    let is_named = |value: &&&Value| value.as_str().is_some_and(|text| text.contains(address));
    if !document.is_object() || children.iter().find(is_named).is_none() {
        return children.into_iter().flat_map(|child| values(child, address, kind)).collect();
    }
    let says = |value: &&Value| match kind {
        Kind::State => value.as_str().is_some_and(|text| STATES.contains(&text) || text == "ready"),
        Kind::Weight => value.is_u64(),
    };
    // A change may have a time beside it: what is named after the kind is meant, if anything is.
    let name = if kind == Kind::State { "state" } else { "weight" };
    match http::find(document, name) {
        Some(value) => vec![value.clone()],
        None if document.to_string().contains(name) => children.into_iter().filter(says).cloned().collect(),
        None => Vec::new(),
    }
}

/// The same throws for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % bound.max(1)
    }
}

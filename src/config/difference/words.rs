//! What is different, in words: a line for the log, the terminal and the API.

use std::fmt::{self, Display};
use std::time::Duration;

use super::change::{
    BackendChange, Change, ClusterChange, HttpChange, ListenerChange, LoginChange, PartnerChange,
    ReleaseChange, RouteChange, Swap,
};
use crate::base::format_duration;

impl Change {
    /// What is different, in one line: `route chat: cluster chat -> chat2`.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Listener { name, what } => format!("listener {name}: {what}"),
            Self::Cluster { name, what } => format!("cluster {name}: {what}"),
            Self::Backend { cluster, address, what, .. } => format!("backend {cluster} {address}: {what}"),
            Self::Route { name, what } => format!("route {name}: {what}"),
            Self::Http { name, what } => format!("http {name}: {what}"),
            Self::Release { what: ReleaseChange::ClusterActive { cluster, groups }, .. } => {
                format!("cluster {cluster}: active {}", named(groups))
            }
            Self::Release { what, .. } => format!("release: {what}"),
            Self::Login(what) => format!("login: {what}"),
            Self::Partner { name, what } => format!("partner {name}: {what}"),
            Self::Zone(zones) => format!("gateway: zone {}", named(zones)),
            Self::Gather(delays) => format!("net: gather {}", gathered(delays)),
            Self::Drain => "drain: other times".to_owned(),
            Self::Process(key) => format!("{}: only a restart or an upgrade changes it", key.as_str()),
        }
    }
}

impl<T: Display> Display for Swap<T> {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(into, "{} -> {}", self.from, self.to)
    }
}

/// Names, of which an empty one is none.
fn named(names: &Swap<String>) -> String {
    let word = |name: &String| if name.is_empty() { "none".to_owned() } else { name.clone() };
    Swap { from: word(&names.from), to: word(&names.to) }.to_string()
}

/// How far apart turns are kept.
fn gathered(delays: &Swap<Option<Duration>>) -> String {
    let word = |delay: Option<Duration>| delay.map_or_else(|| "off".to_owned(), format_duration);
    Swap { from: word(delays.from), to: word(delays.to) }.to_string()
}

impl Display for ListenerChange {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files =
            |files: &[String]| if files.is_empty() { "plain".to_owned() } else { files.join(" and ") };
        match self {
            Self::Added(address) => write!(into, "added at {address}"),
            Self::Removed(address) | Self::Closed(address) => write!(into, "removed from {address}"),
            Self::Address(addresses) => write!(into, "address {addresses}"),
            Self::Protocol(words) => write!(into, "protocol {words}"),
            Self::Frame(names) => write!(into, "frame {names}"),
            Self::Layout(name) => write!(into, "[frame.{name}] is another layout"),
            Self::Certificates(pairs) => {
                write!(into, "certificates {} -> {}", files(&pairs.from), files(&pairs.to))
            }
            Self::UnknownId => into.write_str("unknown_id"),
            Self::Access(keys) => into.write_str(&keys.join(", ")),
            Self::Limits(keys) => write!(into, "limits {}", keys.join(", ")),
        }
    }
}

impl Display for ClusterChange {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(1) => into.write_str("added with 1 backend"),
            Self::Added(backends) => write!(into, "added with {backends} backends"),
            Self::Removed(_) => into.write_str("removed"),
            Self::Link(links) => write!(into, "link {links}"),
            Self::Connections(keys) | Self::Choice(keys) | Self::Binding(keys) | Self::Judgement(keys) => {
                into.write_str(&keys.join(", "))
            }
            Self::OnLoss(words) => write!(into, "on_loss {} -> {}", words.from.as_str(), words.to.as_str()),
        }
    }
}

impl Display for BackendChange {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = |most: Option<u32>| most.map_or_else(|| "any number".to_owned(), |most| most.to_string());
        match self {
            Self::Added => into.write_str("added"),
            Self::Removed => into.write_str("removed"),
            Self::Weight(weights) => write!(into, "weight {weights}"),
            Self::Zone(zones) => write!(into, "zone {}", named(zones)),
            Self::Group(groups) => write!(into, "group {}", named(groups)),
            Self::MaxSessions(numbers) => {
                write!(into, "max_sessions {} -> {}", most(numbers.from), most(numbers.to))
            }
            Self::Admin(states) => write!(into, "{} -> {}", states.from.as_str(), states.to.as_str()),
        }
    }
}

impl Display for RouteChange {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(cluster) => write!(into, "added, to {cluster}"),
            Self::Removed => into.write_str("removed"),
            Self::Ids(ids) => write!(into, "ids {ids}"),
            Self::Cluster(names) => write!(into, "cluster {names}"),
            Self::Class(words) => write!(into, "class {words}"),
            Self::Login(words) => write!(into, "login {words}"),
            Self::Breaker => into.write_str("breaker"),
            Self::Limit(words) => write!(into, "limit {words}"),
            Self::Closed(words) => write!(into, "maintenance on, {words}"),
            Self::Opened => into.write_str("maintenance off"),
            Self::Reworded(words) => write!(into, "maintenance goes on, {words}"),
        }
    }
}

impl Display for HttpChange {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(target) => write!(into, "added, to {target}"),
            Self::Removed => into.write_str("removed"),
            Self::Requests(requests) => write!(into, "{requests}"),
            Self::Partners(names) => write!(into, "partners {names}"),
            Self::Opened(names) => write!(into, "open to everybody, and was to {names} only"),
            Self::Target(targets) => write!(into, "to {targets}"),
            Self::Layout(name) => write!(into, "[frame.{name}] is another layout"),
            Self::Rules(keys) => into.write_str(&keys.join(", ")),
        }
    }
}

impl Display for LoginChange {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: Option<Duration>| time.map_or_else(|| "none".to_owned(), format_duration);
        match self {
            Self::Added => into.write_str("added"),
            Self::Removed(_) => into.write_str("removed"),
            Self::Way(ways) => write!(into, "{ways}"),
            Self::Duplicate(words) => write!(into, "duplicate {words}"),
            Self::Resume(times) => write!(into, "resume {} -> {}", time(times.from), time(times.to)),
            Self::Versions => into.write_str("versions"),
            Self::Queue => into.write_str("queue"),
        }
    }
}

impl Display for PartnerChange {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => into.write_str("added"),
            Self::Removed => into.write_str("removed"),
            Self::Enabled => into.write_str("enabled"),
            Self::Disabled => into.write_str("disabled"),
            Self::Auth(ways) => write!(into, "auth {ways}"),
            Self::Networks => into.write_str("allow"),
            Self::Limits(keys) => into.write_str(&keys.join(", ")),
        }
    }
}

impl Display for ReleaseChange {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active(groups) | Self::ClusterActive { groups, .. } => {
                write!(into, "active {}", named(groups))
            }
            Self::Canary => into.write_str("other canary rules"),
            Self::Accounts => into.write_str("other accounts in the lists of its canary rules"),
            Self::Moving(words) => write!(into, "move {} -> {}", words.from.as_str(), words.to.as_str()),
            Self::Spread(times) => {
                write!(into, "spread {} -> {}", format_duration(times.from), format_duration(times.to))
            }
        }
    }
}

//! What a change does to the sessions that are in, and which sessions those are.

use std::time::Duration;

use super::change::{
    BackendChange, Change, ClusterChange, HttpChange, ListenerChange, LoginChange, Loss, PartnerChange,
    ReleaseChange, RouteChange, Swap,
};
use crate::base::format_duration;
use crate::config::AdminState;
use crate::config::plan::Moving;

/// Whose sessions an effect is about, so that the running gateway can say how many they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Nobody's that is in.
    Nobody,
    /// Those that have a backend of this cluster.
    ClusterSessions(String),
    /// Those that have this backend.
    BackendSessions {
        /// The cluster's name.
        cluster: String,
        /// `host:port` as the file says it.
        address: String,
    },
    /// Those that have a backend of this route's cluster.
    RouteSessions(String),
    /// Those that came in there.
    ListenerSessions(String),
    /// Those that wait for their player.
    AwaySessions,
    /// Those that are in another release group than they would enter now.
    OtherGroup,
    /// All.
    Everybody,
}

impl Change {
    /// What it does to live sessions, in one line.
    #[must_use]
    pub fn effect(&self) -> String {
        match self {
            Self::Listener { what, .. } => of_listener(what).to_owned(),
            Self::Cluster { what, .. } => of_cluster(what).to_owned(),
            Self::Backend { what, loss: Some(Loss::TakenOver), .. } => of_standby(what).to_owned(),
            Self::Backend { what, loss: Some(loss), .. } => of_backend(what, *loss).to_owned(),
            Self::Backend { what, loss: None, .. } => of_web_backend(what).to_owned(),
            Self::Route { what, .. } => of_route(what),
            Self::Release { what, moving, spread } => of_release(what, *moving, *spread),
            Self::Login(what) => of_login(what).to_owned(),
            Self::Http { what, .. } => of_http(what).to_owned(),
            Self::Partner { what, .. } => of_partner(what).to_owned(),
            Self::Zone(_) => {
                "new sessions prefer backends of the new zone; sessions that are in stay".to_owned()
            }
            Self::Gather(_) => "nothing is lost; busy workers turn more often or more rarely".to_owned(),
            Self::Drain => "nothing until the process stops".to_owned(),
            Self::Process(_) => "nothing: the running process goes on as it is".to_owned(),
        }
    }

    /// Whose sessions the effect is about.
    #[must_use]
    pub fn touches(&self) -> Touched {
        match self {
            Self::Listener { name, what } => match what {
                ListenerChange::Removed(_)
                | ListenerChange::Closed(_)
                | ListenerChange::Protocol(_)
                | ListenerChange::Address(_)
                | ListenerChange::Frame(_)
                | ListenerChange::Layout(_) => Touched::ListenerSessions(name.clone()),
                ListenerChange::Added(_)
                | ListenerChange::Certificates(_)
                | ListenerChange::UnknownId
                | ListenerChange::Access(_)
                | ListenerChange::Limits(_) => Touched::Nobody,
            },
            Self::Cluster { name, what } => match what {
                ClusterChange::Removed(_) | ClusterChange::Link(_) | ClusterChange::Binding(_) => {
                    Touched::ClusterSessions(name.clone())
                }
                ClusterChange::Added(_)
                | ClusterChange::Connections(_)
                | ClusterChange::Choice(_)
                | ClusterChange::OnLoss(_)
                | ClusterChange::Judgement(_) => Touched::Nobody,
            },
            Self::Backend { cluster, what, loss: Some(Loss::TakenOver), .. } if asks_anew(what) => {
                Touched::ClusterSessions(cluster.clone())
            }
            Self::Backend { cluster, address, what, .. } if is_for_its_own(what) => {
                Touched::BackendSessions { cluster: cluster.clone(), address: address.clone() }
            }
            Self::Backend { .. } => Touched::Nobody,
            Self::Route { name, what } => match what {
                RouteChange::Added(_)
                | RouteChange::Class(_)
                | RouteChange::Breaker
                | RouteChange::Limit(_) => Touched::Nobody,
                RouteChange::Removed
                | RouteChange::Login(_)
                | RouteChange::Ids(_)
                | RouteChange::Cluster(_)
                | RouteChange::Closed(_)
                | RouteChange::Opened
                | RouteChange::Reworded(_) => Touched::RouteSessions(name.clone()),
            },
            Self::Release { what: ReleaseChange::Spread(_), moving: Moving::Natural, .. } => Touched::Nobody,
            Self::Release { what: ReleaseChange::Active(groups), .. }
                if groups.from.is_empty() || groups.to.is_empty() =>
            {
                Touched::Everybody
            }
            Self::Release { .. } => Touched::OtherGroup,
            Self::Login(LoginChange::Added) => Touched::Everybody,
            Self::Login(LoginChange::Removed(Some(_)) | LoginChange::Resume(Swap { to: None, .. })) => {
                Touched::AwaySessions
            }
            Self::Login(_)
            | Self::Http { .. }
            | Self::Partner { .. }
            | Self::Zone(_)
            | Self::Gather(_)
            | Self::Drain
            | Self::Process(_) => Touched::Nobody,
        }
    }
}

const NOTHING: &str = "nothing for sessions that are in";

const fn of_listener(what: &ListenerChange) -> &'static str {
    match what {
        ListenerChange::Added(_) => "nothing for sessions that are in: players can come in there, too",
        ListenerChange::Removed(_) => "it accepts nobody any more; sessions that are in stay",
        ListenerChange::Closed(_) => "it accepts nobody any more; its connections end behind their answers",
        ListenerChange::Protocol(_) => "players that are in stay; who asked over HTTP ends; new ones meet it",
        ListenerChange::Address(_) => "the old address accepts nobody any more; sessions that are in stay",
        ListenerChange::Frame(_) | ListenerChange::Layout(_) => {
            "sessions that are in keep the old layout until they end"
        }
        ListenerChange::Certificates(_) => "nothing for sessions that are in: for new handshakes only",
        ListenerChange::UnknownId | ListenerChange::Access(_) | ListenerChange::Limits(_) => {
            "nothing for sessions that are in: for new connections"
        }
    }
}

const fn of_cluster(what: &ClusterChange) -> &'static str {
    match what {
        ClusterChange::Added(_) => NOTHING,
        ClusterChange::Removed(None) => WEB_LOST,
        ClusterChange::Removed(Some(Loss::Repicked | Loss::TakenOver)) => {
            "sessions that have a backend there lose it and stay connected"
        }
        ClusterChange::Removed(Some(Loss::Closed)) => "sessions that have a backend there are closed",
        ClusterChange::Removed(Some(Loss::Stay)) => {
            "sessions that have a backend there keep it until they end"
        }
        ClusterChange::Link(_) => "its sessions keep their connection and are bound anew at their next frame",
        ClusterChange::Connections(_) => {
            "nothing for sessions that are in: for new connections to its backends"
        }
        ClusterChange::Choice(_) => {
            "nothing for sessions that are in: for the next choice of a backend, and a sticky session keeps its own"
        }
        ClusterChange::Binding(_) => {
            "for the next frame of each of its sessions another backend may be chosen"
        }
        ClusterChange::OnLoss(_) => "nothing for sessions that are in, until a backend is lost",
        ClusterChange::Judgement(_) => {
            "nothing for sessions that are in: its backends are judged by the new rules"
        }
    }
}

fn of_backend(what: &BackendChange, loss: Loss) -> &'static str {
    let lost = match loss {
        Loss::Repicked | Loss::TakenOver => {
            "its sessions keep their connection and are bound elsewhere at their next frame"
        }
        Loss::Closed => "its sessions are closed",
        Loss::Stay => "nobody new; its sessions stay until they end",
    };
    match what {
        BackendChange::Added => "nothing for sessions that are in: it gets new ones",
        BackendChange::Removed => lost,
        BackendChange::Weight(weights) if weights.to == 0 => "no new sessions; those it has go on",
        BackendChange::Weight(_) | BackendChange::Zone(_) => {
            "nothing for sessions that are in: another share of new ones"
        }
        BackendChange::Group(_) => {
            "its sessions of a group that it does not serve any more go to another one at their next frame"
        }
        BackendChange::MaxSessions(_) => "nothing for sessions that are in, even if they are more than that",
        BackendChange::Admin(states) => match states.to {
            AdminState::Ready => "those it has go on, and it gets new ones",
            AdminState::Drain => "no new sessions; those it has go on",
            AdminState::Disable => lost,
        },
    }
}

/// A backend of a hot standby, where the order of the file alone says who serves.
const fn of_standby(what: &BackendChange) -> &'static str {
    match what {
        what if asks_anew(what) => {
            "the next frame of each session goes to the first two that live, in the order of the file"
        }
        what if is_for_its_own(what) => {
            "its sessions keep their connection and go on with the first two others that live"
        }
        BackendChange::MaxSessions(_) => "nothing for sessions that are in, even if they are more than that",
        BackendChange::Added
        | BackendChange::Removed
        | BackendChange::Weight(_)
        | BackendChange::Zone(_)
        | BackendChange::Group(_)
        | BackendChange::Admin(_) => "nothing for sessions: the first two that live serve all of them",
    }
}

/// Whether a backend of a hot standby may be one of the two from now on.
const fn asks_anew(what: &BackendChange) -> bool {
    matches!(
        what,
        BackendChange::Added
            | BackendChange::Weight(Swap { from: 0, .. })
            | BackendChange::Group(_)
            | BackendChange::Admin(Swap { to: AdminState::Ready, .. })
    )
}

/// Whether it means something for the sessions that a backend has.
const fn is_for_its_own(what: &BackendChange) -> bool {
    matches!(
        what,
        BackendChange::Removed
            | BackendChange::Weight(Swap { to: 0, .. })
            | BackendChange::Group(_)
            | BackendChange::Admin(_)
    )
}

const WEB_LOST: &str = "requests under way there are answered, its tunnels end";

/// A backend that answers requests.
fn of_web_backend(what: &BackendChange) -> &'static str {
    let kept = "requests under way there are answered; it gets those of clients that keep it by a cookie";
    match what {
        BackendChange::Added => "nothing for requests under way: it gets new ones",
        BackendChange::Removed => WEB_LOST,
        BackendChange::Weight(weights) if weights.to == 0 => kept,
        BackendChange::Weight(_) | BackendChange::Zone(_) | BackendChange::Group(_) => {
            "nothing for requests under way: another share of new ones"
        }
        BackendChange::MaxSessions(_) => "nothing for requests under way, even if they are more than that",
        BackendChange::Admin(states) => match states.to {
            AdminState::Ready => "it gets new requests",
            AdminState::Drain => kept,
            AdminState::Disable => WEB_LOST,
        },
    }
}

fn of_release(what: &ReleaseChange, moving: Moving, spread: Duration) -> String {
    match (what, moving) {
        (ReleaseChange::Spread(_), Moving::Natural) => NOTHING.to_owned(),
        (ReleaseChange::Spread(_), Moving::Forced) => {
            format!("who of another group has not moved yet does so over {}", format_duration(spread))
        }
        (ReleaseChange::Active(groups), _) if groups.from.is_empty() => {
            "sessions that are in enter their group at their next frame".to_owned()
        }
        (ReleaseChange::Active(groups), _) if groups.to.is_empty() => {
            "sessions that are in leave their groups at their next frame".to_owned()
        }
        (_, Moving::Natural) => "sessions of another group stay in it until they end".to_owned(),
        (_, Moving::Forced) => format!(
            "over {}, the next frame of each session of another group is answered by moved, and it is closed",
            format_duration(spread)
        ),
    }
}

const fn of_login(what: &LoginChange) -> &'static str {
    match what {
        LoginChange::Added => "sessions that are here stay in without a login; new ones log in",
        LoginChange::Removed(None) => "nothing for sessions that are in: nobody has to log in any more",
        LoginChange::Removed(Some(_)) | LoginChange::Resume(Swap { to: None, .. }) => {
            "sessions that wait for their player end; the others stay"
        }
        LoginChange::Way(_) => "sessions that are in stay in; the next login goes by the new rules",
        LoginChange::Duplicate(_) => "nothing for sessions that are in, until an account logs in once more",
        LoginChange::Resume(_) => "nothing for sessions that are in, until a connection breaks",
        LoginChange::Versions => "sessions that are in stay in, whatever their version; for new logins",
        LoginChange::Queue => "sessions that are in stay in; who waits is let in by the new rules",
    }
}

const fn of_http(what: &HttpChange) -> &'static str {
    match what {
        HttpChange::Added(_) => "nothing for sessions: its requests are answered from now on",
        HttpChange::Removed => {
            "requests under way are answered; later ones meet another route, or 404; connections stay"
        }
        HttpChange::Opened(_) => {
            "requests under way go on as they began; the next ones are answered whoever asks, and prove nothing"
        }
        HttpChange::Requests(_)
        | HttpChange::Partners(_)
        | HttpChange::Target(_)
        | HttpChange::Layout(_)
        | HttpChange::Rules(_) => {
            "requests under way go on as they began; the next ones follow it; connections stay"
        }
    }
}

const fn of_partner(what: &PartnerChange) -> &'static str {
    match what {
        PartnerChange::Added | PartnerChange::Enabled => {
            "nothing for sessions: its next request is let through"
        }
        PartnerChange::Removed | PartnerChange::Disabled => {
            "nothing for sessions: its next request is refused, and its open tunnels end"
        }
        PartnerChange::Auth(_) | PartnerChange::Networks => {
            "nothing for sessions: its next request is judged by the new rules"
        }
        PartnerChange::Limits(_) => "nothing for sessions: what it has had today stays counted",
    }
}

fn of_route(what: &RouteChange) -> String {
    match what {
        RouteChange::Added(cluster) => {
            return format!(
                "nothing for sessions that are in: frames of its IDs go to {cluster} from now on"
            );
        }
        RouteChange::Removed => {
            "its frames are unknown from now on, unless another route has them; sessions stay"
        }
        RouteChange::Ids(_) => {
            "frames that it has no more are unknown, unless another route has them; sessions stay"
        }
        RouteChange::Cluster(names) => {
            return format!(
                "its sessions keep their connection and are bound to {} at their next frame",
                names.to
            );
        }
        RouteChange::Login(_) => "sessions that are in go on; guests log in first, or need not any more",
        RouteChange::Class(_) => "nothing, until there is too much",
        RouteChange::Breaker => "nothing for sessions that are in: what was counted stays",
        RouteChange::Limit(_) => "sessions that are in stay: their next frames are judged by the new limit",
        RouteChange::Closed(_) => {
            "its frames are answered by maintenance; sessions stay, and other routes go on"
        }
        RouteChange::Opened => "sessions that were refused get recovered once",
        RouteChange::Reworded(_) => "its frames are answered by the new words",
    }
    .to_owned()
}

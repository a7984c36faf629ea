//! What a world says of logins, ready for the frame path.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::world::ClusterView;
use crate::base::{ClusterKey, ProtocolId};
use crate::config::{Duplicate, Login, LoginWay, Plan};
use crate::players::{Claims, TokenFault, Verifier};
use crate::policy::VersionRule;

/// Who may play, and how that is found out.
#[derive(Debug)]
pub(super) struct Gatekeeper {
    way: Way,
    pub(super) duplicate: Duplicate,
    pub(super) versions: Option<VersionRule>,
    /// How long a session waits for its player.
    pub(super) resume: Option<Duration>,
}

#[derive(Debug)]
enum Way {
    /// Backends of this cluster say BIND; `None`: the cluster is not there.
    Bind(Option<ClusterKey>),
    /// The player shows a token in a frame with this ID, from this byte on.
    Token { id: ProtocolId, offset: usize, verifier: Option<Arc<Verifier>> },
}

/// How players log in; what comes with logins of two kinds does not count on one scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LoginKind {
    /// Nobody does.
    #[default]
    None,
    /// Backends say who they are.
    Bind,
    /// They show a token.
    Token,
}

impl Gatekeeper {
    /// How players log in.
    pub(super) fn kind(&self) -> LoginKind {
        match self.way {
            Way::Bind(_) => LoginKind::Bind,
            Way::Token { .. } => LoginKind::Token,
        }
    }

    /// As `[login]` says; `verifier` is what the file of its key contained.
    pub(super) fn new(
        login: &Login,
        plan: &Plan,
        clusters: &[Arc<ClusterView>],
        verifier: Option<&Arc<Verifier>>,
    ) -> Self {
        let way = match login.way() {
            LoginWay::Route(place) => {
                let cluster = plan.routes().get(*place).and_then(|route| clusters.get(route.cluster()));
                Way::Bind(cluster.map(|cluster| cluster.key()))
            }
            LoginWay::Token(rules) => {
                Way::Token { id: rules.id(), offset: rules.offset(), verifier: verifier.cloned() }
            }
        };
        let versions = login.versions().cloned();
        Self { way, duplicate: login.duplicate(), versions, resume: login.resume() }
    }

    /// Whether a backend of this cluster may say who plays.
    pub(super) fn binds(&self, cluster: ClusterKey) -> bool {
        match &self.way {
            Way::Bind(own) => *own == Some(cluster),
            Way::Token { .. } => false,
        }
    }

    /// Whether frames with this ID hold tokens.
    pub(super) fn reads(&self, id: ProtocolId) -> bool {
        match &self.way {
            Way::Bind(_) => false,
            Way::Token { id: own, .. } => *own == id,
        }
    }

    /// What the token in a frame says.
    pub(super) fn read(&self, frame: &[u8], now: SystemTime) -> Result<Claims, TokenFault> {
        let Way::Token { offset, verifier: Some(verifier), .. } = &self.way else {
            return Err(TokenFault::UnknownKey);
        };
        let token = frame.get(*offset..).ok_or(TokenFault::Malformed)?;
        verifier.verify(token, now.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

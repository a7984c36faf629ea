//! `[http.NAME]`: which requests go where.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Plan;
use super::listener::Listener;
use super::partner::Partner;
use crate::base::ProtocolId;
use crate::config::site::Located;
use crate::policy::BreakerRules;
use crate::wire::FrameLayout;

/// `[http.NAME]`.
#[derive(Clone, Debug)]
pub struct HttpRoute {
    pub(in crate::config) name: String,
    pub(in crate::config) listener: usize,
    pub(in crate::config) host: Option<String>,
    pub(in crate::config) path: PathPattern,
    pub(in crate::config) strip: Option<String>,
    pub(in crate::config) methods: Vec<String>,
    pub(in crate::config) partners: Vec<usize>,
    pub(in crate::config) target: HttpTarget,
    pub(in crate::config) cache: Option<Duration>,
    pub(in crate::config) timeout: Duration,
    pub(in crate::config) retries: u8,
    pub(in crate::config) max_body: u64,
    pub(in crate::config) breaker: BreakerRules,
}

/// `path`: one path, or all that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This path alone.
    Exact(String),
    /// Every path that begins so.
    Prefix(String),
}

/// What answers the requests of a route.
#[derive(Clone, Debug)]
pub enum HttpTarget {
    /// A cluster that speaks HTTP; a place in the plan's clusters.
    Cluster(usize),
    /// A cluster with shared links, which gets a frame for each request.
    Convert(Conversion),
    /// The gateway itself, with this file.
    File(Located<PathBuf>),
}

/// `convert`: a request with a JSON body becomes a frame, and its reply's body the answer.
#[derive(Clone, Debug)]
pub struct Conversion {
    pub(in crate::config) cluster: usize,
    pub(in crate::config) id: ProtocolId,
    pub(in crate::config) reply: ProtocolId,
    pub(in crate::config) frame: String,
    pub(in crate::config) layout: Arc<FrameLayout>,
}

impl HttpRoute {
    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The listener its requests come in at; a place in the plan's listeners.
    #[must_use]
    pub fn listener(&self) -> usize {
        self.listener
    }

    /// The host its requests name, in small letters and without a port; `None`: any.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The paths of its requests.
    #[must_use]
    pub fn path(&self) -> &PathPattern {
        &self.path
    }

    /// What is taken off the front of the path before the backend sees it.
    #[must_use]
    pub fn strip(&self) -> Option<&str> {
        self.strip.as_deref()
    }

    /// The methods of its requests; empty: all.
    #[must_use]
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// Who may ask; places in the plan's partners. Empty: everybody.
    #[must_use]
    pub fn partners(&self) -> &[usize] {
        &self.partners
    }

    /// What answers.
    #[must_use]
    pub fn target(&self) -> &HttpTarget {
        &self.target
    }

    /// For how long an answer counts as fresh; `None`: nothing is said of it, and nothing is kept.
    #[must_use]
    pub fn cache(&self) -> Option<Duration> {
        self.cache
    }

    /// How long the head of the answer may take, over all tries.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How often an idempotent request is tried again.
    #[must_use]
    pub fn retries(&self) -> u8 {
        self.retries
    }

    /// The most bytes of a request's body.
    #[must_use]
    pub fn max_body(&self) -> u64 {
        self.max_body
    }

    /// When it stops sending to a backend.
    #[must_use]
    pub fn breaker(&self) -> &BreakerRules {
        &self.breaker
    }
}

impl Plan {
    /// Which requests are a route's, in words: `open GET,HEAD open.example.com/pay/*`.
    #[must_use]
    pub fn asked_at(&self, route: &HttpRoute) -> String {
        let listener = self.listeners.get(route.listener).map_or("", Listener::name);
        let methods =
            if route.methods.is_empty() { "any method".to_owned() } else { route.methods.join(",") };
        format!("{listener} {methods} {}{}", route.host.as_deref().unwrap_or_default(), route.path)
    }

    /// Who may ask at a route, in words.
    #[must_use]
    pub fn askers(&self, route: &HttpRoute) -> String {
        let partners = route.partners.iter().filter_map(|place| self.partners.get(*place));
        let names: Vec<_> = partners.map(Partner::name).collect();
        if names.is_empty() { "everybody".to_owned() } else { names.join(",") }
    }

    /// What answers at a route, in words.
    #[must_use]
    pub fn answers(&self, route: &HttpRoute) -> String {
        let name = |place: usize| self.clusters.get(place).map_or("", |cluster| cluster.name());
        match &route.target {
            HttpTarget::Cluster(cluster) => name(*cluster).to_owned(),
            HttpTarget::Convert(to) => {
                let (cluster, frame) = (name(to.cluster), &to.frame);
                format!("{cluster} as frame {} of [frame.{frame}] answered by {}", to.id, to.reply)
            }
            HttpTarget::File(path) => format!("file {}", path.get().display()),
        }
    }
}

impl Display for PathPattern {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => into.write_str(path),
            Self::Prefix(path) => write!(into, "{path}*"),
        }
    }
}

impl HttpTarget {
    /// What requests become, where they become frames.
    pub(in crate::config) fn conversion(&self) -> Option<&Conversion> {
        match self {
            Self::Convert(conversion) => Some(conversion),
            Self::Cluster(_) | Self::File(_) => None,
        }
    }

    /// The cluster that answers, a place in the plan's clusters; `None`: the gateway does.
    #[must_use]
    pub fn cluster(&self) -> Option<usize> {
        match self {
            Self::Cluster(cluster) => Some(*cluster),
            Self::Convert(conversion) => Some(conversion.cluster),
            Self::File(_) => None,
        }
    }
}

impl Conversion {
    /// The cluster that gets the frames; a place in the plan's clusters.
    #[must_use]
    pub fn cluster(&self) -> usize {
        self.cluster
    }

    /// The protocol ID of the frame that a request becomes.
    #[must_use]
    pub fn id(&self) -> ProtocolId {
        self.id
    }

    /// The protocol ID of the frame that answers it.
    #[must_use]
    pub fn reply(&self) -> ProtocolId {
        self.reply
    }

    /// The name of the layout that both have.
    #[must_use]
    pub fn frame(&self) -> &str {
        &self.frame
    }

    /// What both look like.
    #[must_use]
    pub fn layout(&self) -> &Arc<FrameLayout> {
        &self.layout
    }
}

//! The checked configuration: units in types, names resolved to places in lists, defaults filled in. Fields are
//! private to the room; only `check` makes a plan.

mod cluster;
mod health;
mod listener;
mod process;
mod route;

use std::path::Path;
use std::sync::Arc;

use super::problem::Problem;
use super::report::Report;
use super::site::Site;
use super::source::Sources;

pub use cluster::{Backend, BackendTls, Cluster, HashOn, LinkKind, ProxyHeader};
pub use health::{Health, Probe};
pub use listener::{CertificatePair, Listener, ListenerLimits, NamedLayout, UnknownId};
pub use process::{Drain, Gateway};
pub use route::{Reply, Route};

/// Everything a configuration says, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(in crate::config) sources: Arc<Sources>,
    pub(in crate::config) gateway: Gateway,
    pub(in crate::config) drain: Drain,
    pub(in crate::config) frames: Vec<NamedLayout>,
    pub(in crate::config) listeners: Vec<Listener>,
    pub(in crate::config) clusters: Vec<Cluster>,
    pub(in crate::config) routes: Vec<Route>,
}

impl Plan {
    /// `[gateway]`.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// `[drain]`.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Every `[frame.NAME]`, by name.
    #[must_use]
    pub fn frames(&self) -> &[NamedLayout] {
        &self.frames
    }

    /// Every `[listener.NAME]`, by name.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Every `[cluster.NAME]`, by name; [`Route::cluster`] is a place in this list.
    #[must_use]
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// Every `[route.NAME]`, by name.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// FNV-1a (64 bits) over the texts of the files in their order, each ended by a zero byte.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.sources.hash()
    }

    /// The file or the folder that was loaded.
    #[must_use]
    pub fn origin(&self) -> &Path {
        self.sources.origin()
    }

    /// `file:line:column` of a site of this plan, for one line of a log.
    #[must_use]
    pub fn place(&self, site: &Site) -> String {
        self.sources.place(site)
    }

    /// What the edge found wrong with this plan, in the same form as the mistakes of the file.
    #[must_use]
    pub fn report(&self, problems: Vec<Problem>) -> Report {
        Report::new(Arc::clone(&self.sources), problems)
    }
}

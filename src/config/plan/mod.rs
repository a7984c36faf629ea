//! The checked configuration: units in types, names resolved to places in lists, defaults filled in. Fields are
//! private to the room; only `check` makes a plan.

mod admin;
mod cluster;
mod health;
mod http;
mod listener;
mod login;
mod network;
mod partner;
mod process;
mod release;
mod route;

use std::path::Path;
use std::sync::Arc;

use super::problem::Problem;
use super::report::Report;
use super::site::Site;
use super::source::Sources;

pub use admin::Admin;
pub use cluster::{Backend, BackendTls, Cluster, HashOn, LinkKind, ProxyHeader};
pub use health::{Health, Probe};
pub use http::{Conversion, HttpRoute, HttpTarget, PathPattern};
pub use listener::{
    CertificatePair, Listener, ListenerLimits, NamedLayout, Protocol, UnknownId, WebSocketRules,
};
pub use login::{Duplicate, Login, LoginWay, Queue, TokenAlgorithm, TokenRules, TokenTrust};
pub use network::Network;
pub(in crate::config) use network::NetworkFault;
pub use partner::{Partner, PartnerAuth};
pub use process::{Drain, Gateway, Net};
pub use release::{Canary, CanaryKey, CanaryRule, GroupIndex, Moving, Release};
pub use route::{LimitAction, Reply, Route, RouteLimit};

/// Everything a configuration says, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(in crate::config) sources: Arc<Sources>,
    pub(in crate::config) gateway: Gateway,
    pub(in crate::config) net: Net,
    pub(in crate::config) drain: Drain,
    pub(in crate::config) admin: Option<Admin>,
    pub(in crate::config) groups: Vec<String>,
    pub(in crate::config) release: Release,
    pub(in crate::config) frames: Vec<NamedLayout>,
    pub(in crate::config) listeners: Vec<Listener>,
    pub(in crate::config) clusters: Vec<Cluster>,
    pub(in crate::config) routes: Vec<Route>,
    pub(in crate::config) partners: Vec<Partner>,
    pub(in crate::config) http: Vec<HttpRoute>,
    pub(in crate::config) login: Option<Login>,
}

impl Plan {
    /// `[gateway]`.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// `[net]`.
    #[must_use]
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// `[drain]`.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// `[admin]`; without one there is no API and no metrics page.
    #[must_use]
    pub fn admin(&self) -> Option<&Admin> {
        self.admin.as_ref()
    }

    /// Every release group that a backend is in or that is active somewhere, by name; empty: there are no groups.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The group of a name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<GroupIndex> {
        let place = self.groups.iter().position(|group| group == name)?;
        u8::try_from(place).ok().map(GroupIndex)
    }

    /// The group at a place of [`Plan::groups`].
    #[must_use]
    pub fn group_at(&self, place: u8) -> Option<GroupIndex> {
        (usize::from(place) < self.groups.len()).then_some(GroupIndex(place))
    }

    /// `[release]`.
    #[must_use]
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// This plan with what only another process can change as `running` has it: the gateway's number, its workers, its
    /// folder and the address of the API.
    #[must_use]
    pub fn in_the_process_of(mut self, running: &Self) -> Self {
        let zone = std::mem::take(&mut self.gateway.zone);
        self.gateway = Gateway { zone, ..running.gateway.clone() };
        self.admin.clone_from(&running.admin);
        self
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

    /// Every `[partner.NAME]`, by name.
    #[must_use]
    pub fn partners(&self) -> &[Partner] {
        &self.partners
    }

    /// Every `[http.NAME]`, by name.
    #[must_use]
    pub fn http(&self) -> &[HttpRoute] {
        &self.http
    }

    /// `[login]`; without one nobody logs in.
    #[must_use]
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
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

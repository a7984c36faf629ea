//! The parts of a configuration that could be made, whether or not all of it could: what names files.

use super::plan::{Admin, Canary, Cluster, HttpRoute, Listener, Login, Partner, Plan};

/// Every part that names files. Those of a configuration with mistakes know their files and nothing of each other:
/// places in lists are not to be relied on.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// `[admin]`.
    pub admin: Option<&'a Admin>,
    /// `[listener.NAME]`.
    pub listeners: &'a [Listener],
    /// `[cluster.NAME]`.
    pub clusters: &'a [Cluster],
    /// `release.canary`.
    pub canary: &'a [Canary],
    /// `[partner.NAME]`.
    pub partners: &'a [Partner],
    /// `[http.NAME]`.
    pub http: &'a [HttpRoute],
    /// `[login]`.
    pub login: Option<&'a Login>,
}

/// What could be made of a configuration with mistakes.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    pub(super) admin: Option<Admin>,
    pub(super) listeners: Vec<Listener>,
    pub(super) clusters: Vec<Cluster>,
    pub(super) canary: Vec<Canary>,
    pub(super) partners: Vec<Partner>,
    pub(super) http: Vec<HttpRoute>,
    pub(super) login: Option<Login>,
}

impl Plan {
    /// Its parts that name files.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            admin: self.admin.as_ref(),
            listeners: &self.listeners,
            clusters: &self.clusters,
            canary: &self.release.canary,
            partners: &self.partners,
            http: &self.http,
            login: self.login.as_ref(),
        }
    }
}

impl Plan {
    /// The same of a plan with mistakes that kept no part from being made.
    pub(super) fn into_made(self) -> Box<Made> {
        Box::new(Made {
            admin: self.admin,
            listeners: self.listeners,
            clusters: self.clusters,
            canary: self.release.canary,
            partners: self.partners,
            http: self.http,
            login: self.login,
        })
    }
}

impl Made {
    pub(super) fn parts(&self) -> Parts<'_> {
        Parts {
            admin: self.admin.as_ref(),
            listeners: &self.listeners,
            clusters: &self.clusters,
            canary: &self.canary,
            partners: &self.partners,
            http: &self.http,
            login: self.login.as_ref(),
        }
    }
}

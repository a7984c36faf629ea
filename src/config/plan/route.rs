//! Which protocol IDs go where.

use crate::policy::RouteClass;

/// `[route.NAME]`.
#[derive(Clone, Debug)]
pub struct Route {
    pub(in crate::config) name: String,
    pub(in crate::config) ids: Vec<(u64, u64)>,
    pub(in crate::config) catch_all: bool,
    pub(in crate::config) cluster: usize,
    pub(in crate::config) class: RouteClass,
}

impl Route {
    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Inclusive ranges of protocol IDs; a single number is a range of one.
    #[must_use]
    pub fn ids(&self) -> &[(u64, u64)] {
        &self.ids
    }

    /// Whether it takes every ID that no other route has.
    #[must_use]
    pub fn catch_all(&self) -> bool {
        self.catch_all
    }

    /// The place of its cluster in [`Plan::clusters`](super::Plan::clusters).
    #[must_use]
    pub fn cluster(&self) -> usize {
        self.cluster
    }

    /// How dear it is when there is too much.
    #[must_use]
    pub fn class(&self) -> RouteClass {
        self.class
    }
}

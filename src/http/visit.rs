//! A request that has found its route.

use std::sync::Arc;
use std::time::Instant;

use hyper::Request;

use super::line::Caller;
use super::upload::Upload;
use crate::net::{WebLane, World};

/// A request on its way to what answers it.
#[derive(Debug)]
pub(in crate::http) struct Visit {
    /// The world it is decided under.
    pub(in crate::http) world: Arc<World>,
    /// Its route.
    pub(in crate::http) lane: Arc<WebLane>,
    /// The request: its path is as its target sees it, its headers are as they came.
    pub(in crate::http) request: Request<Upload>,
    /// Whose it is.
    pub(in crate::http) caller: Caller,
    /// Since when its answer is waited for, unless its body is still to come.
    pub(in crate::http) since: Instant,
    /// Whether some of that time went by while it waited for what another one fetched.
    pub(in crate::http) has_waited: bool,
}

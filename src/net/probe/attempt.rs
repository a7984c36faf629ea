//! One probe of one backend: what it works with, and how its kind is carried out.

use std::time::{Duration, Instant};

use super::failure::{Failure, Progress, Step};
use super::patience::patiently;
use super::{frame, http, link, tcp};
use crate::cluster::{Backend, Mark, Report, ServingState};
use crate::config::{Gateway, LinkKind, Probe, ProxyHeader};
use crate::net::hub;
use crate::net::stream::Dial;
use crate::net::world::ClusterView;
use crate::telemetry;
use crate::wire::{append_proxy_v1_local, append_proxy_v2_local};

/// A probe on its way.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    pub(super) cluster: &'a ClusterView,
    pub(super) backend: &'a Backend,
    /// Who asks.
    pub(super) gateway: &'a Gateway,
    /// When the process started.
    pub(super) started: Instant,
    /// What the backend cannot know beforehand.
    pub(super) nonce: u64,
    /// Drawn evenly from 0..1, for its reports.
    pub(super) drawn: f64,
    pub(super) progress: Progress,
}

/// A probe that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Good,
    /// It lives, and this key of its load report is wrong.
    BadReport(&'static str),
}

impl Attempt<'_> {
    /// Connects, asks and judges, all within the cluster's `health.timeout`.
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        let limit = self.cluster.plan.health().rules().timeout;
        let in_time = patiently(limit, self.ask()).await;
        in_time.unwrap_or_else(|| Err(Failure::Late(self.progress.step(), limit)))
    }

    async fn ask(&self) -> Result<Answer, Failure> {
        let stream = self.dial().open(self.preface()).await.map_err(Failure::Connect)?;
        match self.cluster.plan.health().probe() {
            Probe::Tcp => Ok(tcp::probe(&stream)),
            Probe::Link => link::probe(self, stream).await,
            Probe::Http { path } => http::probe(self, stream, path).await,
            Probe::Frame { send, expect } => frame::probe(self, stream, send, expect).await,
        }
    }

    fn dial(&self) -> Dial {
        Dial {
            address: self.backend.address().to_owned(),
            timeout: self.cluster.plan.connect_timeout(),
            tls: self.cluster.tls.clone(),
        }
    }

    /// A backend that waits for a PROXY header would not understand a probe without one.
    fn preface(&self) -> Vec<u8> {
        let mut header = Vec::new();
        match self.cluster.plan.link() {
            LinkKind::Shared | LinkKind::Http | LinkKind::Dedicated { proxy: ProxyHeader::Off, .. } => {}
            LinkKind::Dedicated { proxy: ProxyHeader::V1, .. } => append_proxy_v1_local(&mut header),
            LinkKind::Dedicated { proxy: ProxyHeader::V2, .. } => append_proxy_v2_local(&mut header),
        }
        header
    }

    /// From now on this is waited for.
    pub(super) fn enter(&self, step: Step) {
        self.progress.enter(step);
    }

    /// Takes in what the backend says of its capacity when it greets.
    pub(super) fn greeted(&self, capacity: Option<u32>) {
        self.backend.greeted(capacity, self.cluster.entry.slow_start(), self.drawn, self.now());
    }

    /// Takes in what the backend says of its load, if it says anything.
    pub(super) fn report(&self, report: Report, asked: Mark) {
        if report != Report::default() {
            self.backend.report(report, asked, self.cluster.entry.slow_start(), self.drawn, self.now());
        }
    }

    /// Since the process's start.
    fn now(&self) -> Duration {
        hub::now().saturating_duration_since(self.started)
    }

    /// Takes in what the backend says of its readiness.
    pub(super) fn state(&self, state: ServingState) {
        if self.backend.set_state(state) {
            telemetry::backend_state(self.cluster.name(), self.backend.address(), state, None);
        }
    }
}

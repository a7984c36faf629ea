//! A route's breaker at one backend, and the promise that each frame behind it is: answered in time, failed, or
//! never to be known.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;

use crate::cluster::Backend;
use crate::policy::{Breaker, BreakerRules, BreakerState, Pass, Shut};
use crate::telemetry;

/// The breaker of a route at one member of its cluster.
#[derive(Debug)]
pub struct Guard {
    route: Arc<str>,
    backend: Arc<Backend>,
    breaker: Arc<Breaker>,
    rules: BreakerRules,
}

/// A frame that was let in. Dropped without a result, nobody will ever know what became of it.
#[derive(Debug)]
pub struct Promise {
    guard: Arc<Guard>,
    pass: Option<Pass>,
    /// The life of the link that carries the frame.
    pub(super) epoch: u32,
}

impl Guard {
    pub(super) fn new(
        route: Arc<str>,
        backend: Arc<Backend>,
        breaker: Arc<Breaker>,
        rules: BreakerRules,
    ) -> Arc<Self> {
        Arc::new(Self { route, backend, breaker, rules })
    }

    /// The name of the route; `http.NAME` for one of HTTP.
    #[must_use]
    pub fn route(&self) -> &Arc<str> {
        &self.route
    }

    /// The member.
    #[must_use]
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// Whether a frame could be let in.
    #[must_use]
    pub fn may_enter(&self, now: Duration) -> bool {
        self.breaker.may_enter(&self.rules, now)
    }

    /// Whether a frame could be let in as soon as one of those before it is over.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.breaker.is_crowded(&self.rules)
    }

    /// Lets a frame in.
    ///
    /// # Errors
    /// When it is open, or as many as may be wait for their answers.
    pub fn enter(self: &Arc<Self>, now: Duration, dice: &mut impl Rng) -> Result<Promise, Shut> {
        let pass = self.breaker.enter(&self.rules, now, dice)?;
        Ok(Promise { guard: Arc::clone(self), pass: Some(pass), epoch: 0 })
    }

    /// Whether frames pass, all or, after a trial, a growing part.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state() == BreakerState::Closed
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.breaker.state()
    }

    /// How long it stays open.
    #[must_use]
    pub fn remaining(&self, now: Duration) -> Option<Duration> {
        self.breaker.remaining(now)
    }

    fn changed(&self, state: Option<BreakerState>, now: Duration) {
        if let Some(state) = state {
            telemetry::breaker_changed(
                &self.route,
                self.backend.address(),
                state,
                self.breaker.remaining(now),
            );
        }
    }
}

impl Promise {
    pub(super) fn backend(&self) -> &Arc<Backend> {
        &self.guard.backend
    }

    /// Whether nothing else is let in before its result is known.
    #[must_use]
    pub fn is_trial(&self) -> bool {
        self.pass == Some(Pass::Trial)
    }

    /// Nobody waits for its result any more: at whose breaker it may be made anew.
    #[must_use]
    pub fn give_back(self) -> Arc<Guard> {
        Arc::clone(&self.guard)
    }

    /// It went out in this life of a link.
    pub(super) fn carried_by(mut self, epoch: u32) -> Self {
        self.epoch = epoch;
        self
    }

    /// It was answered in time; or, where the route names no reply, it was handed over.
    pub fn succeeded(mut self, now: Duration) {
        if let Some(pass) = self.pass.take() {
            let changed = self.guard.breaker.succeeded(pass, &self.guard.rules, now);
            self.guard.changed(changed, now);
        }
    }

    /// It was not answered in time, or could not be handed over.
    pub fn failed(mut self, now: Duration, dice: &mut impl Rng) {
        if let Some(pass) = self.pass.take() {
            let changed = self.guard.breaker.failed(pass, &self.guard.rules, now, dice);
            self.guard.changed(changed, now);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.guard.breaker.forgotten(pass);
        }
    }
}

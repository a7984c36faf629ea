//! A request's place at a backend: counted among its sessions until the answer is over, and judged by what became of
//! it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Backend;
use crate::http::thread::Thread;
use crate::net::{self, ClusterView, Guard, Promise};
use crate::telemetry;

/// A place at a backend, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    thread: Rc<Thread>,
    cluster: Arc<ClusterView>,
    backend: Arc<Backend>,
    place: usize,
    /// What the route's breaker there waits to hear; `None` when it has heard.
    promise: Option<Promise>,
    /// Where it was given back: what became of the request is told there all the same.
    given_back: Option<Arc<Guard>>,
}

impl Ticket {
    /// Takes a place that the backend has counted.
    pub(super) fn new(
        thread: &Rc<Thread>,
        cluster: &Arc<ClusterView>,
        backend: &Arc<Backend>,
        place: usize,
        promise: Promise,
    ) -> Self {
        Self {
            thread: Rc::clone(thread),
            cluster: Arc::clone(cluster),
            backend: Arc::clone(backend),
            place,
            promise: Some(promise),
            given_back: None,
        }
    }

    pub(super) fn thread(&self) -> &Rc<Thread> {
        &self.thread
    }

    pub(super) fn cluster(&self) -> &Arc<ClusterView> {
        &self.cluster
    }

    pub(super) fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// Its place among the members.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    fn now(&self) -> Duration {
        self.thread.since_start(net::now())
    }

    /// Whether the route sends nothing else there before the breaker has heard.
    pub(super) fn is_trial(&self) -> bool {
        self.promise.as_ref().is_some_and(Promise::is_trial)
    }

    /// The breaker does not wait for it: the next request may decide before.
    pub(super) fn give_trial_back(&mut self) {
        self.given_back = self.promise.take().map(Promise::give_back);
    }

    /// What the breaker hears the result of.
    fn judged(&mut self) -> Option<Promise> {
        if let Some(guard) = self.given_back.take() {
            return guard.enter(self.now(), &mut *self.thread.dice.borrow_mut()).ok();
        }
        self.promise.take()
    }

    /// The backend answered as it should.
    pub(super) fn succeeded(&mut self) {
        self.backend.succeeded();
        if let Some(promise) = self.judged() {
            promise.succeeded(self.now());
        }
    }

    /// The backend could not be reached, did not answer, or said itself that it cannot.
    pub(super) fn failed(&mut self) {
        let now = self.now();
        if let Some(promise) = self.judged() {
            promise.failed(now, &mut *self.thread.dice.borrow_mut());
        }
        self.broke();
    }

    /// The backend could not be reached: it is left alone for a while.
    pub(super) fn unreachable(&mut self, why: &std::io::Error) {
        self.backend.connect_failed(self.now());
        telemetry::unreachable_backend(self.cluster.entry().name(), self.backend.address(), &why.to_string());
        self.failed();
    }

    /// The backend broke off in an answer that had begun well.
    pub(super) fn broke(&self) {
        if let Some(out) = self.cluster.entry().failed(self.backend.key(), self.now()) {
            telemetry::backend_ejected(self.cluster.entry().name(), self.backend.address(), out);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.backend.close_session();
    }
}

//! Who watches one backend: probes it, counts, and says what has changed.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::attempt::{Answer, Attempt};
use super::failure::{Failure, Progress};
use super::prober::Desk;
use crate::cluster::Backend;
use crate::net::hub;
use crate::net::worker::Command;
use crate::net::world::ClusterView;
use crate::policy::{Change, HealthCount};
use crate::telemetry;

/// The watch over one backend.
#[derive(Debug)]
pub(super) struct Watch {
    desk: Arc<Desk>,
    /// Its cluster, as the world in force has it.
    cluster: Arc<ClusterView>,
    follows: watch::Receiver<Arc<ClusterView>>,
    /// Who waits for the first probe.
    probed: Option<oneshot::Sender<()>>,
    backend: Arc<Backend>,
    count: HealthCount,
    dice: SmallRng,
    /// Why the last probe that failed did.
    reason: String,
    /// What was said of probes that decided nothing, until a good one came.
    told: Option<&'static str>,
}

impl Watch {
    pub(super) fn new(
        desk: &Arc<Desk>,
        follows: watch::Receiver<Arc<ClusterView>>,
        backend: Arc<Backend>,
        probed: oneshot::Sender<()>,
    ) -> Self {
        let cluster = Arc::clone(&follows.borrow());
        Self {
            desk: Arc::clone(desk),
            count: match backend.has_fallen() {
                true => HealthCount::down(),
                false => HealthCount::new(backend.is_up()),
            },
            cluster,
            follows,
            probed: Some(probed),
            backend,
            dice: rand::make_rng(),
            reason: String::new(),
            told: None,
        }
    }

    /// Probes for as long as it is polled.
    pub(super) async fn run(mut self) {
        sleep(self.first_delay()).await;
        loop {
            self.cluster = Arc::clone(&self.follows.borrow_and_update());
            let result = self.probe().await;
            self.judge(result).await;
            drop(self.probed.take());
            let wait = self.count.next_interval(self.cluster.plan.health().rules(), &mut self.dice);
            self.rest(wait).await;
        }
    }

    /// Waits so long, or until its cluster is to be probed or judged in another way.
    async fn rest(&mut self, wait: Duration) {
        let mut waiting = pin!(sleep(wait));
        loop {
            tokio::select! {
                () = &mut waiting => return,
                Ok(()) = self.follows.changed() => {
                    let cluster = Arc::clone(&self.follows.borrow_and_update());
                    if cluster.plan.health() != self.cluster.plan.health() {
                        self.cluster = cluster;
                        return sleep(self.first_delay()).await;
                    }
                }
            }
        }
    }

    /// Who is up already is in no hurry, and thousands must not be asked at once; who waits to be up is asked now.
    fn first_delay(&mut self) -> Duration {
        if self.count.is_up() {
            self.cluster.plan.health().rules().first_delay(&mut self.dice)
        } else {
            Duration::ZERO
        }
    }

    /// One probe. Its time begins when it has its permit: waiting for that is not the backend's fault.
    async fn probe(&mut self) -> Result<Answer, Failure> {
        let attempt = Attempt {
            cluster: &self.cluster,
            backend: &self.backend,
            gateway: &self.desk.gateway,
            started: self.desk.started,
            nonce: self.dice.random(),
            drawn: self.dice.random_range(0.0..1.0),
            progress: Progress::default(),
        };
        let _permit = self.desk.permits.acquire().await;
        let began = hub::now();
        let result = attempt.run().await;
        let took = hub::now().saturating_duration_since(began);
        self.backend.events().probed(result.is_ok(), took);
        result
    }

    async fn judge(&mut self, result: Result<Answer, Failure>) {
        match result {
            Ok(Answer::Good) => self.told = None,
            Ok(Answer::BadReport(key)) => self.tell("its load report is wrong and not taken in", key),
            Err(failure) => {
                self.reason = failure.to_string();
                if failure.is_ours() {
                    let reason = self.reason.clone();
                    return self.tell("not probed: the machine gives no more sockets", &reason);
                }
                if !self.backend.is_up() {
                    self.backend.events().set_reason(&self.reason);
                }
                return self.record(false).await;
            }
        }
        self.record(true).await;
    }

    async fn record(&mut self, success: bool) {
        match self.count.record(success, self.cluster.plan.health().rules()) {
            None => {}
            Some(Change::WentUp) => self.set_up(true),
            Some(Change::WentDown) => {
                self.set_up(false);
                self.close_sessions().await;
            }
        }
    }

    fn set_up(&self, up: bool) {
        let (cluster, now) = (&self.cluster, self.now());
        let was_in_panic = cluster.is_in_panic(now);
        self.backend.set_up(up, now);
        self.backend.events().set_reason(&self.reason);
        telemetry::backend_health(cluster.name(), self.backend.address(), up, &self.reason);
        if cluster.is_in_panic(now) != was_in_panic {
            telemetry::cluster_panic(cluster.name(), !was_in_panic);
        }
    }

    /// Since the process's start.
    fn now(&self) -> Duration {
        hub::now().saturating_duration_since(self.desk.started)
    }

    /// Each session asks whether health is ignored where it is served.
    async fn close_sessions(&self) {
        if self.cluster.closes_on_loss() {
            for worker in self.desk.workers.iter() {
                worker.command(Command::Down(self.backend.key())).await;
            }
        }
    }

    /// Says once what lasts from probe to probe and decides nothing.
    fn tell(&mut self, what: &'static str, text: &str) {
        if self.told.replace(what) != Some(what) {
            telemetry::backend_error(self.cluster.name(), self.backend.address(), what, text);
        }
    }
}

//! Keeps a link: connects, greets, serves, and starts again after a wait.

use std::rc::Rc;
use std::time::Duration;

use super::connection::{Connection, LinkError};
use super::shared::SharedLink;
use crate::net::hub::{self, Hub};
use crate::policy::Backoff;
use crate::telemetry;

/// The first wait after a failure, and the longest: a backend that restarts is found again within seconds, and
/// one that is gone costs a connection attempt every five.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Runs until the link is retired; from then on what its backend has reported counts no longer, unless another link to it
/// stands.
pub(in crate::net) async fn keep(hub: Rc<Hub>, link: Rc<SharedLink>) {
    until_retired(&hub, &link).await;
    if link.backend().links() == 0 {
        link.backend().leaves();
    }
}

async fn until_retired(hub: &Rc<Hub>, link: &Rc<SharedLink>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut first = true;
    loop {
        let began = hub::now();
        let connected = Connection::establish(hub, link).await;
        if std::mem::take(&mut first) {
            hub.link_tried();
        }
        if link.is_retired() {
            if connected.is_ok() {
                link.went_down(hub);
            }
            return;
        }
        let cluster = link.cluster().name().to_owned();
        let (cluster, backend) = (cluster.as_str(), link.backend().address());
        let error = match connected {
            Ok(connection) => {
                let error = connection.serve().await;
                let was_last = link.went_down(hub);
                hub.errands.lost(link.backend().key());
                if matches!(error, LinkError::Retired) {
                    return;
                }
                telemetry::link_lost(cluster, backend, hub.worker, &error.to_string());
                let now = hub.since_start(hub::now());
                if was_last {
                    hub.count_failure(&link.cluster(), link.backend(), now); // once, however many workers there are
                }
                if link.cluster().closes_on_loss() {
                    hub.close_sessions_of(link.backend().key());
                }
                error
            }
            Err(error) => error,
        };
        if hub::now().saturating_duration_since(began) > LONGEST_WAIT {
            backoff.reset();
        }
        let wait = backoff.next(&mut *hub.dice.borrow_mut());
        telemetry::link_retry(cluster, backend, hub.worker, &error.to_string(), wait);
        tokio::time::sleep(wait).await;
        if link.is_retired() {
            return;
        }
    }
}

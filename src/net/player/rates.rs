//! What becomes of frames that are more than the listener or the route takes.

use std::time::{Duration, Instant};

use super::conduct::{Conduct, in_millis};
use crate::base::ProtocolId;
use crate::config::LimitAction;
use crate::net::world::{Lane, Limit};
use crate::session::EndReason;
use crate::telemetry::Refusal;
use crate::wire::{Notice, NoticeCode};

impl Conduct {
    /// A frame beyond what the listener takes of one session; the player hears of it with how long to wait.
    pub(super) fn too_many(&self, id: ProtocolId, told: Option<Duration>) {
        self.hub.meter.over_rate.add(1);
        if let Some(wait) = told {
            self.tell_limit(None, id, wait);
        }
    }

    /// Takes one more frame from what a route has left. Where that is nothing, the frame is counted and the limit's action
    /// is done; false if the frame goes no further.
    pub(super) fn take_rate(&mut self, lane: &Lane, id: ProtocolId, now: Instant) -> bool {
        let Some(limit) = &lane.limit else { return true };
        let Err(wait) = self.take_pace(limit, now) else { return true };
        let counts = lane.meter.of(self.hub.worker);
        if limit.rules.observe() {
            counts.inspect(|counts| counts.observed.add(1));
            return true;
        }
        counts.inspect(|counts| counts.refused(Refusal::RateLimited).add(1));
        match limit.rules.action() {
            LimitAction::Drop => {}
            LimitAction::Notice => {
                if self.session.paces.tells_of(limit.pace.number(), now) {
                    self.tell_limit(Some(lane), id, wait);
                }
            }
            LimitAction::Close => {
                if self.session.leave(EndReason::RateLimited, now) {
                    self.tell_limit(Some(lane), id, wait);
                    self.part_all(EndReason::RateLimited.reason());
                }
            }
        }
        false
    }

    /// What one session has too much of uses up nothing of what all have together, and the other way round.
    fn take_pace(&mut self, limit: &Limit, now: Instant) -> Result<(), Duration> {
        let since_start = self.hub.since_start(now);
        let total = || limit.rules.total().map_or(Ok(()), |total| limit.pace.total.take(&total, since_start));
        match limit.rules.per_session() {
            Some(own) => self.session.paces.route(limit.pace.number(), &own, now, total),
            None => total(),
        }
    }

    fn tell_limit(&self, lane: Option<&Lane>, id: ProtocolId, wait: Duration) {
        self.notice(&Notice {
            route: lane.map(|lane| &*lane.name),
            id: Some(id),
            // Rounded up: who comes after so many milliseconds is not too early.
            retry_after_ms: Some(in_millis(wait).saturating_add(1)),
            ..Notice::new(NoticeCode::RateLimited)
        });
    }
}

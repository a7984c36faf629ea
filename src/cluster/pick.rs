//! Who serves: the members of a cluster that can take a session or a frame now, and the one that does.

use std::time::Duration;

use rand::Rng;

use super::backend::ServingState;
use super::members::{Cluster, Member};
use crate::config::AdminState;
use crate::policy::{Balance, Candidate, Picker, stays_local};

/// What is to be served.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// What keyed balances go by; any number for the others.
    pub key: u64,
    /// Whether the route is critical: it is not sent to backends that may be ill.
    pub critical: bool,
    /// Since the gateway's start.
    pub now: Duration,
}

/// What the caller knows of a member for this ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It cannot be used: not connected, refused before, its breaker is open, or one of a hot standby takes no session back.
    No,
    /// It has the session already.
    Known,
    /// It has forgotten the session with a link that was lost, and the session has kept its place there.
    Again,
    /// The session would be new there.
    New,
}

/// Why nobody was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Nobody is healthy, connected and willing.
    Nobody,
    /// Those who would serve have as many sessions as they can take now.
    Full,
}

/// One worker's memory of its picks in one cluster.
#[derive(Debug, Default)]
pub struct PickState {
    picker: Picker,
    candidates: Vec<Candidate>,
    standings: Vec<Standing>,
}

/// One thread's memory of its picks in all clusters.
#[derive(Debug, Default)]
pub struct Picks(Vec<PickState>);

/// How one member stands in one ask.
#[derive(Clone, Copy, Debug)]
struct Standing {
    serves: bool,
    full: bool,
    degraded: bool,
    local: bool,
    /// Weight under slow start, in thousandths; 0 where it is not healthy, as far as health counts now.
    healthy_weight: u64,
}

impl Picks {
    /// The member of a cluster that serves, by its place.
    ///
    /// # Errors
    /// When nobody can.
    pub fn pick(
        &mut self,
        cluster: &Cluster,
        ask: &Ask,
        dice: &mut impl Rng,
        fit: impl Fn(usize) -> Fit,
    ) -> Result<usize, Miss> {
        let place = cluster.memory();
        if self.0.len() <= place {
            self.0.resize_with(place + 1, PickState::default);
        }
        let state = self.0.get_mut(place).ok_or(Miss::Nobody)?;
        cluster.pick(ask, state, dice, fit)
    }
}

impl Cluster {
    /// The member that serves, by its place.
    ///
    /// # Errors
    /// When nobody can.
    pub fn pick(
        &self,
        ask: &Ask,
        state: &mut PickState,
        dice: &mut impl Rng,
        fit: impl Fn(usize) -> Fit,
    ) -> Result<usize, Miss> {
        let panic = self.is_in_panic(ask.now);
        if panic && ask.critical {
            return Err(Miss::Nobody);
        }
        self.stand(ask, state, panic, fit);
        let local = self.is_spread() && self.own_zone(&state.standings, dice);
        let zones: &[_] = if self.is_spread() { &[Some(local), Some(!local)] } else { &[None] };
        for degraded in [false, true] {
            for &zone in zones {
                let picked = self.among(ask, state, dice, |standing| {
                    standing.degraded == degraded && zone.is_none_or(|zone| standing.local == zone)
                });
                if let Some(place) = picked {
                    return Ok(place);
                }
            }
        }
        let full = state.standings.iter().any(|standing| standing.full);
        Err(if full { Miss::Full } else { Miss::Nobody })
    }

    /// How every member stands.
    fn stand(&self, ask: &Ask, state: &mut PickState, panic: bool, fit: impl Fn(usize) -> Fit) {
        state.standings.clear();
        state.candidates.clear();
        for (place, member) in self.members.iter().enumerate() {
            member.backend.reports.age(ask.now);
            let factor = member.backend.slow_start(self.slow_start, ask.now);
            let weight = in_thousandths(member.weight, factor);
            let fit = fit(place);
            state.standings.push(self.standing(member, fit, weight, panic, ask.now));
            state.candidates.push(Candidate {
                weight,
                serves: false,
                is_full: false,
                load: if self.balance == Balance::LeastLoad { predicted(member) / factor } else { 0.0 },
                // The session that is asked for does not stand against itself.
                sessions: member
                    .backend
                    .sessions()
                    .saturating_sub(u32::from(matches!(fit, Fit::Known | Fit::Again))),
            });
        }
    }

    fn standing(&self, member: &Member, fit: Fit, weight: u32, panic: bool, now: Duration) -> Standing {
        let backend = &member.backend;
        let healthy = backend.is_healthy(now);
        let state = backend.state();
        let ready = member.admin == AdminState::Ready;
        let willing = match (member.admin, state) {
            (AdminState::Ready, ServingState::Ok | ServingState::Degraded) => fit != Fit::No,
            (AdminState::Ready, ServingState::Refusing | ServingState::Leaving) | (AdminState::Drain, _) => {
                fit == Fit::Known
            }
            (AdminState::Disable, _) => false,
        };
        let able = willing && (healthy || panic) && weight > 0;
        let serves = able && self.has_room(member, fit, now);
        Standing {
            serves,
            full: able && !serves,
            degraded: state == ServingState::Degraded,
            local: member.local,
            healthy_weight: if (healthy || panic) && ready && fit != Fit::No { u64::from(weight) } else { 0 },
        }
    }

    /// Whether sessions are spread over the members, so that zones count. A key or the order of the file decides
    /// alike in every zone.
    fn is_spread(&self) -> bool {
        self.zoned && matches!(self.balance, Balance::RoundRobin | Balance::Random | Balance::LeastLoad)
    }

    /// Whether this one is served in the gateway's own zone.
    fn own_zone(&self, standings: &[Standing], dice: &mut impl Rng) -> bool {
        let healthy = |local: bool| -> u64 {
            standings
                .iter()
                .filter(|standing| standing.local == local)
                .map(|standing| standing.healthy_weight)
                .sum()
        };
        let counts = |member: &&Member| member.local && member.admin == AdminState::Ready;
        let total = self.members.iter().filter(counts).map(|member| u64::from(member.weight) * 1000);
        stays_local(healthy(true), total.sum(), healthy(false), dice)
    }

    fn among(
        &self,
        ask: &Ask,
        state: &mut PickState,
        dice: &mut impl Rng,
        chosen: impl Fn(&Standing) -> bool,
    ) -> Option<usize> {
        for (candidate, standing) in state.candidates.iter_mut().zip(&state.standings) {
            candidate.serves = standing.serves && chosen(standing);
            candidate.is_full = standing.full && chosen(standing);
        }
        state.picker.pick(self.balance, &state.candidates, ask.key, &self.ring, dice)
    }
}

/// How full a member must be by now: by its report and what was sent since, or else by the sessions it has here
/// against its limit.
fn predicted(member: &Member) -> f64 {
    let backend = &member.backend;
    backend.reports.predicted().unwrap_or_else(|| {
        let capacity = member.max_sessions.or(backend.reports.capacity());
        let nominal = f64::from(member.weight) * NOMINAL;
        f64::from(backend.sessions())
            / capacity.map_or(nominal.max(1.0), |capacity| f64::from(capacity.max(1)))
    })
}

fn in_thousandths(weight: u32, factor: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 65,535 thousand")]
    let scaled = (f64::from(weight) * 1000.0 * factor) as u32;
    scaled
}

/// A backend that says nothing of its load and has no `max_sessions` is taken to carry so many sessions for each
/// unit of its weight: 1,000 at the default weight. Among backends that all say nothing only the ratio counts.
const NOMINAL: f64 = 10.0;

//! What a backend's report of its load means until the next one: how much more one gateway may send, and how full
//! the backend must be by now. Many gateways read the same report and none sees what the others send, so each
//! takes its own share of what is free, and of that only half: all of them together stay below the capacity even
//! if a report is late, and fill a backend in a handful of reports.

use std::time::Duration;

/// A report older than this says nothing any more.
pub const REPORT_LIFE: Duration = Duration::from_secs(180);

/// The share that a gateway takes of the sessions of a cluster: those it has itself against those the backends
/// count, 1 while they count none. Never below `LEAST_SHARE`, so that a gateway that has just started begins.
#[must_use]
pub fn share(own: u64, counted: u64) -> f64 {
    if counted == 0 { 1.0 } else { (own as f64 / counted as f64).clamp(LEAST_SHARE, 1.0) }
}

/// How many sessions a gateway may send to a backend, counted from the moment its report was asked for, when it
/// had `counted` sessions then. Alone a gateway may send all that is free; with others half of its share of what
/// is free, less a reserve. `offset`, drawn evenly from 0..1 and kept for some seconds, decides about fractions
/// of a session, so that a hundred gateways do not all round up.
#[must_use]
pub fn allowance(capacity: u32, counted: u32, share: f64, offset: f64) -> u64 {
    if is_alone(share) {
        return u64::from(capacity.saturating_sub(counted));
    }
    let capacity = f64::from(capacity);
    let target = capacity - (capacity * RESERVE).max(LEAST_RESERVE).min(capacity * MOST_RESERVE);
    whole((target - f64::from(counted)).max(0.0) * share * AT_ONCE + offset.min(0.999_999))
}

/// How much of a backend's capacity one session of this gateway stands for until the next report: it is taken
/// that the other gateways send as this one does.
#[must_use]
pub fn step(capacity: u32, share: f64) -> f64 {
    1.0 / (f64::from(capacity.max(1)) * share)
}

/// Whether the other gateways, if there are any, have too few sessions to count.
fn is_alone(share: f64) -> bool {
    share >= ALONE
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and below 2^33")]
fn whole(amount: f64) -> u64 {
    amount as u64
}

/// The least share a gateway takes itself to have: that of 256 equal ones.
const LEAST_SHARE: f64 = 1.0 / 256.0;
/// From this share on a gateway takes itself to be alone: what is missing are sessions that have just left.
const ALONE: f64 = 0.99;
/// The part of what is free that may be sent on one report. With half, gateways that act on reports of different
/// age stay below the capacity: if a part f of them has used an older report before a newer one was made and uses
/// the newer one too, all of them send at most 1/2 (1 + f (1 - f/2)), which is below 1 for every f.
const AT_ONCE: f64 = 0.5;
/// The part of the capacity that several gateways leave free, at least so many sessions and never more than a tenth:
/// what rounding may add up to. Near the end all gateways together aim at half a session, and eight more than that
/// at once come once in a billion times (Poisson).
const RESERVE: f64 = 0.01;
const LEAST_RESERVE: f64 = 8.0;
const MOST_RESERVE: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn a_gateway_alone_may_fill_a_backend_to_the_last_place() {
        assert_eq!(allowance(100, 0, 1.0, 0.0), 100);
        assert_eq!(allowance(100, 99, share(990, 1000), 0.9), 1);
        assert_eq!(allowance(100, 130, 1.0, 0.9), 0);
    }

    #[test]
    fn a_share_is_what_the_gateway_has_of_all_within_bounds() {
        assert!((share(25, 100) - 0.25).abs() < 1e-12);
        assert!((share(0, 0) - 1.0).abs() < 1e-12, "nobody has anything yet");
        assert!((share(0, 1_000_000) - LEAST_SHARE).abs() < 1e-12, "one that has just started");
        assert!((share(120, 100) - 1.0).abs() < 1e-12, "counted before the last ones came");
    }

    #[test]
    fn gateways_that_each_take_their_allowance_stay_below_the_capacity() {
        for seed in 0..200 {
            let mut dice = SmallRng::seed_from_u64(seed);
            let gateways = dice.random_range(2..200_u32);
            let capacity = dice.random_range(50..30_000_u32);
            let mut counted = 0;
            for _ in 0..30 {
                let one = 1.0 / f64::from(gateways);
                let sent: u64 = (0..gateways)
                    .map(|_| allowance(capacity, counted, one, dice.random_range(0.0..1.0)))
                    .sum();
                counted += u32::try_from(sent).expect("small");
                assert!(counted <= capacity, "seed {seed}: {counted} of {capacity} by {gateways}");
            }
            assert!(
                f64::from(counted) >= 0.90 * f64::from(capacity) - f64::from(gateways),
                "seed {seed}: {counted}"
            );
        }
    }

    #[test]
    fn gateways_that_act_on_reports_of_different_age_stay_below_the_capacity() {
        // A part has used the older report, all of it, before the newer one was made; the rest has the older one.
        for tenths in 0..=10_u32 {
            let (capacity, gateways) = (10_000_u32, 100_u32);
            let early = gateways * tenths / 10;
            let each = allowance(capacity, 0, 0.01, 0.0);
            let counted = each * u64::from(early);
            let newer = allowance(capacity, u32::try_from(counted).expect("small"), 0.01, 0.0);
            let all = counted + newer * u64::from(early) + each * u64::from(gateways - early);
            assert!(all <= u64::from(capacity), "{all} with {early} early");
        }
    }

    #[test]
    fn a_step_counts_what_the_others_send_too() {
        assert!((step(1000, 1.0) - 0.001).abs() < 1e-12);
        assert!((step(1000, 0.01) - 0.1).abs() < 1e-12);
    }
}

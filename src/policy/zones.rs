//! Which new sessions stay in the gateway's own zone: near is quicker and costs no traffic between zones, but what
//! is left of a zone must not take what was meant for all of it.

use rand::{Rng, RngExt};

/// The share of new sessions that stays in the gateway's own zone, 0.0..=1.0: min(1, 1.4 x healthy / total), in
/// sums of weights. A zone without members keeps none.
fn local_share(healthy: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { (OVERPROVISIONING * healthy as f64 / total as f64).min(1.0) }
}

/// Whether this new session is served in the gateway's own zone; the arguments are sums of weights. As long as the
/// own zone has members, it keeps everything that nobody elsewhere could take.
pub fn stays_local(
    healthy_local: u64,
    total_local: u64,
    healthy_elsewhere: u64,
    dice: &mut impl Rng,
) -> bool {
    if total_local > 0 && healthy_elsewhere == 0 {
        return true;
    }
    dice.random_bool(local_share(healthy_local, total_local))
}

/// How much more than planned a backend is trusted to carry for a while: at 1 / 1.4, some 72 % of healthy weight,
/// the first session spills over. The factor is Envoy's default `overprovisioning_factor` of 140 %.
const OVERPROVISIONING: f64 = 1.4;

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn everything_stays_down_to_72_percent_and_a_proportion_below() {
        let share = |healthy| local_share(healthy, 100);
        assert_eq!([100, 73, 72].map(share), [1.0, 1.0, 1.0]);
        for (healthy, want) in [(71, 0.994), (50, 0.7), (25, 0.35), (1, 0.014)] {
            assert!((share(healthy) - want).abs() < 1e-12, "{healthy} % healthy keep {}", share(healthy));
        }
        assert_eq!([local_share(0, 100), local_share(0, 0), local_share(5, 0)], [0.0; 3]);
    }

    #[test]
    fn the_dice_follow_the_share() {
        let seed = 11;
        let mut dice = SmallRng::seed_from_u64(seed);
        let stay = (0..40_000).filter(|_| stays_local(50, 100, 1, &mut dice)).count() as f64;
        // Chi-square with one degree of freedom: 10.83 is passed by chance once in a thousand seeds.
        let chi = (stay - 28_000.0).powi(2) / 28_000.0 + (stay - 28_000.0).powi(2) / 12_000.0;
        assert!(chi < 10.83, "seed {seed}: {stay} of 40000 stay, chi-square {chi}");
    }

    #[test]
    fn the_ends_are_certain() {
        let seed = 12;
        let mut dice = SmallRng::seed_from_u64(seed);
        for step in 0..1000 {
            assert!(stays_local(1, 100, 0, &mut dice), "seed {seed} step {step}: nobody healthy elsewhere");
            assert!(stays_local(0, 100, 0, &mut dice), "seed {seed} step {step}: nobody healthy anywhere");
            assert!(stays_local(72, 100, 500, &mut dice), "seed {seed} step {step}: healthy enough");
            assert!(!stays_local(0, 100, 1, &mut dice), "seed {seed} step {step}: the own zone is lost");
            assert!(!stays_local(0, 0, 1, &mut dice), "seed {seed} step {step}: no own zone");
            assert!(!stays_local(0, 0, 0, &mut dice), "seed {seed} step {step}: no own zone, nobody at all");
        }
    }
}

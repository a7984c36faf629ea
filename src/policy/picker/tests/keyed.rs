//! `modulo` and `consistent_hash`: even shares, few keys that move, the bound, and one answer on every gateway.

use super::*;

const KEYS: u64 = 100_000;

/// A cluster whose addresses are not in the order of its file.
struct Cluster {
    addresses: Vec<String>,
    ring: Ring,
    candidates: Vec<Candidate>,
    balance: Balance,
}

impl Cluster {
    fn new(balance: Balance, weights: &[u32]) -> Self {
        let last = weights.len() - 1;
        Self::of(balance, (0..=last).map(|n| format!("10.0.0.{}:7100", 10 + (n * 7) % 11)).collect(), weights)
    }

    fn of(balance: Balance, addresses: Vec<String>, weights: &[u32]) -> Self {
        let members: Vec<_> = addresses.iter().map(String::as_str).zip(weights.iter().copied()).collect();
        let ring = Ring::new(balance, &members);
        Self { addresses, ring, candidates: candidates(weights), balance }
    }

    /// The place of the key's backend; what the dice show must not matter.
    fn place(&self, key: u64) -> usize {
        let mut dice = SmallRng::seed_from_u64(key ^ 1);
        let picked = Picker::default().pick(self.balance, &self.candidates, key, &self.ring, &mut dice);
        picked.expect("one serves")
    }

    fn address(&self, key: u64) -> &str {
        &self.addresses[self.place(key)]
    }

    fn shares(&self) -> Vec<usize> {
        let mut counts = vec![0; self.candidates.len()];
        (0..KEYS).for_each(|key| counts[self.place(key)] += 1);
        counts
    }
}

/// Percent of all keys that have another address, and of those whose address is in both clusters.
fn moved(before: &Cluster, after: &Cluster) -> (f64, f64) {
    let (mut all, mut needless) = (0, 0);
    for key in 0..KEYS {
        let (was, is) = (before.address(key), after.address(key));
        all += u32::from(was != is);
        needless += u32::from(was != is && serves(after, was) && serves(before, is));
    }
    (f64::from(all) / KEYS as f64 * 100.0, f64::from(needless) / KEYS as f64 * 100.0)
}

fn serves(cluster: &Cluster, address: &str) -> bool {
    let mut members = cluster.addresses.iter().zip(&cluster.candidates);
    members.any(|(name, candidate)| name == address && candidate.is_open())
}

/// The same cluster from a file without the member at this place.
fn without(cluster: &Cluster, place: usize) -> Cluster {
    let mut addresses = cluster.addresses.clone();
    addresses.remove(place);
    let weights = vec![1; addresses.len()];
    Cluster::of(cluster.balance, addresses, &weights)
}

#[test]
fn keys_are_spread_evenly_by_modulo_and_by_weight_by_consistent_hash() {
    let modulo = Cluster::new(Balance::Modulo, &[1; 10]);
    let counts = modulo.shares();
    assert_eq!(counts, [10_000; 10], "keys in a row fill all alike");
    let mut counts = [0; 10];
    (0..KEYS).for_each(|key| counts[modulo.place(crate::policy::stable_hash(&key.to_be_bytes()))] += 1);
    let chi = chi_square(&counts, &[1; 10]);
    assert!(chi < CHI_9, "modulo: {counts:?} chi-square {chi}");

    for weights in [[1; 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] {
        let counts = Cluster::new(Balance::ConsistentHash, &weights).shares();
        let chi = chi_square(&counts, &weights);
        assert!(chi < CHI_9, "consistent_hash: {counts:?} chi-square {chi}");
    }
}

#[test]
fn modulo_counts_live_members_in_the_order_of_their_addresses() {
    let addresses = ["c", "a", "d", "b"].map(str::to_owned).to_vec();
    let mut four = Cluster::of(Balance::Modulo, addresses, &[1; 4]);
    let row = |cluster: &Cluster| (0..5).map(|key| cluster.address(key)).collect::<String>();
    assert_eq!(row(&four), "abcda");
    four.candidates[3].serves = false;
    assert_eq!(row(&four), "acdac");
    four.candidates[1].weight = 0;
    assert_eq!(row(&four), "cdcdc");
}

#[test]
fn modulo_counts_who_is_full_and_moves_only_its_keys() {
    let addresses = ["c", "a", "d", "b"].map(str::to_owned).to_vec();
    let mut four = Cluster::of(Balance::Modulo, addresses, &[1; 4]);
    let row = |cluster: &Cluster| (0..5).map(|key| cluster.address(key)).collect::<String>();
    let fill = |candidate: &mut Candidate| (candidate.serves, candidate.is_full) = (false, true);
    fill(&mut four.candidates[3]);
    assert_eq!(row(&four), "accda", "b's go to the next in order");
    fill(&mut four.candidates[2]);
    assert_eq!(row(&four), "accaa", "behind the last comes the first");
    four.candidates[3].is_full = false;
    assert_eq!(row(&four), "acaac", "who does not live is not counted");
}

#[test]
fn consistent_hash_moves_only_the_keys_of_one_that_fails() {
    for lost in 0..10 {
        let before = Cluster::new(Balance::ConsistentHash, &[1; 10]);
        let mut after = Cluster::new(Balance::ConsistentHash, &[1; 10]);
        after.candidates[lost].serves = false;
        let (all, needless) = moved(&before, &after);
        assert!((9.0..=11.0).contains(&all), "without {lost}: {all} % moved");
        assert_eq!(needless, 0.0, "without {lost}");
        let gained: Vec<_> =
            before.shares().iter().zip(after.shares()).map(|(b, a)| a.saturating_sub(*b)).collect();
        let others: Vec<_> = (0..10).filter(|&place| place != lost).map(|place| gained[place]).collect();
        assert!(others.iter().all(|&n| (900..1350).contains(&n)), "keys of {lost} go to all: {gained:?}");
    }
}

#[test]
fn consistent_hash_moves_few_keys_when_the_file_changes_and_modulo_nine_of_ten() {
    let eleven = Cluster::new(Balance::ConsistentHash, &[1; 11]);
    for gone in 0..11 {
        let ten = without(&eleven, gone);
        let (left, needless) = moved(&eleven, &ten);
        assert!(left <= 15.0 && needless <= 1.0, "without {gone}: {left} % moved, {needless} % needlessly");
        let (came, needless) = moved(&ten, &eleven);
        assert!(came <= 15.0 && needless <= 1.0, "{gone} comes: {came} % moved, {needless} % needlessly");
    }
    let ten = Cluster::new(Balance::Modulo, &[1; 10]);
    let (all, _) = moved(&ten, &without(&ten, 9));
    assert!((85.0..=95.0).contains(&all), "modulo moves {all} %");
}

#[test]
fn the_bound_is_125_percent_of_the_share_rounded_up() {
    let mut two = Cluster::new(Balance::ConsistentHash, &[1; 2]);
    let key = (0..).find(|&key| two.place(key) == 0).expect("a key whose home is the first");
    // The first one's bound: ceil(1.25 x 701 / 2) = ceil(438.1) = 439 in two rows, and with a quarter of the weight
    // ceil(1.25 x 701 / 4) = ceil(219.1) = 220 in two. Below 64 sessions there is none.
    for (others_weight, sessions, place) in [
        (1, [438, 262], 0),
        (1, [439, 261], 1),
        (3, [219, 481], 0),
        (3, [220, 480], 1),
        (1, [63, 0], 0),
        (1, [64, 0], 1),
    ] {
        two.candidates[1].weight = others_weight;
        two.candidates[0].sessions = sessions[0];
        two.candidates[1].sessions = sessions[1];
        assert_eq!(two.place(key), place, "weight {others_weight}, sessions {sessions:?}");
    }
}

#[test]
fn those_who_do_not_serve_do_not_count_for_the_bound() {
    let mut three = Cluster::new(Balance::ConsistentHash, &[1; 3]);
    let key = (0..).find(|&key| three.place(key) == 0).expect("a key whose home is the first");
    three.candidates[2].serves = false;
    for (others_sessions, others_weight) in [(1000, 1), (0, 1000)] {
        three.candidates[2].sessions = others_sessions;
        three.candidates[2].weight = others_weight;
        three.candidates[0].sessions = 438;
        three.candidates[1].sessions = 262;
        assert_eq!(three.place(key), 0);
        three.candidates[0].sessions = 439;
        three.candidates[1].sessions = 261;
        assert_eq!(three.place(key), 1);
    }
}

/// Keys as games have them: the n-th most popular of 1,000 rooms is asked for 1/n as often as the first.
fn zipf(dice: &mut impl Rng) -> u64 {
    let whole: f64 = (1..=1000).map(|n| 1.0 / f64::from(n)).sum();
    let mut left = dice.random_range(0.0..whole);
    let rank = (1..1000_u32).find(|&n| {
        left -= 1.0 / f64::from(n);
        left < 0.0
    });
    u64::from(rank.unwrap_or(1000))
}

#[test]
fn nobody_gets_more_than_its_bound_of_a_skewed_stream() {
    let seed = 31;
    let mut dice = SmallRng::seed_from_u64(seed);
    let weights = [1, 1, 1, 1, 1, 2, 2, 2, 3, 6];
    let mut cluster = Cluster::new(Balance::ConsistentHash, &weights);
    let unbound = Cluster::new(Balance::ConsistentHash, &weights);
    let mut without_bound = [0_u32; 10];
    let bound =
        |total: u32, weight: u32| (1.25 * f64::from(total) * f64::from(weight) / 20.0).ceil().max(64.0);
    for total in 1..=20_000_u32 {
        let key = zipf(&mut dice);
        without_bound[unbound.place(key)] += 1;
        let place = cluster.place(key);
        cluster.candidates[place].sessions += 1;
        let has = f64::from(cluster.candidates[place].sessions);
        let most = bound(total, weights[place]);
        assert!(has <= most, "seed {seed} step {total}: {place} has {has} of at most {most}");
    }
    let over = (0..10).filter(|&place| f64::from(without_bound[place]) > bound(20_000, weights[place]));
    assert!(over.count() > 0, "seed {seed}: the stream was not skewed, {without_bound:?}");
}

#[test]
fn two_gateways_send_equal_keys_to_equal_addresses() {
    for balance in [Balance::Modulo, Balance::ConsistentHash] {
        let one = Cluster::new(balance, &[1; 10]);
        let mut addresses = one.addresses.clone();
        addresses.reverse();
        let mut other = Cluster::of(balance, addresses, &[1; 10]);
        assert!((0..1000).all(|key| one.address(key) == other.address(key)), "{balance:?}");
        let mut one = one;
        for lost in 0..9 {
            one.candidates[lost].serves = false;
            other.candidates[9 - lost].serves = false;
            assert!((0..1000).all(|key| one.address(key) == other.address(key)), "{balance:?}, {lost} lost");
        }
    }
}

#[test]
fn a_ring_of_other_members_still_finds_somebody() {
    for balance in [Balance::Modulo, Balance::ConsistentHash] {
        let mut cluster = Cluster::new(balance, &[1; 5]);
        for ring in
            [Ring::default(), Cluster::new(balance, &[1; 9]).ring, Cluster::new(balance, &[1; 2]).ring]
        {
            cluster.ring = ring;
            let mut found = [false; 5];
            (0..1000).for_each(|key| found[cluster.place(key)] = true);
            assert_eq!(found[..2], [true; 2], "{balance:?}");
        }
    }
}

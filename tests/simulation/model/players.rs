//! Who comes when, to which gateway, and how long they play: the same for every policy.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::time::{SECOND, Tick};

/// A player and its one session.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    pub(crate) gateway: usize,
    pub(crate) comes: Tick,
    /// How long it still wants to play.
    pub(crate) plays: Tick,
    /// Since when it waits to be let in, or plays.
    pub(crate) since: Tick,
    pub(crate) standing: Standing,
    /// Counts what was begun with it, so that what belongs to an earlier turn is known.
    pub(crate) turn: u32,
    /// Whether its first backend was lost.
    pub(crate) moved: bool,
}

/// Where a player is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not yet there, or gone.
    Away,
    /// At the gateway, without a backend.
    Waiting,
    /// On its way to a backend, which was in this life.
    Sent { place: usize, life: u32 },
    /// Playing there.
    Playing { place: usize, life: u32 },
}

/// Everybody comes within this time, most of them in the middle of it.
pub(crate) const EVENING: Tick = 600 * SECOND;
/// Links and reports are there before the first player.
pub(crate) const OPENING: Tick = 3 * SECOND;
const SHORTEST: Tick = 60 * SECOND;
const LONGEST: Tick = 300 * SECOND;

/// The rate of arrivals is a triangle: the sum of two even draws.
pub(crate) fn players(count: u32, gateways: usize, seed: u64) -> Vec<Player> {
    let mut dice = SmallRng::seed_from_u64(seed);
    let mut comes = || OPENING + dice.random_range(0..EVENING / 2) + dice.random_range(0..EVENING / 2);
    let mut times: Vec<Tick> = (0..count).map(|_| comes()).collect();
    times.sort_unstable();
    let player = |comes| Player {
        gateway: dice.random_range(0..gateways),
        comes,
        plays: dice.random_range(SHORTEST..LONGEST),
        since: comes,
        standing: Standing::Away,
        turn: 0,
        moved: false,
    };
    times.into_iter().map(player).collect()
}

/// How many would play at one time if all were let in at once, and when that is.
pub(crate) fn most_at_once(players: &[Player]) -> (u32, Tick) {
    let mut change = vec![0_i64; (OPENING + EVENING + LONGEST) as usize + 1];
    for player in players {
        change[player.comes as usize] += 1;
        change[(player.comes + player.plays) as usize] -= 1;
    }
    let mut playing = 0;
    let (mut most, mut at) = (0, 0);
    for (tick, change) in (0..).zip(change) {
        playing += change;
        if playing > most {
            (most, at) = (playing, tick);
        }
    }
    (u32::try_from(most).unwrap_or(u32::MAX), at)
}

//! A hot standby as one session sees it: several backends say the same, one of them is heard, and when another takes
//! its place nothing is heard twice.

use crate::base::{BackendKey, ClusterKey};

/// How far the backends of hot standbys are with what they say to one session. They are taken to say the same frames
/// in the same order, as servers do that play the same game on the same input.
#[derive(Debug, Default)]
pub struct Lockstep {
    /// `None` for the many sessions that meet none.
    steps: Option<Box<Steps>>,
}

#[derive(Debug, Default)]
struct Steps {
    voices: Vec<Voice>,
    /// Frames that reached the player, by cluster.
    heard: Vec<(ClusterKey, u64)>,
}

#[derive(Debug)]
struct Voice {
    cluster: ClusterKey,
    backend: BackendKey,
    said: u64,
}

impl Lockstep {
    /// A backend is told of the session: it is as far as the player is.
    pub fn joins(&mut self, cluster: ClusterKey, backend: BackendKey) {
        let steps = self.steps.get_or_insert_default();
        let said = *steps.heard(cluster);
        steps.voices.retain(|voice| voice.backend != backend);
        steps.voices.push(Voice { cluster, backend, said });
    }

    /// From now on these hear what the player says to a cluster. Who hears nothing falls behind: should it come back,
    /// it begins anew where the player is.
    pub fn heard_by(&mut self, cluster: ClusterKey, pair: [Option<BackendKey>; 2]) {
        let Some(steps) = &mut self.steps else { return };
        steps.voices.retain(|voice| voice.cluster != cluster || pair.contains(&Some(voice.backend)));
    }

    /// Whether a backend is as far as its count says.
    #[must_use]
    pub fn follows(&self, backend: BackendKey) -> bool {
        let mut voices = self.steps.iter().flat_map(|steps| &steps.voices);
        voices.any(|voice| voice.backend == backend)
    }

    /// A backend says one frame; whether the player hears it: only from the first, and only what it has not heard.
    pub fn says(&mut self, cluster: ClusterKey, backend: BackendKey, is_first: bool) -> bool {
        if !self.follows(backend) {
            self.joins(cluster, backend); // it was told before its cluster became a hot standby
        }
        let steps = self.steps.as_mut().expect("it joined");
        let voice = steps.voices.iter_mut().find(|voice| voice.backend == backend).expect("it joined");
        voice.said += 1;
        let said = voice.said;
        let heard = steps.heard(cluster);
        let is_new = is_first && said > *heard;
        if is_new {
            *heard = said;
        }
        is_new
    }

    /// A backend whose cluster is no hot standby any more says one frame; whether the player has heard it while it was one.
    pub fn repeats(&mut self, backend: BackendKey) -> bool {
        self.steps.as_mut().is_some_and(|steps| steps.repeats(backend))
    }
}

impl Steps {
    fn repeats(&mut self, backend: BackendKey) -> bool {
        let Some(place) = self.voices.iter().position(|voice| voice.backend == backend) else { return false };
        let Some(voice) = self.voices.get_mut(place) else { return false };
        voice.said += 1;
        let (cluster, said) = (voice.cluster, voice.said);
        let repeats = said <= *self.heard(cluster);
        if !repeats {
            self.voices.swap_remove(place); // it is as far as the player is
        }
        repeats
    }

    fn heard(&mut self, cluster: ClusterKey) -> &mut u64 {
        let place = self.heard.iter().position(|(known, _)| *known == cluster).unwrap_or_else(|| {
            self.heard.push((cluster, 0));
            self.heard.len() - 1
        });
        let (_, heard) = self.heard.get_mut(place).expect("found or just pushed");
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: ClusterKey = ClusterKey(1);
    const A: BackendKey = BackendKey(1);
    const B: BackendKey = BackendKey(2);

    fn pair() -> Lockstep {
        let mut lockstep = Lockstep::default();
        lockstep.joins(CLUSTER, A);
        lockstep.joins(CLUSTER, B);
        lockstep
    }

    fn says(lockstep: &mut Lockstep, backend: BackendKey, first: BackendKey, times: usize) -> usize {
        (0..times).filter(|_| lockstep.says(CLUSTER, backend, backend == first)).count()
    }

    #[test]
    fn only_the_first_is_heard() {
        let mut lockstep = pair();
        assert_eq!((says(&mut lockstep, A, A, 3), says(&mut lockstep, B, A, 3)), (3, 0));
    }

    #[test]
    fn what_the_second_still_owed_when_the_standby_was_given_up_is_not_heard_again() {
        let mut lockstep = pair();
        assert_eq!((says(&mut lockstep, A, A, 5), says(&mut lockstep, B, A, 3)), (5, 0));
        assert!(!lockstep.repeats(A), "it has nothing to catch up with");
        assert_eq!([lockstep.repeats(B), lockstep.repeats(B), lockstep.repeats(B)], [true, true, false]);
        assert!(!lockstep.repeats(B), "and all that follows is new");
    }

    #[test]
    fn one_that_is_behind_at_its_promotion_does_not_repeat_what_was_heard() {
        let mut lockstep = pair();
        assert_eq!((says(&mut lockstep, A, A, 5), says(&mut lockstep, B, A, 2)), (5, 0));
        assert_eq!(
            says(&mut lockstep, B, B, 5),
            2,
            "its third to fifth were heard, its sixth and seventh not"
        );
    }

    #[test]
    fn one_that_is_ahead_at_its_promotion_goes_on_from_there() {
        let mut lockstep = pair();
        assert_eq!((says(&mut lockstep, A, A, 2), says(&mut lockstep, B, A, 5)), (2, 0));
        assert_eq!(says(&mut lockstep, B, B, 2), 2);
    }

    #[test]
    fn one_that_was_away_begins_anew_where_the_player_is() {
        let mut lockstep = pair();
        assert_eq!((says(&mut lockstep, A, A, 2), says(&mut lockstep, B, A, 2)), (2, 0));
        let c = BackendKey(3);
        lockstep.heard_by(CLUSTER, [Some(B), Some(c)]);
        lockstep.joins(CLUSTER, c);
        assert_eq!((says(&mut lockstep, B, B, 5), says(&mut lockstep, c, B, 5)), (5, 0));
        lockstep.heard_by(CLUSTER, [Some(A), Some(c)]);
        assert!(!lockstep.follows(A));
        lockstep.joins(CLUSTER, A);
        assert_eq!(says(&mut lockstep, A, A, 3), 3);
    }

    #[test]
    fn one_that_joins_later_begins_where_the_player_is() {
        let mut lockstep = Lockstep::default();
        lockstep.joins(CLUSTER, A);
        assert_eq!(says(&mut lockstep, A, A, 9), 9);
        lockstep.joins(CLUSTER, B);
        assert_eq!(says(&mut lockstep, B, B, 1), 1);
        lockstep.joins(CLUSTER, A);
        assert_eq!(says(&mut lockstep, A, A, 1), 1, "back from the dead");
        assert_eq!(says(&mut lockstep, BackendKey(3), BackendKey(3), 1), 1, "it was told before");
    }
}

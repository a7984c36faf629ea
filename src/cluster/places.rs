//! Places of sessions at backends: who may have one, who takes one, who gives it back. A session whose link was lost is over
//! for its backend and keeps its place there, until it is opened anew or finds no room.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::backend::Backend;
use super::members::{Cluster, Member};
use super::pick::Fit;
use crate::config::AdminState;

impl Cluster {
    /// Whether the member at a place takes sessions that it does not have, as far as it says itself and the operator
    /// wants.
    #[must_use]
    pub fn takes_sessions(&self, place: usize) -> bool {
        let takes =
            |member: &Member| member.admin == AdminState::Ready && member.backend.state().takes_sessions();
        self.members.get(place).is_some_and(takes)
    }

    /// Takes a place for a new session at a member; false when its limits let none in.
    #[must_use]
    pub fn open_session(&self, place: usize, now: Duration) -> bool {
        self.aged(place, now).is_some_and(|member| member.backend.open_session(self.limit(member, now)))
    }

    /// Takes a place for a session at a member, as it fits there; false when the member's limits do not let it in.
    #[must_use]
    pub fn let_in(&self, place: usize, fit: Fit, now: Duration) -> bool {
        match fit {
            Fit::No => false,
            Fit::Known => true,
            Fit::New => self.open_session(place, now),
            Fit::Again => self
                .aged(place, now)
                .is_some_and(|member| Self::keeps_places(member) && member.backend.reports.open()),
        }
    }

    /// Whether the member at a place takes a session anew that has a place there.
    #[must_use]
    pub fn reopens(&self, place: usize, now: Duration) -> bool {
        self.takes_sessions(place) && self.may_let_in(place, Fit::Again, now)
    }

    /// Whether the limits of the member at a place would let in a session that fits there in this way.
    #[must_use]
    pub fn may_let_in(&self, place: usize, fit: Fit, now: Duration) -> bool {
        fit != Fit::No && self.aged(place, now).is_some_and(|member| self.has_room(member, fit, now))
    }

    /// Whether the limits of a member let in a session that fits there in this way.
    pub(super) fn has_room(&self, member: &Member, fit: Fit, now: Duration) -> bool {
        let backend = &member.backend;
        match fit {
            Fit::Known => true,
            Fit::Again => Self::keeps_places(member) && backend.reports.allows(),
            Fit::New | Fit::No => backend.sessions() < self.limit(member, now) && backend.reports.allows(),
        }
    }

    /// Whether no more places are taken than there are. Who has one is no newcomer, whom slow start would hold back.
    fn keeps_places(member: &Member) -> bool {
        member.backend.sessions() <= member.backend.limit(member.max_sessions, 1.0)
    }

    /// The member at a place; a report that is too old to believe is let go of.
    fn aged(&self, place: usize, now: Duration) -> Option<&Member> {
        self.members.get(place).inspect(|member| member.backend.reports.age(now))
    }

    fn limit(&self, member: &Member, now: Duration) -> u32 {
        member.backend.limit(member.max_sessions, member.backend.slow_start(self.slow_start, now))
    }
}

impl Backend {
    /// Sessions of this gateway that it serves now, over all workers; those that a lost link has cost it and that may be
    /// opened anew are among them.
    #[must_use]
    pub fn sessions(&self) -> u32 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Takes a place for one more session; false when `limit` (sessions of this gateway) or what it reported last
    /// lets none in.
    #[must_use]
    pub fn open_session(&self, limit: u32) -> bool {
        let one_more = |sessions| (sessions < limit).then_some(sessions + 1);
        if self.sessions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            return false;
        }
        let opened = self.reports.open();
        if !opened {
            self.close_session();
        }
        opened
    }

    /// A session that has a place there is opened anew, whether what it reported last lets one in or not.
    pub fn reopen_session(&self) {
        self.reports.open_anyway();
    }

    /// A session that had a place there left.
    pub fn close_session(&self) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
    }

    /// A session that was opened and of which nothing was sent there has no place, and has had none.
    pub fn take_back_session(&self) {
        self.close_session();
        self.reports.take_back();
    }

    /// A session that was let in by [`Cluster::let_in`] has not come there: it stands as it stood before.
    pub fn take_back(&self, fit: Fit) {
        match fit {
            Fit::No | Fit::Known => {}
            Fit::New => self.take_back_session(),
            Fit::Again => self.reports.take_back(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::BackendKey;
    use crate::cluster::tests::{cluster_of, plan};
    use crate::cluster::{Registry, Report, ServingState};

    const SLOW: Duration = Duration::from_secs(10);
    const NOW: Duration = Duration::from_secs(1);

    fn backend() -> Backend {
        Backend::new(BackendKey(0), "127.0.0.1:1".to_owned(), Arc::default(), true)
    }

    fn scene(keys: &str) -> Cluster {
        Registry::default().cluster(cluster_of(&plan(keys, &["10.0.0.1:1"])), "")
    }

    fn reports_room_for_one(backend: &Backend) {
        let one = Report { load: None, sessions: Some(0), capacity: Some(1) };
        backend.report(one, backend.mark(), SLOW, 0.0, NOW);
    }

    #[test]
    fn a_place_that_the_report_does_not_give_is_no_session() {
        let backend = backend();
        reports_room_for_one(&backend);
        assert_eq!([backend.open_session(9), backend.open_session(9)], [true, false]);
        assert_eq!(backend.sessions(), 1);
        backend.close_session();
        assert!(!backend.open_session(9), "who left may still be counted by the report");
    }

    #[test]
    fn what_never_came_there_uses_up_nothing_of_a_report() {
        let backend = backend();
        reports_room_for_one(&backend);
        for _ in 0..3 {
            assert!(backend.open_session(9));
            backend.take_back_session();
        }
        assert!(backend.open_session(9));
        backend.close_session();
        assert!(!backend.open_session(9), "that one was there");
    }

    #[test]
    fn who_is_opened_anew_takes_room_of_the_report_and_no_second_place() {
        let scene = scene("");
        let backend = scene.at(0).expect("a member");
        assert!(scene.let_in(0, Fit::New, NOW) && scene.let_in(0, Fit::New, NOW));
        reports_room_for_one(backend);
        assert!(scene.reopens(0, NOW) && scene.let_in(0, Fit::Again, NOW));
        assert_eq!(backend.sessions(), 2);
        assert!(!scene.reopens(0, NOW) && !scene.let_in(0, Fit::Again, NOW), "the report has room for one");
        backend.take_back(Fit::Again);
        assert_eq!(backend.sessions(), 2);
        assert!(scene.let_in(0, Fit::Again, NOW), "the first one has not come there");
        assert!(scene.let_in(0, Fit::Known, NOW), "who is there stays there");
    }

    #[test]
    fn as_many_are_opened_anew_as_have_places_within_the_limit() {
        let scene = scene("slow_start = \"0s\"");
        let backend = scene.at(0).expect("a member");
        (0..3).for_each(|_| assert!(scene.let_in(0, Fit::New, NOW)));
        backend.greeted(Some(2), Duration::ZERO, 0.0, NOW);
        assert!(!scene.reopens(0, NOW));
        backend.close_session();
        assert!(scene.let_in(0, Fit::Again, NOW) && scene.let_in(0, Fit::Again, NOW));
        assert!(!scene.let_in(0, Fit::New, NOW));
    }

    #[test]
    fn who_is_opened_anew_without_asking_uses_up_the_report_all_the_same() {
        let backend = backend();
        assert!(backend.open_session(9));
        let two = Report { load: None, sessions: Some(0), capacity: Some(2) };
        backend.report(two, backend.mark(), SLOW, 0.0, NOW);
        backend.reopen_session();
        assert_eq!([backend.open_session(9), backend.open_session(9)], [true, false]);
        backend.reopen_session();
        assert_eq!(backend.sessions(), 2);
        assert!(!backend.open_session(9));
    }

    #[test]
    fn a_backend_that_takes_no_new_sessions_opens_none_anew() {
        let scene = scene("");
        assert!(scene.let_in(0, Fit::New, NOW) && scene.reopens(0, NOW));
        scene.at(0).expect("a member").set_state(ServingState::Refusing);
        assert!(!scene.reopens(0, NOW));
    }
}

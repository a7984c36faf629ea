//! Which backends know a session.

use crate::base::{BackendKey, ClusterKey};

/// One backend that was told of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The cluster whose frames go there.
    pub cluster: ClusterKey,
    /// The backend.
    pub backend: BackendKey,
    /// The life of the link on which it was told; a link that was lost and came back has another.
    pub epoch: u32,
    /// Whether it only stands in: the backend that the session keeps is another one.
    pub stands_in: bool,
}

/// All backends of a session: a handful at most, so a list.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    bound: Vec<Binding>,
    /// `None` for the many sessions of which no backend has said any of it.
    said: Option<Box<Said>>,
}

/// What backends have said of where a session goes.
#[derive(Clone, Debug, Default)]
struct Said {
    /// Where they have sent the session's frames of a cluster.
    assigned: Vec<(ClusterKey, BackendKey)>,
    /// Who said no, in which life of its link.
    refused: Vec<(BackendKey, u32)>,
}

/// What a frame to a backend needs before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The backend knows the session.
    Known,
    /// The backend is to be told first; it did not know the session at all.
    Open,
    /// The backend is to be told again: it knew the session on a link that was lost since.
    OpenAgain,
}

impl Bindings {
    /// The backend that a sticky session keeps for a cluster: the last one it was bound to there and that does
    /// not only stand in.
    #[must_use]
    pub fn pinned(&self, cluster: ClusterKey) -> Option<BackendKey> {
        let kept = |binding: &&Binding| binding.cluster == cluster && !binding.stands_in;
        self.bound.iter().rev().find(kept).map(|binding| binding.backend)
    }

    /// From now on the frames of a cluster go to this backend, while it serves.
    pub fn assign(&mut self, cluster: ClusterKey, backend: BackendKey) {
        let said = self.said.get_or_insert_default();
        said.assigned.retain(|(known, _)| *known != cluster);
        said.assigned.push((cluster, backend));
    }

    /// The backend that the frames of a cluster have been assigned to.
    #[must_use]
    pub fn assigned(&self, cluster: ClusterKey) -> Option<BackendKey> {
        let mut assigned = self.said.iter().flat_map(|said| &said.assigned);
        assigned.find(|(known, _)| *known == cluster).map(|(_, backend)| *backend)
    }

    /// Nothing is assigned to this backend any more: it does not serve.
    pub fn unassign(&mut self, backend: BackendKey) {
        if let Some(said) = &mut self.said {
            said.assigned.retain(|(_, known)| *known != backend);
        }
    }

    /// Whether a backend was told of the session.
    #[must_use]
    pub fn knows(&self, backend: BackendKey) -> bool {
        self.bound.iter().any(|binding| binding.backend == backend)
    }

    /// In which life of its link a backend was told of the session.
    #[must_use]
    pub fn told_in(&self, backend: BackendKey) -> Option<u32> {
        self.bound.iter().find(|binding| binding.backend == backend).map(|binding| binding.epoch)
    }

    /// Notes that a frame goes to a backend and says what must go before it.
    pub fn bind(&mut self, binding: Binding) -> Opening {
        let same = |known: &&mut Binding| known.backend == binding.backend;
        match self.bound.iter_mut().find(same) {
            Some(known) => {
                known.stands_in &= binding.stands_in;
                let opening = if known.epoch == binding.epoch { Opening::Known } else { Opening::OpenAgain };
                known.epoch = binding.epoch;
                opening
            }
            None => {
                if self.bound.is_empty() {
                    self.bound.reserve_exact(1); // most games have one cluster that a session stays with
                }
                self.bound.push(binding);
                Opening::Open
            }
        }
    }

    /// Forgets a backend; what was known of it.
    pub fn unbind(&mut self, backend: BackendKey) -> Option<Binding> {
        self.unassign(backend);
        self.forget(backend)
    }

    /// Forgets that a backend was told; what is assigned to it stays so.
    pub fn forget(&mut self, backend: BackendKey) -> Option<Binding> {
        let place = self.bound.iter().position(|binding| binding.backend == backend)?;
        Some(self.bound.remove(place))
    }

    /// The backend said no: it is forgotten and not asked again for this session.
    pub fn refuse(&mut self, backend: BackendKey) -> Option<Binding> {
        let binding = self.unbind(backend)?;
        let said = self.said.get_or_insert_default();
        said.refused.retain(|(known, _)| *known != backend);
        said.refused.push((backend, binding.epoch));
        Some(binding)
    }

    /// Whether the backend said no to this session in this life of its link.
    #[must_use]
    pub fn has_refused(&self, backend: BackendKey, epoch: u32) -> bool {
        self.said.as_ref().is_some_and(|said| said.refused.contains(&(backend, epoch)))
    }

    /// Every backend that knows the session.
    pub fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.bound.iter()
    }

    /// Forgets everything; hands out who has to be told that the session is over.
    pub fn drain(&mut self) -> impl Iterator<Item = Binding> {
        self.bound.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(cluster: u16, backend: u32, epoch: u32) -> Binding {
        Binding { cluster: ClusterKey(cluster), backend: BackendKey(backend), epoch, stands_in: false }
    }

    #[test]
    fn one_that_stands_in_is_not_kept_until_it_is_bound_for_good() {
        let mut bindings = Bindings::default();
        bindings.bind(binding(1, 10, 1));
        bindings.bind(Binding { stands_in: true, ..binding(1, 11, 1) });
        assert_eq!(bindings.pinned(ClusterKey(1)), Some(BackendKey(10)));
        bindings.unbind(BackendKey(10));
        assert_eq!(bindings.pinned(ClusterKey(1)), None);
        assert_eq!(bindings.bind(binding(1, 11, 1)), Opening::Known);
        assert_eq!(bindings.pinned(ClusterKey(1)), Some(BackendKey(11)));
    }

    #[test]
    fn a_backend_is_told_once_per_life_of_its_link() {
        let mut bindings = Bindings::default();
        assert_eq!(bindings.bind(binding(1, 10, 1)), Opening::Open);
        assert_eq!(bindings.bind(binding(1, 10, 1)), Opening::Known);
        assert_eq!(bindings.bind(binding(1, 10, 2)), Opening::OpenAgain);
        assert_eq!(bindings.bind(binding(1, 10, 2)), Opening::Known);
        assert_eq!(bindings.iter().count(), 1);
    }

    #[test]
    fn a_pin_does_not_outlive_its_backend_and_clusters_do_not_mix() {
        let mut bindings = Bindings::default();
        bindings.bind(binding(1, 10, 1));
        bindings.bind(binding(2, 20, 1));
        assert_eq!(bindings.pinned(ClusterKey(1)), Some(BackendKey(10)));
        assert_eq!(bindings.unbind(BackendKey(10)), Some(binding(1, 10, 1)));
        assert_eq!(bindings.pinned(ClusterKey(1)), None);
        assert_eq!(bindings.pinned(ClusterKey(2)), Some(BackendKey(20)));
    }

    #[test]
    fn an_assignment_lasts_until_another_one_or_until_its_backend_is_left() {
        let mut bindings = Bindings::default();
        let (one, two) = (ClusterKey(1), ClusterKey(2));
        bindings.assign(one, BackendKey(10));
        bindings.assign(two, BackendKey(20));
        bindings.assign(one, BackendKey(11));
        assert_eq!(
            (bindings.assigned(one), bindings.assigned(two)),
            (Some(BackendKey(11)), Some(BackendKey(20)))
        );
        bindings.bind(binding(1, 11, 1));
        assert!(bindings.refuse(BackendKey(11)).is_some());
        assert_eq!(bindings.unbind(BackendKey(20)), None, "it was not told yet");
        assert_eq!((bindings.assigned(one), bindings.assigned(two)), (None, None));
    }

    #[test]
    fn a_backend_that_has_forgotten_the_session_is_left_and_keeps_what_is_assigned_to_it() {
        let mut bindings = Bindings::default();
        bindings.assign(ClusterKey(1), BackendKey(10));
        bindings.bind(binding(1, 10, 3));
        assert_eq!(bindings.told_in(BackendKey(10)), Some(3));
        assert_eq!(bindings.forget(BackendKey(10)), Some(binding(1, 10, 3)));
        assert_eq!((bindings.told_in(BackendKey(10)), bindings.pinned(ClusterKey(1))), (None, None));
        assert_eq!(bindings.assigned(ClusterKey(1)), Some(BackendKey(10)));
    }

    #[test]
    fn who_said_no_is_not_asked_again() {
        let mut bindings = Bindings::default();
        bindings.bind(binding(1, 10, 1));
        assert!(bindings.refuse(BackendKey(10)).is_some());
        assert!(bindings.has_refused(BackendKey(10), 1));
        assert!(!bindings.has_refused(BackendKey(10), 2), "a new life may say yes");
        assert!(bindings.refuse(BackendKey(11)).is_none(), "it was never asked");
        assert!(!bindings.has_refused(BackendKey(11), 1));
    }
}

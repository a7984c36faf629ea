//! Rooms: named sets of sessions that backends speak to at once. One worker's part of them; a room with sessions on two
//! workers has a part on each.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::SessionId;

/// The rooms that sessions of one worker are in. A room is there while somebody is in it.
#[derive(Debug, Default)]
pub struct Rooms {
    rooms: HashMap<Arc<str>, Room>,
    of: HashMap<SessionId, Vec<Arc<str>>>,
    memberships: usize,
}

#[derive(Debug, Default)]
struct Room {
    /// Shared with whoever goes through them; copied when somebody enters or leaves meanwhile.
    members: Rc<Vec<SessionId>>,
    /// Where each one is among them.
    places: HashMap<SessionId, usize>,
}

/// Why a session does not enter a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// It is in as many rooms as one session may be.
    Session,
    /// There are as many rooms as there may be.
    Rooms,
}

/// How many rooms one session may be in.
pub const ROOMS_OF_SESSION: usize = 64;
/// How many rooms one worker may have.
pub const ROOMS: usize = 65_536;

impl Rooms {
    /// A session enters; one that is in the room already stays.
    ///
    /// # Errors
    /// It, or all of them together, have as many rooms as they may have.
    pub fn join(&mut self, session: SessionId, room: &str) -> Result<(), Crowded> {
        let known = self.rooms.get(room);
        if known.is_some_and(|known| known.places.contains_key(&session)) {
            return Ok(());
        }
        if self.of.get(&session).is_some_and(|rooms| rooms.len() >= ROOMS_OF_SESSION) {
            return Err(Crowded::Session);
        }
        if known.is_none() && self.rooms.len() >= ROOMS {
            return Err(Crowded::Rooms);
        }
        let name =
            self.rooms.get_key_value(room).map_or_else(|| Arc::from(room), |(name, _)| Arc::clone(name));
        self.of.entry(session).or_default().push(Arc::clone(&name));
        self.rooms.entry(name).or_default().enter(session);
        self.memberships += 1;
        Ok(())
    }

    /// A session leaves a room, if it is in it.
    pub fn leave(&mut self, session: SessionId, room: &str) {
        let Some(rooms) = self.of.get_mut(&session) else { return };
        let Some(place) = rooms.iter().position(|name| &**name == room) else { return };
        rooms.swap_remove(place);
        if rooms.is_empty() {
            self.of.remove(&session);
        }
        self.take_out(session, room);
    }

    /// A session is over.
    pub fn forget(&mut self, session: SessionId) {
        for room in self.of.remove(&session).unwrap_or_default() {
            self.take_out(session, &room);
        }
    }

    fn take_out(&mut self, session: SessionId, room: &str) {
        let Some(known) = self.rooms.get_mut(room) else { return };
        known.leave(session);
        self.memberships -= 1;
        if known.places.is_empty() {
            self.rooms.remove(room);
        }
    }

    /// A room ends: nobody is in it any more.
    pub fn close(&mut self, room: &str) {
        let Some(closed) = self.rooms.remove(room) else { return };
        self.memberships -= closed.places.len();
        for session in closed.members.iter() {
            let Some(rooms) = self.of.get_mut(session) else { continue };
            rooms.retain(|name| &**name != room);
            if rooms.is_empty() {
                self.of.remove(session);
            }
        }
    }

    /// Who is in a room now, whatever happens to it later.
    #[must_use]
    pub fn members(&self, room: &str) -> Rc<Vec<SessionId>> {
        self.rooms.get(room).map(|room| Rc::clone(&room.members)).unwrap_or_default()
    }

    /// How many rooms there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rooms.len()
    }

    /// How many sessions are in them, each counted once for each of its rooms.
    #[must_use]
    pub fn memberships(&self) -> usize {
        self.memberships
    }
}

impl Room {
    fn enter(&mut self, session: SessionId) {
        let members = Rc::make_mut(&mut self.members);
        self.places.insert(session, members.len());
        members.push(session);
    }

    fn leave(&mut self, session: SessionId) {
        let Some(place) = self.places.remove(&session) else { return };
        let members = Rc::make_mut(&mut self.members);
        members.swap_remove(place);
        if let Some(moved) = members.get(place) {
            self.places.insert(*moved, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn session(number: u64) -> SessionId {
        SessionId::from_raw(number)
    }

    #[test]
    fn a_room_is_there_while_somebody_is_in_it() {
        let mut rooms = Rooms::default();
        for (number, room) in [(1, "hall"), (1, "hall"), (2, "hall"), (1, "yard")] {
            assert_eq!(rooms.join(session(number), room), Ok(()));
        }
        assert_eq!((rooms.count(), rooms.memberships()), (2, 3));
        rooms.leave(session(1), "hall");
        rooms.leave(session(1), "hall");
        rooms.leave(session(3), "hall");
        assert_eq!(*rooms.members("hall"), [session(2)]);
        rooms.forget(session(1));
        assert_eq!((rooms.count(), rooms.memberships()), (1, 1));
        rooms.close("hall");
        rooms.close("nowhere");
        assert_eq!((rooms.count(), rooms.memberships(), rooms.of.len()), (0, 0, 0));
        assert!(rooms.members("hall").is_empty());
    }

    #[test]
    fn who_goes_through_a_room_sees_it_as_it_was() {
        let mut rooms = Rooms::default();
        (1..=3).for_each(|number| rooms.join(session(number), "hall").expect("it is small"));
        let before = rooms.members("hall");
        rooms.leave(session(2), "hall");
        rooms.join(session(4), "hall").expect("it is small");
        assert_eq!(*before, [1, 2, 3].map(session));
        assert_eq!(*rooms.members("hall"), [1, 3, 4].map(session));
    }

    #[test]
    fn neither_one_session_nor_all_together_have_rooms_without_end() {
        let mut rooms = Rooms::default();
        let mut session_number = 0;
        for room in 0..ROOMS {
            session_number += u64::from(room % ROOMS_OF_SESSION == 0);
            assert_eq!(rooms.join(session(session_number), &room.to_string()), Ok(()));
        }
        assert_eq!(rooms.join(session(1), "0"), Ok(()), "it is in there already");
        assert_eq!(rooms.join(session(1), "100"), Err(Crowded::Session));
        assert_eq!(rooms.join(session(0), "one more"), Err(Crowded::Rooms));
        assert_eq!(rooms.join(session(0), "100"), Ok(()));
        rooms.leave(session(1), "0");
        assert_eq!(rooms.join(session(1), "100"), Ok(()));
        assert_eq!(rooms.join(session(0), "one more"), Ok(()));
    }

    #[test]
    fn any_history_leaves_who_a_list_of_pairs_says() {
        let mut dice = 7_u64;
        let (mut rooms, mut model) = (Rooms::default(), BTreeSet::new());
        for step in 0..20_000 {
            let mut draw = |sides: u64| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (dice >> 33) % sides
            };
            let (number, room) = (1 + draw(40), draw(12).to_string());
            match draw(20) {
                0 => {
                    rooms.forget(session(number));
                    model.retain(|(_, member)| *member != session(number));
                }
                1 => {
                    rooms.close(&room);
                    model.retain(|(name, _)| *name != room);
                }
                2..=8 => {
                    rooms.leave(session(number), &room);
                    model.remove(&(room.clone(), session(number)));
                }
                _ => {
                    rooms.join(session(number), &room).expect("few rooms");
                    model.insert((room.clone(), session(number)));
                }
            }
            let members: BTreeSet<_> = rooms.members(&room).iter().copied().collect();
            let expected: BTreeSet<_> =
                model.iter().filter(|(name, _)| *name == room).map(|(_, member)| *member).collect();
            assert_eq!(members, expected, "step {step}");
            let names: BTreeSet<_> = model.iter().map(|(name, _)| name).collect();
            assert_eq!((rooms.memberships(), rooms.count()), (model.len(), names.len()), "step {step}");
        }
    }
}

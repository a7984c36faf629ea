//! What others see of a session after each turn: whether it plays, and whether much waits for the player.

use std::rc::Rc;

use super::conduct::Conduct;
use crate::net::link::SharedLink;
use crate::session::{Binding, Membership};

impl Conduct {
    /// Shows how the session is after a turn. The backends of shared links hear once when much waits for the player, and
    /// once when little does again.
    pub(super) fn show(&mut self) {
        self.seat.plays.set(self.session.membership() == Membership::In);
        let outbox = self.seat.outbox.borrow();
        let changed = if self.much_waits { outbox.is_low() } else { outbox.is_high() };
        drop(outbox);
        if changed && self.session.leaving().is_none() {
            self.much_waits = !self.much_waits;
            let links = self.session.bindings.iter().filter_map(|binding| self.link_of(binding));
            links.for_each(|link| link.waits(self.seat.id, self.much_waits));
        }
    }

    /// The link over which a backend knows the session, if it is still that one.
    pub(super) fn link_of(&self, binding: &Binding) -> Option<Rc<SharedLink>> {
        self.hub.link(binding.backend).filter(|link| link.is_up() && link.epoch() == binding.epoch)
    }
}

//! The checked layouts by name, and what other rules ask of a layout.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{frames, no_such};
use crate::config::mistakes::Mistakes;
use crate::config::plan::{NamedLayout, Route};
use crate::config::raw::{Frame, Named};
use crate::config::site::Located;
use crate::wire::{FrameLayout, Framing, IdField};

/// Every `[frame.NAME]`; a layout with a mistake keeps its name, so that those who use it are not blamed too.
pub(super) struct Layouts<'a> {
    by_name: BTreeMap<&'a str, Option<Arc<FrameLayout>>>,
}

impl<'a> Layouts<'a> {
    pub(super) fn check(frames: &'a [Named<Frame>], mistakes: &Mistakes) -> Self {
        let one = |frame: &'a Named<Frame>| {
            (frame.name.get().as_str(), frames::check(frame, mistakes).map(Arc::new))
        };
        Self { by_name: frames.iter().map(one).collect() }
    }

    /// The layout of this name; an unknown name is a mistake.
    pub(super) fn find(&self, name: &Located<String>, mistakes: &Mistakes) -> Option<Arc<FrameLayout>> {
        match self.by_name.get(name.get().as_str()) {
            Some(layout) => layout.clone(),
            None => {
                mistakes.add(no_such("frame", name, &self.names()));
                None
            }
        }
    }

    /// The name of the layout that is meant when none is named: the only one.
    pub(super) fn only(&self) -> Option<&'a str> {
        match self.names().as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The layout of a name that is known to be one.
    pub(super) fn get(&self, name: &str) -> Option<Arc<FrameLayout>> {
        self.by_name.get(name).cloned().flatten()
    }

    pub(super) fn names(&self) -> Vec<&'a str> {
        self.by_name.keys().copied().collect()
    }

    pub(super) fn into_named(self) -> Option<Vec<NamedLayout>> {
        let named =
            |(name, layout): (&str, Option<_>)| Some(NamedLayout { name: name.to_owned(), layout: layout? });
        self.by_name.into_iter().map(named).collect()
    }
}

/// Whether sessions of this layout have no frames.
pub(super) fn is_opaque(layout: &FrameLayout) -> bool {
    layout.framing == Framing::Opaque
}

/// Whether players with this layout can send frames that take the route.
pub(super) fn can_reach(layout: &FrameLayout, route: &Route) -> bool {
    let reaches = |highest| route.catch_all || route.ids.iter().any(|(first, _)| *first <= highest);
    highest_id(layout.id.as_ref()).is_some_and(reaches)
}

/// The highest protocol ID that frames of this layout can carry; `None`: they carry none.
pub(super) fn highest_id(id: Option<&IdField>) -> Option<u64> {
    match id? {
        IdField::Fixed { width, mask, shift, .. } => Some((width.max_value() & mask) >> shift),
        // Five bytes of LEB128, as every reader of the format takes them.
        IdField::Varint => Some(u64::from(u32::MAX)),
    }
}

//! Where something was written.

use std::ops::Range;

/// Where in which source a value was written, so that the edge can point at it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub(super) source: usize,
    pub(super) span: Range<usize>,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Located<T> {
    pub(super) value: T,
    pub(super) site: Site,
}

impl<T> Located<T> {
    pub(super) fn new(value: T, site: Site) -> Self {
        Self { value, site }
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// Where it was written.
    pub fn site(&self) -> &Site {
        &self.site
    }
}

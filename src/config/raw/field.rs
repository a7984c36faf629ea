//! What a key can be: absent, unreadable or given. The three are kept apart so that a wrong value is not reported
//! a second time as a missing one.

use crate::config::site::Located;

/// The value of a key.
#[derive(Clone, Debug, Default)]
pub(in crate::config) enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// It is there and already reported.
    Bad,
    /// It is there.
    Given(Located<T>),
}

/// A table whose name the operator chose, such as `[route.battle]`.
#[derive(Clone, Debug)]
pub(in crate::config) struct Named<T> {
    pub(in crate::config) name: Located<String>,
    pub(in crate::config) body: T,
}

impl<T> Field<T> {
    pub(in crate::config) fn given(&self) -> Option<&Located<T>> {
        match self {
            Self::Given(located) => Some(located),
            Self::Absent | Self::Bad => None,
        }
    }

    pub(in crate::config) fn value(&self) -> Option<&T> {
        self.given().map(Located::get)
    }

    pub(in crate::config) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T: Copy> Field<T> {
    /// The value or its default; after a wrong value the default only keeps the other rules going.
    pub(in crate::config) fn or(&self, default: T) -> T {
        self.value().copied().unwrap_or(default)
    }
}

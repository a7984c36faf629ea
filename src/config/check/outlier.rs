//! `[cluster.NAME.outlier]`: when real traffic takes a backend out.

use super::Context;
use super::times::{Time, in_order};
use crate::config::raw::{self, Field};
use crate::policy::OutlierRules;

/// The rules; `None` for a table that could not be read.
pub(super) fn check(context: &Context<'_>, raw: &Field<raw::Outlier>) -> Option<OutlierRules> {
    let default = OutlierRules::default();
    let table = match raw {
        Field::Absent => return Some(default),
        Field::Bad => return None,
        Field::Given(table) => table,
    };
    let raw = table.get();
    let rules = OutlierRules {
        consecutive: raw.consecutive.or(default.consecutive),
        eject: raw.eject.or(default.eject),
        max_eject: raw.max_eject.or(default.max_eject),
        max_percent: raw.max_percent.or(default.max_percent),
    };
    let eject = Time { key: "eject", raw: &raw.eject, value: rules.eject };
    let max_eject = Time { key: "max_eject", raw: &raw.max_eject, value: rules.max_eject };
    let because = "the first ejection would already have been longer than any may be";
    in_order(context, &eject, &max_eject, table.site(), because);
    Some(rules)
}

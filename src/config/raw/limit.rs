//! `[route.NAME.limit]` as written.

use super::field::Field;
use super::fields::Fields;
use crate::base::Rate;
use crate::config::plan::LimitAction;

/// `[route.NAME.limit]`.
pub(in crate::config) struct Limit {
    pub(in crate::config) per_session: Field<Rate>,
    pub(in crate::config) total: Field<Rate>,
    pub(in crate::config) action: Field<LimitAction>,
    pub(in crate::config) observe: Field<bool>,
}

impl Limit {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            per_session: fields.rate("per_session"),
            total: fields.rate("total"),
            action: fields.word("action", &ACTIONS),
            observe: fields.flag("observe"),
        }
    }
}

/// The keys of `limit`, to tell those who wrote them one table too high.
pub(super) const LIMIT: [&str; 4] = ["per_session", "total", "action", "observe"];
const ACTIONS: [super::Word<LimitAction>; 3] = [
    ("notice", Some(LimitAction::Notice)),
    ("drop", Some(LimitAction::Drop)),
    ("close", Some(LimitAction::Close)),
];

//! Two times of one table of which the first must not be longer than the second.

use std::time::Duration;

use super::Context;
use crate::base::format_duration;
use crate::config::problem::Problem;
use crate::config::raw::Field;
use crate::config::site::{Located, Site};

/// A time, its key and what was written for it.
pub(super) struct Time<'r> {
    pub(super) key: &'static str,
    pub(super) raw: &'r Field<Duration>,
    pub(super) value: Duration,
}

impl Time<'_> {
    fn is_bad(&self) -> bool {
        matches!(self.raw, Field::Bad)
    }

    fn shown(&self) -> String {
        let default = if self.raw.is_absent() { ", the default" } else { "" };
        format!("`{}` ({}{default})", self.key, format_duration(self.value))
    }
}

/// A time that is already reported is not compared.
pub(super) fn in_order(
    context: &Context<'_>,
    short: &Time<'_>,
    long: &Time<'_>,
    owner: &Site,
    because: &str,
) {
    if !short.is_bad() && !long.is_bad() && short.value > long.value {
        context.add(out_of_order(short, long, owner).because(because));
    }
}

fn out_of_order(short: &Time<'_>, long: &Time<'_>, owner: &Site) -> Problem {
    let site = short.raw.given().or(long.raw.given()).map_or(owner, Located::site);
    let title = format!("{} is longer than {}", short.shown(), long.shown());
    let most = format_duration(long.value);
    let write = format!("write {} = \"{most}\" or less, or a longer `{}`", short.key, long.key);
    let problem = Problem::at(site, title).write(write);
    match (short.raw.given(), long.raw.given()) {
        (Some(_), Some(long)) => problem.see(long.site(), "the longest it may be"),
        _ => problem,
    }
}

//! What is wrong with the files that a configuration names, told together with its own mistakes.

use std::path::Path;

use crate::admin::Access;
use crate::config::{self, Parts, Plan, Problem, Report};
use crate::net::{Opened, Tickets, clock};

/// Reads and checks a configuration.
///
/// # Errors
/// All its mistakes, and those of the files that it names.
pub(super) fn load(path: &Path) -> Result<Plan, Report> {
    config::load(path).map_err(|report| {
        let found = problems(report.parts());
        report.and(found)
    })
}

/// What is wrong with any of the files, the token of the API among them.
pub(super) fn problems(parts: Parts<'_>) -> Vec<Problem> {
    let token = parts.admin.and_then(|admin| Access::read(admin).err());
    faults(parts).into_iter().chain(token).collect()
}

/// What is wrong with certificates, keys, lists and answers. Without randomness for tickets nothing is said of them: that
/// is told where it is needed.
pub(super) fn faults(parts: Parts<'_>) -> Vec<Problem> {
    Tickets::new().map(|tickets| Opened::faults(parts, &tickets, clock())).unwrap_or_default()
}

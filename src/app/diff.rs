//! `realmgate diff`: what a reload from one file to another would change.

use std::path::Path;
use std::process::ExitCode;

use super::files;
use super::run::{USAGE, complain, print};
use crate::config::{self, Change, Difference};

/// Prints each change and, indented, what it does to live sessions; and what is wrong with the files that the new
/// configuration names, since a reload would be refused for it.
#[must_use]
pub fn diff(old: &Path, new: &Path) -> ExitCode {
    match (config::load(old), files::load(new)) {
        (Ok(old), Ok(new)) => {
            let code = print(&shown(&config::difference(&old, &new)));
            match files::problems(new.parts()) {
                found if found.is_empty() => code,
                found => complain(&new.report(found).with_outcome("a reload would change nothing"), USAGE),
            }
        }
        (old, new) => {
            for report in [old.err(), new.err()].into_iter().flatten() {
                complain(&report, USAGE);
            }
            ExitCode::from(USAGE)
        }
    }
}

fn shown(difference: &Difference) -> String {
    if difference.is_empty() {
        return "no difference\n".to_owned();
    }
    let block = |change: &Change| format!("{}\n    {}\n", change.what(), change.effect());
    difference.changes().iter().map(block).collect()
}

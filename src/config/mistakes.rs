//! What was found so far. Shared by all readers and rules, so that none stops at the first mistake.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::problem::Problem;

/// A growing list; its interior is mutable because the readers of nested tables hold it at the same time.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    found: RefCell<Vec<Problem>>,
}

impl Mistakes {
    pub(super) fn add(&self, problem: Problem) {
        self.found.borrow_mut().push(problem);
    }

    pub(super) fn extend(&self, problems: Vec<Problem>) {
        self.found.borrow_mut().extend(problems);
    }

    /// All of them, but for the echoes: a required key is not missing when it is there with a slip of the pen.
    pub(super) fn into_vec(self) -> Vec<Problem> {
        let found = self.found.into_inner();
        let meant = found.iter().filter_map(|problem| problem.meant.as_ref());
        let meant: BTreeSet<_> = meant.map(|(table, key)| (table.source, table.span.start, *key)).collect();
        let echo = |problem: &Problem| {
            let lack = problem.site.as_ref().zip(problem.lacks);
            lack.is_some_and(|(site, key)| meant.contains(&(site.source, site.span.start, key)))
        };
        found.into_iter().filter(|problem| !echo(problem)).collect()
    }
}

//! What was found so far. Shared by all readers and rules, so that none stops at the first mistake.

use std::cell::RefCell;

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

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.found.into_inner()
    }
}

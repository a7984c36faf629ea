//! One tree out of two: tables meet, everything else may be written once.

use super::{Entry, Table, Value};
use crate::config::mistakes::Mistakes;
use crate::config::problem::{Problem, short};

/// Copies the entries of `new` into `old`; of a key that is in both, the first stays and the second is a mistake.
pub(super) fn merge(old: &mut Table, new: &Table, mistakes: &Mistakes) {
    for (name, entry) in &new.entries {
        match old.entries.get_mut(name) {
            Some(first) => merge_entry(name, first, entry, mistakes),
            None => {
                old.entries.insert(name.clone(), entry.clone());
            }
        }
    }
}

fn merge_entry(name: &str, first: &mut Entry, second: &Entry, mistakes: &Mistakes) {
    if let (Value::Table(old), Value::Table(new)) = (&mut first.node.value, &second.node.value)
        && !old.inline
        && !new.inline
    {
        return merge(old, new, mistakes);
    }
    mistakes.add(
        Problem::at(&second.key, format!("`{}` is written twice", short(name)))
            .see(&first.key, "the first one")
            .because("one of the two would have been lost")
            .write("keep one of them"),
    );
}

//! The lists of accounts that canary rules name.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::parts::Parts;
use super::plan::{CanaryRule, Plan};
use super::problem::Problem;

/// Longer files are no list of testers, but a wrong path.
const LONGEST: u64 = 64 << 20;

impl Plan {
    /// [`Parts::account_lists`] of a whole plan.
    ///
    /// # Errors
    ///
    /// All files that cannot be read, each with the place that names it.
    pub fn account_lists(&self) -> Result<Vec<Vec<String>>, Vec<Problem>> {
        self.parts().account_lists()
    }
}

impl Parts<'_> {
    /// The accounts of the canary rules that name a file, in the order of the rules.
    ///
    /// # Errors
    ///
    /// All files that cannot be read, each with the place that names it.
    pub fn account_lists(&self) -> Result<Vec<Vec<String>>, Vec<Problem>> {
        let mut lists = Vec::new();
        let mut problems = Vec::new();
        for rule in self.canary {
            let CanaryRule::Accounts(path) = &rule.who else { continue };
            match read(path.get()) {
                Ok(text) => lists.push(accounts(&text)),
                Err(error) => problems.push(
                    Problem::at(path.site(), format!("cannot read {}: {error}", path.get().display()))
                        .because("nobody of this list would have met the group")
                        .write("name a text file with one account a line, or remove the rule"),
                ),
            }
        }
        if problems.is_empty() { Ok(lists) } else { Err(problems) }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = fs::File::open(path)?;
    let length = file.take(LONGEST + 1).read_to_string(&mut text)?;
    if length as u64 > LONGEST {
        return Err(io::Error::other("it is longer than 64MiB"));
    }
    Ok(text)
}

fn accounts(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_a_line_without_blanks_and_remarks() {
        let text = "\u{feff}# testers\n\nalice\r\n  bob  \n#carol\ndave#1\n";
        assert_eq!(accounts(text), ["alice", "bob", "dave#1"]);
    }
}

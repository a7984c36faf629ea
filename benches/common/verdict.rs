//! The figures of a scenario, and what must hold, as a person reads them at the end.

/// Figures and judgements in the order they were found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    figures: Vec<(String, String)>,
    judged: Vec<(bool, String, String)>,
    remark: String,
}

impl Verdict {
    /// A figure that nothing depends on.
    pub(crate) fn figure(&mut self, what: &str, value: impl Into<String>) {
        self.figures.push((what.to_owned(), value.into()));
    }

    /// Something that must hold, and what was seen of it.
    pub(crate) fn must(&mut self, holds: bool, what: &str, seen: impl Into<String>) {
        self.judged.push((holds, what.to_owned(), seen.into()));
    }

    /// A count that must be zero.
    pub(crate) fn none(&mut self, what: &str, count: u64) {
        self.must(count == 0, what, count.to_string());
    }

    /// What helps to understand a failure.
    pub(crate) fn remark(&mut self, text: String) {
        self.remark = text;
    }

    /// Whether all holds.
    pub(crate) fn holds(&self) -> bool {
        self.judged.iter().all(|(holds, _, _)| *holds)
    }

    /// Prints it all.
    pub(crate) fn print(&self, scenario: &str) {
        println!("\n{scenario}");
        for (what, value) in &self.figures {
            println!("      {what:<46} {value}");
        }
        for (holds, what, seen) in &self.judged {
            println!("{}  {what:<46} {seen}", word(*holds));
        }
        if !self.remark.is_empty() {
            println!("\n{}\n", self.remark);
        }
        println!("{}  {scenario}", word(self.holds()));
    }
}

fn word(holds: bool) -> &'static str {
    if holds { "PASS" } else { "FAIL" }
}

//! The table of the repository: written, read again, and held against fresh counts.

use std::fmt::Write as _;

/// How much dearer a case may be than the table says, and how much cheaper before the table is out of date.
const TOLERANCE: f64 = 0.10;

/// The instructions of one case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Count {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) instructions: f64,
    /// By how much of it two runs differ.
    pub(crate) spread: f64,
}

/// All of them, of one build.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    /// Compiler and callgrind.
    made_with: String,
    pub(crate) counts: Vec<Count>,
}

/// Fresh counts beside the table, for a person.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) text: String,
    /// Nothing costs more than it may, and the table has a row for everything.
    pub(crate) holds: bool,
}

/// How a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Same,
    Dearer,
    Cheaper,
    /// The table does not have it.
    New,
}

impl Count {
    /// Of two runs.
    pub(crate) fn new((name, unit): (&str, &str), first: f64, second: f64) -> Self {
        let instructions = f64::midpoint(first, second);
        let spread = (first - second).abs() / instructions.max(1.0);
        Self { name: name.to_owned(), unit: unit.to_owned(), instructions, spread }
    }
}

impl Table {
    pub(crate) fn new(made_with: String, counts: Vec<Count>) -> Self {
        Self { made_with, counts }
    }

    /// As it stands in the repository.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{HEAD}\nMade with {}.\n\n{COLUMNS}\n", self.made_with);
        for Count { name, unit, instructions, spread } in &self.counts {
            let spread = spread * 100.0;
            writeln!(text, "| `{name}` | {unit} | {instructions:.1} | {spread:.1} % |")
                .expect("a String takes every write");
        }
        text
    }

    /// What [`Table::text`] wrote.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let made_with = text.lines().find_map(|line| line.strip_prefix("Made with ")?.strip_suffix('.'))?;
        let rows = text.lines().skip_while(|line| *line != COLUMNS_END).skip(1);
        let counts = rows.map(row).collect::<Option<Vec<Count>>>()?;
        (!counts.is_empty()).then(|| Self { made_with: made_with.to_owned(), counts })
    }

    /// Holds these fresh counts against the committed table. Where all cases were counted, a row without one is told.
    pub(crate) fn beside(&self, committed: &Self, all: bool) -> Told {
        let mut text = format!("{:<24}{:>14}{:>14}{:>10}\n", "instructions", "table", "now", "");
        let mut advice = String::new();
        let mut holds = true;
        for count in &self.counts {
            let row = committed.counts.iter().find(|row| row.name == count.name);
            let standing = standing(row, count);
            holds &= matches!(standing, Standing::Same | Standing::Cheaper);
            let before = row.map_or_else(|| "-".to_owned(), |row| format!("{:.1}", row.instructions));
            let change = row.map_or_else(String::new, |row| percent(row.instructions, count.instructions));
            let now = count.instructions;
            writeln!(text, "{:<24}{before:>14}{now:>14.1}{change:>10}{}", count.name, standing.mark())
                .expect("a String takes every write");
            advice += &standing.advice(&count.name);
        }
        let is_gone = |row: &&Count| all && !self.counts.iter().any(|count| count.name == row.name);
        for row in committed.counts.iter().filter(is_gone) {
            holds = false;
            advice += &format!("{}: the table has it, and nothing counts it. {WRITE}\n", row.name);
        }
        if self.made_with != committed.made_with {
            advice += &format!(
                "The table was made with {}, this is {}: what differs everywhere may be theirs.\n",
                committed.made_with, self.made_with
            );
        }
        Told { text: format!("{text}\n{advice}"), holds }
    }
}

fn row(line: &str) -> Option<Count> {
    let mut cells = line.strip_prefix("| `")?.strip_suffix(" % |")?.split(" | ");
    let name = cells.next()?.strip_suffix('`')?.to_owned();
    let unit = cells.next()?.to_owned();
    let instructions = cells.next()?.parse().ok()?;
    let spread = cells.next()?.parse::<f64>().ok()? / 100.0;
    cells.next().is_none().then_some(Count { name, unit, instructions, spread })
}

fn standing(row: Option<&Count>, fresh: &Count) -> Standing {
    match row {
        None => Standing::New,
        Some(row) if fresh.instructions > row.instructions * (1.0 + TOLERANCE) => Standing::Dearer,
        Some(row) if fresh.instructions < row.instructions * (1.0 - TOLERANCE) => Standing::Cheaper,
        Some(_) => Standing::Same,
    }
}

fn percent(before: f64, now: f64) -> String {
    format!("{:+.1} %", (now / before.max(0.1) - 1.0) * 100.0)
}

impl Standing {
    fn mark(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Dearer => "  dearer than it may be",
            Self::Cheaper => "  cheaper",
            Self::New => "  not in the table",
        }
    }

    /// What to do about it.
    fn advice(self, name: &str) -> String {
        match self {
            Self::Same => String::new(),
            Self::Dearer => format!(
                "{name} costs over a tenth more than the table says. `-- --only {name} --keep target/counts` leaves \
                 what callgrind_annotate reads: lower it, or, if it is worth it, {WRITE_AND_SAY}\n"
            ),
            Self::Cheaper => format!("{name} costs over a tenth less: {WRITE_AND_SAY}\n"),
            Self::New => format!("{name} is not in the table. {WRITE}\n"),
        }
    }
}

const WRITE: &str = "Write the table anew: `make bench-instructions-table`.";
const WRITE_AND_SAY: &str =
    "write the table anew by `make bench-instructions-table` and say why in the commit.";
const COLUMNS: &str = "| case | what is counted | instructions | two runs differ by |\n|---|---|--:|--:|";
const COLUMNS_END: &str = "|---|---|--:|--:|";
const HEAD: &str = "# Instructions

Written by `make bench-instructions-table`, built with thin LTO: instructions of the program itself, without the
kernel's, under callgrind. A change may make no case dearer by more than a tenth; `make bench-instructions` says whether one
does.
";

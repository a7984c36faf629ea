//! The tables, and their place in the page.

use std::fmt::Write as _;

use crate::Evening;
use crate::model::{Case, Outcome};
use crate::plots;

const BEGIN: &str = "<!-- cases: written by the bench -->\n";
const END: &str = "<!-- end of the cases -->\n";

/// The page with other cases between its markers; `None` when it has no markers.
pub(crate) fn put(page: &str, cases: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{cases}\n{END}{after}"))
}

/// One case: what it is, what came of it, how it went.
pub(crate) fn section(case: Case, evenings: &[Evening]) -> String {
    let incident = evenings.first().map_or(0.0, |evening| evening.outcome.incident);
    let mut text = format!("\n### {}\n\n{}\n\n", title(case), story(case, incident));
    let columns = columns(case);
    let heads: Vec<_> = columns.iter().map(|column| column.head).collect();
    row(&mut text, "", &heads);
    row(&mut text, "---", &vec!["---:"; heads.len()]);
    for evening in evenings {
        let cells: Vec<_> = columns.iter().map(|column| (column.cell)(&evening.outcome)).collect();
        row(&mut text, evening.policy.name(), &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
    for (name, plot) in plots::of(case, evenings) {
        write!(text, "\n![{}](scheduling/{name}.svg)\n", plot.title).unwrap_or_default();
    }
    text
}

fn row(text: &mut String, name: &str, cells: &[&str]) {
    writeln!(text, "| {name} | {} |", cells.join(" | ")).unwrap_or_default();
}

const fn title(case: Case) -> &'static str {
    match case {
        Case::ColdStart => "All start cold",
        Case::Added => "One joins cold while players wait",
        Case::AddedLate => "The same, with reports three seconds late",
        Case::Faulty => "One answers with errors",
        Case::ZoneLost => "A zone is lost and comes back",
    }
}

fn story(case: Case, incident: f64) -> String {
    let full = case.fullness() * 100.0;
    let demand = format!("With everybody let in, the backends would be {full:.0} % full at the peak.");
    let what = match case {
        Case::ColdStart => "All backends are cold when the first player comes.".to_owned(),
        Case::Added => format!("At {incident:.0} s a cold backend joins those that have long been full."),
        Case::AddedLate => {
            format!(
                "At {incident:.0} s a cold backend joins; reports and PONGs are three seconds on their way."
            )
        }
        Case::Faulty => format!("From {incident:.0} s on one of fifty fails every new session at once."),
        Case::ZoneLost => format!(
            "At {incident:.0} s one zone of two dies without a word, probes notice after five to six seconds, and \
             after a minute it comes back cold."
        ),
    };
    format!("{what} {demand}")
}

/// A column of a case's table.
struct Column {
    head: &'static str,
    cell: fn(&Outcome) -> String,
}

const HIGHEST: Column = Column {
    head: "highest load",
    cell: |outcome| format!("{:.3} at {:.0} s", outcome.highest.load, outcome.highest.at),
};
const WAIT: Column = Column { head: "mean wait", cell: |outcome| format!("{:.2} s", outcome.wait.mean()) };
const LONGEST: Column =
    Column { head: "longest wait", cell: |outcome| format!("{:.1} s", outcome.wait.most()) };
const MISSES: Column = Column { head: "turned away by gateways", cell: |outcome| outcome.misses.to_string() };
const REFUSED: Column = Column { head: "refused by backends", cell: |outcome| outcome.refused.to_string() };
const FIRST: Column = Column {
    head: "new one: received in 3 s / capacity",
    cell: |outcome| {
        let ratio = f64::from(outcome.received_first) / f64::from(outcome.capacity_first.max(1));
        format!("{} / {} = {ratio:.2}", outcome.received_first, outcome.capacity_first)
    },
};
const NEW: Column = Column {
    head: "new one: highest load",
    cell: |outcome| format!("{:.3} at {:.0} s", outcome.special.load, outcome.special.at),
};
const FAILED: Column = Column { head: "failed sessions", cell: |outcome| outcome.failures.to_string() };
const EJECTIONS: Column = Column { head: "ejections", cell: |outcome| outcome.ejections.to_string() };
const EACH: Column = Column {
    head: "failed for each ejection",
    cell: |outcome| match outcome.ejections {
        0 => "-".to_owned(),
        ejections => format!("{:.1}", outcome.failures as f64 / ejections as f64),
    },
};
const BACK: Column = Column {
    head: "lost zone: highest load after",
    cell: |outcome| format!("{:.3} at {:.0} s", outcome.special.load, outcome.special.at),
};
const MOVES: Column = Column {
    head: "moved, of them in again",
    cell: |outcome| format!("{}, {}", outcome.moves, outcome.move_wait.count()),
};
const MOVE_WAIT: Column = Column {
    head: "wait of the moved, mean and longest",
    cell: |outcome| format!("{:.2} s, {:.1} s", outcome.move_wait.mean(), outcome.move_wait.most()),
};

fn columns(case: Case) -> Vec<Column> {
    match case {
        Case::ColdStart => vec![HIGHEST, MISSES, REFUSED, WAIT, LONGEST],
        Case::Added | Case::AddedLate => vec![HIGHEST, NEW, FIRST, MISSES, REFUSED, WAIT, LONGEST],
        Case::Faulty => vec![HIGHEST, FAILED, EJECTIONS, EACH, WAIT, LONGEST],
        Case::ZoneLost => vec![HIGHEST, BACK, MISSES, FAILED, MOVES, MOVE_WAIT, WAIT],
    }
}

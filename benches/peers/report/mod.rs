//! What is written down: the machine, a table for each work, and where realmgate loses.

mod losses;
mod table;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

pub(crate) use table::Table;

use crate::lab::facts::Facts;
use crate::lab::report::{self, Part};
use crate::lab::spread::Spread;

const READING: &str = "\
CPU is user and system time of all threads of the proxy for one frame there and back (or one handshake); the ratio
is to HAProxy in the same run, below 1 is less. Latencies of the works \"as fast as it goes\" are from sending to
answer; those of works with a rate count from the time a frame was due. `others` is how busy the core of loader
and backend was, first the loader, then the backend: near 100 % together, frames/s say more about them than about
the proxy, CPU per frame still holds. Figures are medians over the rounds, with the lowest and the highest behind
them. A turn with a wrong or missing answer is no figure: it is told as failed. Figures of two runs are not
comparable; machines differ, and so do hours of one machine.
";

/// Writes the report to the file and to the person.
pub(crate) fn write(path: &Path, facts: &Facts, tables: &[Table], took: Duration) -> Result<(), String> {
    let mut text = format!("# HAProxy, nginx and realmgate on the same work\n\n{facts}\n{READING}");
    for table in tables {
        write!(text, "\n## {}\n\n{table}", table.work.title).map_err(|error| error.to_string())?;
    }
    let losses = losses::paragraph(tables);
    let strangers = strangers(tables);
    let minutes = took.as_secs_f64() / 60.0;
    write!(text, "\n## Where realmgate loses\n\n{losses}\n{strangers}The run took {minutes:.0} minutes.\n")
        .map_err(|error| error.to_string())?;
    report::write(path, Part::Frames, &text)
}

/// How much of the machine belonged to somebody else.
fn strangers(tables: &[Table]) -> String {
    let turns = tables.iter().flat_map(Table::strangers);
    Spread::of(turns).map_or(String::new(), |spread| {
        format!(
            "Other programs of the machine took {:.0} % of the two cores during the measured windows (median; {:.0} to \
             {:.0} %).\n",
            spread.median, spread.low, spread.high
        )
    })
}

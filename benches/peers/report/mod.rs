//! What is written down: the machine, what was to be shown, what a machine carries, a table for each work,
//! and where realmgate loses.

mod claims;
mod curve;
mod figure;
mod losses;
mod sizing;
mod table;

use std::path::Path;
use std::time::Duration;

pub(crate) use table::Table;

use crate::companions::Played;
use crate::lab::facts::Facts;
use crate::lab::report::{self, Part};
use crate::lab::turns::last_words;
use crate::seats::{are_cores_free, cores};

const READING: &str = "\
CPU is user and system time of all threads of the proxy for one frame there and back (or one handshake); the ratio
is to the first row in the same run, below 1 is less. Latencies of the works \"as fast as it goes\" are from sending to
answer; those of works with a rate count from the time a frame was due. `others` is how busy the core of loader
and backend was, first the loader, then the backend: near 100 % together, frames/s say more about them than about
the proxy, CPU per frame still holds. Figures are medians over the rounds, with the lowest and the highest behind
them. A turn with a wrong or missing answer is no figure: it is told as failed. Figures of two runs are not
comparable; machines differ, and so do hours of one machine.
";

/// Writes the report to the file and to the person.
pub(crate) fn write(
    path: &Path,
    facts: &Facts,
    (tables, others): (&[Table], &[Played]),
    took: Duration,
) -> Result<(), String> {
    let mut text = format!("# HAProxy, nginx, Envoy and realmgate on the same work\n\n{facts}\n{READING}");
    text += &format!("\n## What was to be shown\n\n{}", claims::paragraph(tables, others));
    text += &sizing::section(tables);
    // The points of the curve stand together, after what comes before them.
    let before_curve = tables.iter().position(|table| table.work.is_of_curve()).unwrap_or(tables.len());
    for (place, table) in tables.iter().enumerate() {
        if place == before_curve {
            text += &curve::sections(tables);
        }
        if !table.work.is_of_curve() {
            text += &format!("\n## {}\n\n{table}{}", table.work.title, remark(table));
        }
    }
    for Played { title, command, text: said, holds, .. } in others {
        let fails = if *holds { "" } else { ", and fails" };
        text += &format!("\n## {title}\n\n`{command}` says{fails}:\n\n```\n{said}\n```\n");
    }
    let losses = losses::paragraph(tables);
    let last = last_words(tables.iter().flat_map(Table::strangers), took);
    text += &format!("\n## Where realmgate loses\n\n{losses}\n{last}");
    report::write(path, Part::Frames, &text)
}

/// What the reader must know of a table.
fn remark(table: &Table) -> String {
    if !table.work.wants_cores() {
        return String::new();
    }
    if are_cores_free() {
        return "\nThe proxy had two cores of its own in both rows, two loaders and the backend one each; latencies are \
                those of the slower loader.\n"
            .to_owned();
    }
    format!(
        "\nThis machine has {} cores: the second worker shared its core with loader and backend, who took from it what \
         they took. Frames/s of the second row say nothing here of two workers; CPU per frame does.\n",
        cores()
    )
}

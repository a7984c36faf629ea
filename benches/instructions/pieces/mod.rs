//! Parts of the frame's path as the crate has them, each repeated as often as it is told.

pub(crate) mod boxes;
pub(crate) mod choice;
pub(crate) mod wire;

use crate::Outcome;
use crate::case::{ALL, Kind};

/// What runs under callgrind: `NAME TIMES`.
pub(crate) fn play(words: &[String]) -> Outcome<()> {
    let [name, times] = words else { return Err("a piece has a name and a number".to_owned()) };
    let times = times.parse().map_err(|_| format!("{times} is no number"))?;
    match ALL.iter().find(|case| case.name == name).map(|case| case.kind) {
        Some(Kind::Piece(play)) => play(times),
        Some(Kind::Path(_)) | None => return Err(format!("no piece is called {name}")),
    }
    Ok(())
}

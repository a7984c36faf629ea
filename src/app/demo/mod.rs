//! The embedded game.
use std::process::ExitCode;
/// Plays.
#[must_use]
pub fn play(_once: bool) -> ExitCode {
    ExitCode::SUCCESS
}

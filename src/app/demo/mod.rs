//! The embedded game of `realmgate demo`: a gateway, game servers and players in one process, so that a newcomer
//! sees within seconds what is routed where. It uses the gateway as anybody would: a TOML file, TLS, the shared
//! link. All of it is on loopback addresses and ports that were free. Every wait has a bound.

mod backend;
mod game;
mod grounds;
mod ledger;
mod player;
mod rules;
mod score;
mod screen;
mod show;
mod stage;
mod table;

use std::fmt;
use std::io;
use std::process::ExitCode;

use super::StartError;
use super::run::say;
use crate::config::Report;
use crate::telemetry::{self, LogFormat, LogLevel};
use game::{Enough, Game};
use screen::Screen;

/// Why the game could not be played.
#[derive(Debug)]
enum DemoError {
    /// What the machine did not let us do.
    Io(&'static str, io::Error),
    /// No certificate could be made.
    Certificate(rcgen::Error),
    /// TLS refuses the certificate that was made.
    Tls(rustls::Error),
    /// The configuration is wrong: a bug of the demo.
    Configuration(Box<Report>),
    /// The configuration lacks something: a bug of the demo.
    Missing(&'static str),
    /// The gateway did not start.
    Start(StartError),
}

/// The machine does not let it start (sysexits.h: `EX_OSERR`).
const OS_ERROR: u8 = 71;

/// `realmgate demo`: plays until Ctrl-C, or `once` for ten seconds. Exit code 1 if a frame was lost or reached a
/// wrong cluster.
#[must_use]
pub fn play(once: bool) -> ExitCode {
    telemetry::init(LogFormat::Text, &LogLevel::warn());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&DemoError::Io("start an event loop", error)),
    };
    match runtime.block_on(whole_game(once)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

async fn whole_game(once: bool) -> Result<bool, DemoError> {
    let mut enough = Enough::listen()?;
    let mut screen = Screen::new();
    let mut game = Game::begin(&mut screen).await?;
    game.watch(once, &mut enough, &mut screen).await;
    Ok(game.end(&mut screen).await)
}

fn fail(error: &DemoError) -> ExitCode {
    say(&format!("the demo cannot be played: {error}\n"));
    ExitCode::from(OS_ERROR)
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(what, error) => write!(f, "cannot {what}: {error}"),
            Self::Certificate(error) => write!(f, "no certificate can be made: {error}"),
            Self::Tls(error) => write!(f, "TLS refuses the certificate: {error}"),
            Self::Configuration(report) => f.write_str(&report.render(false)),
            Self::Missing(what) => write!(f, "its configuration has no {what}"),
            Self::Start(error) => error.fmt(f),
        }
    }
}

//! The command line of realmgate.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use realmgate::app::{self, LogOptions};
use realmgate::base::ProtocolId;
use realmgate::telemetry::LogFormat;

/// A game-aware gateway: routes players' frames by protocol ID to clusters.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check, bind and serve; SIGTERM drains and stops, SIGINT stops
    Run {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        log: Log,
    },
    /// Tell every mistake of a configuration, or one line per listener, route and cluster
    Check {
        #[command(flatten)]
        config: Config,
    },
    /// Tell what a frame would meet, and why
    Explain {
        #[command(flatten)]
        config: Config,
        /// The listener where the frame arrives
        #[arg(long)]
        listener: String,
        /// The frame's protocol ID
        #[arg(long)]
        id: u64,
        /// The player's account (no rule depends on it yet)
        #[arg(long)]
        account: Option<String>,
        /// The client's version (no rule depends on it yet)
        #[arg(long = "version", value_name = "VERSION")]
        client_version: Option<String>,
    },
    /// Play an embedded game through a gateway and show what is routed where
    Demo {
        /// End after ten seconds with a summary; exit code 1 if a frame was lost
        #[arg(long)]
        once: bool,
    },
}

#[derive(Debug, Args)]
struct Config {
    /// The configuration: a TOML file, or a directory of them
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
struct Log {
    /// How log lines are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    log_format: Format,
    /// error, warn, info or debug
    #[arg(long, default_value = "info")]
    log_level: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Bad usage (sysexits.h: `EX_USAGE`).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => obey(cli.command),
        Err(error) => {
            let asked = !error.use_stderr();
            drop(error.print());
            if asked { ExitCode::SUCCESS } else { ExitCode::from(USAGE) }
        }
    }
}

fn obey(command: Command) -> ExitCode {
    match command {
        Command::Run { config, log } => app::run(&config.file, &log.into()),
        Command::Check { config } => app::check(&config.file),
        Command::Explain { config, listener, id, account: _, client_version: _ } => {
            app::explain(&config.file, &listener, ProtocolId(id))
        }
        Command::Demo { once } => app::demo::play(once),
    }
}

impl From<Log> for LogOptions {
    fn from(log: Log) -> Self {
        let format = match log.log_format {
            Format::Text => LogFormat::Text,
            Format::Json => LogFormat::Json,
        };
        Self { format, level: log.log_level }
    }
}

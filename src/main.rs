//! The command line of realmgate.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tikv_jemallocator::Jemalloc;

use realmgate::admin::ctl;
use realmgate::app::{self, Asked, LogOptions, RunOptions};
use realmgate::base::ProtocolId;
use realmgate::telemetry::{LogFormat, LogLevel};

/// The C library's allocator loses a tenth of an idle session between blocks that are aligned to 128 bytes, as every task
/// is (`docs/performance.md`). This one has threads that give memory back to the kernel.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// A game-aware gateway: routes players' frames by protocol ID to clusters.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check, bind and serve; SIGTERM drains and stops, SIGINT stops, SIGHUP reloads, SIGUSR2 hands over to a new process
    Run {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        log: Log,
        /// Reload when the configuration changes on disk
        #[arg(long)]
        watch: bool,
        /// Take over from the process that started this one (it is given by an upgrade only)
        #[arg(long, hide = true)]
        take_over: bool,
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
        /// The player's account
        #[arg(long)]
        account: Option<String>,
        /// The client's version
        #[arg(long = "version", value_name = "VERSION")]
        client_version: Option<String>,
        /// The player's address
        #[arg(long, value_name = "IP")]
        address: Option<IpAddr>,
    },
    /// Tell what a reload from one configuration to another would change, and what it would do to live sessions
    Diff {
        /// The configuration in force: a TOML file, or a directory of them
        old: PathBuf,
        /// The one to come
        new: PathBuf,
    },
    /// Ask a running gateway, or change it, through its admin API
    Ctl {
        #[command(flatten)]
        options: ctl::Options,
        /// What to ask or to change
        #[command(subcommand)]
        verb: ctl::Verb,
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
    /// error, warn, info, debug or trace; info,realmgate::http=debug for a line about each request of HTTP as well
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log_level: LogLevel,
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
        Command::Run { config, log, watch, take_over } => {
            app::run(&config.file, &log.into(), RunOptions { watch, take_over })
        }
        Command::Check { config } => app::check(&config.file),
        Command::Explain { config, listener, id, account, client_version, address } => {
            let asked = Asked { listener, id: ProtocolId(id), account, version: client_version, address };
            app::explain(&config.file, &asked)
        }
        Command::Diff { old, new } => app::diff(&old, &new),
        Command::Ctl { options, verb } => ctl::run(&options, &verb),
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

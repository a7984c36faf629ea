//! The verbs of `realmgate ctl`, as they are written on the command line.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use super::parts::Fraction;
use crate::base::parse_duration;

/// What an operator wants.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Version, configuration, phase, sessions and listeners
    Status,
    /// The sessions that are here now
    Sessions {
        /// Only those of this account
        #[arg(long)]
        account: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Every backend of every cluster
    Clusters,
    /// Every route and what it has counted
    Routes,
    /// What is wanted of one backend
    Backend {
        /// The cluster's name
        cluster: String,
        /// host:port, as the configuration says it
        address: String,
        /// Its new state or weight
        #[command(subcommand)]
        wanted: Wanted,
    },
    /// Drain a part of a cluster's backends
    Drain {
        /// The cluster's name
        cluster: String,
        /// How large the part is; never all backends, unless it is 1
        #[arg(long, value_name = "1/3")]
        fraction: Fraction,
        /// Which part, in the order of the file
        #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        part: u32,
    },
    /// Wait until a backend has no sessions
    Wait {
        /// The cluster's name
        cluster: String,
        /// host:port, as the configuration says it
        address: String,
        /// What is waited for
        goal: Goal,
        /// How long at most
        #[arg(long, value_name = "10m", value_parser = duration, default_value = "10m")]
        timeout: Duration,
    },
    /// Close a route for maintenance, or open it
    Route {
        /// The route's name
        name: String,
        /// What of it
        #[command(subcommand)]
        what: OfRoute,
    },
    /// The third parties: what they have had today, and what was refused
    Partners,
    /// Serve a third party, or do not
    Partner {
        /// The partner's name
        name: String,
        /// Whether it is served
        switch: Switch,
    },
    /// Which release group new sessions enter
    Release {
        /// What of it
        #[command(subcommand)]
        what: OfRelease,
    },
    /// End a session
    Session {
        /// As `sessions` shows it
        id: String,
        /// What becomes of it
        what: OfSession,
    },
    /// End an account's sessions, or find them
    Account {
        /// The account's name
        name: String,
        /// What is asked
        what: OfAccount,
    },
    /// Let an address or an account in no more
    Ban {
        /// An IP address, also with a port as `sessions` shows it, or else an account
        #[arg(value_name = "ADDRESS-or-ACCOUNT", required_unless_present = "account")]
        who: Option<String>,
        /// An account, whatever its name looks like
        #[arg(long, value_name = "NAME", conflicts_with = "who")]
        account: Option<String>,
        /// How long
        #[arg(long = "for", value_name = "1h")]
        length: String,
    },
    /// The bans in force
    Bans,
    /// Read the configuration again
    Reload,
    /// Hand over to a new process of the program's file
    Upgrade,
    /// The runtime changes that differ from the file
    Overrides {
        /// Drop all of them
        what: Option<OfOverrides>,
    },
}

/// What is wanted of a backend.
#[derive(Debug, Subcommand)]
pub enum Wanted {
    /// It serves
    Ready,
    /// It gets no new sessions; those it has go on
    Drain,
    /// It serves nobody; its sessions are repicked or closed, as `on_loss` says
    Disable,
    /// It serves with another weight
    Weight {
        /// Instead of the file's
        weight: u32,
    },
}

/// What `wait` waits for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Goal {
    /// No session is at the backend
    Idle,
}

/// What may be asked of a route.
#[derive(Debug, Subcommand)]
pub enum OfRoute {
    /// Whether its players are told to wait
    Maintenance {
        /// On or off
        #[command(subcommand)]
        switch: Closing,
    },
}

/// Maintenance of a route.
#[derive(Debug, Subcommand)]
pub enum Closing {
    /// Its players get the notice `maintenance`
    On {
        /// What they read
        #[arg(long)]
        message: Option<String>,
        /// When they may try again
        #[arg(long, value_name = "20m")]
        retry_after: Option<String>,
        /// When it ends by itself
        #[arg(long, value_name = "2026-11-21T10:00:00Z")]
        until: Option<String>,
    },
    /// Its frames are forwarded, whatever the file says
    Off,
}

/// Whether a third party is served.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Switch {
    /// It is
    Enable,
    /// It is not
    Disable,
}

/// What may be asked of the release.
#[derive(Debug, Subcommand)]
pub enum OfRelease {
    /// Let new sessions enter a group
    Activate {
        /// The group's name
        group: String,
        /// What becomes of the sessions of the other one
        #[arg(long = "move")]
        moving: Option<Move>,
    },
}

/// What becomes of sessions whose group is no longer theirs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Move {
    /// They are told and closed over `release.spread`
    Forced,
    /// They stay until they end
    Natural,
}

/// What may become of a session.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OfSession {
    /// It is told and closed
    Kick,
}

/// What may be asked of an account.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OfAccount {
    /// Its sessions are told and closed
    Kick,
    /// Where its sessions are
    Where,
}

/// What may become of the runtime changes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OfOverrides {
    /// The file alone decides again
    Clear,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a duration such as 30s, 10m or 1h".to_owned())
}

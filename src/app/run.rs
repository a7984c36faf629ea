//! The commands that serve or look at a configuration, each with its exit code.

use std::io::{ErrorKind, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::ExitCode;

use super::files;
use super::gate::{StartError, build};
use super::start::{Found, Watch, watched};
use super::summary::summary;
use crate::base::ProtocolId;
use crate::config::{self, Listener, Plan, Report};
use crate::net::clock;
use crate::router::{self, Groups, Question, Who};
use crate::telemetry::{self, LogFormat, LogLevel, Meters};

/// How the process logs.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// For people or for programs.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, or more for single targets.
    pub level: LogLevel,
}

/// How the process serves.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// It reloads when the configuration changes on disk.
    pub watch: bool,
    /// It takes over from the process that started it.
    pub take_over: bool,
}

/// Bad usage or configuration (sysexits.h: `EX_USAGE`).
pub(super) const USAGE: u8 = 64;
/// The operating system does not let it start (sysexits.h: `EX_OSERR`).
const OS_ERROR: u8 = 71;

/// `realmgate run`: serves until SIGTERM has drained it, SIGINT ends it, or a new process has taken over.
#[must_use]
pub fn run(file: &Path, log: &LogOptions, options: RunOptions) -> ExitCode {
    telemetry::init(log.format, &log.level);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&StartError::Machine(error)),
    };
    let in_its_event_loop = runtime.enter();
    let found = match Found::look(&options) {
        Ok(found) => found,
        Err(error) => return fail(&error),
    };
    let (watching, plan) = watched(options.watch.then_some(file), || files::load(file));
    drop(in_its_event_loop);
    match plan {
        Ok(plan) => runtime.block_on(serve(found, plan, watching)),
        Err(report) => {
            runtime.block_on(found.refuse(&report.render(false)));
            complain(&report, USAGE)
        }
    }
}

async fn serve(found: Found, plan: Plan, watching: Watch) -> ExitCode {
    match found.start(plan, watching).await {
        Ok(serving) => serving.serve().await,
        Err(error) => fail(&error),
    }
}

/// `realmgate check`: every mistake, or one line per listener, route and cluster.
#[must_use]
pub fn check(file: &Path) -> ExitCode {
    let plan = match files::load(file) {
        Ok(plan) => plan,
        Err(report) => return complain(&report, USAGE),
    };
    match build(plan, &Meters::new(0)) {
        Ok(world) => print(&summary(world.plan())),
        Err(error) => fail(&error),
    }
}

/// Whose frame `realmgate explain` is asked about, and where it arrives.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The listener's name.
    pub listener: String,
    /// The frame's protocol ID.
    pub id: ProtocolId,
    /// The player's account.
    pub account: Option<String>,
    /// The client's version.
    pub version: Option<String>,
    /// The player's address; this machine's own where none is said.
    pub address: Option<IpAddr>,
}

/// `realmgate explain`: what a frame would meet.
#[must_use]
pub fn explain(file: &Path, asked: &Asked) -> ExitCode {
    let plan = match config::load(file) {
        Ok(plan) => plan,
        Err(report) => return complain(&report, USAGE),
    };
    let lists = match plan.account_lists() {
        Ok(lists) => lists,
        Err(problems) => return complain(&plan.report(problems), USAGE),
    };
    let listener = &asked.listener;
    let Some(found) = plan.listeners().iter().find(|found| found.name() == listener) else {
        let names: Vec<&str> = plan.listeners().iter().map(Listener::name).collect();
        say(&format!("no listener is named {listener}; this file has: {}\n", names.join(", ")));
        return ExitCode::from(USAGE);
    };
    let who = Who {
        account: asked.account.as_deref(),
        version: asked.version.as_deref(),
        address: asked.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    let question = Question { listener: found, id: asked.id, who, now: clock() };
    let lines = router::explain(&plan, &Groups::new(&plan, lists), &question);
    print(&lines.iter().map(|(what, text)| format!("{what:<9} {text}\n")).collect::<String>())
}

/// Whoever closes the pipe has read enough.
pub(super) fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say(&format!("done, but the answer could not be printed: {error}\n"));
            ExitCode::from(OS_ERROR)
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

fn fail(error: &StartError) -> ExitCode {
    match error {
        StartError::Configuration(report) => complain(report, USAGE),
        StartError::Bind(report) => complain(report, OS_ERROR),
        StartError::TakeOver(_) | StartError::Machine(_) | StartError::State(_) | StartError::Partners(_) => {
            say(&format!("{error}\n"));
            ExitCode::from(OS_ERROR)
        }
    }
}

pub(super) fn complain(report: &Report, code: u8) -> ExitCode {
    say(&format!("{}\n", report.render(std::io::stderr().is_terminal())));
    ExitCode::from(code)
}

/// To standard error; a closed one is nobody's loss.
pub(super) fn say(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

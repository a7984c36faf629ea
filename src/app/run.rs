//! The commands that serve or look at a configuration, each with its exit code.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::gate::{Gate, StartError, build};
use super::summary::summary;
use crate::base::ProtocolId;
use crate::config::{self, Listener, Plan, Report};
use crate::router;
use crate::telemetry::{self, LogFormat, Meters};

/// How the process logs.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// For people or for programs.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or a filter of the tracing crate.
    pub level: String,
}

/// Bad usage or configuration (sysexits.h: `EX_USAGE`).
const USAGE: u8 = 64;
/// The operating system does not let it start (sysexits.h: `EX_OSERR`).
const OS_ERROR: u8 = 71;

/// `realmgate run`: serves until SIGTERM has drained it or SIGINT ends it.
#[must_use]
pub fn run(file: &Path, log: &LogOptions) -> ExitCode {
    telemetry::init(log.format, &log.level);
    let plan = match config::load(file) {
        Ok(plan) => plan,
        Err(report) => return complain(&report, USAGE),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&StartError::Machine(error)),
    };
    runtime.block_on(serve(plan))
}

async fn serve(plan: Plan) -> ExitCode {
    let signals =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(terminate), Ok(interrupt), Ok(hangup)) = signals else {
        return fail(&StartError::Machine(std::io::Error::other("no signal handlers")));
    };
    let mut signals = Signals { terminate, interrupt, hangup };
    let gate = match Gate::start(plan).await {
        Ok(gate) => gate,
        Err(error) => return fail(&error),
    };
    notify(&[sd_notify::NotifyState::Ready]);
    match signals.next().await {
        Order::Stop => gate.stop().await,
        Order::Drain => {
            notify(&[sd_notify::NotifyState::Stopping]);
            tokio::select! {
                _ = gate.drain() => {}
                () = signals.interrupted() => telemetry::stopped(),
            }
        }
    }
    ExitCode::SUCCESS
}

/// The signals of an operator.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Drain,
    Stop,
}

impl Signals {
    /// The next order to end.
    async fn next(&mut self) -> Order {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Order::Drain,
                _ = self.interrupt.recv() => return Order::Stop,
                _ = self.hangup.recv() => telemetry::reload_not_supported(),
            }
        }
    }

    async fn interrupted(&mut self) {
        self.interrupt.recv().await;
    }
}

/// Tells systemd, where it listens.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        telemetry::notify_failed(&error.to_string());
    }
}

/// `realmgate check`: every mistake, or one line per listener, route and cluster.
#[must_use]
pub fn check(file: &Path) -> ExitCode {
    let plan = match config::load(file) {
        Ok(plan) => plan,
        Err(report) => return complain(&report, USAGE),
    };
    match build(plan, &Meters::new(0)) {
        Ok(world) => print(&summary(world.plan())),
        Err(error) => fail(&error),
    }
}

/// `realmgate explain`: what a frame would meet.
#[must_use]
pub fn explain(file: &Path, listener: &str, id: ProtocolId) -> ExitCode {
    let plan = match config::load(file) {
        Ok(plan) => plan,
        Err(report) => return complain(&report, USAGE),
    };
    let Some(found) = plan.listeners().iter().find(|found| found.name() == listener) else {
        let names: Vec<&str> = plan.listeners().iter().map(Listener::name).collect();
        say(&format!("no listener is named {listener}; this file has: {}\n", names.join(", ")));
        return ExitCode::from(USAGE);
    };
    let lines = router::explain(&plan, found, id);
    print(&lines.iter().map(|(what, text)| format!("{what:<9} {text}\n")).collect::<String>())
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(OS_ERROR),
    }
}

fn fail(error: &StartError) -> ExitCode {
    match error {
        StartError::Configuration(report) => complain(report, USAGE),
        StartError::Bind(report) => complain(report, OS_ERROR),
        StartError::Machine(_) => {
            say(&format!("{error}\n"));
            ExitCode::from(OS_ERROR)
        }
    }
}

fn complain(report: &Report, code: u8) -> ExitCode {
    say(&format!("{}\n", report.render(std::io::stderr().is_terminal())));
    ExitCode::from(code)
}

/// To standard error; a closed one is nobody's loss.
pub(super) fn say(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

//! The life of a serving process: signals and orders, one after the other, until it drains or stops.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal as Hangup, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::gate::Gate;
use super::office::OpenOffice;
use super::program::Program;
use super::systemd;
use super::watching::Watching;
use crate::admin::{Order, Refused, Why};
use crate::net::now;
use crate::telemetry;

/// A gateway that accepts, with everything that can tell it something.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) gate: Gate,
    pub(super) program: Program,
    /// The operator's API.
    pub(super) office: Option<OpenOffice>,
    pub(super) inbox: Inbox,
}

/// The signals of an operator.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    upgrade: Signal,
}

/// Where orders come from.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) signals: Signals,
    pub(super) orders: mpsc::Receiver<Order>,
    /// With `--watch`.
    pub(super) watching: Option<Watching>,
}

/// What comes next.
#[derive(Debug)]
enum Next {
    End(End),
    Reload(&'static str),
    Upgrade,
    Order(Order),
}

/// How it ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Drain,
    Stop,
    Retire,
}

impl End {
    /// systemd hears of it; of a new main process it hears from the upgrade.
    fn tell(self) {
        match self {
            Self::Drain => systemd::stopping("draining"),
            Self::Stop => systemd::stopping("stopping"),
            Self::Retire => {}
        }
    }
}

/// How many orders may wait.
pub(super) const ORDERS: usize = 16;
/// A worker that has not turned for so long hangs: the watchdog is not told that all is well.
const HANGING: Duration = Duration::from_secs(5);

impl Signals {
    /// Takes the process's signals.
    ///
    /// # Errors
    /// When the operating system does not let it.
    pub(super) fn take() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }
}

impl Inbox {
    async fn next(&mut self) -> Next {
        let Signals { terminate, interrupt, hangup, upgrade } = &mut self.signals;
        tokio::select! {
            _ = terminate.recv() => Next::End(End::Drain),
            _ = interrupt.recv() => Next::End(End::Stop),
            _ = hangup.recv() => Next::Reload("SIGHUP"),
            _ = upgrade.recv() => Next::Upgrade,
            Some(order) = self.orders.recv() => Next::Order(order),
            () = changed(&mut self.watching) => Next::Reload("watch"),
        }
    }
}

async fn changed(watching: &mut Option<Watching>) {
    match watching {
        Some(watching) => watching.changed().await,
        None => std::future::pending().await,
    }
}

impl Serving {
    /// Serves until SIGTERM has drained it, SIGINT ends it, or a new process has taken over.
    pub(super) async fn serve(mut self) -> ExitCode {
        systemd::ready(&self.status());
        let (meters, started) = (Arc::clone(self.gate.meters()), self.gate.started);
        let all_turn = move || {
            let since_start = now().saturating_duration_since(started);
            since_start.saturating_sub(meters.oldest_beat()) < HANGING
        };
        let watchdog = tokio::spawn(systemd::watchdog(all_turn));
        let end = self.until_the_end().await;
        let Self { mut gate, program, office, mut inbox } = self;
        drop(program); // with the copy of the API's socket that was for another process
        inbox.orders.close();
        if let (End::Retire, Some(office)) = (end, &office) {
            office.close(); // the new process answers at the same socket
        }
        let left = async {
            match end {
                End::Stop => return false,
                End::Drain => gate.wind_down().await,
                End::Retire => gate.hand_on().await,
            }
            true
        };
        let in_time = tokio::select! {
            in_time = left => in_time,
            _ = inbox.signals.interrupt.recv() => false,
        };
        let ended = async {
            if in_time {
                gate.finish().await;
            } else {
                gate.stop().await;
            }
        };
        tokio::select! {
            () = ended => {}
            _ = inbox.signals.interrupt.recv() => telemetry::stopped(),
        }
        if let Some(office) = office {
            office.closed().await;
        }
        watchdog.abort();
        ExitCode::SUCCESS
    }

    async fn until_the_end(&mut self) -> End {
        loop {
            match self.inbox.next().await {
                Next::Reload(who) => drop(self.reload(who).await),
                Next::Upgrade => {
                    if let (Some(end), _) = self.upgrade("SIGUSR2").await {
                        return end;
                    }
                }
                Next::Order(order) => {
                    if let Some(end) = self.obey(order).await {
                        return end;
                    }
                }
                Next::End(end) => {
                    end.tell();
                    return end;
                }
            }
        }
    }

    /// Carries an order out and answers it. Who asked may have gone; the order stands all the same.
    async fn obey(&mut self, order: Order) -> Option<End> {
        match order {
            Order::Reload { who, answer } => drop(answer.send(self.reload(&who).await)),
            Order::Change { change, who, answer } => drop(answer.send(self.gate.change(change, &who).await)),
            Order::ClearOverrides { who, answer } => {
                drop(answer.send(self.gate.clear_overrides(&who).await));
            }
            Order::Upgrade { who, answer } => {
                let (end, upgraded) = self.upgrade(&who).await;
                drop(answer.send(upgraded));
                return end;
            }
        }
        None
    }

    async fn reload(&mut self, who: &str) -> Result<crate::admin::Reloaded, Refused> {
        systemd::reloading();
        let result = self.gate.reload_file(who).await;
        systemd::ready(&self.status());
        result
    }

    /// How this process ends by it, and what came of it. An order to stop ends an upgrade that is under way.
    async fn upgrade(&mut self, who: &str) -> (Option<End>, Result<u32, Refused>) {
        let Signals { terminate, interrupt, .. } = &mut self.inbox.signals;
        let end = tokio::select! {
            upgraded = self.gate.upgrade(&self.program, who) => {
                if let Ok(pid) = upgraded {
                    self.pass_hangup_on(pid).await;
                }
                return (upgraded.is_ok().then_some(End::Retire), upgraded);
            }
            _ = terminate.recv() => End::Drain,
            _ = interrupt.recv() => End::Stop,
        };
        self.gate.forget_upgrade(who);
        end.tell();
        let error = "this process was told to stop meanwhile; nothing was handed over".to_owned();
        (Some(end), Err(Refused { why: Why::Busy, error, hint: "start the new program".to_owned() }))
    }

    /// A reload that was asked for while the new process started is that one's.
    async fn pass_hangup_on(&mut self, pid: u32) {
        let asked = tokio::select! {
            biased;
            _ = self.inbox.signals.hangup.recv() => true,
            () = std::future::ready(()) => false,
        };
        let heir = i32::try_from(pid).ok().and_then(Pid::from_raw).filter(|_| asked);
        if let Some(Err(error)) = heir.map(|heir| kill_process(heir, Hangup::HUP)) {
            telemetry::hangup_not_passed_on(pid, &error.to_string());
        }
    }

    /// What `systemctl status` shows.
    fn status(&self) -> String {
        let world = self.gate.world();
        let in_force = format!("configuration {}: {}", world.generation(), world.plan().origin().display());
        match &*self.gate.refused.load() {
            Some(mistakes) => format!("{in_force}; the file was refused: {mistakes}, see the log"),
            None => in_force,
        }
    }
}

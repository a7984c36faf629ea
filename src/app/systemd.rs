//! What the process and systemd tell each other: how far it is, that it lives, and which sockets are there already.
//!
//! Without systemd every word goes nowhere and no socket is there. That systemd does not hear is logged and changes
//! nothing else.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use crate::telemetry;

/// Players are accepted; also the end of every reload, whatever came of it.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// A reload begins; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => telemetry::notify_failed(&error.to_string()),
    }
}

/// The process drains or stops.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(&one_line(status))]);
}

/// What `systemctl status` shows.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(&one_line(status))]);
}

/// Another process goes on in this one's place; from now on systemd hears only that one. It is the old one that says
/// so: nobody else is heard. With it goes a ping for the watchdog, since those that the new one sent too early were lost.
pub fn main_process(id: u32, status: &str) {
    tell(&[NotifyState::MainPid(id), NotifyState::Watchdog, NotifyState::Status(&one_line(status))]);
}

/// Pings the watchdog six times in its interval for as long as it is polled, and each time only if all workers turn: a
/// standstill that is over leaves time for the next ping. Without a watchdog it waits for ever.
pub async fn watchdog(mut all_turn: impl FnMut() -> bool) {
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero()) else {
        return std::future::pending().await;
    };
    let mut ticks = interval(patience / 6);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if all_turn() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// The listening sockets that systemd has opened for this process. To be asked once, and before the first thread
/// starts: the variables that tell of them are removed.
#[must_use]
pub fn inherited() -> Vec<TcpListener> {
    let mut sockets = ListenFd::from_env();
    (0..sockets.len()).filter_map(|place| listening(&mut sockets, place)).collect()
}

/// The socket at this address, if it is there.
pub fn take(inherited: &mut Vec<TcpListener>, address: SocketAddr) -> Option<TcpListener> {
    let place = inherited.iter().position(|socket| socket.local_addr().ok() == Some(address))?;
    Some(inherited.remove(place))
}

fn listening(sockets: &mut ListenFd, place: usize) -> Option<TcpListener> {
    let taken = sockets.take_tcp_listener(place).and_then(|socket| {
        let socket = socket.filter(|socket| socket_acceptconn(socket).unwrap_or(false));
        let socket = socket.ok_or_else(|| std::io::Error::other("it does not listen for TCP connections"))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    taken.inspect_err(|error| telemetry::inherited_useless(place, &error.to_string())).ok()
}

/// A status must not end its line: what follows would be another message.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        telemetry::notify_failed(&error.to_string());
    }
}

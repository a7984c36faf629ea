//! Processes as the kernel shows them, and ports that nobody has.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getrlimit, kill_process, set_child_subreaper,
    setpriority_process, setrlimit, waitpid,
};

use crate::Outcome;

/// The ports that are tried; below those that the kernel gives to connections.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
/// Ticks of the kernel's clock in a second, as `/proc/PID/stat` counts.
const TICKS: f64 = 100.0;

/// Makes this process the parent of whatever a gateway leaves behind, and lets it open many files.
pub(crate) fn prepare() -> Outcome<()> {
    set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| format!("subreaper: {error}"))?;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .map_err(|error| format!("open files: {error}"))
}

/// Addresses of this machine that nobody listens at, all different.
pub(crate) fn free_addresses(count: usize) -> Outcome<Vec<SocketAddr>> {
    // Runs that follow each other do not meet at one port.
    let first = PORTS.start + u16::try_from(std::process::id() % 8000).unwrap_or(0);
    let free = (first..PORTS.end).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let free: Vec<_> = free.filter(|address| TcpListener::bind(address).is_ok()).take(count).collect();
    if free.len() == count { Ok(free) } else { Err("this machine has no free ports".to_owned()) }
}

/// The number of a running child.
pub(crate) fn pid(number: u32) -> Outcome<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw).ok_or_else(|| format!("{number} is no process"))
}

/// Sends a signal.
pub(crate) fn signal(pid: Pid, signal: Signal) -> Outcome<()> {
    kill_process(pid, signal).map_err(|error| format!("signal to {}: {error}", pid.as_raw_nonzero()))
}

/// How a child has ended, in words and whether it was exit code 0; `None` while it runs.
pub(crate) fn end_of(pid: Pid) -> Outcome<Option<(bool, String)>> {
    let ended = waitpid(Some(pid), WaitOptions::NOHANG)
        .map_err(|error| format!("process {}: {error}", pid.as_raw_nonzero()))?;
    Ok(ended.map(|(_, status)| {
        let words = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => format!("{status:?}"),
        };
        (status.exit_status() == Some(0), words)
    }))
}

/// The running processes whose parent is `parent`; those that have ended and wait to be asked for are left out.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|number| parent_of(*number) == Some(parent)).collect()
}

/// Whether every thread of a process stands still, by a signal.
pub(crate) fn is_stopped(number: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{number}/task")).into_iter().flatten().flatten();
    let mut states =
        threads.filter_map(|entry| stat(&format!("{number}/task/{}", entry.file_name().to_str()?)));
    states.all(|state| state.starts_with('T'))
}

fn parent_of(number: u32) -> Option<u32> {
    let stat = stat(&number.to_string())?;
    let mut words = stat.split_whitespace();
    (words.next()? != "Z").then_some(words.next()?.parse().ok()?)
}

/// What `/proc/PID/stat` says after the name, which may have any letters.
fn stat(process: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.trim().to_owned())
}

/// Ends and collects every child of this process, and theirs as they become ours; how many ran.
pub(crate) fn end_all_children() -> usize {
    let mut ended = 0;
    // Each round takes one generation; a gateway has a child or two.
    for _ in 0..1000 {
        let running = children_of(std::process::id());
        for child in running.iter().filter_map(|child| pid(*child).ok()) {
            ended += usize::from(kill_process(child, Signal::KILL).is_ok());
            waitpid(Some(child), WaitOptions::empty()).ok();
        }
        while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
        if running.is_empty() {
            break;
        }
    }
    ended
}

/// Makes this thread more (below 0) or less urgent than others, where the machine lets it.
pub(crate) fn hurry(nice: i32) {
    setpriority_process(None, nice).ok();
}

/// Resident bytes of a process.
pub(crate) fn resident(number: u32) -> Outcome<u64> {
    let status = fs::read_to_string(format!("/proc/{number}/status"))
        .map_err(|error| format!("memory of process {number}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| format!("process {number} has no VmRSS"))
}

/// The seconds on a core of this process, and of all its children that have ended and were asked for.
pub(crate) fn cpu_seconds() -> (f64, f64) {
    let stat = stat("self").unwrap_or_default();
    // Fields 14 to 17 of proc_pid_stat(5), of which the first two are before the closing parenthesis.
    let ticks: Vec<f64> =
        stat.split_whitespace().skip(11).take(4).filter_map(|word| word.parse().ok()).collect();
    match ticks.as_slice() {
        [user, system, children_user, children_system] => {
            ((user + system) / TICKS, (children_user + children_system) / TICKS)
        }
        _ => (0.0, 0.0),
    }
}

/// The seconds on a core of a running process.
pub(crate) fn cpu_seconds_of(number: u32) -> f64 {
    let stat = stat(&number.to_string()).unwrap_or_default();
    stat.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum::<f64>() / TICKS
}

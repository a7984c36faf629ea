//! A network of its own: only a loopback device, no route to anywhere, and settings that end with the run.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::options::Options;
use super::process::PRIORITY;

/// A program that a comparison needs and where Debian has it.
#[derive(Debug)]
pub(crate) struct Needed {
    /// Its file.
    pub(crate) file: &'static str,
    /// The package with that file.
    pub(crate) package: &'static str,
}

/// What every comparison needs.
const NEEDED: [Needed; 4] = [
    Needed { file: "/usr/sbin/haproxy", package: "haproxy" },
    Needed { file: "/usr/sbin/nginx", package: "nginx" },
    Needed { file: "/usr/bin/unshare", package: "util-linux" },
    Needed { file: "/usr/sbin/ip", package: "iproute2" },
];

/// Settings of the namespace. Connections come and go by the thousand; the rest is the system's default.
const SETTINGS: [(&str, &str); 4] = [
    ("net/core/somaxconn", "16384"),
    ("net/ipv4/tcp_max_syn_backlog", "16384"),
    ("net/ipv4/ip_local_port_range", "10000 65535"),
    ("net/ipv4/tcp_tw_reuse", "1"),
];

/// Descriptors that each of the run's processes may have: two for each player, and more.
const DESCRIPTORS: u64 = 100_000;

const CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// Installs what is missing and goes on in a new namespace.
pub(crate) fn enter(more: &[Needed], options: &Options, words: &[String]) -> Result<(), String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        return Err("two cores are needed: one for the proxy, one for load and backend".to_owned());
    }
    if !options.gate.is_file() {
        return Err(format!("{} is no file", options.gate.display()));
    }
    install(more)?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let root = is_root();
    // A session of its own: where the kernel groups processes by session, priorities hold for the whole group.
    let status = Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "setsid", "--wait", "unshare"])
        .args(if root { &["--net"][..] } else { &["--map-root-user", "--net"][..] })
        .arg("--")
        .arg(own)
        .arg("run-inside")
        .args(words)
        .status()
        .map_err(|error| format!("cannot run setpriv: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("the run inside the network namespace ended with {status}"))
}

/// Brings the loopback device up and sets what the works need. The congestion control that is in force.
pub(crate) fn settle() -> Result<String, String> {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    if !up.is_ok_and(|status| status.success()) {
        return Err("cannot bring the loopback device up: is this a network namespace of its own?".to_owned());
    }
    for (key, value) in SETTINGS {
        fs::write(Path::new("/proc/sys").join(key), value).map_err(|error| format!("{key}: {error}"))?;
    }
    // Without this right the run goes on with the priority that everybody has.
    drop(fs::write("/proc/self/autogroup", PRIORITY));
    more_descriptors()?;
    // BBR paces with timers, which blurs figures on a loopback device. Where cubic is not open to namespaces
    // (tcp_allowed_congestion_control), reno always is; without loss the two do the same.
    let set = ["cubic", "reno"].into_iter().any(|control| fs::write(CONTROL, control).is_ok());
    if !set {
        return Err("cannot choose the congestion control".to_owned());
    }
    fs::read_to_string(CONTROL).map(|text| text.trim().to_owned()).map_err(|error| error.to_string())
}

/// As many as are wanted or, without that right, as many as this process may have.
fn more_descriptors() -> Result<(), String> {
    let wanted = Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) };
    let allowed = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, wanted)
        .or_else(|_| setrlimit(Resource::Nofile, Rlimit { current: allowed, maximum: allowed }))
        .map_err(|error| format!("open files: {error}"))
}

/// How many each of the run's processes may have.
pub(crate) fn descriptors() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|count| count.try_into().ok()).unwrap_or(usize::MAX)
}

fn install(more: &[Needed]) -> Result<(), String> {
    let missing = || NEEDED.iter().chain(more).filter(|needed| !Path::new(needed.file).exists());
    let packages: Vec<&str> = missing().map(|needed| needed.package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let wanted = packages.join(" ");
    eprintln!("installing {wanted}");
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(words);
        command.status().is_ok_and(|status| status.success())
    };
    if is_root() {
        let mut words = vec!["install", "--yes", "--no-install-recommends"];
        words.extend(&packages);
        if !apt(&words) && apt(&["update"]) {
            apt(&words);
        }
    }
    match missing().next() {
        None => Ok(()),
        Some(needed) => Err(format!(
            "{} is not there and could not be installed; as root, on Debian: apt-get install {wanted}",
            needed.file
        )),
    }
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

//! What systemd hears and hands over, with this test in its place: it listens where the process tells, and starts its own
//! binary in the roles at the end of this file.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use realmgate::app::systemd;
use rustix::time::{ClockId, clock_gettime};

/// The bound of every wait: long enough for a busy machine, and no measure of speed.
const BOUND: Duration = Duration::from_secs(20);

/// The place where a service tells how it is.
struct Manager {
    folder: PathBuf,
    socket: UnixDatagram,
}

impl Manager {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("realmgate-systemd-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let socket = UnixDatagram::bind(folder.join("notify")).expect("a socket");
        socket.set_read_timeout(Some(BOUND)).expect("a bound");
        Self { folder, socket }
    }

    fn start(&self, role: &str, variables: &[(&str, &str)]) -> Child {
        let mut command = Command::new(std::env::current_exe().expect("this test's file"));
        command.args(["--exact", role, "--ignored"]).stdout(Stdio::null());
        command.env("NOTIFY_SOCKET", self.folder.join("notify")).envs(variables.iter().copied());
        command.spawn().expect("started")
    }

    fn hears(&self) -> String {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).expect("a message in time");
        String::from_utf8_lossy(message.get(..length).expect("no longer than the buffer")).into_owned()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn succeeds(mut child: Child) {
    assert!(child.wait().expect("it ends").success());
}

fn monotonic() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().expect("a time")
}

#[test]
fn every_state_is_told_in_systemds_words() {
    let manager = Manager::new("states");
    let child = manager.start("service_that_tells_its_life", &[]);
    assert_eq!(manager.hears(), "READY=1\nSTATUS=serving 3 listeners\n");
    let reloading = manager.hears();
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").map(str::trim_end);
    let since: i64 = since.and_then(|since| since.parse().ok()).unwrap_or_else(|| panic!("{reloading}"));
    let now = i64::try_from(monotonic().as_micros()).expect("a time");
    assert!((0..=now).contains(&since), "{since}");
    assert_eq!(manager.hears(), "READY=1\nSTATUS=generation 2\n");
    assert_eq!(manager.hears(), "STATUS=one STOPPING=1\n", "a status is one line");
    assert_eq!(manager.hears(), "MAINPID=4711\nWATCHDOG=1\nSTATUS=handed over to 4711\n");
    assert_eq!(manager.hears(), "STOPPING=1\nSTATUS=draining 7 sessions\n");
    succeeds(child);
}

#[test]
fn the_watchdog_is_pinged_while_all_workers_turn_and_no_longer() {
    let manager = Manager::new("watchdog");
    let child = manager.start("service_whose_workers_stop_turning", &[("WATCHDOG_USEC", "20000")]);
    for _ in 0..3 {
        assert_eq!(manager.hears(), "WATCHDOG=1\n");
    }
    assert_eq!(manager.hears(), "STATUS=stopped turning\n", "three turns, three pings");
    succeeds(child);
}

#[test]
fn a_standstill_that_is_over_leaves_time_for_the_next_ping() {
    let manager = Manager::new("standstill");
    let patience = Duration::from_secs(6);
    let micros = patience.as_micros().to_string();
    let child = manager.start("service_whose_workers_stand_still_once", &[("WATCHDOG_USEC", &micros)]);
    assert_eq!(manager.hears(), "WATCHDOG=1\n");
    let last = monotonic();
    assert_eq!(manager.hears(), "WATCHDOG=1\n", "the next one is not told");
    let apart = monotonic() - last;
    assert!(apart < patience * 3 / 4, "{apart:?} of {patience:?}");
    succeeds(child);
}

#[test]
fn a_watchdog_of_another_process_is_not_pinged() {
    let manager = Manager::new("no-watchdog");
    let others = [("WATCHDOG_USEC", "20000"), ("WATCHDOG_PID", "1")];
    succeeds(manager.start("service_without_a_watchdog", &others));
    assert_eq!(manager.hears(), "STATUS=never asked\n");
}

#[test]
fn a_socket_of_systemd_is_found_by_its_address_and_accepts() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    let manager = Manager::new("socket");
    let mut child = activated(&manager, "service_with_a_socket", socket, address);
    let mut player = TcpStream::connect(address).expect("systemd listens");
    player.set_read_timeout(Some(BOUND)).expect("a bound");
    let mut said = String::new();
    player.read_to_string(&mut said).expect("accepted by the service");
    assert_eq!((said.as_str(), child.wait().expect("it ends").success()), ("here", true));
}

#[test]
fn what_is_no_listening_socket_is_left_out() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    let connected = TcpStream::connect(address).expect("it listens");
    succeeds(activated(&Manager::new("stranger"), "service_without_a_socket", connected, address));
    let file = fs::File::open("/dev/null").expect("there is one");
    succeeds(activated(&Manager::new("file"), "service_without_a_socket", file, address));
}

/// Starts a role with this at descriptor 3, where systemd puts sockets; the shell moves it there.
fn activated(manager: &Manager, role: &str, end: impl Into<OwnedFd>, address: SocketAddr) -> Child {
    let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" --exact \"$1\" --ignored";
    let file = std::env::current_exe().expect("this test's file");
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).arg(file).arg(role).stdin(Stdio::from(end.into())).stdout(Stdio::null());
    command.env("ADDRESS", address.to_string()).env("NOTIFY_SOCKET", manager.folder.join("notify"));
    command.spawn().expect("started")
}

// The roles. Each is started by a test above; started by hand, without a place to tell, they end at once.

fn is_started_by_a_test() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

fn address() -> SocketAddr {
    let address = std::env::var_os("ADDRESS").and_then(|address| address.to_str()?.parse().ok());
    address.expect("told by the test")
}

#[test]
#[ignore = "a role that other tests start"]
fn service_that_tells_its_life() {
    systemd::ready("serving 3 listeners");
    systemd::reloading();
    systemd::ready("generation 2");
    systemd::status("one\nSTOPPING=1");
    systemd::main_process(4711, "handed over to 4711");
    systemd::stopping("draining 7 sessions");
}

/// Watches workers that stand still at these asks, until there were so many.
async fn watches(stand_still_at: impl Fn(u32) -> bool, asks: u32) {
    let (asked, mut answers) = tokio::sync::watch::channel(0);
    let all_turn = || {
        asked.send_modify(|times| *times += 1);
        !stand_still_at(*asked.borrow())
    };
    tokio::select! {
        () = systemd::watchdog(all_turn) => {}
        _ = answers.wait_for(|times| *times >= asks) => {}
    }
}

#[tokio::test]
#[ignore = "a role that other tests start"]
async fn service_whose_workers_stop_turning() {
    if is_started_by_a_test() {
        watches(|times| times > 3, 6).await;
        systemd::status("stopped turning");
    }
}

#[tokio::test]
#[ignore = "a role that other tests start"]
async fn service_whose_workers_stand_still_once() {
    if is_started_by_a_test() {
        watches(|times| times == 2, 4).await;
    }
}

#[tokio::test]
#[ignore = "a role that other tests start"]
async fn service_without_a_watchdog() {
    let never = || -> bool { unreachable!("nobody watches") };
    tokio::select! {
        biased;
        () = systemd::watchdog(never) => {}
        () = std::future::ready(()) => systemd::status("never asked"),
    }
}

#[test]
#[ignore = "a role that other tests start"]
fn service_with_a_socket() {
    use std::io::Write;
    if !is_started_by_a_test() {
        return;
    }
    let mut sockets = systemd::inherited();
    let socket = systemd::take(&mut sockets, address()).expect("the test's socket");
    assert!(systemd::take(&mut sockets, address()).is_none() && std::env::var_os("LISTEN_FDS").is_none());
    socket.set_nonblocking(false).expect("to wait for the player");
    socket.accept().expect("a player").0.write_all(b"here").expect("written");
}

#[test]
#[ignore = "a role that other tests start"]
fn service_without_a_socket() {
    assert!(systemd::inherited().is_empty());
}

//! The upgrade as the old process lives it: a successor that fails at every step, and one that does not. The successors
//! are shell scripts, the program itself, and this test's own binary, which plays the roles at the end of this file.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, exit};
use std::time::{Duration, Instant};

use realmgate::app::handover::{
    Cause, Fate, Handed, HandoverError, Heir, LineError, Owner, Package, Predecessor, Step, TakeOverError,
    Turn,
};
use realmgate::app::{StartError, systemd};
use realmgate::cluster::{BackendMemory, Registry, ServingState};
use realmgate::net::Tickets;
use realmgate::policy::{Ejection, OutlierMemory};
use rustix::process::{Pid, test_kill_process};
use tokio::net::UnixDatagram;

/// The bound of every wait: long enough for a busy machine, and no measure of speed.
const BOUND: Duration = Duration::from_secs(20);
/// For a successor that will never say anything.
const SHORT: Duration = Duration::from_millis(200);

/// A process that serves, as far as an upgrade is concerned: it has a listening socket and accepts.
struct Old {
    socket: TcpListener,
    address: SocketAddr,
    folder: PathBuf,
}

impl Old {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("realmgate-handover-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("bound");
        Self { socket, address, folder }
    }

    fn package(&self) -> Package {
        let socket = self.socket.try_clone().expect("a socket more");
        Package {
            sockets: vec![Handed { owner: owner(), address: configured(), socket }],
            tickets: Tickets::new().expect("randomness").export(),
            tickets_age: Duration::ZERO,
            start: 7,
            clock: Duration::from_secs(60),
            registry: Registry::default().snapshot(Duration::from_secs(60)),
        }
    }

    /// The whole upgrade, as the control task does it.
    async fn upgrade(
        &self,
        program: &Path,
        arguments: &[OsString],
        patience: Duration,
    ) -> Result<u32, HandoverError> {
        let mut heir = Heir::spawn(program, arguments, self.package())?;
        let id = heir.id().expect("it lives");
        let outcome = async {
            heir.ready(now() + patience).await?;
            heir.go().await?;
            heir.serving(now() + patience).await
        };
        let outcome = tokio::time::timeout(BOUND, outcome).await.expect("an upgrade ends");
        if outcome.is_err() {
            let id = Pid::from_raw(id.cast_signed()).expect("a process");
            assert!(test_kill_process(id).is_err(), "the successor has been reaped");
        }
        outcome
    }

    /// An upgrade to a script that must fail, and after which this process accepts as before.
    async fn fails(&self, script: &str, patience: Duration) -> HandoverError {
        self.fails_with(shell(), &shell_arguments(script), patience).await
    }

    async fn fails_with(&self, program: &Path, arguments: &[OsString], patience: Duration) -> HandoverError {
        let error = self.upgrade(program, arguments, patience).await.expect_err("it must fail");
        let player = TcpStream::connect(self.address).expect("it listens");
        let (_, accepted) = self.socket.accept().expect("it accepts");
        assert_eq!(Some(accepted), player.local_addr().ok(), "this process, and not the successor");
        error
    }

    /// An upgrade to this binary in one of the roles.
    async fn becomes(&self, role: &str) -> Result<u32, HandoverError> {
        self.upgrade(&itself(), &role_arguments(role), BOUND).await
    }

    async fn fails_as(&self, role: &str) -> HandoverError {
        self.fails_with(&itself(), &role_arguments(role), BOUND).await
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn owner() -> Owner {
    Owner::Listener("players".to_owned())
}

fn configured() -> SocketAddr {
    "127.0.0.1:7000".parse().expect("an address")
}

/// Not a file with the script in it: one that another thread's child still has open for writing cannot be started.
fn shell() -> &'static Path {
    Path::new("/bin/sh")
}

fn shell_arguments(script: &str) -> [OsString; 2] {
    ["-c".into(), script.into()]
}

fn itself() -> PathBuf {
    std::env::current_exe().expect("this test's file")
}

fn role_arguments(role: &str) -> Vec<OsString> {
    ["--exact", role, "--ignored", "--nocapture"].map(OsString::from).to_vec()
}

#[expect(clippy::disallowed_methods, reason = "the edge of a test's process")]
fn now() -> Instant {
    Instant::now()
}

/// What an operator reads stands in the document for operators.
fn is_documented(error: &HandoverError) {
    let line = format!("`{error}`");
    assert!(include_str!("../docs/upgrade.md").contains(&line), "docs/upgrade.md does not tell of {line}");
}

fn exit_code(error: &HandoverError) -> Option<i32> {
    if let Fate::Ended(status) = error.fate { status.code() } else { None }
}

#[tokio::test]
async fn what_cannot_be_started_is_told_with_the_systems_reason() {
    let old = Old::new("start");
    let plain = old.folder.join("plain");
    fs::write(&plain, "no program").expect("written");
    for (program, reason) in
        [(old.folder.join("gone"), "No such file"), (plain, "denied"), (old.folder.clone(), "denied")]
    {
        let error = old.fails_with(&program, &[], BOUND).await;
        assert_eq!((error.step, error.fate), (Step::Spawn, Fate::NeverStarted));
        assert!(error.to_string().contains(reason), "{}: {error}", program.display());
    }
    is_documented(&old.fails_with(&old.folder, &[], BOUND).await);
}

#[tokio::test]
async fn a_successor_that_ends_at_once_or_with_the_package_is_told_with_its_exit_code() {
    let old = Old::new("ends");
    for (script, code) in [("exit 3", 3), ("head -c 100 >/dev/null; exit 4", 4), ("exec 0<&-; exit 5", 5)] {
        let error = old.fails(script, BOUND).await;
        assert!(matches!(error.cause, Cause::Ended), "{script}: {error}");
        assert_eq!((error.step, exit_code(&error)), (Step::Ready, Some(code)), "{script}: {error}");
    }
    let error = old.fails("kill -SEGV $$", BOUND).await;
    assert!(matches!(error.fate, Fate::Ended(status) if status.signal() == Some(11)), "{error}");
}

#[tokio::test]
async fn a_successor_whose_own_child_holds_the_line_open_has_ended_all_the_same() {
    let old = Old::new("grandchild");
    // The child of the script ends with the line, which closes when the old process gives up.
    let error = old.fails("exec 3<&0; cat >/dev/null <&3 & exit 6", BOUND).await;
    assert_eq!(exit_code(&error), Some(6), "{error}");
}

#[tokio::test]
async fn one_with_a_broken_configuration_is_told_with_exit_code_64() {
    let old = Old::new("configuration");
    let file = old.folder.join("gate.toml");
    fs::write(&file, "[listener.players]\nlisten = 7\n").expect("written");
    let program = Path::new(env!("CARGO_BIN_EXE_realmgate"));
    let error = old.fails_with(program, &["run".into(), "-c".into(), file.into()], BOUND).await;
    assert_eq!((error.step, exit_code(&error)), (Step::Ready, Some(64)), "{error}");
    is_documented(&error);
}

#[tokio::test]
async fn one_that_says_nothing_is_killed_at_the_deadline() {
    let old = Old::new("silence");
    for script in ["exec sleep 1000", "trap '' TERM; exec cat >/dev/null"] {
        let error = old.fails(script, SHORT).await;
        assert!(matches!(error.cause, Cause::Silence), "{error}");
        assert_eq!((error.step, error.fate), (Step::Ready, Fate::Killed));
        is_documented(&error);
    }
}

#[tokio::test]
async fn one_that_does_not_take_a_package_too_large_for_the_line_is_killed_or_has_ended() {
    let old = Old::new("large");
    let backend = |number| BackendMemory {
        cluster: "battle".to_owned(),
        address: format!("10.0.0.1:{number}"),
        up: true,
        fallen: false,
        cold_for: None,
        boot: Some(number),
        state: ServingState::Ok,
        outlier: OutlierMemory { row: 0, ejections: 0, last: Ejection::Never },
    };
    // Its child holds the line without reading, until this test opens and closes what it waits for.
    let held = old.folder.join("held");
    let holds_the_line = &format!("exec 3<&0; mkfifo {0}; cat {0} >/dev/null & exit 0", held.display());
    for (script, patience, step, fate) in [
        ("exec sleep 1000", SHORT, Step::Package, Fate::Killed),
        (holds_the_line, BOUND, Step::Ready, Fate::Ended(ExitStatus::default())),
    ] {
        let mut package = old.package();
        package.registry.backends = (0..10_000).map(backend).collect();
        let mut heir = Heir::spawn(shell(), &shell_arguments(script), package).expect("started");
        let error = heir.ready(now() + patience).await.expect_err("not taken");
        assert_eq!((error.step, error.fate), (step, fate), "{error}");
    }
    drop(fs::OpenOptions::new().write(true).open(held).expect("somebody waits for it"));
}

#[tokio::test]
async fn one_that_speaks_nonsense_is_killed() {
    let old = Old::new("nonsense");
    for message in [
        r"\000\000\000\005hello",
        r"\000\000\000\002[]",
        r#"\000\000\000\017{\"say\":\"dance\"}"#,
        r#"\000\000\000\021{\"say\":\"serving\"}"#,
        r"\377\377\377\377",
        "HTTP/1.1 400 Bad Request",
    ] {
        let error = old.fails(&format!("printf '{message}' >&0; exec sleep 1000"), BOUND).await;
        assert!(matches!(error.cause, Cause::Line(LineError::Nonsense(_))), "{message}: {error}");
        assert_eq!((error.step, error.fate), (Step::Ready, Fate::Killed), "{message}");
    }
}

#[tokio::test]
async fn one_that_closes_the_line_and_lives_is_killed() {
    let old = Old::new("closes");
    let error = old.fails("exec 0</dev/null; exec sleep 1000", BOUND).await;
    assert!(matches!(error.cause, Cause::Line(LineError::Closed)), "{error}");
    assert_eq!((error.step, error.fate), (Step::Ready, Fate::Killed));
}

#[tokio::test]
async fn one_that_refuses_is_told_with_its_reason() {
    let error = Old::new("refuses").fails_as("heir_that_refuses").await;
    assert!(matches!(&error.cause, Cause::Refused(why) if why == "no room at the inn"), "{error}");
    assert_eq!((error.step, exit_code(&error)), (Step::Ready, Some(14)));
}

#[test]
fn a_program_of_another_version_says_so_and_blames_nobody_else() {
    let error = StartError::TakeOver(TakeOverError::Version { theirs: 1, ours: 2 });
    let said = "the running gateway hands over by version 1 of the protocol and this program by 2; ";
    assert!(error.to_string().starts_with(said), "{error}");
}

#[tokio::test]
async fn one_that_ends_after_any_step_leaves_the_old_one_accepting() {
    let old = Old::new("steps");
    let error = old.fails_as("heir_that_ends_with_the_package").await;
    assert_eq!((error.step, exit_code(&error)), (Step::Ready, Some(11)), "{error}");
    let error = old.fails_as("heir_that_ends_when_ready").await;
    let may_be = [Step::Go, Step::Serving];
    assert!(may_be.contains(&error.step), "the word may still find its end of the line: {error}");
    assert_eq!(exit_code(&error), Some(12), "{error}");
    let error = old.fails_as("heir_that_ends_at_its_turn").await;
    assert_eq!((error.step, exit_code(&error)), (Step::Serving, Some(13)), "{error}");
}

#[tokio::test]
async fn one_that_is_given_up_is_killed() {
    let old = Old::new("given-up");
    let heir = Heir::spawn(shell(), &shell_arguments("exec cat >/dev/null"), old.package()).expect("started");
    let id = Pid::from_raw(heir.id().expect("it lives").cast_signed()).expect("a process");
    drop(heir);
    let reaped = async {
        while test_kill_process(id).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, reaped).await.expect("killed and reaped");
}

#[tokio::test]
async fn the_successor_sees_no_socket_and_no_watchdog_that_was_meant_for_its_parent() {
    let old = Old::new("environment");
    let role = role_arguments("old_that_was_activated");
    let ended = tokio::process::Command::new(itself())
        .args(role)
        .current_dir(&old.folder)
        .envs([("LISTEN_FDS", "0"), ("LISTEN_PID", "1"), ("LISTEN_FDNAMES", "a")])
        .envs([("WATCHDOG_PID", "1"), ("WATCHDOG_USEC", "5000000")])
        .status();
    let status = tokio::time::timeout(BOUND, ended).await.expect("it ends").expect("started");
    assert!(status.success());
    let seen = fs::read_to_string(old.folder.join("environment")).expect("written by the successor");
    assert_eq!(seen, "WATCHDOG_USEC=5000000\n", "how often to ping is for whoever is the main process");
}

#[tokio::test]
async fn the_successor_accepts_from_the_same_socket_when_it_serves() {
    let old = Old::new("serves");
    let id = old.becomes("heir_that_serves").await.expect("an upgrade");
    let mut player = TcpStream::connect(old.address).expect("somebody listens");
    drop(old);
    player.set_read_timeout(Some(BOUND)).expect("a bound");
    let mut said = String::new();
    player.read_to_string(&mut said).expect("served");
    assert_eq!(said, format!("process {id} after 7"));
}

#[tokio::test]
async fn systemd_hears_of_the_new_main_process_before_that_speaks_itself() {
    let old = Old::new("main-process");
    let place = old.folder.join("notify");
    let manager = UnixDatagram::bind(&place).expect("a socket");
    let mut child = tokio::process::Command::new(itself())
        .args(role_arguments("old_that_hands_over"))
        .env("NOTIFY_SOCKET", &place)
        .spawn()
        .expect("started");
    let hears = async || {
        let mut message = [0; 256];
        let heard = tokio::time::timeout(BOUND, manager.recv(&mut message)).await.expect("in time");
        let length = heard.expect("a message");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let (first, second) = (hears().await, hears().await);
    let id = first.strip_prefix("MAINPID=").and_then(|rest| rest.split('\n').next()).expect(&first);
    assert_eq!(first, format!("MAINPID={id}\nWATCHDOG=1\nSTATUS=process {id} serves\n"));
    assert_eq!(second, format!("READY=1\nSTATUS=process {id} of 7\n"));
    assert!(child.wait().await.expect("it ends").success());
}

// The roles. Each is started by a test above, with the old process at stdin; started by hand they have none and end.

async fn received() -> Option<(Predecessor, Package)> {
    let mut predecessor = Predecessor::from_stdin().ok()?;
    let package = predecessor.receive().await.expect("a package");
    Some((predecessor, package))
}

#[tokio::test]
#[ignore = "a role that other tests start"]
async fn heir_that_ends_with_the_package() {
    if received().await.is_some() {
        exit(11);
    }
}

#[tokio::test]
#[ignore = "a role that other tests start"]
async fn heir_that_ends_when_ready() {
    if let Some((mut predecessor, _package)) = received().await {
        let ready = predecessor.ready();
        tokio::select! {
            biased;
            // Polled once, it has said that it is ready.
            _ = ready => {}
            () = std::future::ready(()) => {}
        }
        exit(12);
    }
}

#[tokio::test]
#[ignore = "a role that other tests start"]
async fn heir_that_ends_at_its_turn() {
    if let Some((mut predecessor, _package)) = received().await {
        assert_eq!(predecessor.ready().await.expect("its turn"), Turn::Go);
        exit(13);
    }
}

#[tokio::test]
#[ignore = "a role that other tests start"]
async fn heir_that_refuses() {
    if let Some((predecessor, _package)) = received().await {
        predecessor.refuse("no room at the inn").await;
        exit(14);
    }
}

#[tokio::test]
#[ignore = "a role that other tests start"]
async fn heir_that_serves() {
    let Some((mut predecessor, mut package)) = received().await else { return };
    let socket = package.take(&owner(), configured()).expect("the players' socket");
    assert_eq!(predecessor.ready().await.expect("its turn"), Turn::Go);
    predecessor.serving().await;
    systemd::ready(&format!("process {} of {}", std::process::id(), package.start));
    let (mut player, _) = socket.accept().expect("a player");
    drop(write!(player, "process {} after {}", std::process::id(), package.start));
}

#[tokio::test]
#[ignore = "a role that other tests start"]
async fn old_that_hands_over() {
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        let old = Old::new("hands-over");
        old.becomes("heir_that_serves").await.expect("an upgrade");
        drop(TcpStream::connect(old.address).expect("somebody listens"));
    }
}

#[tokio::test]
#[ignore = "a role that other tests start"]
async fn old_that_was_activated() {
    if std::env::var_os("LISTEN_FDNAMES").is_some() {
        let old = Old::new("activated");
        let script = "env | grep -E '^(LISTEN_|WATCHDOG_)' | sort > environment; exit 7";
        let error = old.fails(script, BOUND).await;
        assert_eq!(exit_code(&error), Some(7), "{error}");
    }
}

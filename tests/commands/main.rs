//! The command line as operators and systemd meet it: exit codes, signals, what is printed where.

mod explaining;
mod printing;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

const GOOD: &str = r#"
[gateway]
workers = 1
[drain]
lame_duck = "0s"
spread = "0s"
deadline = "10s"
[frame.game]
length = { offset = 0, width = 4 }
id = { offset = 4, width = 2 }
heartbeat = { id = 1, reply = 2 }
notice = { id = 9000 }
[listener.players]
listen = "127.0.0.1:0"
[cluster.battle]
backends = [{ address = "127.0.0.1:1" }]
[route.battle]
ids = [1000, "1100-1199"]
cluster = "battle"
[cluster.rest]
link = "dedicated"
backends = [{ address = "127.0.0.1:2" }]
[route.rest]
ids = ["*"]
cluster = "rest"
"#;

/// A folder with a configuration, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("realmgate-commands-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("gate.toml"), text).expect("a file");
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("gate.toml")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn realmgate(arguments: &[&str], file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_realmgate"));
    command.args(arguments).arg("-c").arg(file).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_prints_a_line_per_listener_route_and_cluster() {
    let folder = Folder::new("check", GOOD);
    let output = realmgate(&["check"], &folder.file());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = [
        "listener players 127.0.0.1:0 tcp frames [frame.game]",
        "route    battle 1000,1100-1199 -> battle; breaker 7 in a row or 50% of 20 in 10s, open 1s to 1m",
        "route    rest * -> rest; breaker 7 in a row or 50% of 20 in 10s, open 1s to 1m",
        "cluster  battle shared round_robin on loss repick connect 1s; slow start 30s; panic below 50%; \
         probe link every 2s within 1s, fall 3, rise 2; outlier 7 in a row, out 5s to 5m, 30% at most; \
         backends 127.0.0.1:1",
        "cluster  rest dedicated round_robin on loss repick connect 1s; slow start 30s; panic below 50%; \
         probe tcp every 2s within 1s, fall 3, rise 2; outlier 7 in a row, out 5s to 5m, 30% at most; \
         backends 127.0.0.1:2",
    ];
    assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), lines);
}

#[test]
fn check_tells_who_answers_requests() {
    let requests = r#"
[listener.open]
listen = "127.0.0.1:8080"
protocol = "http"
[cluster.web]
link = "http"
backends = [{ address = "127.0.0.1:3" }]
[http.shop]
listener = "open"
host = "open.example.com"
path = "/shop/*"
methods = ["GET", "POST"]
strip = "/shop"
cluster = "web"
"#;
    let folder = Folder::new("requests", &format!("{GOOD}{requests}"));
    let output = realmgate(&["check"], &folder.file());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let checked = text(&output.stdout);
    for line in [
        "listener open 127.0.0.1:8080 http\n",
        "http     shop open GET,POST open.example.com/shop/* of everybody -> web without /shop; 1 tried again within 30s; \
         breaker 7 in a row or 50% of 20 in 10s, open 1s to 1m\n",
    ] {
        assert!(checked.contains(line), "{line} in {checked}");
    }
}

const RULES: &str = r#"
balance = "consistent_hash"
hash_on = { offset = 6, width = 4 }
slow_start = "0s"
panic_threshold = 0
backends = [{ address = "127.0.0.1:1", zone = "sh-a", max_sessions = 2000 }]
[cluster.battle.health]
probe = "http"
path = "/live"
interval = "5s"
[cluster.battle.outlier]
max_percent = 10
[route.battle.breaker]
reply = { id = 1001, within = "3s" }
"#;

#[test]
fn check_and_explain_tell_the_rules_that_are_written() {
    let text_of = |arguments: &[&str], folder: &Folder| {
        let output = realmgate(arguments, &folder.file());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let folder = Folder::new("rules", &GOOD.replacen("backends = [{ address = \"127.0.0.1:1\" }]", RULES, 1));
    let checked = text_of(&["check"], &folder);
    for part in [
        "open 1s to 1m; reply 1001 within 3s, 10000 in flight\n",
        "shared consistent_hash on field at 6 width 4 big on loss",
        "slow start 0s; panic never; probe http every 5s within 1s",
        "10% at most; backends 127.0.0.1:1 zone sh-a at most 2000\n",
    ] {
        assert!(checked.contains(part), "{part} in {checked}");
    }
    let explained = text_of(&["explain", "--listener", "players", "--id", "1000"], &folder);
    for part in [
        "opens after 7 failures in a row, or 50% of at least 20 frames within 10s",
        "answer    1001 within 3s, or the frame has failed; at most 10000 frames without one",
        "consistent_hash by the field at 6 width 4 big of the frame",
        "a new backend gets its full share at once",
        "GET /live every 5s, within 1s; down after 3 failures in a row, up after 2 successes",
        "at most 10% of the cluster, but always one",
        "never: unhealthy backends get nothing",
        "127.0.0.1:1 weight 100 zone sh-a at most 2000 sessions",
    ] {
        assert!(explained.contains(part), "{part} in {explained}");
    }
}

#[test]
fn mistakes_are_told_with_their_place_and_end_with_64() {
    let folder = Folder::new("mistakes", &GOOD.replace("cluster = \"rest\"", "cluster = \"rset\""));
    for command in [&["check"][..], &["run"], &["explain", "--listener", "players", "--id", "1"]] {
        let output = realmgate(command, &folder.file());
        assert_eq!(output.status.code(), Some(64));
        let told = text(&output.stderr);
        assert!(told.contains("gate.toml:25") && told.contains("rset") && told.contains("rest"), "{told}");
    }
    let missing = realmgate(&["run"], Path::new("/nonexistent/gate.toml"));
    assert_eq!(missing.status.code(), Some(64), "a missing file never means defaults");
    let usage = Command::new(env!("CARGO_BIN_EXE_realmgate")).arg("fly").output().expect("the program runs");
    assert_eq!(usage.status.code(), Some(64));
}

#[test]
fn certificates_that_cannot_be_used_are_mistakes_of_the_configuration() {
    let tls = "listen = \"127.0.0.1:0\"\ntls = { certificate = \"none.pem\", key = \"none.key\" }";
    let folder = Folder::new("certificates", &GOOD.replace("listen = \"127.0.0.1:0\"", tls));
    let told = |output: Output| {
        assert_eq!(output.status.code(), Some(64));
        text(&output.stderr)
    };
    let missing = told(realmgate(&["check"], &folder.file()));
    assert!(missing.contains("none.pem") && missing.contains("none.key"), "both at once: {missing}");

    let write = |name: &str, content: String| fs::write(folder.0.join(name), content).expect("a file");
    let pair = |until: i32| {
        let key = rcgen::KeyPair::generate().expect("randomness");
        let mut params = rcgen::CertificateParams::new(vec!["game.test".to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    };
    let (good, good_key) = pair(2999);
    let (expired, expired_key) = pair(2001);
    write("none.pem", "no PEM at all".to_owned());
    write("none.key", good_key.clone());
    assert!(told(realmgate(&["check"], &folder.file())).contains("no certificate in"));
    write("none.pem", expired);
    write("none.key", expired_key);
    assert!(told(realmgate(&["check"], &folder.file())).contains("expired"));
    write("none.pem", good);
    assert!(told(realmgate(&["check"], &folder.file())).contains("does not fit"));
    write("none.key", good_key);
    assert_eq!(realmgate(&["check"], &folder.file()).status.code(), Some(0));
}

/// The file with names of four files that are not there.
fn lacking(text: &str) -> (String, [&'static str; 4]) {
    let more = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"no.token\"\n[listener.open]\n\
                listen = \"127.0.0.1:0\"\nprotocol = \"http\"\n\
                tls = { certificate = \"none.pem\", key = \"none.key\" }\n\
                [http.page]\nlistener = \"open\"\npath = \"/\"\nfile = \"page.html\"\n";
    (format!("{text}{more}"), ["no.token", "none.pem", "none.key", "page.html"])
}

#[test]
fn what_is_wrong_with_the_files_that_a_file_names_is_told_with_its_own_mistakes() {
    let (good, names) = lacking(GOOD);
    let wrong = good.replace("workers = 1", "wokers = 1").replace("\"rest\"", "\"rset\"");
    for (file, own) in [(&good, &[][..]), (&wrong, &["wokers", "rset"])] {
        let folder = Folder::new("lacking", file);
        for command in ["check", "run"] {
            let output = realmgate(&[command], &folder.file());
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(64), "{told}");
            assert!(names.iter().chain(own).all(|name| told.contains(name)), "{command}: {told}");
            assert!(told.contains(&format!("\n{} mistakes in ", names.len() + own.len())), "{told}");
        }
    }
}

const RELEASE: &str = r#"
[admin]
listen = "127.0.0.1:0"
[release]
active = "a"
move = "forced"
canary = [
  { group = "b", accounts = "testers.txt" },
  { group = "b", version = ">=1.4.0" },
  { group = "b", percent = 100, by = "client_ip" },
]
"#;

/// Two generations of battle; the rest knows of none.
fn two_groups(name: &str) -> Folder {
    let two =
        r#"backends = [{ address = "127.0.0.1:1", group = "a" }, { address = "127.0.0.1:3", group = "b" }]"#;
    let closed = "cluster = \"rest\"\nmaintenance = { message = \"back soon\", retry_after = \"20m\" }";
    let good = GOOD.replace("backends = [{ address = \"127.0.0.1:1\" }]", two);
    let folder = Folder::new(name, &(good.replace("cluster = \"rest\"", closed) + RELEASE));
    fs::write(folder.0.join("testers.txt"), "# testers\nalice\n").expect("a file");
    folder
}

#[test]
fn check_tells_of_the_release_and_of_the_api() {
    let folder = two_groups("release");
    let output = realmgate(&["check"], &folder.file());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let checked = text(&output.stdout);
    for part in [
        "open 1s to 1m; maintenance \"back soon\", again after 20m\n",
        "backends 127.0.0.1:1 group a, 127.0.0.1:3 group b\n",
        "admin    127.0.0.1:0 without a token\n",
        "release  active a, move forced over 1m; canary accounts of ",
        "testers.txt -> b, version >=1.4.0 -> b, 100% by client_ip -> b\n",
    ] {
        assert!(checked.contains(part), "{part} in {checked}");
    }
}

#[test]
fn diff_tells_what_would_change_and_what_that_does_to_sessions() {
    let old = Folder::new("diff-old", GOOD);
    let diff = |new: &str| {
        let new = Folder::new("diff-new", new);
        let mut command = Command::new(env!("CARGO_BIN_EXE_realmgate"));
        command.arg("diff").args([old.file(), new.file()]).output().expect("the program runs")
    };
    let same = diff(GOOD);
    assert_eq!((same.status.code(), text(&same.stdout)), (Some(0), "no difference\n".to_owned()));
    let other = diff(
        &GOOD.replace("workers = 1", "workers = 2").replace("cluster = \"battle\"", "cluster = \"rest\""),
    );
    assert_eq!(other.status.code(), Some(0), "{}", text(&other.stderr));
    let wanted = "route battle: cluster battle -> rest
    its sessions keep their connection and are bound to rest at their next frame
gateway.workers: only a restart or an upgrade changes it
    nothing: the running process goes on as it is
";
    assert_eq!(text(&other.stdout), wanted);
    let wrong = diff(&GOOD.replace("cluster = \"rest\"", "cluster = \"rset\""));
    assert_eq!(wrong.status.code(), Some(64));
    assert!(text(&wrong.stdout).is_empty() && text(&wrong.stderr).contains("[cluster.rset]"));
    let (lacking, names) = lacking(GOOD);
    let refused = diff(&lacking);
    assert_eq!(refused.status.code(), Some(64), "a reload would be refused");
    assert!(text(&refused.stdout).starts_with("listener open: added"), "{}", text(&refused.stdout));
    assert!(names.iter().all(|name| text(&refused.stderr).contains(name)), "{}", text(&refused.stderr));
}

#[test]
fn an_address_in_use_ends_with_71() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let folder = Folder::new("bind", &GOOD.replace("127.0.0.1:0", &address));
    let output = realmgate(&["run"], &folder.file());
    assert_eq!(output.status.code(), Some(71));
    assert!(text(&output.stderr).contains("cannot listen here"));
}

/// More lines than any of these tests makes.
const LINES: usize = 1000;

struct Running {
    child: Child,
    address: SocketAddr,
    notices: UnixDatagram,
    /// Its log from then on.
    log: Receiver<String>,
}

/// A gateway whose log goes there, and where systemd would hear of it.
fn started(folder: &Folder, log: Stdio) -> (Child, UnixDatagram) {
    let notices = UnixDatagram::bind(folder.0.join("notify")).expect("a socket");
    notices.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let child = Command::new(env!("CARGO_BIN_EXE_realmgate"))
        .args(["run", "--log-format", "json", "-c"])
        .arg(folder.file())
        .env("NOTIFY_SOCKET", folder.0.join("notify"))
        .stderr(log)
        .spawn()
        .expect("the program runs");
    (child, notices)
}

impl Running {
    /// Starts as systemd does, with a socket for its state.
    fn start(folder: &Folder) -> Self {
        let (mut child, notices) = started(folder, Stdio::piped());
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let listening = lines.by_ref().find(|line| line.contains("\"listening\"")).expect("where it listens");
        let address = listening.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let address = address.and_then(|address| address.parse().ok()).expect("an address");
        let (keep, log) = sync_channel(LINES);
        std::thread::spawn(move || lines.for_each(|line| drop(keep.try_send(line))));
        let running = Self { child, address, notices, log };
        assert_eq!(running.notice(), "READY=1");
        running
    }

    /// The first word of the next message to systemd; what `systemctl status` shows comes behind it.
    fn notice(&self) -> String {
        self.message().lines().next().unwrap_or_default().to_owned()
    }

    fn message(&self) -> String {
        let mut bytes = [0; 1024];
        let length = self.notices.recv(&mut bytes).expect("a state for systemd");
        text(bytes.get(..length).unwrap_or_default())
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("it lives");
    }

    fn heartbeat(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        stream.write_all(&[0, 0, 0, 2, 0, 1]).expect("written");
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, [0, 0, 0, 2, 0, 2]);
        stream
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn sigterm_tells_systemd_and_players_and_ends_with_0() {
    let folder = Folder::new("sigterm", GOOD);
    let mut gate = Running::start(&folder);
    let mut player = gate.heartbeat();
    gate.signal(Signal::HUP);
    assert_eq!((gate.notice().as_str(), gate.notice().as_str()), ("RELOADING=1", "READY=1"));
    drop(gate.heartbeat());
    gate.signal(Signal::TERM);
    assert_eq!(gate.notice(), "STOPPING=1");
    let mut rest = String::new();
    player.read_to_string(&mut rest).expect("an end in order");
    assert!(rest.contains("shutting_down"), "{rest}");
    drop(player);
    assert_eq!(gate.child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_refused_file_is_shown_by_systemd_until_one_is_taken() {
    let folder = Folder::new("refused", GOOD);
    let gate = Running::start(&folder);
    let reload = |file: &str| {
        fs::write(folder.file(), file).expect("a file");
        gate.signal(Signal::HUP);
        assert_eq!(gate.notice(), "RELOADING=1");
        gate.message()
    };
    let told = reload(&GOOD.replace("cluster = \"battle\"", "cluster = \"batle\""));
    assert!(told.starts_with("READY=1\nSTATUS=configuration 1: "), "{told}");
    assert!(told.contains("; the file was refused: 1 mistake in ") && told.contains("see the log"), "{told}");
    assert!(!reload(GOOD).contains("the file was refused"), "a good one is in force");
}

#[test]
fn sigint_stops_at_once_even_in_a_drain() {
    let folder = Folder::new("sigint", GOOD);
    let mut gate = Running::start(&folder);
    let _player = gate.heartbeat();
    gate.signal(Signal::INT);
    assert_eq!(gate.child.wait().expect("it ends").code(), Some(0));

    let slow = GOOD
        .replace("lame_duck = \"0s\"", "lame_duck = \"1h\"")
        .replace("deadline = \"10s\"", "deadline = \"2h\"");
    let folder = Folder::new("sigint-drain", &slow);
    let mut gate = Running::start(&folder);
    gate.signal(Signal::TERM);
    assert_eq!(gate.notice(), "STOPPING=1");
    let _player = gate.heartbeat();
    gate.signal(Signal::INT);
    assert_eq!(gate.child.wait().expect("it ends").code(), Some(0));
    let log: Vec<String> = gate.log.iter().collect();
    assert!(log.iter().any(|line| line.contains("\"end_reason\":\"cut\"")), "{log:?}");
}

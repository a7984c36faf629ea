//! What a claim costs: ten thousand connections that each announce a frame of 2 GiB.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CONNECTIONS: usize = 10_000;

/// A gate in a process of its own, so that its memory can be told from the test's.
struct Process {
    child: Child,
    address: SocketAddr,
    folder: std::path::PathBuf,
}

/// Bytes of a process.
struct Memory {
    now: u64,
    /// The most that it has touched.
    most: u64,
    /// The most that it has asked for, touched or not.
    most_reserved: u64,
}

impl Process {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("realmgate-claims-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("gate.toml");
        let text = r#"
            [gateway]
            workers = 2
            [frame.game]
            length = { offset = 0, width = 4, order = "big" }
            id = { offset = 4, width = 2, order = "big" }
            notice = { id = 9000, body = "json" }
            [listener.players]
            listen = "127.0.0.1:0"
            limits = { connections_per_ip = 0, new_per_ip = "off" }
            [cluster.battle]
            backends = [{ address = "127.0.0.1:1" }]
            [route.battle]
            ids = [1000]
            cluster = "battle"
        "#;
        fs::write(&file, text).expect("a file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_realmgate"))
            .args(["run", "--log-format", "json", "-c"])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gate starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let listening =
            lines.by_ref().find(|line| line.contains("\"listening\"")).expect("a line that says where");
        let address = listening.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let address = address.and_then(|address| address.parse().ok()).expect("an address");
        // The log is read to its end, so that the gate never waits for this test.
        std::thread::spawn(move || lines.count());
        Self { child, address, folder }
    }

    /// What it holds.
    fn memory(&self) -> Memory {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a living process");
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect("a field of proc(5)");
            line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("a number")
                * 1024
        };
        Memory { now: field("VmRSS"), most: field("VmHWM"), most_reserved: field("VmPeak") }
    }

    /// Each worker has read what came before: of two connections each worker gets one, and a second answer is of a
    /// later turn than the first.
    fn workers_have_read_all(&self) {
        let connect = || TcpStream::connect(self.address).expect("the gate listens");
        let mut of_both = [connect(), connect()];
        for stream in &mut of_both {
            for _ in 0..2 {
                stream.write_all(&frame(77)).expect("written");
                let answer = read_frame(stream);
                assert!(answer.contains("unknown_id"), "{answer}");
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn frame(id: u16) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 2];
    bytes.extend(id.to_be_bytes());
    bytes
}

fn read_frame(stream: &mut TcpStream) -> String {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("a length");
    let mut rest = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut rest).expect("a body");
    String::from_utf8_lossy(&rest).into_owned()
}

#[test]
fn a_claim_of_two_gib_costs_at_most_a_kibibyte_beyond_an_idle_connection() {
    let limit = Rlimit { current: getrlimit(Resource::Nofile).maximum, ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).expect("the hard limit is allowed");
    let gate = Process::start();
    let mut players: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let stream = TcpStream::connect(gate.address).expect("the gate listens");
            stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
            stream
        })
        .collect();
    gate.workers_have_read_all();
    let idle = gate.memory();
    for player in &mut players {
        player.write_all(&(1_u32 << 31).to_be_bytes()).expect("written");
    }
    for player in &mut players {
        let notice = read_frame(player);
        assert!(notice.contains(r#"{"code":"frame_too_long"}"#), "{notice}");
        assert_eq!(player.read(&mut [0]).expect("an end in order"), 0);
    }
    let claimed = gate.memory();
    let each = claimed.most.saturating_sub(idle.most) / CONNECTIONS as u64;
    let reserved = claimed.most_reserved - idle.most_reserved;
    println!("idle: {} bytes each; a claim of 2 GiB: {each} bytes more", idle.now / CONNECTIONS as u64);
    println!("all claims: {reserved} bytes more of addresses");
    assert!(each <= 1024, "{each} bytes each");
    assert!(reserved < 1 << 30, "{reserved} bytes were reserved: somebody was believed");
    gate.workers_have_read_all();
}

/// What has come of a frame that is within the limit.
const COME: usize = 600;

#[test]
fn a_frame_that_has_only_begun_costs_what_has_come_of_it() {
    let gate = Process::start();
    let players: usize = 400;
    let mut players: Vec<TcpStream> =
        (0..players).map(|_| TcpStream::connect(gate.address).expect("the gate listens")).collect();
    gate.workers_have_read_all();
    let idle = gate.memory().now;
    let mut begun = (60_000_u32).to_be_bytes().to_vec();
    begun.extend(1000_u16.to_be_bytes());
    begun.resize(COME, 7);
    for player in &mut players {
        player.write_all(&begun).expect("written");
    }
    gate.workers_have_read_all();
    let held = gate.memory().now;
    let each = held.saturating_sub(idle) / players.len() as u64;
    println!("{COME} bytes of a frame of 60,000: {each} bytes more");
    assert!(each <= COME as u64 + 2048, "{each} bytes each");
}

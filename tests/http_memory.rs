//! Large files through the gate: streamed both ways, in pieces and whole, without being held. The gate is a process of
//! its own, so that its memory is its own.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The bound of every wait: long enough for a busy machine, and no measure of speed.
const BOUND: Duration = Duration::from_secs(60);
/// The file that is updated.
const FILE: u64 = 64 << 20;
/// What the gate may need more than before.
const GROWTH: u64 = 8 << 20;
const PIECE: usize = 64 << 10;

/// The file repeats itself only after a prime number of bytes: what is swapped, lost or doubled on the way is seen.
const PERIOD: usize = 1_000_003;
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..PERIOD + PIECE).map(|place| ((place % PERIOD) ^ ((place % PERIOD) >> 8)).to_le_bytes()[0]).collect()
});

/// At most a piece of the file, from a place on.
fn part(place: u64, length: usize) -> &'static [u8] {
    let first = usize::try_from(place % PERIOD as u64).expect("below the period");
    BYTES.get(first..first + length).expect("at most a piece")
}

struct Process {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Process {
    fn start(name: &str, backend: SocketAddr) -> Self {
        let folder = format!("realmgate-http-memory-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("gate.toml");
        let text = format!(
            "[gateway]\nworkers = 1\n[listener.open]\nlisten = \"127.0.0.1:0\"\nprotocol = \"http\"\n\
             [cluster.files]\nlink = \"http\"\nbackends = [{{ address = \"{backend}\" }}]\n\
             [http.files]\nlistener = \"open\"\npath = \"/*\"\ncluster = \"files\"\nmax_body = \"128MiB\"\n"
        );
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

    /// The most memory it has held so far, in bytes.
    fn most_memory(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a living process");
        let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a field of proc(5)");
        line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("a number") * 1024
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the gate listens");
        stream.set_read_timeout(Some(BOUND)).expect("a socket");
        stream.set_write_timeout(Some(BOUND)).expect("a socket");
        stream
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A server of one file that knows ranges, and that takes what is uploaded.
struct Server {
    address: SocketAddr,
    /// Bytes of bodies that were written.
    written: Arc<AtomicU64>,
    /// Hears when a write was not taken for a while, and how much was written until then.
    stuck: Receiver<u64>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        let (tell, stuck) = sync_channel(1);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (count, tell) = (Arc::clone(&count), tell.clone());
                std::thread::spawn(move || drop(serve(&stream, &count, &tell)));
            }
        });
        Self { address, written, stuck }
    }
}

fn head_of(reader: &mut impl BufRead) -> std::io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => return Ok(lines),
            line => lines.push(line.to_ascii_lowercase()),
        }
    }
}

fn value<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Writes all of it, and says so when it is not taken for a while.
fn write_patiently(
    mut stream: &TcpStream,
    mut bytes: &[u8],
    written: &AtomicU64,
    stuck: &SyncSender<u64>,
) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(length) => {
                written.fetch_add(length as u64, Ordering::Relaxed);
                bytes = bytes.get(length..).unwrap_or_default();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                stuck.try_send(written.load(Ordering::Relaxed)).ok();
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn serve(stream: &TcpStream, written: &AtomicU64, stuck: &SyncSender<u64>) -> std::io::Result<()> {
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    let mut reader = BufReader::new(stream);
    loop {
        let head = head_of(&mut reader)?;
        if let Some(length) = value(&head, "content-length") {
            let sum = checked(&mut reader, 0, length.parse().expect("a number"))?;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{sum}", sum.to_string().len());
            (&mut &*stream).write_all(answer.as_bytes())?;
            continue;
        }
        let range = value(&head, "range").and_then(|range| range.strip_prefix("bytes="));
        let (first, last) =
            range.and_then(|range| range.split_once('-')).map_or((0, FILE - 1), |(first, last)| {
                (first.parse().expect("a number"), last.parse().expect("a number"))
            });
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        let (length, of) = (last - first + 1, format!("bytes {first}-{last}/{FILE}"));
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nContent-Range: {of}\r\n\r\n");
        (&mut &*stream).write_all(head.as_bytes())?;
        let mut place = first;
        while place <= last {
            let end = (place + PIECE as u64).min(last + 1);
            let length = usize::try_from(end - place).expect("a piece");
            write_patiently(stream, part(place, length), written, stuck)?;
            place = end;
        }
    }
}

/// Reads so much of the file from a place on and checks it; how much it was.
fn checked(reader: &mut impl Read, first: u64, length: u64) -> std::io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut place = first;
    while place < first + length {
        let most = usize::try_from(first + length - place).map_or(PIECE, |left| left.min(PIECE));
        let read = reader.read(piece.get_mut(..most).expect("within"))?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        assert!(piece.get(..read) == Some(part(place, read)), "other bytes than the file's after {place}");
        place += read as u64;
    }
    Ok(length)
}

#[test]
fn a_large_file_passes_whole_in_ranges_and_up_without_being_held() {
    let server = Server::start();
    let gate = Process::start("large", server.address);
    let mut stream = gate.connect();
    let mut reader = BufReader::with_capacity(PIECE, stream.try_clone().expect("a socket"));
    let mut fetch = |first: u64, last: u64| {
        let request = format!("GET /update.pak HTTP/1.1\r\nHost: a\r\nRange: bytes={first}-{last}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("taken");
        let head = head_of(&mut reader).expect("a head");
        assert!(head.first().is_some_and(|line| line.starts_with("http/1.1 206 ")), "{head:?}");
        let of = format!("bytes {first}-{last}/{FILE}");
        assert_eq!(value(&head, "content-range"), Some(of.as_str()));
        checked(&mut reader, first, last - first + 1).expect("the whole range");
    };
    fetch(0, 1 << 20); // so that every buffer has been used once
    let before = gate.most_memory();
    fetch(0, FILE - 1);
    for first in [1, 4095, 10 << 20, FILE - 70_000] {
        fetch(first, (first + 3 * PIECE as u64).min(FILE - 1));
    }
    upload(&gate);
    let more = gate.most_memory() - before;
    assert!(more < GROWTH, "{more} bytes more than before");
}

/// Sends the whole file up.
fn upload(gate: &Process) {
    let mut stream = gate.connect();
    stream
        .write_all(format!("PUT /save HTTP/1.1\r\nHost: a\r\nContent-Length: {FILE}\r\n\r\n").as_bytes())
        .expect("taken");
    let mut place = 0;
    while place < FILE {
        stream.write_all(part(place, PIECE)).expect("taken");
        place += PIECE as u64;
    }
    let mut reader = BufReader::new(stream);
    let head = head_of(&mut reader).expect("a head");
    assert!(head.first().is_some_and(|line| line.starts_with("http/1.1 200 ")), "{head:?}");
    let mut body = vec![0; FILE.to_string().len()];
    reader.read_exact(&mut body).expect("a body");
    assert_eq!(String::from_utf8_lossy(&body), FILE.to_string());
}

#[test]
fn a_client_that_reads_slowly_holds_the_backend_back_and_not_the_file_in_memory() {
    let server = Server::start();
    let gate = Process::start("slow", server.address);
    let before = {
        let mut stream = gate.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1048576\r\n\r\n").expect("taken");
        let mut reader = BufReader::new(stream);
        head_of(&mut reader).expect("a head");
        checked(&mut reader, 0, 1 << 20).expect("all of it");
        gate.most_memory()
    };
    let start = server.written.load(Ordering::Relaxed);
    let mut stream = gate.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("taken");
    let mut reader = BufReader::with_capacity(PIECE, stream);
    head_of(&mut reader).expect("a head");
    // All buffers on the way are full, and the client reads nothing.
    let written = server.stuck.recv_timeout(BOUND).expect("the backend is held back") - start;
    assert!(written < FILE * 3 / 4, "{written} bytes were read ahead for a client that reads nothing");
    checked(&mut reader, 0, FILE).expect("the whole file");
    let more = gate.most_memory() - before;
    assert!(more < GROWTH, "{more} bytes more than before");
}

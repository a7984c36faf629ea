//! Holds TLS sessions in one gate, each with a heartbeat every ten seconds, and says what that costs.
//!
//! `cargo bench --bench hold -- run [SESSIONS] [SECONDS]`; 15,000 and 60 unless told otherwise. The gate runs in a
//! process of its own; the players are this one. Both are ended by their own ids, and all is bounded in time.
#![expect(clippy::print_stdout, reason = "the figures are for a person at a terminal")]

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

const HEARTBEAT: [u8; 6] = [0, 0, 0, 2, 0, 1];
const REPLY: [u8; 6] = [0, 0, 0, 2, 0, 2];
const EVERY: Duration = Duration::from_secs(10);
/// A heartbeat that is not answered by then is lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes that players have under way at one time.
const AT_ONCE: usize = 64;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_none_or(|first| first != "run") {
        println!("cargo bench --bench hold -- run [SESSIONS] [SECONDS]");
        return Ok(());
    }
    let number = |place: usize, default: u64| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let (sessions, seconds) = (number(1, 15_000)?, number(2, 60)?);
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, hold(sessions, Duration::from_secs(seconds)))
}

/// What the players counted.
#[derive(Default)]
struct Tally {
    joined: Cell<u64>,
    sent: Cell<u64>,
    answered: Cell<u64>,
    slowest: Cell<Duration>,
    failures: RefCell<Vec<String>>,
}

async fn hold(sessions: u64, time: Duration) -> Outcome<()> {
    let gate = Gate::start()?;
    let empty = gate.memory()?;
    let tally = Rc::new(Tally::default());
    let (began, handshakes) = (now(), Rc::new(Semaphore::new(AT_ONCE)));
    let joined = Rc::new(tokio::sync::Notify::new());
    let mut players = tokio::task::JoinSet::new();
    for _ in 0..sessions {
        let player = play(gate.address, Arc::clone(&gate.client), Rc::clone(&handshakes), Rc::clone(&tally));
        let (tally, joined) = (Rc::clone(&tally), Rc::clone(&joined));
        players.spawn_local(async move {
            if let Err(error) = player.await {
                tally.failures.borrow_mut().push(error.to_string());
                joined.notify_one();
            }
        });
    }
    while tally.joined.get() < sessions
        && tally.failures.borrow().is_empty()
        && began.elapsed() < Duration::from_secs(300)
    {
        drop(timeout(Duration::from_millis(100), joined.notified()).await);
    }
    println!("{} TLS sessions joined in {:.1} s", tally.joined.get(), began.elapsed().as_secs_f64());
    let (cpu, held_from) = (gate.cpu_seconds()?, now());
    sleep(time).await;
    let (held, burnt) = (held_from.elapsed().as_secs_f64(), gate.cpu_seconds()? - cpu);
    let full = gate.memory()?;
    println!(
        "held for {held:.0} s: {} heartbeats sent, {} answered, the slowest in {:?}",
        tally.sent.get(),
        tally.answered.get(),
        tally.slowest.get()
    );
    println!(
        "gate: {:.1} % of a core, {} MiB resident, {:.2} KiB a session",
        100.0 * burnt / held,
        full >> 20,
        (full - empty) as f64 / 1024.0 / sessions as f64
    );
    let failures = tally.failures.borrow();
    match failures.first() {
        None if tally.joined.get() == sessions => Ok(()),
        first => Err(format!("{} sessions failed, the first with: {first:?}", failures.len()).into()),
    }
}

async fn play(
    gate: SocketAddr,
    client: Arc<rustls::ClientConfig>,
    handshakes: Rc<Semaphore>,
    tally: Rc<Tally>,
) -> Outcome<()> {
    let turn = handshakes.acquire().await?;
    let stream = TcpStream::connect(gate).await?;
    let name = ServerName::try_from("game.test")?;
    let mut stream =
        timeout(Duration::from_secs(30), TlsConnector::from(client).connect(name, stream)).await??;
    drop(turn);
    tally.joined.set(tally.joined.get() + 1);
    loop {
        let asked = now();
        tally.sent.set(tally.sent.get() + 1);
        stream.write_all(&HEARTBEAT).await?;
        stream.flush().await?;
        let mut answer = [0; 6];
        timeout(PATIENCE, stream.read_exact(&mut answer))
            .await
            .map_err(|_| "a heartbeat was not answered")??;
        if answer != REPLY {
            return Err(format!("{answer:?} is no answer").into());
        }
        tally.answered.set(tally.answered.get() + 1);
        tally.slowest.set(tally.slowest.get().max(asked.elapsed()));
        sleep(EVERY).await;
    }
}

/// The gate's process, its folder and what players trust; all gone when dropped.
struct Gate {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
    client: Arc<rustls::ClientConfig>,
}

impl Gate {
    fn start() -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("realmgate-hold-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let certified = rcgen::generate_simple_self_signed(["game.test".to_owned()])?;
        fs::write(folder.join("game.pem"), certified.cert.pem())?;
        fs::write(folder.join("game.key"), certified.signing_key.serialize_pem())?;
        fs::write(folder.join("gate.toml"), FILE)?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certified.cert.der().clone())?;
        let client =
            Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
        let mut child = Command::new(env!("CARGO_BIN_EXE_realmgate"))
            .args(["run", "--log-format", "json", "-c"])
            .arg(folder.join("gate.toml"))
            .stderr(Stdio::piped())
            .spawn()?;
        let errors = child.stderr.take().ok_or("no log")?;
        let mut lines = BufReader::new(errors).lines().map_while(Result::ok);
        let listening = lines.find(|line| line.contains("\"listening\"")).ok_or("the gate did not start")?;
        let address = listening.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let address = address.ok_or("no address in the log")?.parse()?;
        std::thread::spawn(move || lines.count());
        Ok(Self { child, folder, address, client })
    }

    /// Resident bytes.
    fn memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse::<u64>()? * 1024)
    }

    /// User and system time of all its threads.
    fn cpu_seconds(&self) -> Outcome<f64> {
        let mut nanos = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += schedstat.split_whitespace().next().ok_or("no schedstat")?.parse::<f64>()?;
        }
        Ok(nanos / 1e9)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

const FILE: &str = r#"
[frame.game]
length = { offset = 0, width = 4 }
id = { offset = 4, width = 2 }
heartbeat = { id = 1, reply = 2 }
notice = { id = 9000 }
[listener.players]
listen = "127.0.0.1:0"
tls = { certificate = "game.pem", key = "game.key" }
limits = { connections_per_ip = 0, new_per_ip = "off", frames_per_session = "off" }
[cluster.battle]
backends = [{ address = "127.0.0.1:1" }]
[route.battle]
ids = [1000]
cluster = "battle"
"#;

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> Instant {
    Instant::now()
}

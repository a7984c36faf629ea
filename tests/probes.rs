//! Five thousand backends probed every two seconds by a gateway that is kept from running: nobody who lives is
//! found dead, and who is dead is found. Prints what the machine could do.
#![expect(clippy::disallowed_methods, reason = "keeping threads busy is what this is about")]
#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic and says what it measured"
)]

#[path = "common/log.rs"]
mod log;

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::RngExt;
use realmgate::app::Gate;
use realmgate::config::{self, Source};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use log::Line;

const BACKENDS: usize = 5000;
/// Rounds of [`BACKENDS`] probes in peace, and at most how long for those under load.
const QUIET_ROUNDS: usize = 2;
const BUSY: Duration = Duration::from_secs(15);

/// What a backend is asked, by its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Frame,
    Http,
}

/// Backends that live, on a thread of their own.
struct Farm {
    addresses: Vec<SocketAddr>,
    /// How often each was probed.
    probed: Arc<[AtomicU32]>,
}

/// Who answers nobody: one takes connections and is silent, the other does not even take them.
struct Dead {
    silent: StdListener,
    hole: Socket,
    /// They fill the waiting line of the hole.
    _waiting: Vec<StdStream>,
}

/// The gateway's control thread, and what disturbs it.
struct Control {
    over: Arc<AtomicBool>,
    stalling: Arc<AtomicBool>,
    /// What the thread has computed, in nanoseconds, without the stalls.
    computed: Arc<AtomicU64>,
    stalls: Arc<AtomicU32>,
    thread: JoinHandle<()>,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn kind(place: usize) -> Kind {
    match place % 10 {
        0..=5 => Kind::Tcp,
        6..=8 => Kind::Frame,
        _ => Kind::Http,
    }
}

impl Farm {
    fn start() -> Self {
        let listen = |place: usize| {
            let host = Ipv4Addr::new(127, 0, 1, u8::try_from(place / 100 + 1).expect("few hosts"));
            let listener = StdListener::bind((host, 0)).expect("a port");
            listener.set_nonblocking(true).expect("a socket");
            listener
        };
        let listeners: Vec<_> = (0..BACKENDS).map(listen).collect();
        let addresses = listeners.iter().map(|listener| listener.local_addr().expect("bound")).collect();
        let probed: Arc<[AtomicU32]> = (0..BACKENDS).map(|_| AtomicU32::new(0)).collect();
        let counts = Arc::clone(&probed);
        std::thread::spawn(move || runtime().block_on(farm(listeners, counts)));
        Self { addresses, probed }
    }

    /// All probes so far, and the fewest of one backend.
    fn count(&self) -> (usize, u32) {
        let counts: Vec<_> = self.probed.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        (counts.iter().map(|count| *count as usize).sum(), counts.into_iter().min().expect("some"))
    }
}

async fn farm(listeners: Vec<StdListener>, counts: Arc<[AtomicU32]>) {
    for (place, listener) in listeners.into_iter().enumerate() {
        let (listener, counts) = (TcpListener::from_std(listener).expect("a socket"), Arc::clone(&counts));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts[place].fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(stream, kind(place)));
            }
        });
    }
    std::future::pending().await
}

async fn answer(mut stream: TcpStream, kind: Kind) {
    let mut question = [0; 256];
    let answer: &[u8] = match kind {
        Kind::Tcp => return,
        Kind::Frame => b"\0\0\0\x02\0\x02",
        Kind::Http => b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"load\": 0.5}",
    };
    if matches!(stream.read(&mut question).await, Ok(1..)) {
        drop(stream.write_all(answer).await);
        drop(stream.read(&mut question).await);
    }
}

impl Dead {
    fn new() -> Self {
        let silent = StdListener::bind("127.0.0.1:0").expect("a port");
        let hole = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        hole.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
        hole.listen(0).expect("a socket");
        let address = hole.local_addr().ok().and_then(|address| address.as_socket()).expect("bound");
        let knock = || StdStream::connect_timeout(&address, Duration::from_millis(100)).ok();
        let waiting = std::iter::from_fn(knock).collect();
        Self { silent, hole, _waiting: waiting }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        let hole = self.hole.local_addr().ok().and_then(|address| address.as_socket());
        [self.silent.local_addr().expect("bound"), hole.expect("bound")]
    }
}

impl Control {
    fn start(text: String) -> Self {
        let (over, stalling) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let (computed, stalls) = <(Arc<AtomicU64>, Arc<AtomicU32>)>::default();
        let shared = (Arc::clone(&over), Arc::clone(&stalling), Arc::clone(&computed), Arc::clone(&stalls));
        let thread = std::thread::spawn(move || {
            runtime().block_on(async move {
                let sources = vec![Source { path: "test.toml".into(), text }];
                let plan = config::parse(sources).unwrap_or_else(|report| panic!("{}", report.render(false)));
                let gate = Gate::start(plan).await.unwrap_or_else(|error| panic!("{error}"));
                let (over, stalling, computed, stalls) = shared;
                disturb(&over, &stalling, &computed, &stalls).await;
                gate.stop().await;
            });
        });
        Self { over, stalling, computed, stalls, thread }
    }

    fn computed(&self) -> Duration {
        Duration::from_nanos(self.computed.load(Ordering::Relaxed))
    }

    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic of the gateway");
    }
}

/// Holds the thread of the probes for 300 ms to 1.5 s at random moments, while it shall.
async fn disturb(over: &AtomicBool, stalling: &AtomicBool, computed: &AtomicU64, stalls: &AtomicU32) {
    let mut stalled = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let pause = rand::rng().random_range(10..1500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let before = cpu_time();
        computed.store(u64::try_from((before - stalled).as_nanos()).expect("short"), Ordering::Relaxed);
        if stalling.load(Ordering::Relaxed) {
            spin(Duration::from_millis(rand::rng().random_range(300..1500)));
            stalls.fetch_add(1, Ordering::Relaxed);
            stalled += cpu_time() - before;
        }
    }
}

fn spin(length: Duration) {
    let until = Instant::now() + length;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// What this thread has computed.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |part: i64| u64::try_from(part).expect("a time since the start");
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

fn configuration(farm: &Farm, dead: &Dead) -> String {
    let cluster = |name: &str, health: &str, addresses: &[SocketAddr]| {
        let backends: Vec<_> = addresses.iter().map(|at| format!("{{ address = \"{at}\" }}")).collect();
        format!(
            "[cluster.{name}]\nlink = \"dedicated\"\nbackends = [{}]\n[cluster.{name}.health]\n{health}\n\
             interval = \"2s\"\ntimeout = \"1s\"\nfall = 3\n",
            backends.join(",\n")
        )
    };
    let of = |wanted| {
        let places = farm.addresses.iter().enumerate().filter(|(place, _)| kind(*place) == wanted);
        places.map(|(_, address)| *address).collect::<Vec<_>>()
    };
    let frame = "probe = \"frame\"\nsend = \"000000020001\"\nexpect = \"00000002\"";
    [
        "[gateway]\nworkers = 1\n[frame.game]\nlength = { offset = 0, width = 4 }\nid = { offset = 4, width = 2 }\n\
         [listener.players]\nlisten = \"127.0.0.1:0\"\n"
            .to_owned(),
        cluster("tcp", "probe = \"tcp\"", &of(Kind::Tcp)),
        cluster("frame", frame, &[&of(Kind::Frame)[..], &dead.addresses()[..1]].concat()),
        cluster("http", "probe = \"http\"", &[&of(Kind::Http)[..], &dead.addresses()[1..]].concat()),
        ["tcp", "frame", "http"]
            .iter()
            .enumerate()
            .map(|(id, name)| format!("[route.{name}]\nids = [{id}]\ncluster = \"{name}\"\n"))
            .collect(),
    ]
    .concat()
}

/// Waits while it is so, at most for `limit`.
fn while_so(limit: Duration, so: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    runtime().block_on(async {
        while so() && began.elapsed() < limit {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    began.elapsed()
}

#[test]
fn five_thousand_backends_are_probed_by_a_gateway_that_is_kept_from_running() {
    let limit = Rlimit { current: getrlimit(Resource::Nofile).maximum, ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).expect("the hard limit is allowed");
    log::listen();
    let (farm, dead) = (Farm::start(), Dead::new());
    let control = Control::start(configuration(&farm, &dead));
    while_so(Duration::from_secs(20), || farm.count().0 == 0);

    let (before, computed) = (farm.count().0, control.computed());
    let quiet = while_so(Duration::from_secs(15), || farm.count().0 - before < QUIET_ROUNDS * BACKENDS);
    say("in peace", farm.count().0 - before, quiet, control.computed() - computed);

    control.stalling.store(true, Ordering::Relaxed);
    let before = (farm.count().0, control.computed());
    let spinners: Vec<_> = (0..2).map(|_| std::thread::spawn(|| spin(BUSY))).collect();
    let busy = while_so(BUSY, || true);
    say("kept busy", farm.count().0 - before.0, busy, control.computed() - before.1);
    println!(
        "stalls: {}; fewest probes of one backend: {}",
        control.stalls.load(Ordering::Relaxed),
        farm.count().1
    );
    spinners.into_iter().for_each(|spinner| spinner.join().expect("no panic"));

    for address in dead.addresses() {
        let is_it = |line: &Line| line.get("backend") == address.to_string() && is_down(line);
        let found = async { tokio::time::timeout(Duration::from_secs(10), log::wait(1, is_it)).await };
        let line = runtime().block_on(found).expect("who is dead is found dead");
        assert!(line.get("why").contains("within 1s"), "{line:?}");
    }
    let dead = dead.addresses().map(|address| address.to_string());
    let lost = log::lines(|line| is_down(line) && !dead.iter().any(|dead| dead == line.get("backend")));
    assert_eq!(lost, [], "who lives is never found dead");
    assert!(farm.count().1 >= 2, "some were hardly probed");
    control.end();
}

fn is_down(line: &Line) -> bool {
    line.get("message").starts_with("down")
}

fn say(when: &str, probes: usize, time: Duration, computed: Duration) {
    let rate = probes as f64 / time.as_secs_f64();
    let share = computed.as_secs_f64() / time.as_secs_f64() * 100.0;
    println!(
        "{when}: {probes} probes in {time:.1?}: {rate:.0}/s; the control thread computed {share:.0} % of one core"
    );
}

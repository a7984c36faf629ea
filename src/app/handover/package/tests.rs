//! A package over a line, whole and broken.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use super::*;
use crate::cluster::{BackendMemory, RouteMemory, ServingState};
use crate::net::Tickets;
use crate::policy::{BreakerMemory, Ejection, OutlierMemory};

fn backend(name: &str, boot: Option<u64>, state: ServingState, last: Ejection) -> BackendMemory {
    BackendMemory {
        cluster: "battle".to_owned(),
        address: name.to_owned(),
        up: boot.is_none(),
        fallen: boot.is_some(),
        cold_for: boot.map(Duration::from_millis),
        boot,
        state,
        outlier: OutlierMemory { row: 3, ejections: 2, last },
    }
}

fn breaker(route: &str, breaker: BreakerMemory) -> RouteMemory {
    let (cluster, address) = ("battle".to_owned(), "a:1".to_owned());
    RouteMemory { route: route.to_owned(), cluster, address, breaker }
}

/// A snapshot in which every variant is there.
fn snapshot() -> Snapshot {
    let ms = Duration::from_millis;
    Snapshot {
        backends: vec![
            backend("a:1", None, ServingState::Ok, Ejection::Never),
            backend("b:1", Some(u64::MAX), ServingState::Degraded, Ejection::Lasts(ms(1500))),
            backend("c:1", Some(7), ServingState::Refusing, Ejection::Over(ms(90_000))),
            backend("\"ä\n:1", Some(0), ServingState::Leaving, Ejection::Never),
        ],
        breakers: vec![
            breaker("pay", BreakerMemory::Open { left: ms(250), failed_trials: 4 }),
            breaker("chat", BreakerMemory::Closed { row: 6, ramp: ms(9000), failed_trials: 1 }),
        ],
    }
}

fn listening(owner: Owner, address: &str) -> Handed {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    Handed { owner, address: address.parse().expect("an address"), socket }
}

fn package() -> Package {
    Package {
        sockets: vec![
            listening(Owner::Listener("players".to_owned()), "127.0.0.1:7000"),
            listening(Owner::Listener("any".to_owned()), "127.0.0.1:0"),
            listening(Owner::Admin, "127.0.0.1:0"),
        ],
        tickets: Tickets::new().expect("randomness").export(),
        tickets_age: Duration::from_secs(3600),
        start: 0x000F_FFFE,
        clock: Duration::from_secs(86_400),
        registry: snapshot(),
    }
}

fn lines() -> (Line, Line) {
    let (old, new) = UnixStream::pair().expect("a pair");
    (Line::new(old).expect("a runtime"), Line::new(new).expect("a runtime"))
}

async fn handed_over(package: &Package) -> Package {
    let (mut old, mut new) = lines();
    let (sent, received) = tokio::join!(package.send(&mut old), Package::receive(&mut new));
    sent.expect("sent");
    received.expect("received")
}

#[tokio::test]
async fn everything_arrives_and_the_sockets_accept() {
    let old = package();
    let addresses: Vec<_> = old.sockets.iter().map(|handed| handed.socket.local_addr().ok()).collect();
    let mut new = handed_over(&old).await;
    assert_eq!(new.registry, old.registry);
    assert_eq!(*new.tickets.to_bytes(), *old.tickets.to_bytes());
    assert_eq!((new.start, new.clock, new.tickets_age), (old.start, old.clock, old.tickets_age));
    drop(old);
    let wanted = [
        (Owner::Listener("players".to_owned()), "127.0.0.1:7000"),
        (Owner::Listener("any".to_owned()), "127.0.0.1:0"),
        (Owner::Admin, "127.0.0.1:0"),
    ];
    for ((owner, configured), address) in wanted.into_iter().zip(addresses) {
        let socket = new.take(&owner, configured.parse().expect("an address")).expect("it is there");
        assert_eq!(socket.local_addr().ok(), address);
        let mut client = TcpStream::connect(address.expect("bound")).expect("it listens");
        client.write_all(b"x").expect("sent");
        assert_eq!(socket.accept().expect("accepted").1, client.local_addr().expect("connected"));
    }
    assert!(new.sockets.is_empty());
}

#[test]
fn a_renamed_listener_finds_its_socket_by_the_address_and_a_moved_one_finds_none() {
    let (mut package, renamed) = (package(), Owner::Listener("gamers".to_owned()));
    let address = |text: &str| text.parse().expect("an address");
    assert!(package.take(&renamed, address("127.0.0.1:7001")).is_none());
    assert!(package.take(&renamed, address("127.0.0.1:0")).is_none(), "any port is nobody's address");
    assert!(package.take(&renamed, address("127.0.0.1:7000")).is_some());
    assert!(package.take(&renamed, address("127.0.0.1:7000")).is_none(), "once");
}

#[tokio::test]
async fn another_version_and_a_socket_that_does_not_listen_are_refused() {
    let (mut old, mut new) = lines();
    let text = String::from_utf8(package().write().to_vec()).expect("text");
    old.send(text.replacen("\"version\":1", "\"version\":2", 1).as_bytes()).await.expect("sent");
    let error = Package::receive(&mut new).await.expect_err("another version");
    assert!(matches!(error, TakeOverError::Version { theirs: 2, ours: VERSION }), "{error}");

    let mut package = package();
    let address = package.sockets[0].socket.local_addr().expect("bound");
    let connected = std::os::fd::OwnedFd::from(TcpStream::connect(address).expect("it listens"));
    package.sockets[0].socket = connected.into();
    let (mut old, mut new) = lines();
    let (sent, received) = tokio::join!(package.send(&mut old), Package::receive(&mut new));
    sent.expect("sent");
    let error = received.expect_err("a socket of a connection");
    assert!(error.to_string().contains("does not listen"), "{error}");
}

#[tokio::test]
async fn a_message_where_a_socket_belongs_and_a_length_without_bounds_are_nonsense() {
    let (mut old, mut new) = lines();
    old.send(&package().write()).await.expect("sent");
    old.send(b"{}").await.expect("sent");
    let error = Package::receive(&mut new).await.expect_err("no socket");
    assert!(error.to_string().contains("where a socket belongs"), "{error}");

    let (old, new) = UnixStream::pair().expect("a pair");
    (&old).write_all(&[0xFF; 4]).expect("sent");
    let error = Package::receive(&mut Line::new(new).expect("a runtime")).await.expect_err("four GiB");
    assert!(error.to_string().contains("are the most"), "{error}");
}

#[test]
fn a_package_that_is_cut_or_changed_anywhere_never_panics() {
    let whole = package().write();
    assert!(Package::read(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(Package::read(&whole[..length]).is_err(), "cut to {length}");
    }
    for place in 0..whole.len() {
        for byte in [b'0', b'"', b'{', b'x', 0xFF] {
            let mut changed = whole.to_vec();
            changed[place] = byte;
            drop(Package::read(&changed));
        }
    }
}

#[test]
fn what_a_later_version_adds_is_passed_over_and_what_is_missing_is_named() {
    let text = String::from_utf8(package().write().to_vec()).expect("text");
    let more = text.replacen('{', "{\"mood\":\"good\",", 1);
    assert!(Package::read(more.as_bytes()).is_ok());
    let less = text.replacen("\"clock\"", "\"click\"", 1);
    let error = Package::read(less.as_bytes()).expect_err("no clock");
    assert!(error.to_string().contains("`clock`"), "{error}");
}

#[test]
fn nobody_reads_keys_out_of_a_log() {
    let (package, keys) = (package(), |package: &Package| hex(&package.tickets.to_bytes()));
    let told = format!("{package:?}");
    assert!(told.contains("tickets: TicketKeys,") && !told.contains(&keys(&package)), "{told}");
}

#[test]
fn the_next_start_is_another_one_and_later() {
    assert_eq!(next_start(1000, 1060), 1060, "the clock has moved on");
    assert_eq!(next_start(1000, 1000), 1001, "within one second");
    assert_eq!(next_start(1001, 1000), 1002, "and once more");
    assert_eq!(next_start(1000, 10), 1001, "a clock that was put back");
    assert_eq!(next_start(START_BITS, 5), 5, "twenty bits begin anew");
    assert_eq!(next_start(START_BITS, START_BITS), 0);
}

#[test]
fn the_clock_goes_on_from_the_old_process() {
    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    let now = Instant::now();
    assert_eq!(now - package().clock_start(now), Duration::from_secs(86_400));
}

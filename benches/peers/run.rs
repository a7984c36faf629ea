//! The whole comparison: works one after the other, in each the peers in turn, round after round.

use std::time::{Duration, Instant};

use crate::backend::{ECHO_PORTS, LINK_PORTS};
use crate::companions::{self, Companion};
use crate::lab::certificates::Certificates;
use crate::lab::facts::Facts;
use crate::lab::folder::Folder;
use crate::lab::netns;
use crate::lab::options::Options;
use crate::lab::process::Guarded;
use crate::lab::proxy::{Running, Site, local};
use crate::lab::spread::round;
use crate::lab::turns::Turns;
use crate::orders::{Load, Order, Outcome};
use crate::proxies::{Peer, envoy};
use crate::reloads::Reloads;
use crate::report::{Table, write};
use crate::seats::Seats;
use crate::works::{Work, asked_for};

/// Runs everything and writes the report; whether every answer was right.
pub(crate) fn everything(options: &Options) -> Result<bool, String> {
    let (works, companions) = (asked_for(&options.only), companions::asked_for(&options.only));
    if works.is_empty() && companions.is_empty() {
        return Err(format!("no work is called {}", options.only.join(",")));
    }
    let facts = Facts::collect("peers", options, &netns::settle()?, &own_facts(options));
    let folder = Folder::make("peers")?;
    let site = Site {
        certificates: Certificates::make(folder.path())?,
        folder: folder.path().to_owned(),
        gate: options.gate.clone(),
    };
    let began = Instant::now();
    let tables: Vec<Table> = works.into_iter().map(|work| do_work(work, &site, options)).collect();
    let others: Vec<_> = companions.into_iter().map(|bench: Companion| bench.play(options)).collect();
    write(&options.output, &facts, (&tables, &others), began.elapsed())?;
    // Whether the figures of other benches hold is theirs to say; the report shows it.
    Ok(tables.iter().all(Table::is_whole))
}

fn own_facts(options: &Options) -> [(&'static str, String); 4] {
    let (seconds, warm_up, rounds) = (options.seconds, options.warm_up(), options.rounds);
    [
        ("Envoy", envoy::version()),
        ("turns", format!("{rounds} rounds; {warm_up} s of load, then {seconds} s measured")),
        ("cores", "proxy on core 0; loader and backend on core 1".to_owned()),
        ("TLS", "1.3, ECDSA P-256, X25519, AES-128-GCM; between player and proxy only".to_owned()),
    ]
}

fn do_work(mut work: Work, site: &Site, options: &Options) -> Table {
    println!("{}", work.title);
    if let Some(part) = work.part_of_haproxy {
        set_rate(&mut work, part, site, options);
    }
    let there: Vec<Peer> =
        work.peers.iter().copied().filter(|peer| peer.hindrance(&work).is_none()).collect();
    let rounds = if matches!(work.load, Load::Idle | Load::Peak) { 1 } else { options.rounds };
    let turns = Turns::play(
        rounds,
        &there,
        |peer| turn(peer, &work, site, options).map_err(|reason| site.explain(reason)),
        |round, peer, outcome| println!("  {round} {:<34} {}", peer.name(), Table::line(&work, outcome)),
    );
    Table { work, turns }
}

/// What HAProxy reaches with as many connections is measured first, as often as there are rounds.
fn set_rate(work: &mut Work, part: f64, site: &Site, options: &Options) {
    let full = Work { load: Load::Closed { in_flight: 1 }, ..work.clone() };
    let turns = Turns::play(
        options.rounds,
        &[Peer::Haproxy],
        |peer| turn(peer, &full, site, options).map_err(|reason| site.explain(reason)),
        |round, _, outcome| println!("  {round} HAProxy at its best: {}", Table::line(&full, outcome)),
    );
    let best =
        turns.spread(Peer::Haproxy, |outcome| outcome.per_second()).map_or(0.0, |spread| spread.median);
    // Without a rate every turn fails, and the report says so.
    work.load = Load::Open { per_second: (best * part).max(1.0) };
    work.title = format!("{}; {} frames/s of {}", work.title, round(best * part), round(best));
}

/// One peer's turn: everything is started anew and ended.
fn turn(peer: Peer, work: &Work, site: &Site, options: &Options) -> Result<Outcome, String> {
    let seats = Seats::of(work, peer);
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let log = site.log_of_others();
    let mut backend = Guarded::start(seats.backend, &own, &["backend"], &log, false)?;
    for port in ECHO_PORTS.into_iter().chain(LINK_PORTS) {
        backend.wait_for(local(port))?;
    }
    let proxy = peer.start(site, work, seats.proxy)?;
    let mut reloads = Reloads::of(peer, site, &proxy);
    let orders = orders(peer, work, (site, options), &proxy, backend.pid());
    let mut loaders = Vec::new();
    for (order, core) in orders.iter().zip(seats.loaders) {
        let mut words = vec!["loader".to_owned()];
        words.extend(order.words());
        loaders.push(Guarded::start(core, &own, &words, &log, true)?);
    }
    let mut seen: Option<Outcome> = None;
    for (loader, order) in loaders.into_iter().zip(&orders) {
        let limit = order.warm_up + order.window + order.silence + LOADER_SLACK;
        let output = loader.finish(limit, || reloads.as_mut().map_or(Ok(()), Reloads::turn))?;
        let outcome = Outcome::parse(&output).ok_or("the loader told nothing")?;
        seen = Some(seen.map_or_else(|| outcome.clone(), |before| before.and(&outcome)));
    }
    let mut outcome = seen.ok_or("there was no loader")?;
    outcome.reloads = reloads.as_ref().map(Reloads::confirmed).transpose()?.map_or(0, u64::from);
    outcome.fault().map_or(Ok(outcome), Err)
}

/// What each loader is told: connections are shared out among them.
fn orders(
    peer: Peer,
    work: &Work,
    (site, options): (&Site, &Options),
    proxy: &Running,
    backend: u32,
) -> Vec<Order> {
    let seats = Seats::of(work, peer);
    let each = work.connections / seats.loaders.len();
    let is_peak = work.load == Load::Peak;
    let (busy, silence) = if options.quick { (3.0, 5.0) } else { (20.0, 60.0) };
    let order = Order {
        target: peer.address(work.tls),
        certificate: work.tls.then(|| site.certificates.certificate.clone()),
        load: work.load,
        connections: each,
        first: 0,
        frame: work.frame,
        warm_up: Duration::from_secs_f64(options.warm_up()),
        window: Duration::from_secs_f64(if is_peak { busy } else { options.seconds }),
        silence: Duration::from_secs_f64(if is_peak { silence } else { 0.0 }),
        cores: seats.count,
        proxy: proxy.pids.clone(),
        backend,
    };
    (0..seats.loaders.len()).map(|place| Order { first: place * each, ..order.clone() }).collect()
}

/// For connecting before and for stragglers after the window.
const LOADER_SLACK: Duration = Duration::from_secs(90);

//! The whole comparison: works one after the other, in each the peers in turn, round after round.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::backend::{ECHO_PORTS, LINK_PORTS};
use crate::certificates::Certificates;
use crate::lab::facts::Facts;
use crate::lab::folder::{Folder, last_lines};
use crate::lab::options::Options;
use crate::netns;
use crate::orders::{Load, Order, Outcome};
use crate::process::{Guarded, OTHER_CORE};
use crate::proxies::{Peer, Site, local};
use crate::report::{Table, write};
use crate::works::{Work, asked_for};

/// Runs everything and writes the report.
pub(crate) fn everything(options: &Options) -> Result<(), String> {
    let works = asked_for(&options.only);
    if works.is_empty() {
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
    write(&options.output, &facts, &tables, began.elapsed())
}

fn own_facts(options: &Options) -> [(&'static str, String); 3] {
    let (seconds, warm_up, rounds) = (options.seconds, options.warm_up(), options.rounds);
    [
        ("turns", format!("{rounds} rounds; {warm_up} s of load, then {seconds} s measured")),
        ("cores", "proxy on core 0; loader and backend on core 1".to_owned()),
        ("TLS", "1.3, ECDSA P-256, X25519, AES-128-GCM; between player and proxy only".to_owned()),
    ]
}

fn do_work(work: Work, site: &Site, options: &Options) -> Table {
    println!("{}", work.title);
    let rounds = if work.load == Load::Idle { 1 } else { options.rounds };
    let mut table = Table::new(work);
    for round in 1..=rounds {
        for peer in Peer::ALL {
            let outcome = turn(peer, &table.work, site, options);
            println!("  {round}/{rounds} {:<28} {}", peer.name(), table.line(&outcome));
            table.add(peer, outcome);
        }
    }
    table
}

/// One peer's turn: everything is started anew and ended.
fn turn(peer: Peer, work: &Work, site: &Site, options: &Options) -> Result<Outcome, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let log = site.folder.join("roles.log");
    let mut backend = Guarded::start(OTHER_CORE, &own, &["backend"], &log, false)?;
    for port in ECHO_PORTS.into_iter().chain(LINK_PORTS) {
        backend.wait_for(local(port))?;
    }
    let proxy = peer.start(site, work.buffers)?;
    let order = Order {
        target: peer.address(work.tls),
        certificate: work.tls.then(|| site.certificates.certificate.clone()),
        load: work.load,
        connections: work.connections,
        frame: work.frame,
        warm_up: Duration::from_secs_f64(options.warm_up()),
        window: Duration::from_secs_f64(options.seconds),
        proxy: proxy.pids.clone(),
        backend: backend.pid(),
    };
    let mut words = vec!["loader".to_owned()];
    words.extend(order.words());
    let limit = order.warm_up + order.window + LOADER_SLACK;
    let loader = Guarded::start(OTHER_CORE, &own, &words, &log, true)?;
    let output = loader.finish(limit).map_err(|reason| explain(&reason, &log, site))?;
    Outcome::parse(&output).ok_or_else(|| explain("the loader told nothing", &log, site))
}

/// For connecting before and for stragglers after the window.
const LOADER_SLACK: Duration = Duration::from_secs(60);

fn explain(reason: &str, log: &Path, site: &Site) -> String {
    let (roles, proxies) = (last_lines(log), last_lines(&site.folder.join("proxies.log")));
    eprintln!("{reason}\n--- loader and backend\n{roles}\n--- proxy\n{proxies}\n---");
    reason.to_owned()
}

//! The whole comparison: works one after the other, in each the peers in turn, round after round.

use std::fs;
use std::time::Instant;

use crate::content;
use crate::got::Got;
use crate::lab::certificates::Certificates;
use crate::lab::cpu;
use crate::lab::facts::{Facts, first_line, said};
use crate::lab::folder::Folder;
use crate::lab::netns;
use crate::lab::options::Options;
use crate::lab::proxy::Site;
use crate::lab::report::{self as paper, Part};
use crate::lab::turns::Turns;
use crate::loaders;
use crate::origin;
use crate::proxies::Peer;
use crate::report::{self, Table};
use crate::works::{Work, asked_for};

/// One peer's turn at one work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// What the loader got.
    pub(crate) got: Got,
    /// From the loader's start to its end, in nanoseconds.
    pub(crate) window: u64,
    /// CPU time of the proxy in it, in nanoseconds.
    pub(crate) proxy: u64,
    /// Of the loader.
    pub(crate) loader: u64,
    /// Of the server behind the proxy.
    pub(crate) origin: u64,
    /// Of everybody else on the two cores.
    pub(crate) strangers: u64,
}

/// Runs everything and writes the report; whether every answer of every turn was right.
pub(crate) fn everything(options: &Options) -> Result<bool, String> {
    let works = asked_for(&options.only);
    if works.is_empty() {
        return Err(format!("no work is called {}", options.only.join(",")));
    }
    let facts = Facts::collect("web", options, &netns::settle()?, &own_facts(options));
    let folder = Folder::make("web")?;
    content::write(folder.path())?;
    let site = Site {
        certificates: Certificates::make(folder.path())?,
        folder: folder.path().to_owned(),
        gate: options.gate.clone(),
    };
    let began = Instant::now();
    let tables: Vec<Table> = works.into_iter().map(|work| do_work(work, &site, options)).collect();
    paper::write(&options.output, Part::Requests, &report::text(&facts, &tables, began.elapsed()))?;
    Ok(report::judge(&tables))
}

fn own_facts(options: &Options) -> [(&'static str, String); 5] {
    let (seconds, warm_up, rounds) = (options.seconds.ceil(), options.warm_up(), options.rounds);
    [
        ("wrk", first_line(&said("/usr/bin/wrk", &["-v"])).replace(" Copyright (C) 2012 Will Glozer", "")),
        ("h2load", first_line(&said("/usr/bin/h2load", &["--version"]))),
        ("turns", format!("{rounds} rounds; {warm_up} s of load (wrk: 1 s), then {seconds} s measured")),
        ("cores", "proxy on core 0; loader and server on core 1".to_owned()),
        (
            "TLS",
            "1.3, ECDSA P-256, X25519; AES-256-GCM by wrk, AES-128-GCM by h2load; to the proxy only"
                .to_owned(),
        ),
    ]
}

fn do_work(work: Work, site: &Site, options: &Options) -> Table {
    println!("{}", work.title);
    let turns = Turns::play(
        options.rounds,
        &Peer::ALL,
        |peer| turn(peer, &work, site, options).map_err(|reason| site.explain(reason)),
        |round, peer, turn| println!("  {round} {:<10} {}", peer.name(), report::line(turn)),
    );
    Table { work, turns }
}

/// One peer's turn: everything is started anew and ended.
fn turn(peer: Peer, work: &Work, site: &Site, options: &Options) -> Result<Turn, String> {
    let origin = origin::start(site)?;
    let proxy = peer.start(site, work.buffers)?;
    let certificates = work.tls.then_some(&site.certificates);
    let head = content::check(peer.address_of_one(work.tls), certificates, work.size)?;
    let load = |seconds| loaders::run(work, peer.address(work), seconds, site);
    load(options.warm_up())?;
    let clocks =
        || [cpu::spent(&proxy.pids), of_children(), cpu::spent(&origin.pids), cpu::first_cores(CORES)];
    let (began, before) = (Instant::now(), clocks());
    let got = load(options.seconds)?;
    let (took, after) = (began.elapsed(), clocks());
    if let Some(fault) = got.fault(work.wanted(head)) {
        return Err(fault);
    }
    let [proxy, loader, origin, everybody] =
        std::array::from_fn(|place| match (before.get(place), after.get(place)) {
            (Some(before), Some(after)) => after.saturating_sub(*before),
            (None, _) | (_, None) => 0,
        });
    let window = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    let strangers = everybody.saturating_sub(proxy + loader + origin);
    Ok(Turn { got, window, proxy, loader, origin, strangers })
}

/// The cores of the run.
pub(crate) const CORES: usize = 2;

/// The CPU time of all children that have ended, in nanoseconds; counted in hundredths of a second.
fn of_children() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    // Fields 16 and 17 of proc_pid_stat(5), of which two are before the closing parenthesis.
    let ticks = after_name.split_whitespace().skip(13).take(2).filter_map(|word| word.parse::<u64>().ok());
    ticks.sum::<u64>() * 10_000_000
}

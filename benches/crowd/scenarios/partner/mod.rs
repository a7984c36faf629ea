//! A partner that sends twenty times what it may while people play: what the players feel of it, what another partner
//! feels of it, and whether every refusal is counted.

mod calls;
mod judge;

use std::time::Duration;

use aws_lc_rs::{digest, hmac};

use super::legitimate::{Legitimate, Window};
use crate::Outcome;
use crate::machine;
use crate::options::{Number, Options};
use crate::page::Counts;
use crate::stage::{LOGIN, Setting, Stage};
use crate::verdict::Verdict;
use calls::{Papers, Partner, Report, hex};

/// In a line.
pub(super) const ABOUT: &str = "a partner far above its rate: what it does to those who play, and to others";

/// What can be chosen.
pub(super) const NUMBERS: &[Number] = &[
    ("players", 2000, "that play with TLS"),
    ("rate", 10, "frames a second of each"),
    ("requests", 100, "a second that the partner may send"),
    ("times", 20, "so many times as many it sends in a flood"),
    ("rounds", 8, "of three windows: without the partner, at nine tenths of its rate, the flood"),
    ("window", 10, "seconds of each"),
    ("seconds", 345, "for all of it at most"),
];

/// Newcomers a second.
const ARRIVALS: f64 = 500.0;
/// The partner that floods.
const LOUD: &str = "adnet";
/// The one that keeps to its rate.
const QUIET: &str = "bank";
const LOUD_SECRET: &str = "a partner's secret, which nobody guesses in this bench";
const QUIET_SECRET: &str = "5c0d2f6b8e1a4397c2d0f6b8e1a43975";
const LOUD_CONNECTIONS: usize = 32;
const QUIET_CONNECTIONS: usize = 4;
/// Of the quiet partner, which may send twice as many.
const QUIET_RATE: f64 = 50.0;

/// Room for everybody; both partners have a file.
pub(super) fn setting(options: &Options) -> Setting {
    let limits =
        "connections = 20000, connections_per_ip = 0, new_per_ip = \"off\", handshake_timeout = \"30s\"";
    let requests = options.number("requests");
    let burst = 2 * requests;
    let partners = format!(
        r#"[listener.open]
protocol = "http"
listen = "@OPEN"
limits = {{ connections_per_ip = 0, new_per_ip = "off" }}
[cluster.pay]
link = "http"
backends = [{{ address = "@WEB" }}]
[http.pay]
listener = "open"
path = "/pay/*"
methods = ["POST"]
partners = ["{LOUD}", "{QUIET}"]
cluster = "pay"
[partner.{LOUD}]
auth = {{ kind = "hmac", secret_file = "{LOUD}.secret" }}
rate = "{requests}/s"
burst = {burst}
[partner.{QUIET}]
auth = {{ kind = "api_key", keys_file = "{QUIET}.sha256" }}
rate = "100/s"
burst = 200
"#
    );
    let hash = hex(digest::digest(&digest::SHA256, QUIET_SECRET.as_bytes()).as_ref());
    Setting {
        limits,
        more: format!("{LOGIN}{partners}"),
        files: vec![("adnet.secret", LOUD_SECRET.to_owned()), ("bank.sha256", hash + "\n")],
    }
}

/// What the partner does in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Without,
    AtRate,
    Flood,
}

/// What was seen in one.
struct Seen {
    kind: Kind,
    players: Window,
    loud: Option<Report>,
    quiet: Report,
    /// Nanoseconds of the gateway's CPU time.
    gateway: u64,
    /// What the gateway says it refused, by partner and by reason.
    by_partner: Counts,
    by_reason: Counts,
    /// What the server behind it had, by partner.
    arrived: Counts,
}

/// Plays it.
pub(super) fn play(stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
    machine::hurry(-5);
    let mut players = Legitimate::arrive(stage, options, ARRIVALS)?;
    let mut loud = Partner {
        papers: Papers::Signed {
            name: LOUD,
            key: Box::new(hmac::Key::new(hmac::HMAC_SHA256, LOUD_SECRET.as_bytes())),
        },
        target: stage.open,
        connections: LOUD_CONNECTIONS,
        calls: 0,
    };
    let mut quiet = Partner {
        papers: Papers::Key(format!("{QUIET}.{QUIET_SECRET}")),
        target: stage.open,
        connections: QUIET_CONNECTIONS,
        calls: 0,
    };
    let length = Duration::from_secs(options.number("window"));
    // The first seconds are everybody's slowest.
    players.measure(stage, Duration::from_secs(3))?;
    let mut all = Vec::new();
    for round in 1..=options.number("rounds") {
        for kind in [Kind::Without, Kind::AtRate, Kind::Flood] {
            let rate = kind.rate(options);
            let seen = window(stage, &mut players, (&mut loud, &mut quiet), (kind, rate), length)?;
            println!("{round:>6} {:<24} players' p99 {}", kind.name(), judge::millis(seen.players.p99));
            all.push(seen);
        }
    }
    judge::players(&all, &players, verdict);
    judge::partners(&all, options, verdict);
    players.faults.judge(verdict);
    Ok(())
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Without => "without the partner",
            Self::AtRate => "nine tenths of its rate",
            Self::Flood => "the flood",
        }
    }

    /// What the partner sends a second.
    fn rate(self, options: &Options) -> f64 {
        let may = options.number("requests") as f64;
        match self {
            Self::Without => 0.0,
            Self::AtRate => 0.9 * may,
            Self::Flood => may * options.number("times") as f64,
        }
    }
}

/// People play, the quiet partner calls, and the loud one does what is its part.
fn window(
    stage: &Stage,
    players: &mut Legitimate,
    (loud, quiet): (&mut Partner, &mut Partner),
    (kind, rate): (Kind, f64),
    length: Duration,
) -> Outcome<Seen> {
    let (page, arrived) = (stage.page()?, stage.web.seen());
    let pids = [stage.gateway.pid];
    let spent = crate::cpu::spent(&pids);
    let (during, loud, quiet) = std::thread::scope(|scope| {
        let ended = |_| "a partner's thread has ended".to_owned();
        // On a network partners have machines of their own.
        let loud = (kind != Kind::Without).then(|| {
            scope.spawn(|| {
                machine::hurry(19);
                calls::call(loud, rate, length)
            })
        });
        let quiet = scope.spawn(|| calls::call(quiet, QUIET_RATE, length));
        let during = players.measure(stage, length);
        let loud = loud.map(|thread| thread.join().map_err(ended)).transpose();
        let quiet = quiet.join().map_err(ended);
        Ok::<_, String>((during?, loud?.transpose()?, quiet??))
    })?;
    let gateway = crate::cpu::spent(&pids).saturating_sub(spent);
    let after = stage.page()?;
    Ok(Seen {
        kind,
        players: during,
        loud,
        quiet,
        gateway,
        by_partner: after.growth(&page, REFUSED, "partner"),
        by_reason: after.growth(&page, REFUSED, "reason"),
        arrived: difference(&stage.web.seen(), &arrived),
    })
}

const REFUSED: &str = "partner_refused_total";

fn difference(after: &Counts, before: &Counts) -> Counts {
    let grown = after.iter().map(|(whose, count)| (whose.clone(), count - before.get(whose).unwrap_or(&0)));
    grown.filter(|(_, count)| *count > 0).collect()
}

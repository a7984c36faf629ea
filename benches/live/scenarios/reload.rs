//! A thousand reloads under load: no frame, no session and no memory is lost by them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::ClientConfig;

use crate::Outcome;
use crate::frame::Cluster;
use crate::machine;
use crate::options::{Number, Options};
use crate::players::Manner;
use crate::stage::{Setting, Stage};
use crate::verdict::Verdict;
use crate::visitor;

/// In a line.
pub(super) const ABOUT: &str = "reloads under load, every second one with a mistake in the file";

/// What can be chosen.
pub(super) const NUMBERS: &[Number] = &[
    ("sessions", 3000, "sessions that stay"),
    ("tls", 300, "of them with TLS"),
    ("rate", 20, "frames a second of each"),
    ("warm", 30, "seconds under load before the first one: buffers have grown by then"),
    ("reloads", 1000, "one after the other is confirmed"),
    ("pause", 100, "milliseconds of load between two reloads"),
    ("seconds", 1200, "for all of it at most"),
];

/// Sessions and reloads.
pub(super) fn setting() -> Setting {
    Setting::plain()
}

/// Plays it.
pub(super) fn play(stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
    stage.arrive(options.count("sessions"), options.count("tls"), Manner::Stays)?;
    let mut reloads = Reloads::new(stage)?;
    let warm = Duration::from_secs(options.number("warm"));
    stage.patience.pass("the buffers to grow", warm, || stage.gateway.must_run())?;
    let (mut early, count) = (0, options.number("reloads"));
    for number in 1..=count {
        let asked = Instant::now();
        if number % 2 == 1 {
            reloads.good(stage, number / 2)?
        } else {
            reloads.bad(stage, number / 2 - 1)?
        }
        if asked.elapsed() > reloads.slowest.0 {
            reloads.slowest = (asked.elapsed(), kind(number));
        }
        let pause = Duration::from_millis(options.number("pause"));
        stage.patience.pass("the load to go on", pause, || stage.gateway.must_run())?;
        if number == 10.min(count) {
            early = machine::resident(stage.gateway.pid)?;
            tell(number, early);
        }
        if number % 100 == 0 {
            tell(number, machine::resident(stage.gateway.pid)?);
        }
    }
    stage.settle(verdict)?;
    let late = machine::resident(stage.gateway.pid)?;
    let (slowest, of) = reloads.slowest;
    verdict.figure("slowest reload, with its confirmation", format!("{slowest:.1?}: {of}"));
    let growth = 100.0 * (late as f64 / early as f64 - 1.0);
    let memory = format!("{growth:+.1} %: {} KiB, {} KiB", early >> 10, late >> 10);
    verdict.must(growth <= MOST_GROWTH, "memory after ten reloads and at the end", memory);
    let (there, came) = (stage.players.tally.open.get(), stage.arrived());
    verdict.must(there == came, "sessions that are still there", format!("{there} of {came}"));
    let children = machine::children_of(stage.gateway.pid);
    let same = stage.gateway.answering_pid()? == Some(stage.gateway.pid) && children.is_empty();
    verdict.must(same, "one process, and still the same", format!("{}", stage.gateway.pid));
    stage.judge_frames(verdict, &[], true)
}

/// Percent of the memory after ten reloads.
const MOST_GROWTH: f64 = 5.0;
/// How long one reload may take.
const CONFIRM: Duration = Duration::from_secs(10);

fn tell(number: u64, resident: u64) {
    println!("{number:>6} reloads  {:>8} KiB resident", resident >> 10);
}

/// What the reload with this number changes, for a person.
fn kind(number: u64) -> &'static str {
    if number.is_multiple_of(2) {
        return "a mistake";
    }
    let kinds =
        ["weight", "backend", "route", "limits", "second listener", "certificate", "balance", "maintenance"];
    kinds.get(usize::try_from(number / 2 % 8).unwrap_or(0)).unwrap_or(&"")
}

/// What the reloads go through.
struct Reloads {
    generation: u64,
    rejected: u64,
    second: SocketAddr,
    /// Another program listens here.
    taken: TcpListener,
    /// Players that have no ticket, so that they see the certificate.
    strangers: Arc<ClientConfig>,
    slowest: (Duration, &'static str),
}

const BALANCES: [&str; 4] = ["least_load", "random", "consistent_hash", "round_robin"];

impl Reloads {
    fn new(stage: &Stage) -> Outcome<Self> {
        stage.certificates.write_foreign_key()?;
        let [second] = machine::free_addresses(1)?[..] else { return Err("no port".to_owned()) };
        Ok(Self {
            generation: stage.gateway.generation()?,
            rejected: stage.gateway.rejected()?,
            second,
            taken: TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?,
            strangers: stage.certificates.trust(false)?,
            slowest: (Duration::ZERO, ""),
        })
    }

    /// One change, which must be in force when the generation says so.
    fn good(&mut self, stage: &mut Stage, number: u64) -> Outcome<()> {
        let file = &mut stage.file;
        let mut shown = None;
        match number % 8 {
            0 => file.weight = 150 - file.weight,
            1 => file.without_last_chat = !file.without_last_chat,
            2 => file.mail = if file.mail == Cluster::Chat { Cluster::Battle } else { Cluster::Chat },
            3 => file.idle = 210 - file.idle,
            4 => file.second = if file.second.is_none() { Some(self.second) } else { None },
            5 => shown = Some(stage.certificates.write()?),
            6 => {
                let next = usize::try_from(number / 8).unwrap_or(0) % BALANCES.len();
                file.balance = BALANCES.get(next).unwrap_or(&"round_robin");
            }
            _ => file.maintenance = !file.maintenance,
        }
        stage.write_file()?;
        stage.gateway.signal(Signal::HUP)?;
        let (gateway, before) = (&stage.gateway, self.generation);
        let what = format!("generation {} after a good reload", before + 1);
        self.generation = stage.patience.wait(&what, CONFIRM, || {
            gateway.must_run()?;
            Ok(Some(gateway.generation()?).filter(|generation| *generation > before))
        })?;
        if self.generation != before + 1 {
            return Err(format!("one reload took the generation from {before} to {}", self.generation));
        }
        self.second_listens(stage)?;
        if let Some(expected) = shown
            && visitor::ask_tls(stage.file.tls, &self.strangers, stage.serial())? != expected
        {
            return Err("the certificate from before the reload is shown".to_owned());
        }
        Ok(())
    }

    /// A file with a mistake and with changes, none of which may come into force.
    fn bad(&mut self, stage: &Stage, number: u64) -> Outcome<()> {
        let mut file = stage.file.clone();
        file.second = file.second.is_none().then_some(self.second);
        file.mail = if file.mail == Cluster::Chat { Cluster::Battle } else { Cluster::Chat };
        let more = match number % 7 {
            0 => "[route.broken\n".to_owned(),
            1 => "[route.lost]\nids = [6000]\ncluster = \"nowhere\"\n".to_owned(),
            2 => "[route.twice]\nids = [1000]\ncluster = \"battle\"\n".to_owned(),
            3 => "[cluster.strange]\nbackends = [{ address = \"127.0.0.1:1\" }]\nbalanse = \"random\"\n"
                .to_owned(),
            4 => {
                let taken = self.taken.local_addr().map_err(|error| error.to_string())?;
                format!("[listener.taken]\nlisten = \"{taken}\"\nframe = \"game\"\n")
            }
            _ => String::new(),
        };
        let text = match number % 7 {
            5 => file.text().replace("game.key", "other.key"),
            6 => file.text().replace("game.pem", "absent.pem"),
            _ => file.text() + &more,
        };
        stage.folder.put("gate.toml", &text)?;
        stage.gateway.signal(Signal::HUP)?;
        let (gateway, before) = (&stage.gateway, self.rejected);
        let what = format!("the refusal of reload with mistake {}", number % 7);
        self.rejected = stage.patience.wait(&what, CONFIRM, || {
            gateway.must_run()?;
            Ok(Some(gateway.rejected()?).filter(|rejected| *rejected > before))
        })?;
        if gateway.generation()? != self.generation {
            return Err(format!("mistake {} was refused and changed the generation", number % 7));
        }
        self.second_listens(stage)
    }

    /// The second listener is there if, and only if, the file in force has it.
    fn second_listens(&self, stage: &Stage) -> Outcome<()> {
        if stage.file.second.is_some() {
            return visitor::ask(self.second, stage.serial());
        }
        // A listener may take a moment to go; it may not stay.
        stage.patience.wait("the second listener to be gone", CONFIRM, || {
            Ok(TcpStream::connect(self.second).is_err().then_some(()))
        })
    }
}

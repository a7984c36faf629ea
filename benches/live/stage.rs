//! A run's gateway, backends and players together, and what both ends of the frames say at the end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use rustix::process::Signal;

use crate::Outcome;
use crate::backends::{Backends, Wanted};
use crate::certificates::Certificates;
use crate::file::File;
use crate::folder::Folder;
use crate::frame::Cluster;
use crate::gateway::Gateway;
use crate::machine;
use crate::options::Options;
use crate::patience::Patience;
use crate::players::{Doors, Manner, Players, Turn};
use crate::verdict::Verdict;

/// Everything of a run. Fields end in this order.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Who plays.
    pub(crate) players: Players,
    /// What is tested.
    pub(crate) gateway: Gateway,
    /// Who answers.
    pub(crate) backends: Backends,
    /// What the gateway's file says, once it is written.
    pub(crate) file: File,
    /// The listener's certificate.
    pub(crate) certificates: Certificates,
    /// Where all files are.
    pub(crate) folder: Folder,
    /// How long everything may take.
    pub(crate) patience: Patience,
    serials: Arc<AtomicU32>,
    arrived: u64,
    spent: (f64, f64),
}

/// What a scenario needs to begin with.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The backends.
    pub(crate) wanted: Vec<Wanted>,
    /// The scenario reads and changes the gateway over its API.
    pub(crate) has_admin: bool,
    /// `[drain]`.
    pub(crate) drain: &'static str,
    /// What else stands in the file.
    pub(crate) edit: fn(&mut File),
    /// The gateway is started by a symlink `program` in the folder.
    pub(crate) by_symlink: bool,
}

/// Questions of a session in a second, where nobody plays.
const RATE: u64 = 20;
/// How long answers may be under way when nobody asks any more.
const SETTLE: Duration = Duration::from_secs(10);
/// Players that are further behind than this have not asked as often as they say.
const BEHIND: Duration = Duration::from_secs(1);
/// How long sessions may take to arrive.
const ARRIVE: Duration = Duration::from_secs(60);

impl Setting {
    /// Two backends of battle, three of chat, one of pay, without groups.
    pub(crate) fn plain() -> Self {
        let of = |cluster| Wanted { cluster, group: 0 };
        let clusters =
            [Cluster::Battle, Cluster::Battle, Cluster::Chat, Cluster::Chat, Cluster::Chat, Cluster::Pay];
        Self {
            wanted: clusters.map(of).to_vec(),
            has_admin: true,
            drain: "lame_duck = \"0s\"\nspread = \"0s\"\ndeadline = \"5s\"",
            edit: |_| {},
            by_symlink: false,
        }
    }
}

impl Stage {
    /// Starts backends, gateway and an empty crowd.
    pub(crate) fn set(setting: &Setting, options: &Options) -> Outcome<Self> {
        let spent = machine::cpu_seconds();
        let patience = Patience::new(options.number("seconds"));
        let folder = Folder::new()?;
        let certificates = Certificates::new(folder.path())?;
        certificates.write()?;
        let backends = Backends::start(&setting.wanted)?;
        let addresses = machine::free_addresses(3)?;
        let [plain, tls, admin] = addresses.as_slice() else { return Err("no ports".to_owned()) };
        let mut file = File {
            admin: setting.has_admin.then_some(*admin),
            plain: *plain,
            tls: *tls,
            second: None,
            backends: backends.all.clone(),
            without_last_chat: false,
            weight: 100,
            balance: "round_robin",
            mail: Cluster::Battle,
            idle: 90,
            maintenance: false,
            release: None,
            drain: setting.drain,
            more: String::new(),
        };
        (setting.edit)(&mut file);
        folder.put("gate.toml", &file.text())?;
        let mut program = options.gate.clone();
        if setting.by_symlink {
            point(&folder, &program)?;
            program = folder.path().join(PROGRAM);
        }
        let serials = Arc::new(AtomicU32::new(1));
        let gateway = Gateway::start(program, &folder, (file.plain, file.admin), &patience)
            .map_err(|reason| format!("{reason}\n{}", folder.last_words()))?;
        let doors = Doors { plain: *plain, tls: *tls, trust: certificates.trust(true)? };
        let players = Players::start(doors, options.optional("rate").unwrap_or(RATE), Arc::clone(&serials))?;
        Ok(Self {
            players,
            gateway,
            backends,
            file,
            certificates,
            folder,
            patience,
            serials,
            arrived: 0,
            spent,
        })
    }

    /// A number for a connection that the scenario makes by itself.
    pub(crate) fn serial(&self) -> u32 {
        self.serials.fetch_add(1, Relaxed)
    }

    /// Writes the gateway's file as it is now.
    pub(crate) fn write_file(&self) -> Outcome<()> {
        self.folder.put("gate.toml", &self.file.text())
    }

    /// So many sessions come, and all of them are there.
    pub(crate) fn arrive(&mut self, count: usize, tls: usize, manner: Manner) -> Outcome<()> {
        self.players.arrive(count, tls, manner)?;
        self.arrived += u64::try_from(count).unwrap_or(u64::MAX);
        let (tally, gateway, arrived) = (&self.players.tally, &self.gateway, self.arrived);
        self.patience.wait(&format!("{arrived} sessions to be there"), ARRIVE, || {
            gateway.must_run()?;
            Ok((tally.open.get() >= arrived).then_some(()))
        })
    }

    /// The sessions that came to stay.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Points the gateway's program at another file.
    pub(crate) fn point_at(&self, target: &std::path::Path) -> Outcome<()> {
        point(&self.folder, target)
    }

    /// Nobody asks any more, and what is under way may arrive.
    pub(crate) fn settle(&self, verdict: &mut Verdict) -> Outcome<()> {
        let behind = self.players.tally.behind();
        verdict.must(behind < BEHIND, "the players kept to their schedule", format!("{behind:.1?} behind"));
        self.players.hush()?;
        let settled = self.patience.wait("the last answers", SETTLE, || {
            let seats = self.players.census()?;
            let waiting: u32 =
                seats.iter().filter(|seat| seat.is_open).map(|seat| seat.sent - seat.answered).sum();
            Ok((waiting == 0).then_some(()))
        });
        // What never arrives is judged as lost, with the rest.
        settled.or_else(|_| self.gateway.must_run())
    }

    /// What both ends say of the frames of everybody who is there, and of the connections that were told to go:
    /// `strictly`, what a backend had answered must have come back before their end.
    pub(crate) fn judge_frames(&self, verdict: &mut Verdict, turns: &[Turn], strictly: bool) -> Outcome<()> {
        let seats = self.players.census()?;
        let ended = turns.iter().map(|turn| (turn.serial, turn.sent, turn.answered));
        let open = seats.iter().filter(|seat| seat.is_open);
        let (mut unreached, mut unreturned, mut multiplied, mut cut_off) = (0, 0, 0, 0);
        for seat in open {
            let received = self.backends.counts.received(seat.serial);
            unreached += u64::from(seat.sent.saturating_sub(received));
            unreturned += u64::from(received.min(seat.sent).saturating_sub(seat.answered));
            multiplied += u64::from(received.saturating_sub(seat.sent));
        }
        for (serial, sent, answered) in ended {
            let received = self.backends.counts.received(serial);
            cut_off += u64::from(received.min(sent).saturating_sub(answered));
            multiplied += u64::from(received.saturating_sub(sent));
        }
        let tally = &self.players.tally;
        verdict.figure("frames asked / answered", format!("{} / {}", tally.sent.get(), tally.answered.get()));
        verdict.figure("slowest answer", format!("{:.1?}", tally.slowest()));
        verdict.figure("the players' own greatest delay", format!("{:.1?}", tally.latest()));
        verdict.figure("answers overtaken by another backend's", tally.overtaken.get().to_string());
        verdict.none("frames that never reached a backend", unreached);
        verdict.none("answers that never came back", unreturned);
        if strictly {
            verdict.none("answers that a told session missed", cut_off);
        } else {
            verdict.figure("answers that told sessions missed", cut_off.to_string());
        }
        verdict.none("frames that reached backends twice", multiplied);
        verdict.none("garbled or broken links", self.backends.counts.wrong.load(Relaxed));
        verdict.none("frames of sessions never opened", self.backends.counts.unopened.load(Relaxed));
        Ok(())
    }

    /// What the players complained of, one line each kind.
    pub(crate) fn judge_faults(&self, verdict: &mut Verdict) {
        let faults = self.players.tally.faults();
        if faults.is_empty() {
            verdict.must(true, "wrong answers, unwanted notices and ends", "none");
        }
        for (kind, count) in faults {
            verdict.none(&kind, count);
        }
    }

    /// Ends the gateway as an operator does, and says what all of it cost.
    pub(crate) fn close(self, verdict: &mut Verdict) {
        let Self { players, gateway, backends, folder, patience, spent, .. } = self;
        let (faults, sent) = (players.tally.first_faults(), players.tally.sent.get());
        drop(players);
        let ended = gateway
            .must_run()
            .and_then(|()| gateway.signal(Signal::TERM))
            .and_then(|()| gateway.wait_for_end(Duration::from_secs(20), &Patience::new(30)));
        match ended {
            Ok((fine, how)) => verdict.must(fine, "SIGTERM at the end", how),
            Err(reason) => verdict.must(false, "SIGTERM at the end", reason),
        }
        let left = machine::end_all_children();
        verdict.none("processes left behind", u64::try_from(left).unwrap_or(u64::MAX));
        drop((gateway, backends));
        let (own, gateways) = machine::cpu_seconds();
        let (own, gateways) = (own - spent.0, gateways - spent.1);
        let seconds = patience.elapsed().as_secs_f64();
        let share = 100.0 * gateways / seconds;
        let frame = 1e6 * gateways / sent.max(1) as f64;
        verdict
            .figure("gateway", format!("{gateways:.1} s of CPU in {seconds:.1} s, {share:.0} % of a core"));
        verdict.figure("gateway, all of it over all frames", format!("{frame:.1} µs of CPU a frame"));
        verdict.figure("players and backends", format!("{own:.1} s of CPU"));
        if !verdict.holds() {
            let faults = faults.join("\n");
            verdict.remark(format!("{faults}\n\nthe gateway's last words:\n{}", folder.last_words()));
        }
    }
}

/// The symlink that the gateway is started by.
const PROGRAM: &str = "program";

fn point(folder: &Folder, target: &std::path::Path) -> Outcome<()> {
    let (half, whole): (PathBuf, PathBuf) = (folder.path().join("program.new"), folder.path().join(PROGRAM));
    let done = std::os::unix::fs::symlink(target, &half).and_then(|()| std::fs::rename(&half, &whole));
    done.map_err(|error| format!("{}: {error}", whole.display()))
}

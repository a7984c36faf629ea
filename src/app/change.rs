//! Changing the world of a running gateway: build on the side, say what will be different, make ready, swap once.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::gate::Gate;
use crate::admin::{Access, Refused, Reloaded, Store, Why};
use crate::config::{self, Admin, Banned, Override, Overrides, Plan, Problem, Report, Unfit, Unmatched};
use crate::net::{Bound, Command, Ground, Opened, Target, Transition, World, clock, now};
use crate::telemetry::{self, ReloadResult};

/// A plan and the runtime changes on top of it, with what its files contain.
#[derive(Debug)]
struct Proposal {
    file: Plan,
    overrides: Overrides,
    opened: Opened,
    asked: Asked,
    /// What time it is: what has ended by then is in force no more.
    clock: SystemTime,
}

/// What somebody asked for.
#[derive(Debug)]
enum Asked {
    /// To read the file again.
    Reload,
    /// A runtime change: the difference tells of it, or these words where there is none.
    Change(String),
    /// Something that is in no plan; these lines stand before the difference.
    Beside(Vec<String>),
}

/// So many bans that a clear drops are named one by one.
const NAMED: usize = 100;

/// How long links and first probes of new backends may keep a change waiting; they go on behind it.
const READY: Duration = Duration::from_secs(2);

impl Gate {
    /// Reads the configuration again from where it came and makes it the one in force.
    ///
    /// # Errors
    /// Every mistake in it; nothing has changed then.
    pub async fn reload_file(&mut self, who: &str) -> Result<Reloaded, Refused> {
        let result = match config::load(self.file.origin()) {
            Ok(plan) => self.reload(plan, who).await,
            Err(report) => Err(Box::new(self.with_files(report))),
        };
        self.meters.reloads.reloaded(match &result {
            Ok(reloaded) if reloaded.changes.is_empty() => ReloadResult::Unchanged,
            Ok(_) => ReloadResult::Applied,
            Err(_) => ReloadResult::Rejected,
        });
        self.refused.store(result.as_ref().err().map(|report| Arc::new(report.count())));
        result.map_err(|report| {
            let error = report.with_outcome("nothing was changed").render(false);
            telemetry::change_refused(who, &error);
            let hint =
                "correct the file and reload again; `realmgate check` shows the same mistakes".to_owned();
            Refused { why: Why::Invalid, error, hint }
        })
    }

    /// Makes another plan the one in force. Only what is different is touched.
    ///
    /// # Errors
    /// Certificates that cannot be used and addresses that cannot be listened at; nothing has changed then.
    pub async fn reload(&mut self, file: Plan, who: &str) -> Result<Reloaded, Box<Report>> {
        let refuse = |problems| Box::new(file.report(problems));
        let clock = clock();
        let overrides = self.overrides.load().without_expired(clock);
        for stale in file.stale(&overrides) {
            telemetry::override_matches_nothing(&stale.to_string());
        }
        let opened = Opened::read(&file.with(&overrides), &self.tickets, clock);
        let (opened, access) = match (opened, self.renewed(file.admin())) {
            (Ok(opened), Ok(access)) => (opened, access),
            (Ok(_), Err(problem)) => return Err(refuse(vec![problem])),
            (Err(mut problems), access) => {
                problems.extend(access.err());
                return Err(refuse(problems));
            }
        };
        let proposal = Proposal { file, overrides, opened, asked: Asked::Reload, clock };
        let reloaded = self.enter(proposal, who).await?;
        if let (Some(access), Some(renewed)) = (&self.access, access) {
            access.renew(&renewed);
        }
        Ok(reloaded)
    }

    /// The mistakes of a file with those of the files that it names.
    fn with_files(&self, report: Report) -> Report {
        let parts = report.parts();
        let mut found = Opened::faults(parts, &self.tickets, clock());
        found.extend(self.renewed(parts.admin).err());
        report.and(found)
    }

    /// The token of the API, read again as certificates are, from the file that this process was started with: which
    /// file that is, no reload changes.
    fn renewed(&self, named: Option<&Admin>) -> Result<Option<Access>, Problem> {
        let running = self.world.load();
        let Some(admin) = running.plan().admin().filter(|_| self.access.is_some()) else { return Ok(None) };
        let Some(token_file) = admin.token_file() else { return Ok(None) };
        let named = named.filter(|named| {
            named.token_file().is_some_and(|named_file| named_file.get() == token_file.get())
        });
        match Access::read(named.unwrap_or(admin)) {
            // No mistake of files that do not name it.
            Err(problem) if named.is_none() => {
                telemetry::token_kept(problem.title());
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    /// Lays a runtime change over the file.
    ///
    /// # Errors
    /// When it names what the file does not have, or cannot be kept; nothing has changed then.
    pub async fn change(&mut self, change: Override, who: &str) -> Result<Reloaded, Refused> {
        let clock = clock();
        if let Override::Maintenance { closed: Some(words), .. } = &change
            && words.is_over(|| clock)
        {
            let error = "`until` is over already: the route would have been open".to_owned();
            let hint = "write a later time, in UTC; or close it without `until`".to_owned();
            return Err(Refused { why: Why::Invalid, error, hint });
        }
        if let Some(unmatched) = self.file.with(&self.overrides.load()).unmatched(&change) {
            telemetry::change_refused(who, &unmatched.error);
            return Err(refuse(unmatched));
        }
        if !self.overrides.load().has_room_for(&change, clock) {
            let refused = no_room();
            telemetry::change_refused(who, &refused.error);
            return Err(refused);
        }
        let what = change.told_at(clock);
        let banned = banned(&change, clock);
        let lifted = if let Override::Ban { who, .. } = &change { Some(who.clone()) } else { None };
        let asked = if lifted.is_some() { Asked::Beside(vec![what]) } else { Asked::Change(what) };
        let kept = self.overrides.load();
        let overrides = if self.file.says(&change) { kept.without(&change) } else { kept.with(change) };
        let reloaded = self.override_with(overrides.without_expired(clock), asked, who, clock).await?;
        if let Some(who) = &lifted {
            self.commons.lift_ban(who); // what an operator says counts, be it longer or shorter
        }
        for worker in self.workers.iter() {
            if let Some(target) = &banned {
                worker.kick(target).await;
            }
        }
        Ok(reloaded)
    }

    /// Drops every runtime change, and names each.
    ///
    /// # Errors
    /// When that cannot be kept; nothing has changed then.
    pub async fn clear_overrides(&mut self, who: &str) -> Result<Reloaded, Refused> {
        let clock = clock();
        let dropped = dropped(&self.overrides.load().without_expired(clock));
        self.override_with(Overrides::default(), Asked::Beside(dropped), who, clock).await
    }

    async fn override_with(
        &mut self,
        overrides: Overrides,
        asked: Asked,
        who: &str,
        clock: SystemTime,
    ) -> Result<Reloaded, Refused> {
        if let Some(store) = &self.store {
            store.write(&overrides).map_err(|error| {
                telemetry::change_refused(who, &error.to_string());
                Refused { why: Why::Failed, error: error.to_string(), hint: Store::hint(&error).to_owned() }
            })?;
        }
        let opened = self.world.load().opened().clone();
        let file = self.file.clone();
        self.enter(Proposal { file, overrides, opened, asked, clock }, who).await.map_err(|report| Refused {
            why: Why::Failed,
            error: report.render(false),
            hint: "the file's own listeners cannot be opened; reload it first".to_owned(),
        })
    }

    async fn enter(&mut self, proposal: Proposal, who: &str) -> Result<Reloaded, Box<Report>> {
        let began = now();
        let old = self.world.load_full();
        let wanted = proposal.file.with(&proposal.overrides);
        let was = self.file.with(&self.overrides.load().without_expired(proposal.clock));
        let was = was.in_the_process_of(old.plan()); // what has ended by itself is no part of this change
        let is_reload = matches!(proposal.asked, Asked::Reload); // a runtime change brings no backends
        let in_force = wanted.clone().in_the_process_of(old.plan());
        let told = if is_reload { &wanted } else { &in_force }; // of a restart that is due the reload has told
        let mut reloaded = super::effects::tell(&old, &was, (told, &proposal.opened), self.sessions());
        for file in proposal.opened.changes(old.opened()) {
            reloaded.effects.push(format!("{file}: the next request gets it, with another fingerprint"));
            reloaded.changes.push(file);
        }
        reloaded.changes = proposal.asked.before(reloaded.changes);
        let generation = reloaded.generation;
        self.registry.forget_unused();
        let ground = Ground {
            registry: &mut self.registry,
            meters: &self.meters,
            overrides: &proposal.overrides,
            generation,
        };
        let world = World::assemble(in_force, proposal.opened, ground);
        let world = Arc::new(world);
        let bound =
            self.doors.bind_missing(&world).map_err(|problems| Box::new(world.plan().report(problems)))?;
        self.web.make_ready(&world).await.map_err(|error| {
            let problem = Problem::without_site(format!("there are no threads for HTTP: {error}"));
            Box::new(world.plan().report(vec![
                    problem
                        .because("nobody could have asked anything there")
                        .write("give the process more threads"),
                ]))
        })?;
        telemetry::world_changes(generation, who, &reloaded.changes, &reloaded.effects);
        if is_reload {
            drop(timeout(READY, self.make_ready(&world)).await);
        }
        self.file = proposal.file;
        self.overrides.store(Arc::new(proposal.overrides));
        self.swap(&old, world, bound).await;
        self.meters.reloads.set_generation(generation);
        telemetry::world_changed(generation, now().saturating_duration_since(began));
        Ok(reloaded)
    }

    /// Links and first probes of the backends that are new, so that the first frame finds them.
    async fn make_ready(&mut self, world: &Arc<World>) {
        let probes = self.prober.admit(world);
        let mut prepared = Vec::new();
        for worker in self.workers.iter() {
            prepared.push(worker.prepare(world).await);
        }
        for linked in prepared {
            drop(linked.await);
        }
        for probed in probes {
            drop(probed.await);
        }
    }

    async fn swap(&mut self, old: &Arc<World>, world: Arc<World>, bound: Vec<Bound>) {
        self.doors.pause_closing(&world).await;
        self.commons.follow(Some(old), &world);
        self.world.store(Arc::clone(&world));
        let transition = Transition::new(old, &world);
        for worker in self.workers.iter() {
            worker.command(Command::Changed(Arc::clone(&transition))).await;
        }
        self.prober.follow(&world);
        self.web.changed(&world);
        self.doors.follow(old, &world, bound).await;
        self.doors_changed();
    }
}

impl Asked {
    /// Everything that is said of what changes.
    fn before(self, changes: Vec<String>) -> Vec<String> {
        match self {
            Self::Change(what) if changes.is_empty() => vec![what],
            Self::Reload | Self::Change(_) => changes,
            Self::Beside(lines) => lines.into_iter().chain(changes).collect(),
        }
    }
}

/// A line for each of the runtime changes that are dropped; of very many bans for the first ones.
fn dropped(overrides: &Overrides) -> Vec<String> {
    let (bans, others): (Vec<_>, Vec<_>) =
        overrides.entries().iter().partition(|entry| matches!(entry, Override::Ban { .. }));
    let more = bans.len().saturating_sub(NAMED);
    let named = others.into_iter().chain(bans.into_iter().take(NAMED));
    let lines = named.map(|entry| format!("dropped: {entry}"));
    let rest = (more > 0).then(|| format!("dropped: {more} bans more"));
    let none = overrides.is_empty().then(|| "there was no runtime change".to_owned());
    lines.chain(rest).chain(none).collect()
}

fn refuse(unmatched: Unmatched) -> Refused {
    let why = match unmatched.why {
        Unfit::Unknown => Why::Unknown,
        Unfit::Impossible => Why::Invalid,
    };
    Refused { why, error: unmatched.error, hint: unmatched.hint }
}

fn no_room() -> Refused {
    let error = format!("{} bans are in force: one more is not kept", Overrides::MOST_BANS);
    let hint =
        "lift some: realmgate ctl ban ADDRESS-or-ACCOUNT --for 0s; whole networks belong into `deny` of the listener"
            .to_owned();
    Refused { why: Why::Busy, error, hint }
}

/// Whose sessions a ban ends, if it is not over already.
fn banned(change: &Override, clock: SystemTime) -> Option<Target> {
    match change {
        Override::Ban { until, .. } if *until <= clock => None,
        Override::Ban { who: Banned::Address(address), .. } => Some(Target::Address(*address)),
        Override::Ban { who: Banned::Account(account), .. } => Some(Target::Account(account.clone())),
        Override::State { .. }
        | Override::Weight { .. }
        | Override::Maintenance { .. }
        | Override::Partner { .. }
        | Override::Release { .. } => None,
    }
}

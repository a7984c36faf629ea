//! Release groups: which there are, which serves, and that it can.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Context;
use crate::config::mistakes::Mistakes;
use crate::config::nearest::nearest;
use crate::config::plan::{Canary, CanaryKey, CanaryRule, Cluster, GroupIndex, Moving, Release};
use crate::config::problem::Problem;
use crate::config::raw::{self, Field, Named, Raw};
use crate::config::site::{Located, Site};

/// More generations than this are never served at one time.
const MOST: usize = 8;
const DEFAULT_SPREAD: Duration = Duration::from_secs(60);

/// Every group by name, and whether a backend is in it. One that is only named by an `active` is served by the
/// backends without a group.
pub(super) struct Groups<'a> {
    by_name: BTreeMap<&'a str, Staffed>,
}

/// Whether backends name the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Staffed(bool);

impl<'a> Groups<'a> {
    pub(super) fn check(raw: &'a Raw, mistakes: &Mistakes) -> Self {
        let backends = raw.clusters.iter().filter_map(|cluster| cluster.body.backends.value()).flatten();
        let mut groups = Self { by_name: BTreeMap::new() };
        for group in backends.filter_map(|backend| backend.get().group.given()) {
            groups.add(group, Staffed(true), mistakes);
        }
        let release = raw.release.value().and_then(|release| release.active.given());
        let clusters = raw.clusters.iter().filter_map(|cluster| cluster.body.active.given());
        for active in release.into_iter().chain(clusters) {
            if !groups.by_name.is_empty() && groups.meant(active.get()).is_none() {
                groups.add(active, Staffed(false), mistakes);
            }
        }
        groups
    }

    fn add(&mut self, group: &'a Located<String>, staffed: Staffed, mistakes: &Mistakes) {
        let known = self.by_name.contains_key(group.get().as_str());
        self.by_name.entry(group.get()).or_insert(staffed);
        if !known && self.by_name.len() == MOST + 1 {
            mistakes.add(
                Problem::at(
                    group.site(),
                    format!("this is the {}th group, and {MOST} are the most", MOST + 1),
                )
                .because("a group is a generation of the whole game, and each costs every cluster")
                .write("name one of the other groups, or none"),
            );
        }
    }

    /// The group that an unknown name was meant to be. Names that differ in their numbers are two generations.
    fn meant(&self, name: &str) -> Option<&'a str> {
        let letters = |name: &str| name.replace(|letter: char| letter.is_ascii_digit(), "");
        let known =
            self.by_name.keys().copied().filter(|known| known.len() > 2 && letters(known) != letters(name));
        nearest(name, known).filter(|_| !self.by_name.contains_key(name))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.by_name.keys().map(|name| (*name).to_owned()).collect()
    }

    /// The group that a key names, if it does; the outer `None` after a mistake.
    pub(super) fn of(&self, context: &Context<'_>, field: &Field<String>) -> Option<Option<GroupIndex>> {
        match field {
            Field::Absent => Some(None),
            Field::Bad => None,
            Field::Given(name) => self.find(context, name, Staffed(false)).map(Some),
        }
    }

    fn find(&self, context: &Context<'_>, name: &Located<String>, least: Staffed) -> Option<GroupIndex> {
        let fits = |staffed: Staffed| staffed.0 || !least.0;
        let mut groups = self.by_name.iter();
        let place = groups.position(|(known, staffed)| known == name.get() && fits(*staffed));
        if place.is_none() {
            context.add(self.no_such(name));
        }
        place.and_then(|place| u8::try_from(place).ok()).map(GroupIndex)
    }

    fn no_such(&self, name: &Located<String>) -> Problem {
        let known: Vec<_> =
            self.by_name.iter().filter(|(_, staffed)| staffed.0).map(|(name, _)| *name).collect();
        let write = match (nearest(name.get(), known.iter().copied()), known.is_empty()) {
            (Some(near), _) => format!("write \"{near}\""),
            (None, true) => format!("add group = \"{}\" to the backends that are meant", name.get()),
            (None, false) => format!("write one of {}", known.join(", ")),
        };
        Problem::at(name.site(), format!("no backend is in the group \"{}\"", name.get()))
            .because("nobody would have served it")
            .write(write)
    }
}

/// The rules of the release; `None` after a mistake.
pub(super) fn check(context: &Context<'_>) -> Option<Release> {
    let nothing =
        Release { active: None, moving: Moving::Natural, spread: DEFAULT_SPREAD, canary: Vec::new() };
    let raw = match &context.raw.release {
        Field::Absent => return Some(nothing),
        Field::Bad => return None,
        Field::Given(table) => table.get(),
    };
    let active = context.groups.of(context, &raw.active);
    let rules: Vec<_> =
        raw.canary.value().into_iter().flatten().map(|rule| canary(context, rule.get())).collect();
    if let (Field::Absent, Some(given)) =
        (&raw.active, raw.canary.given().filter(|given| !given.get().is_empty()))
    {
        context.add(
            Problem::at(given.site(), "[release] has a `canary` and no `active`")
                .because("nobody would have known where all others go")
                .write("add active = and the name of a group"),
        );
    }
    Some(Release {
        active: active?,
        moving: raw.moving.or(Moving::Natural),
        spread: raw.spread.or(DEFAULT_SPREAD),
        canary: rules.into_iter().collect::<Option<_>>()?,
    })
}

fn canary(context: &Context<'_>, raw: &raw::Canary) -> Option<Canary> {
    let group = super::required(&raw.group, "group", &raw.site, context.mistakes, |site| {
        Problem::at(site, "this canary rule has no `group`")
            .because("it would have sent nobody anywhere")
            .write("add group = and the name of a group")
    });
    let group = group.and_then(|name| context.groups.find(context, name, Staffed(true)));
    let who = who(context, raw);
    Some(Canary { group: group?, who: who? })
}

/// Exactly one of the four.
fn who(context: &Context<'_>, raw: &raw::Canary) -> Option<CanaryRule> {
    let any_bad = matches!(raw.percent, Field::Bad)
        || matches!(raw.accounts, Field::Bad)
        || matches!(raw.version, Field::Bad)
        || matches!(raw.zone, Field::Bad);
    let mut given = rules(context, raw).into_iter().flatten();
    let Some((key, site, rule)) = given.next() else {
        if !any_bad {
            context.add(nobody(&raw.site));
        }
        return None;
    };
    if let Some((other, second, _)) = given.next() {
        context.add(
            Problem::at(second, format!("this canary rule has `{key}` and `{other}`"))
                .see(site, "the first one")
                .because("nobody would have known whether one or both must fit")
                .write("make two rules of it: the first that fits decides"),
        );
    } else if let (Some(by), false) = (raw.by.given(), key == "percent" || any_bad) {
        context.add(
            Problem::at(by.site(), format!("`by` is for `percent`, and this rule has `{key}`"))
                .because("it would have had no effect")
                .write("remove `by`"),
        );
    }
    (!any_bad).then_some(rule)
}

/// What is written of the four, each with its key and place.
fn rules<'r>(
    context: &Context<'_>,
    raw: &'r raw::Canary,
) -> [Option<(&'static str, &'r Site, CanaryRule)>; 4] {
    let by = raw.by.or(CanaryKey::Account);
    [
        raw.percent
            .given()
            .map(|share| ("percent", share.site(), CanaryRule::Share { of_ten_thousand: *share.get(), by })),
        raw.accounts
            .given()
            .map(|path| ("accounts", path.site(), CanaryRule::Accounts(context.resolve(path)))),
        raw.version.given().map(|rule| ("version", rule.site(), CanaryRule::Version(rule.get().clone()))),
        raw.zone.given().map(|zone| ("zone", zone.site(), CanaryRule::Zone(zone.get().clone()))),
    ]
}

fn nobody(site: &Site) -> Problem {
    Problem::at(site, "this canary rule does not say for whom it is")
        .because("it would have fitted nobody")
        .write("add one of percent = 5, accounts = \"testers.txt\", version = \">=1.4.0\", zone = \"sh-b\"")
}

/// Every cluster must have backends for the group that is active there.
pub(super) fn across(context: &Context<'_>, release: Option<&Release>, clusters: &[Option<Cluster>]) {
    let Some(release) = release else { return };
    for (raw, cluster) in context.raw.clusters.iter().zip(clusters) {
        let Some(cluster) = cluster.as_ref().filter(|cluster| cluster.has_groups()) else { continue };
        match cluster.active.or(release.active) {
            None if release.canary.is_empty() => context.add(nothing_active(context, raw)),
            None => {}
            Some(group) if !cluster.backends.iter().any(|backend| backend.serves(group)) => {
                context.add(nobody_in(context, raw, group));
            }
            Some(group) if !cluster.can_serve(group) && weighs(cluster) => {
                context.add(no_weight(context, raw, group));
            }
            Some(_) => {}
        }
    }
}

/// Where every weight is 0, that is the mistake.
fn weighs(cluster: &Cluster) -> bool {
    cluster.backends.iter().any(|backend| backend.weight > 0)
}

fn nothing_active(context: &Context<'_>, raw: &Named<raw::Cluster>) -> Problem {
    let backends = raw.body.backends.value().into_iter().flatten();
    let first = backends.filter_map(|backend| backend.get().group.given()).next();
    let name = first.map_or("a", |group| group.get());
    let write = match context.raw.release.is_absent() {
        true => format!("add a table [release] with active = \"{name}\", or `active` to this cluster"),
        false => format!("add active = \"{name}\" to [release], or to this cluster"),
    };
    Problem::at(
        first.map_or(raw.name.site(), Located::site),
        format!("[cluster.{}] has groups, and none is active", raw.name.get()),
    )
    .because("new sessions would have met all generations at random")
    .write(write)
}

fn nobody_in(context: &Context<'_>, raw: &Named<raw::Cluster>, group: GroupIndex) -> Problem {
    let name = name_of(context, group);
    let problem = Problem::at(
        raw.body.active.given().map_or(raw.name.site(), Located::site),
        format!("[cluster.{}] has no backends in the active group \"{name}\"", raw.name.get()),
    )
    .because("its routes would have answered nobody");
    with_release(context, raw, problem).write(format!(
        "add a backend of \"{name}\" or one without a group, or give the cluster its own `active`"
    ))
}

fn no_weight(context: &Context<'_>, raw: &Named<raw::Cluster>, group: GroupIndex) -> Problem {
    let name = name_of(context, group);
    let problem = Problem::at(
        raw.body.backends.given().map_or(raw.name.site(), Located::site),
        format!("every backend of the active group \"{name}\" has the weight 0"),
    )
    .because("no backend would have got new sessions");
    with_release(context, raw, problem).write("give at least one of them a `weight` above 0")
}

/// Points at the `active` that is meant, where the cluster has none of its own.
fn with_release(context: &Context<'_>, raw: &Named<raw::Cluster>, problem: Problem) -> Problem {
    let active = context.raw.release.value().and_then(|release| release.active.given());
    match active.filter(|_| raw.body.active.is_absent()) {
        Some(active) => problem.see(active.site(), "the active group"),
        None => problem,
    }
}

fn name_of(context: &Context<'_>, group: GroupIndex) -> String {
    context.groups.names().get(group.get()).cloned().unwrap_or_default()
}

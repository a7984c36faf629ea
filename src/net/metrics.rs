//! The metrics page: what is true now and what was counted, put under the names that `telemetry` gives them.

use std::sync::Arc;
use std::time::Duration;

use procfs::process::{LimitValue, Process};
use procfs::{WithCurrentSystemInfo, boot_time_secs, ticks_per_second};

use super::commons::Commons;
use super::facts::badness;
use super::worker::WorkerHandle;
use super::world::{ClusterView, World};
use crate::base::HistogramCounts;
use crate::cluster::Backend;
use crate::config::Protocol;
use crate::partners::{self, Refusals, day_of};
use crate::session::EndReason;
use crate::telemetry::LoginResult;
use crate::telemetry::{
    AdminRefusal, Audience, Counter, DoorRefusal, Fate, Handshake, LineRefusal, Meters, Number, Page,
    Refusal, ReloadResult, Resumption, RouteMeter, TryFailure, WorkerMeter, metric,
};
use crate::wire::NoticeCode;

/// The page as it is `now`, counted from the process's start. What the world in force does not name is not on it.
#[must_use]
pub fn metrics_page(
    world: &World,
    meters: &Meters,
    commons: &Commons,
    workers: &[WorkerHandle],
    now: Duration,
) -> String {
    let mut page = Page::default();
    page.family(&metric::BUILD_INFO, [([env!("CARGO_PKG_VERSION")], true)]);
    listeners(&mut page, world, commons);
    tls(&mut page, world, meters);
    sessions(&mut page, meters, workers);
    routes(&mut page, world, now);
    web(&mut page, world, meters);
    partners(&mut page, world, commons);
    clusters(&mut page, world, now);
    backends(&mut page, &members(world), now);
    links(&mut page, &members(world), meters);
    push(&mut page, meters);
    configuration(&mut page, meters);
    turns(&mut page, meters, now);
    pressure(&mut page, commons);
    process(&mut page);
    page.finish()
}

fn listeners(page: &mut Page, world: &World, commons: &Commons) {
    let of = |number: fn(&super::Door) -> Number| {
        world.doors().iter().map(move |door| ([door.listener().name()], number(door)))
    };
    page.family(&metric::LISTENER_CONNECTIONS, of(|door| door.meter.connections().into()));
    page.family(
        &metric::LISTENER_CONNECTIONS_LIMIT,
        of(|door| door.listener().limits().connections().into()),
    );
    page.family(&metric::LISTENER_ACCEPTED, of(|door| door.meter.accepted.get().into()));
    let refused = world.doors().iter().flat_map(|door| {
        DoorRefusal::ALL.map(|why| ([door.listener().name(), why.as_str()], door.meter.refused(why)))
    });
    page.family(&metric::LISTENER_REFUSED, refused);
    let handshakes = world.doors().iter().filter(|door| door.is_tls()).flat_map(|door| {
        let name = door.listener().name();
        let (inside, waiting) = commons.desks.handshakes(name);
        [([name, "in_progress"], u64::from(inside)), ([name, "waiting"], waiting as u64)]
    });
    page.family(&metric::LISTENER_HANDSHAKES, handshakes);
}

fn tls(page: &mut Page, world: &World, meters: &Meters) {
    let count = |result| meters.total(|meter| meter.handshake(result)) + meters.web_handshakes.count(result);
    page.family(&metric::TLS_HANDSHAKES, Handshake::ALL.map(|result| ([result.as_str()], count(result))));
    let took = meters.workers().map(|meter| meter.handshake_seconds.counts());
    let took = took.fold(meters.web_handshakes.took(), HistogramCounts::and);
    page.histogram(&metric::TLS_HANDSHAKE_SECONDS, [([], took)]);
    let expiries = world.doors().iter().flat_map(|door| {
        let expiries = door.tls.iter().flat_map(|tls| tls.expiries());
        expiries.map(|(file, expiry)| ([door.listener().name(), file], *expiry as f64))
    });
    page.family(&metric::TLS_CERTIFICATE_EXPIRY, expiries);
}

fn sessions(page: &mut Page, meters: &Meters, workers: &[WorkerHandle]) {
    let now: Vec<_> =
        (0..).zip(workers).map(|(place, worker): (usize, _)| (place.to_string(), worker)).collect();
    page.family(
        &metric::SESSIONS,
        now.iter().map(|(worker, handle)| ([worker.as_str()], handle.sessions() as u64)),
    );
    let total = |which: fn(&WorkerMeter) -> &Counter| meters.total(|meter| Some(which(meter)));
    page.single(&metric::SESSION_STARTED, total(|meter| &meter.sessions));
    let ends = EndReason::ALL.map(|end| ([end.as_str()], meters.total(|meter| meter.ended(end))));
    page.family(&metric::SESSION_ENDED, ends);
    let parked = total(|meter| &meter.parked).saturating_sub(total(|meter| &meter.unparked));
    page.single(&metric::SESSIONS_PARKED, parked);
    let results =
        Resumption::ALL.map(|result| ([result.as_str()], meters.total(|meter| meter.resumption(result))));
    page.family(&metric::SESSION_RESUMES, results);
    page.single(&metric::SESSION_HEARTBEATS, total(|meter| &meter.heartbeats));
    page.single(&metric::SESSION_UNKNOWN_IDS, total(|meter| &meter.unknown_ids));
    let logins =
        LoginResult::ALL.map(|result| ([result.as_str()], meters.total(|meter| meter.login(result))));
    page.family(&metric::SESSION_LOGINS, logins);
    page.single(&metric::SESSION_OVER_RATE, total(|meter| &meter.over_rate));
    line(page, meters);
    let notices = NoticeCode::ALL.map(|code| ([code.as_str()], meters.total(|meter| meter.notice(code))));
    page.family(&metric::NOTICES, notices);
}

fn line(page: &mut Page, meters: &Meters) {
    page.single(&metric::PLAYERS_IN, meters.line.inside());
    page.single(&metric::QUEUE_LENGTH, meters.line.waiting());
    page.single(&metric::QUEUE_ADMITTED, meters.line.admitted.get());
    let refused = LineRefusal::ALL.map(|why| ([why.as_str()], meters.total(|meter| meter.not_queued(why))));
    page.family(&metric::QUEUE_REFUSED, refused);
}

fn routes(page: &mut Page, world: &World, now: Duration) {
    let lanes = || world.lanes.iter().take(1).flatten().map(|lane| (&*lane.name, &lane.meter));
    let ways = |into: fn(&RouteMeter) -> u64, out: fn(&RouteMeter) -> u64| {
        lanes().flat_map(move |(name, meter)| [([name, "in"], into(meter)), ([name, "out"], out(meter))])
    };
    let frames = ways(|meter| meter.total(|c| &c.frames_in), |meter| meter.total(|c| &c.frames_out));
    page.family(&metric::ROUTE_FRAMES, frames);
    let bytes = ways(|meter| meter.total(|c| &c.bytes_in), |meter| meter.total(|c| &c.bytes_out));
    page.family(&metric::ROUTE_BYTES, bytes);
    let refused = lanes().flat_map(|(name, meter)| {
        let refused =
            Refusal::ALL.map(|why| ([name, why.as_str()], meter.total(|counts| counts.refused(why))));
        let observed = ([name, "observed"], meter.total(|counts| &counts.observed));
        refused.into_iter().chain([observed])
    });
    page.family(&metric::ROUTE_REFUSED, refused);
    let facts = world.cluster_facts(now);
    let backends = facts.iter().flat_map(|cluster| &cluster.backends);
    let breakers = backends.flat_map(|backend| {
        backend
            .breakers
            .iter()
            .map(move |breaker| ([breaker.route.as_str(), backend.address.as_str()], badness(breaker.state)))
    });
    page.family(&metric::ROUTE_BREAKER_STATE, breakers);
    let facts = world.route_facts();
    let closed = facts.iter().map(|route| ([route.name.as_str()], route.maintenance.is_some()));
    page.family(&metric::ROUTE_MAINTENANCE, closed);
}

/// What was asked over HTTP; the requests without a route last.
fn web(page: &mut Page, world: &World, meters: &Meters) {
    let lanes = || world.web_lanes().iter().map(|lane| (&**lane.name(), Arc::clone(lane.meter())));
    let none = meters.http("");
    let answered = lanes().chain([("", none)]).flat_map(|(name, meter)| {
        let each = |(partner, status, count): (String, u16, u64)| (name, partner, status.to_string(), count);
        meter.answered().into_iter().map(each).collect::<Vec<_>>()
    });
    let answered: Vec<_> = answered.collect();
    let samples = answered
        .iter()
        .map(|(name, partner, status, count)| ([*name, partner.as_str(), status.as_str()], *count));
    page.family(&metric::HTTP_REQUESTS, samples);
    page.histogram(
        &metric::HTTP_REQUEST_SECONDS,
        lanes().map(|(name, meter)| ([name], meter.seconds.counts())),
    );
    page.family(&metric::HTTP_RETRIES, lanes().map(|(name, meter)| ([name], meter.retries())));
    let failures = lanes()
        .flat_map(|(name, meter)| TryFailure::ALL.map(|why| ([name, why.as_str()], meter.failures(why))));
    page.family(&metric::HTTP_TRIES_FAILED, failures);
    let doors = world.doors().iter().filter(|door| door.listener().protocol() == Protocol::Http);
    let malformed = doors.map(|door| ([door.listener().name()], door.meter.malformed()));
    page.family(&metric::HTTP_MALFORMED, malformed);
}

fn partners(page: &mut Page, world: &World, commons: &Commons) {
    let book = commons.partners();
    let known: Vec<_> =
        world.plan().partners().iter().map(|one| (one.name(), book.partner(one.name()))).collect();
    let of =
        |name, refused: &Refusals| partners::Refusal::ALL.map(|why| ([name, why.as_str()], refused.of(why)));
    let strangers = (!known.is_empty()).then(|| of("", &book.strangers));
    let refused = known.iter().map(|(name, standing)| of(name, &standing.refused)).chain(strangers);
    page.family(&metric::PARTNER_REFUSED, refused.flatten());
    let in_flight = known.iter().map(|(name, standing)| ([*name], u64::from(standing.in_flight())));
    page.family(&metric::PARTNER_IN_FLIGHT, in_flight);
    let today = day_of(super::hub::since_1970());
    let used = known.iter().map(|(name, standing)| ([*name], standing.daily().used(today)));
    page.family(&metric::PARTNER_TODAY, used);
}

fn clusters(page: &mut Page, world: &World, now: Duration) {
    let panic = world.clusters.iter().map(|cluster| ([cluster.name()], cluster.is_in_panic(now)));
    page.family(&metric::CLUSTER_PANIC, panic);
}

/// A backend with its cluster.
type Member<'a> = (&'a ClusterView, &'a Arc<Backend>);

/// Every backend of the world in force.
fn members(world: &World) -> Vec<Member<'_>> {
    let of = |cluster| move |backend| (cluster, backend);
    world.clusters.iter().flat_map(|cluster| cluster.entry.members().map(of(&**cluster))).collect()
}

/// The labels of a backend, and a number of it.
fn each<'a, N>(
    members: &'a [Member<'a>],
    number: impl Fn(&Backend) -> N + 'a,
) -> impl Iterator<Item = ([&'a str; 2], N)> {
    members.iter().map(move |(cluster, backend)| ([cluster.name(), backend.address()], number(backend)))
}

fn backends(page: &mut Page, members: &[Member<'_>], now: Duration) {
    page.family(&metric::BACKEND_UP, each(members, Backend::is_up));
    page.family(&metric::BACKEND_SESSIONS, each(members, Backend::sessions));
    let loads = each(members, |backend| backend.load(now)).filter_map(|(labels, load)| Some((labels, load?)));
    let loads = loads.flat_map(|([cluster, backend], (reported, predicted))| {
        [([cluster, backend, "reported"], reported), ([cluster, backend, "predicted"], predicted)]
    });
    page.family(&metric::BACKEND_LOAD, loads);
    page.family(&metric::BACKEND_EJECTED, each(members, |backend| backend.is_ejected(now)));
    page.family(&metric::BACKEND_EJECTIONS, each(members, |backend| backend.events().ejections()));
    let probes = each(members, |backend| backend.events().probes());
    let probes: Vec<_> = probes.collect();
    let results = probes.iter().flat_map(|([cluster, backend], (took, failed))| {
        let ok = took.count().saturating_sub(*failed);
        [([*cluster, *backend, "ok"], ok), ([*cluster, *backend, "failed"], *failed)]
    });
    page.family(&metric::BACKEND_PROBES, results);
    page.histogram(&metric::BACKEND_PROBE_SECONDS, probes.iter().map(|(labels, (took, _))| (*labels, *took)));
}

fn links(page: &mut Page, members: &[Member<'_>], meters: &Meters) {
    let shared: Vec<_> = members.iter().filter(|(cluster, _)| cluster.is_shared()).copied().collect();
    page.family(&metric::LINK_UP, each(&shared, Backend::links));
    page.family(&metric::LINK_BUFFERED, each(&shared, |backend| backend.events().bytes_buffered()));
    page.family(&metric::LINK_RECONNECTS, each(&shared, |backend| backend.events().reconnects()));
    let total = |which: fn(&WorkerMeter) -> &Counter| meters.total(|meter| Some(which(meter)));
    page.single(&metric::LINK_UNDELIVERED, total(|meter| &meter.undelivered));
    page.single(&metric::LINK_UNSAID, total(|meter| &meter.unsaid));
    page.single(&metric::LINK_IGNORED, total(|meter| &meter.ignored_envelopes));
    page.single(&metric::LINK_STANDBY_DROPPED, total(|meter| &meter.standby_dropped));
    page.single(&metric::LINK_BAD_FRAMES, total(|meter| &meter.bad_backend_frames));
}

/// What backends say to many at once.
fn push(page: &mut Page, meters: &Meters) {
    let said = Audience::ALL.map(|to| ([to.as_str()], meters.total(|meter| meter.published_to(to))));
    page.family(&metric::PUBLICATIONS, said);
    let fates = Fate::ALL.map(|fate| ([fate.as_str()], meters.total(|meter| meter.published(fate))));
    page.family(&metric::PUBLICATION_FRAMES, fates);
    let workers: Vec<_> =
        (0..).zip(meters.workers()).map(|(worker, meter): (usize, _)| (worker.to_string(), meter)).collect();
    page.family(&metric::ROOMS, workers.iter().map(|(worker, meter)| ([worker.as_str()], meter.rooms.get())));
    let members = workers.iter().map(|(worker, meter)| ([worker.as_str()], meter.room_members.get()));
    page.family(&metric::ROOM_MEMBERS, members);
}

fn configuration(page: &mut Page, meters: &Meters) {
    let reloads = &meters.reloads;
    page.family(
        &metric::CONFIG_RELOADS,
        ReloadResult::ALL.map(|result| ([result.as_str()], reloads.count(result))),
    );
    page.single(&metric::CONFIG_LAST_RELOAD, !reloads.last_was_rejected());
    page.single(&metric::CONFIG_GENERATION, reloads.generation());
    let refused = AdminRefusal::ALL.map(|why| ([why.as_str()], meters.admin.refused(why)));
    page.family(&metric::ADMIN_REFUSED, refused);
}

fn turns(page: &mut Page, meters: &Meters, now: Duration) {
    let names: Vec<_> = (0..meters.workers().count()).map(|worker| worker.to_string()).collect();
    let each = || names.iter().map(|worker| [worker.as_str()]).zip(meters.workers());
    let gathered = each().map(|(worker, meter)| (worker, meter.gathered_turns.get()));
    page.family(&metric::WORKER_GATHERED_TURNS, gathered);
    page.family(
        &metric::WORKER_LAG,
        each().map(|(worker, meter)| (worker, meter.lag.worst(now).as_secs_f64())),
    );
}

fn pressure(page: &mut Page, commons: &Commons) {
    let each = commons.pressure().each().map(|(resource, ratio)| ([resource], ratio));
    page.family(&metric::OVERLOAD_PRESSURE, each);
}

/// What the operating system says; a number that it does not give has a name and no sample.
fn process(page: &mut Page) {
    let process = Process::myself().ok();
    let stat = process.as_ref().and_then(|process| process.stat().ok());
    let stat = stat.as_ref();
    let seconds = |ticks: u64| ticks as f64 / ticks_per_second() as f64;
    let started = stat.zip(boot_time_secs().ok());
    let started = started.map(|(stat, boot)| boot as f64 + seconds(stat.starttime));
    let open = process.as_ref().and_then(|process| process.fd_count().ok());
    let limits = process.as_ref().and_then(|process| process.limits().ok());
    let most = limits.map(|limits| match limits.max_open_files.soft_limit {
        LimitValue::Value(most) => Number::from(most),
        LimitValue::Unlimited => Number::from(f64::INFINITY),
    });
    page.family(&metric::PROCESS_CPU, stat.map(|stat| ([], seconds(stat.utime + stat.stime))));
    page.family(&metric::PROCESS_OPEN_FDS, open.map(|count| ([], count as u64)));
    page.family(&metric::PROCESS_MAX_FDS, most.map(|count| ([], count)));
    page.family(&metric::PROCESS_VIRTUAL_MEMORY, stat.map(|stat| ([], stat.vsize)));
    page.family(&metric::PROCESS_RESIDENT_MEMORY, stat.map(|stat| ([], stat.rss_bytes().get())));
    page.family(&metric::PROCESS_START_TIME, started.map(|seconds| ([], seconds)));
    page.family(&metric::PROCESS_THREADS, stat.map(|stat| ([], stat.num_threads.unsigned_abs())));
}

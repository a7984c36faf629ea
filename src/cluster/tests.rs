//! Who serves, told on whole clusters of a checked plan.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::config::{self, Plan, Source};

/// A plan with one cluster of these backends; a backend may be followed by more keys, as in `"h:1" zone = "b"`.
pub(super) fn plan(keys: &str, backends: &[&str]) -> Plan {
    plan_with(keys, backends, "")
}

/// Like [`plan`], with tables behind.
fn plan_with(keys: &str, backends: &[&str], tables: &str) -> Plan {
    let backend = |text: &&str| {
        let (address, more) = text.split_once(' ').unwrap_or((text, ""));
        let comma = if more.is_empty() { "" } else { ", " };
        format!("{{ address = \"{address}\"{comma}{more} }}")
    };
    let backends = backends.iter().map(backend).collect::<Vec<_>>().join(", ");
    let text = format!(
        "[frame.game]\nlength = {{ offset = 0, width = 4 }}\nid = {{ offset = 4, width = 2 }}\n\
         [listener.players]\nlisten = \"127.0.0.1:7000\"\nframe = \"game\"\n\
         [cluster.battle]\n{keys}\nbackends = [{backends}]\n\
         [route.battle]\nids = [\"*\"]\ncluster = \"battle\"\n{tables}\n"
    );
    let source = Source { path: "test.toml".into(), text };
    config::parse(vec![source]).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

pub(super) fn cluster_of(plan: &Plan) -> &config::Cluster {
    &plan.clusters()[0]
}

/// A cluster with its worker's memory and seeded dice.
struct Scene {
    cluster: Cluster,
    state: PickState,
    dice: SmallRng,
    now: Duration,
    critical: bool,
}

impl Scene {
    fn new(keys: &str, backends: &[&str]) -> Self {
        Self::of(&plan(keys, backends))
    }

    fn of(plan: &Plan) -> Self {
        let cluster = Registry::default().cluster(cluster_of(plan), "home");
        let now = Duration::from_secs(1000);
        Self { cluster, state: PickState::default(), dice: SmallRng::seed_from_u64(5), now, critical: false }
    }

    fn pick(&mut self) -> Result<usize, Miss> {
        self.pick_as(|_| Fit::New)
    }

    fn pick_as(&mut self, fit: impl Fn(usize) -> Fit) -> Result<usize, Miss> {
        let ask = Ask { key: 1, critical: self.critical, now: self.now };
        self.cluster.pick(&ask, &mut self.state, &mut self.dice, fit)
    }

    /// New sessions that stay.
    fn arrive(&mut self, sessions: usize) -> usize {
        (0..sessions)
            .filter(|_| self.pick().is_ok_and(|place| self.cluster.open_session(place, self.now)))
            .count()
    }

    fn counts(&mut self, picks: usize) -> Vec<usize> {
        let mut counts = vec![0; self.cluster.members().len()];
        for _ in 0..picks {
            counts[self.pick().expect("somebody serves")] += 1;
        }
        counts
    }

    fn backend(&self, place: usize) -> &Backend {
        self.cluster.at(place).expect("a member")
    }

    fn sessions(&self) -> Vec<u32> {
        self.cluster.members().map(|backend| backend.sessions()).collect()
    }

    fn report(&self, place: usize, load: f64, sessions: u32, capacity: u32) {
        let report = Report { load: Some(load), sessions: Some(sessions), capacity: Some(capacity) };
        let backend = self.backend(place);
        backend.report(report, backend.mark(), Duration::ZERO, 0.5, self.now);
    }

    fn down(&self, place: usize) {
        self.backend(place).set_up(false, self.now);
    }
}

#[test]
fn after_a_reload_thirty_new_sessions_level_forty_and_ten() {
    let mut registry = Registry::default();
    let old = plan("balance = \"round_robin\"", &["10.0.0.1:1", "10.0.0.2:1"]);
    let cluster = registry.cluster(cluster_of(&old), "");
    let open = |cluster: &Cluster, place, count| {
        (0..count).for_each(|_| assert!(cluster.open_session(place, Duration::ZERO)));
    };
    open(&cluster, 0, 40);
    open(&cluster, 1, 10);
    registry.starts_serving();
    let new = plan("balance = \"least_load\"", &["10.0.0.1:1", "10.0.0.2:1"]);
    let mut scene = Scene::new("", &["10.0.0.9:1"]);
    scene.cluster = registry.cluster(cluster_of(&new), "");
    assert_eq!(scene.arrive(30), 30);
    assert_eq!(scene.sessions(), [40, 40]);
}

#[test]
fn where_health_is_ignored_the_own_zone_takes_all() {
    let backends = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.1.1:1", "10.0.1.2:1"];
    let zoned: Vec<String> = backends
        .iter()
        .map(|address| {
            format!("{address} zone = \"{}\"", if address.contains(".0.0.") { "home" } else { "away" })
        })
        .collect();
    let zoned: Vec<&str> = zoned.iter().map(String::as_str).collect();
    let mut scene = Scene::new("balance = \"random\"\nslow_start = \"0s\"", &zoned);
    (0..4).for_each(|place| scene.down(place));
    assert!(scene.cluster.is_in_panic(scene.now));
    let counts = scene.counts(300);
    assert!(counts[..3].iter().all(|count| *count > 50) && counts[3..] == [0, 0], "{counts:?}");
}

#[test]
fn slow_start_holds_down_max_sessions_too_at_joining_and_behind_an_ejection() {
    let limits = "max_sessions = 100";
    let mut scene = Scene::new("slow_start = \"10s\"", &[&format!("10.0.0.1:1 {limits}"), "10.0.0.2:1"]);
    let places = |scene: &Scene| (0..200).filter(|_| scene.cluster.open_session(0, scene.now)).count();
    let leave = |scene: &Scene, count| (0..count).for_each(|_| scene.backend(0).close_session());
    assert_eq!(places(&scene), 100, "not at the gateway's own start");
    leave(&scene, 100);
    scene.down(0);
    scene.backend(0).set_up(true, scene.now);
    scene.now += Duration::from_secs(2);
    assert_eq!(places(&scene), 20);
    leave(&scene, 20);
    scene.now += Duration::from_secs(60);
    let key = scene.backend(0).key();
    let out = (0..100).find_map(|_| scene.cluster.failed(key, scene.now)).expect("it is ejected");
    scene.now += out + Duration::from_secs(3);
    assert_eq!(places(&scene), 30);
}

#[test]
fn modulo_leaves_every_key_with_its_backend_when_another_one_is_full() {
    let first = "10.0.0.1:1 max_sessions = 1";
    let mut scene =
        Scene::new("balance = \"modulo\"\nhash_on = \"account\"", &[first, "10.0.0.2:1", "10.0.0.3:1"]);
    assert_eq!(scene.pick(), Ok(1));
    assert!(scene.cluster.open_session(0, scene.now));
    assert_eq!(scene.pick(), Ok(1), "it is one of the three, full or not");
    scene.down(0);
    assert_eq!(scene.pick(), Ok(2), "the second of the two that live");
}

#[test]
fn the_own_zone_takes_all_until_less_than_72_percent_of_it_is_healthy() {
    let keys = "balance = \"random\"\nslow_start = \"0s\"\npanic_threshold = 0";
    let home: Vec<String> = (0..10).map(|n| format!("10.0.0.{n}:1 zone = \"home\"")).collect();
    let away: Vec<String> = (0..10).map(|n| format!("10.0.1.{n}:1 zone = \"away\"")).collect();
    let all: Vec<&str> = home.iter().chain(&away).map(String::as_str).collect();
    let mut scene = Scene::new(keys, &all);
    scene.down(0);
    scene.down(1);
    assert_eq!(scene.counts(1000)[10..].iter().sum::<usize>(), 0, "eight of ten are enough");
    (2..5).for_each(|place| scene.down(place));
    let elsewhere = scene.counts(10_000)[10..].iter().sum::<usize>();
    // Half is healthy: 1.4 x 50 % stay. Three standard deviations of a binomial with p = 0.3 are 137.
    assert!(elsewhere.abs_diff(3000) < 137, "{elsewhere} of 10,000 left a zone that is half healthy");
    (5..10).for_each(|place| scene.down(place));
    assert_eq!(scene.counts(1000)[10..].iter().sum::<usize>(), 1000, "a zone lost loses no session");
}

#[test]
fn a_zone_that_comes_back_takes_its_sessions_slowly() {
    let keys = "balance = \"random\"\nslow_start = \"30s\"\npanic_threshold = 0";
    let mut scene = Scene::new(keys, &["10.0.0.1:1 zone = \"home\"", "10.0.1.1:1 zone = \"away\""]);
    scene.down(0);
    assert_eq!(scene.counts(100), [0, 100]);
    scene.backend(0).set_up(true, scene.now);
    let at_home = scene.counts(10_000)[0];
    // A tenth of the weight is back: 1.4 x 10 %. Three standard deviations with p = 0.14 are 104.
    assert!(at_home.abs_diff(1400) < 104, "{at_home} of 10,000 at once");
    scene.now += Duration::from_secs(30);
    assert_eq!(scene.counts(100), [100, 0]);
}

#[test]
fn sessions_that_do_not_fit_into_the_own_zone_go_elsewhere() {
    let members =
        ["10.0.0.1:1 zone = \"home\", max_sessions = 3", "10.0.1.1:1 zone = \"away\", max_sessions = 2"];
    let mut scene = Scene::new("balance = \"least_load\"", &members);
    assert_eq!(scene.arrive(10), 5);
    assert_eq!(scene.sessions(), [3, 2]);
    assert_eq!(scene.pick(), Err(Miss::Full));
}

#[test]
fn a_degraded_backend_is_used_only_when_others_are_short() {
    let mut scene = Scene::new("balance = \"least_load\"", &["10.0.0.1:1", "10.0.0.2:1 max_sessions = 4"]);
    scene.backend(0).set_state(ServingState::Degraded);
    assert_eq!(scene.arrive(10), 10);
    assert_eq!(scene.sessions(), [6, 4]);
}

#[test]
fn a_refusing_backend_keeps_its_sessions_and_gets_no_new_one() {
    for state in [ServingState::Refusing, ServingState::Leaving] {
        let mut scene = Scene::new("", &["10.0.0.1:1"]);
        scene.backend(0).set_state(state);
        assert_eq!(scene.pick(), Err(Miss::Nobody));
        assert_eq!(scene.pick_as(|_| Fit::Known), Ok(0));
        assert_eq!(scene.pick_as(|_| Fit::Again), Err(Miss::Nobody), "it has forgotten that one");
    }
}

#[test]
fn a_full_backend_keeps_its_sessions_and_gets_no_new_one() {
    let mut scene = Scene::new("", &["10.0.0.1:1"]);
    scene.report(0, 1.0, 50, 50);
    assert_eq!(scene.pick(), Err(Miss::Full));
    assert_eq!(scene.pick_as(|_| Fit::Known), Ok(0));
    assert_eq!(scene.pick_as(|_| Fit::Again), Err(Miss::Full), "it has forgotten that one");
}

#[test]
fn the_lowest_predicted_load_gets_the_next_session_and_what_was_sent_counts() {
    let mut scene = Scene::new("balance = \"least_load\"", &["10.0.0.1:1", "10.0.0.2:1"]);
    scene.report(0, 0.5, 0, 100);
    scene.report(1, 0.3, 0, 100);
    assert_eq!(scene.arrive(20), 20);
    assert_eq!(scene.sessions(), [0, 20]);
    scene.arrive(40);
    assert_eq!(scene.sessions(), [20, 40], "from 50 % on they share");
}

#[test]
fn a_backend_that_starts_slowly_gets_a_tenth_of_what_the_others_get() {
    let mut scene = Scene::new("balance = \"random\"\nslow_start = \"30s\"", &["10.0.0.1:1", "10.0.0.2:1"]);
    scene.down(1);
    scene.backend(1).set_up(true, scene.now);
    let new = scene.counts(11_000)[1];
    // Three standard deviations of a binomial with p = 1/11 are 90.
    assert!(new.abs_diff(1000) < 90, "{new} of 11,000");
}

#[test]
fn when_too_few_are_healthy_health_is_ignored_but_not_for_critical_routes() {
    let mut scene =
        Scene::new("balance = \"random\"", &["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"]);
    scene.down(0);
    scene.down(1);
    assert_eq!(scene.counts(100)[..2], [0, 0], "half of them is enough");
    scene.down(2);
    assert!(scene.counts(1000).iter().all(|count| *count > 150), "all of them get sessions in a panic");
    scene.critical = true;
    assert_eq!(scene.pick(), Err(Miss::Nobody));
    scene.backend(0).set_up(true, scene.now);
    assert!(scene.pick().is_ok());
}

#[test]
fn ejection_takes_a_backend_out_for_its_time_whatever_its_probes_say_and_never_too_many() {
    let three = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"];
    let outlier = "[cluster.battle.outlier]\nconsecutive = 3\neject = \"5s\"\nmax_percent = 30";
    let mut scene = Scene::of(&plan_with("balance = \"random\"", &three, outlier));
    let fail = |scene: &Scene, place| {
        let key = scene.backend(place).key();
        (0..3).filter_map(|_| scene.cluster.failed(key, scene.now)).next()
    };
    assert_eq!(fail(&scene, 0), Some(Duration::from_secs(5)));
    assert_eq!(fail(&scene, 1), None, "a third of the cluster is out already");
    assert_eq!(scene.counts(300)[0], 0);
    scene.backend(0).set_up(true, scene.now);
    scene.backend(0).succeeded();
    scene.now += Duration::from_millis(4999);
    assert_eq!(scene.counts(300)[0], 0, "neither a probe nor a late answer brings it back");
    scene.now += Duration::from_secs(40);
    assert!(scene.counts(300)[0] > 50, "its time is over, and its slow start too");
}

#[test]
fn the_first_two_that_live_are_the_pair_of_a_hot_standby() {
    let scene = Scene::new("balance = \"hot_standby\"", &["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
    let pair = |gone: usize| {
        let gone = scene.cluster.at(gone).map(|backend| backend.key());
        let live = scene.cluster.live(scene.now, |backend| Some(backend.key()) != gone);
        live.take(2).collect::<Vec<_>>()
    };
    assert_eq!(pair(9), [0, 1]);
    assert_eq!(pair(0), [1, 2]);
    assert_eq!(pair(1), [0, 2]);
    scene.down(0);
    scene.backend(1).set_state(ServingState::Leaving);
    assert_eq!(pair(9), [2]);
}

#[test]
fn an_old_report_limits_no_hot_standby_either() {
    let mut scene = Scene::new("balance = \"hot_standby\"", &["10.0.0.1:1", "10.0.0.2:1"]);
    scene.report(0, 1.0, 5, 5);
    assert!(!scene.cluster.open_session(0, scene.now));
    scene.now += Duration::from_secs(1000);
    assert!(scene.cluster.open_session(0, scene.now));
}

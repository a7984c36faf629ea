//! Operators' changes at run time over what the file says: what they do, what they cannot do, and what is left of
//! them when the file changes.

use std::time::{Duration, SystemTime};

use realmgate::config::{
    AdminState, Banned, Maintenance, Moving, Override, Overrides, Plan, Unfit, parse_moment,
};

#[path = "config/plans.rs"]
#[expect(dead_code, reason = "the other tests of the configuration use the rest")]
mod plans;

use plans::plan;

const FILE: &str = r#"
[frame.game]
length = { width = 4 }
id     = { offset = 4, width = 2 }

[listener.players]
listen = "127.0.0.1:7000"

[cluster.battle]
backends = [{ address = "10.0.1.1:7100", group = "a" }, { address = "10.0.1.2:7100", group = "b" }]

[cluster.pay]
backends = [{ address = "10.0.1.1:7200" }, { address = "10.0.1.2:7200", weight = 0 }]

[route.battle]
ids     = ["1000-1999"]
cluster = "battle"

[route.pay]
ids     = ["5000-5099"]
cluster = "pay"
maintenance = { message = "closed today" }

[release]
active = "a"
"#;

fn state(cluster: &str, address: &str, state: AdminState) -> Override {
    Override::State { cluster: cluster.to_owned(), address: address.to_owned(), state }
}

fn weight(cluster: &str, address: &str, weight: u32) -> Override {
    Override::Weight { cluster: cluster.to_owned(), address: address.to_owned(), weight }
}

fn maintenance(route: &str, closed: Option<Maintenance>) -> Override {
    Override::Maintenance { route: route.to_owned(), closed }
}

fn release(active: &str, moving: Option<Moving>) -> Override {
    Override::Release { active: active.to_owned(), moving }
}

fn closed(message: &str) -> Option<Maintenance> {
    Some(Maintenance { message: message.to_owned(), retry_after: None, until: None })
}

fn weights(plan: &Plan, cluster: &str) -> Vec<u32> {
    let found = plan.clusters().iter().find(|found| found.name() == cluster).expect("it is there");
    found.backends().iter().map(|backend| backend.weight()).collect()
}

/// What is wrong, and the hint.
fn wrong(plan: &Plan, change: &Override) -> (Unfit, String, String) {
    let unmatched = plan.unmatched(change).unwrap_or_else(|| panic!("{change} fits"));
    (unmatched.why, unmatched.error, unmatched.hint)
}

#[test]
fn every_kind_of_change_is_laid_over_the_file() {
    let file = plan(FILE);
    let changes = [
        state("battle", "10.0.1.1:7100", AdminState::Drain),
        state("pay", "10.0.1.1:7200", AdminState::Disable),
        weight("pay", "10.0.1.2:7200", 50),
        maintenance("battle", closed("back at ten")),
        maintenance("pay", None),
        release("b", Some(Moving::Forced)),
    ];
    for change in &changes {
        assert_eq!(file.unmatched(change), None, "{change}");
    }
    let overrides: Overrides = changes.into_iter().collect();
    let plan = file.with(&overrides);
    let [battle, pay] = plan.clusters() else { panic!("two clusters") };
    let states = |backends: &[realmgate::config::Backend]| {
        backends.iter().map(|backend| backend.admin()).collect::<Vec<_>>()
    };
    assert_eq!(states(battle.backends()), [AdminState::Drain, AdminState::Ready]);
    assert_eq!(states(pay.backends()), [AdminState::Disable, AdminState::Ready]);
    assert_eq!(weights(&plan, "pay"), [100, 50]);
    assert_eq!(plan.routes()[0].maintenance().cloned(), closed("back at ten"));
    assert_eq!(plan.routes()[1].maintenance(), None);
    assert_eq!((plan.release().active(), plan.release().moving()), (plan.group("b"), Moving::Forced));
    assert!(file.stale(&overrides).is_empty());
    let ready = states(file.clusters()[0].backends());
    assert_eq!(ready, [AdminState::Ready, AdminState::Ready], "the file's own plan is as it was");
}

#[test]
fn a_change_that_names_what_is_not_there_is_told_the_nearest_name() {
    let file = plan(FILE);
    let ready = AdminState::Ready;
    for (change, error, hint) in [
        (state("batle", "10.0.1.1:7100", ready), "there is no cluster batle", "did you mean battle?"),
        (
            weight("battle", "10.0.1.1:7101", 5),
            "the cluster battle has no backend 10.0.1.1:7101",
            "did you mean 10.0.1.1:7100?",
        ),
        (maintenance("chat", None), "there is no route chat", "there are battle, pay"),
        (release("spring", None), "no backend is in the group spring", "there are a, b"),
    ] {
        assert_eq!(wrong(&file, &change), (Unfit::Unknown, error.to_owned(), hint.to_owned()));
    }
}

#[test]
fn a_change_after_which_nobody_would_serve_is_refused() {
    let file = plan(FILE);
    let (why, error, _) = wrong(&file, &weight("pay", "10.0.1.1:7200", 0));
    assert_eq!(why, Unfit::Impossible);
    assert!(error.contains("no backend of pay"), "{error}");
    let of_the_active_group = weight("battle", "10.0.1.1:7100", 0);
    assert_eq!(wrong(&file, &of_the_active_group).0, Unfit::Impossible);
    assert_eq!(file.unmatched(&weight("battle", "10.0.1.2:7100", 0)), None, "b is not active");
    let (why, error, hint) = wrong(&file, &weight("pay", "10.0.1.1:7200", 70_000));
    assert_eq!(
        (why, error.as_str(), hint.as_str()),
        (Unfit::Impossible, "70000 is no weight", "write 0 to 65535")
    );

    for taken_out in [AdminState::Drain, AdminState::Disable] {
        let given = weight("pay", "10.0.1.2:7200", 50);
        let both = Overrides::default().with(given).with(state("pay", "10.0.1.1:7200", taken_out));
        let serves_by_one = file.with(&both);
        let (why, error, _) = wrong(&serves_by_one, &weight("pay", "10.0.1.2:7200", 0));
        assert_eq!(why, Unfit::Impossible, "the other one is {}", taken_out.as_str());
        assert!(error.contains("no backend of pay that serves"), "{error}");
        assert_eq!(
            serves_by_one.unmatched(&weight("pay", "10.0.1.1:7200", 0)),
            None,
            "it serves nobody anyway"
        );
    }

    let only_a = plan(&FILE.replace(
        "[cluster.pay]",
        "[cluster.rank]\nbackends = [{ address = '10.0.1.1:7400', group = 'a' }]\n[cluster.pay]",
    ));
    let (why, error, _) = wrong(&only_a, &release("b", None));
    assert_eq!(why, Unfit::Impossible);
    assert!(error.starts_with("rank would have no backends"), "{error}");
}

#[test]
fn a_route_that_reads_no_frames_cannot_be_closed_for_maintenance() {
    let file = plan(
        r#"
[frame.raw]
length = { kind = "opaque" }

[listener.players]
listen = "127.0.0.1:7000"

[cluster.old]
link     = "dedicated"
backends = [{ address = "10.0.1.1:7100" }]

[route.all]
ids     = ["*"]
cluster = "old"
"#,
    );
    let closing = maintenance("all", closed("back at ten"));
    let (why, error, hint) = wrong(&file, &closing);
    assert_eq!(why, Unfit::Impossible);
    assert!(error.starts_with("[route.all] reads no frames"), "{error}");
    assert!(hint.contains("drain"), "{hint}");
    let kept = Overrides::default().with(closing);
    assert_eq!(file.with(&kept).routes()[0].maintenance(), None, "and one that was kept has no effect");
    assert_eq!(file.unmatched(&maintenance("all", None)), None, "it is open");
}

#[test]
fn the_order_in_which_weights_were_given_does_not_matter() {
    let file = plan(FILE);
    let changes = [weight("pay", "10.0.1.1:7200", 0), weight("pay", "10.0.1.2:7200", 50)];
    let overrides: Overrides = changes.into_iter().collect();
    assert_eq!(weights(&file.with(&overrides), "pay"), [0, 50]);
    assert!(file.stale(&overrides).is_empty());
}

#[test]
fn what_fits_nothing_any_more_is_ignored_and_listed() {
    let overrides: Overrides = [
        state("battle", "10.0.1.1:7100", AdminState::Disable),
        weight("pay", "10.0.1.1:7200", 0),
        weight("pay", "10.0.1.2:7200", 50),
        maintenance("battle", closed("back at ten")),
        release("b", None),
    ]
    .into_iter()
    .collect();
    let smaller = plan(
        &FILE
            .replace(", { address = \"10.0.1.2:7200\", weight = 0 }", "")
            .replace(
                "[cluster.battle]\nbackends = [{ address = \"10.0.1.1:7100\", group = \"a\" }, ",
                "[cluster.battle]\nbackends = [{ address = \"10.0.1.3:7100\", group = \"a\" }, ",
            )
            .replace("route.battle", "route.fight")
            .replace(", { address = \"10.0.1.2:7100\", group = \"b\" }", ""),
    );
    let stale: Vec<_> = smaller.stale(&overrides).into_iter().map(ToString::to_string).collect();
    assert_eq!(
        stale,
        [
            "backend battle 10.0.1.1:7100 disable",
            "backend pay 10.0.1.1:7200 weight 0",
            "backend pay 10.0.1.2:7200 weight 50",
            "route battle maintenance on, \"back at ten\"",
            "release b",
        ]
    );
    let plan = smaller.with(&overrides);
    assert_eq!(weights(&plan, "pay"), [100], "nobody would have served");
    assert_eq!(plan.release().active(), plan.group("a"));
    assert!(plan.clusters()[0].backends().iter().all(|backend| backend.admin() == AdminState::Ready));
}

#[test]
fn a_later_change_of_the_same_thing_replaces_the_earlier_one() {
    let first = Overrides::default()
        .with(state("battle", "10.0.1.1:7100", AdminState::Drain))
        .with(weight("battle", "10.0.1.1:7100", 5))
        .with(state("battle", "10.0.1.1:7100", AdminState::Ready));
    let told: Vec<_> = first.entries().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["backend battle 10.0.1.1:7100 weight 5", "backend battle 10.0.1.1:7100 ready"]);
    let back = first.without(&weight("battle", "10.0.1.1:7100", 0));
    assert_eq!(back.entries().len(), 1);
    assert!(!back.is_empty() && Overrides::default().is_empty());
    let same: Overrides = first.entries().iter().cloned().chain(first.entries().iter().cloned()).collect();
    assert_eq!(same, first);
}

fn named(who: &str) -> Banned {
    Banned::named(who).unwrap_or_else(|| panic!("{who} names somebody"))
}

#[test]
fn whoever_is_named_is_an_address_an_account_or_a_slip_of_the_hand() {
    let address = |text: &str| Banned::Address(text.parse().expect("an address"));
    for (text, of) in [
        ("192.0.2.1", "192.0.2.1"),
        ("127.0.0.1:48644", "127.0.0.1"),
        ("[::1]:7000", "::1"),
        ("[::ffff:192.0.2.1]:7000", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
    ] {
        assert_eq!(named(text), address(of), "{text}");
    }
    for account in ["ann", "ann:1", "player/7", "dead.beef", "4711", "user@192.0.2.1", "a:b:x"] {
        assert_eq!(named(account), Banned::Account(account.to_owned()));
    }
    for slip in [
        "192.0.2.300",
        "192.0.2",
        "192.0.2.1:70000",
        "10.0.0.0/8",
        "2001:db8::/32",
        "2001:db8:::1",
        "[::1]",
        "fe80::1%eth0",
    ] {
        assert_eq!(Banned::named(slip), None, "{slip}");
    }
}

#[test]
fn bans_and_maintenance_end_at_their_time_and_the_rest_stays() {
    let now = parse_moment("2026-11-21T10:00:00Z").expect("a moment");
    let ban = |who: &str, until: SystemTime| Override::Ban { who: named(who), until };
    let overrides = Overrides::default()
        .with(ban("192.0.2.7", now))
        .with(ban("alice", now + Duration::from_secs(1)))
        .with(release("b", None));
    let left = overrides.without_expired(now);
    let told: Vec<_> = left.entries().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["ban account alice until 2026-11-21T10:00:01Z", "release b"]);
    let ends = |until: SystemTime| closed("a while").map(|words| Maintenance { until: Some(until), ..words });
    let closing = Overrides::default().with(maintenance("pay", ends(now)));
    let before = closing.without_expired(now - Duration::from_secs(1));
    let file = plan(FILE);
    assert_eq!(file.with(&before).routes()[1].maintenance().cloned(), ends(now));
    assert!(closing.without_expired(now).is_empty(), "and the file counts again");
    let endless =
        Overrides::default().with(maintenance("battle", closed("a"))).with(maintenance("pay", None));
    assert_eq!(endless.without_expired(now), endless, "no end, and no maintenance at all");
    let bans: Vec<_> = overrides.bans().map(|(who, _)| who.clone()).collect();
    let address = "192.0.2.7".parse().expect("an address");
    assert_eq!(bans, [Banned::Address(address), Banned::Account("alice".to_owned())]);
    assert_eq!(plan(FILE).unmatched(&ban("nobody", now)), None, "a ban needs nothing in the file");
}

#[test]
fn one_ban_more_than_are_kept_has_no_room() {
    let now = parse_moment("2026-11-21T10:00:00Z").expect("a moment");
    let later = now + Duration::from_secs(1);
    let ban = |number: usize, until| Override::Ban { who: Banned::Account(number.to_string()), until };
    let full: Overrides = (0..Overrides::MOST_BANS).map(|number| ban(number, later)).collect();
    let one_more = ban(Overrides::MOST_BANS, later);
    assert!(!full.has_room_for(&one_more, now));
    assert!(full.has_room_for(&ban(7, later), now), "it replaces one");
    assert!(full.has_room_for(&ban(Overrides::MOST_BANS, now), now), "it lifts one");
    assert!(full.has_room_for(&release("b", None), now), "it is no ban");
    assert!(full.has_room_for(&one_more, later), "all of them are over");
}

#[test]
fn what_the_file_says_anyway_is_nothing_to_keep() {
    let file = plan(FILE);
    for (change, says) in [
        (state("battle", "10.0.1.1:7100", AdminState::Ready), true),
        (state("battle", "10.0.1.1:7100", AdminState::Drain), false),
        (weight("pay", "10.0.1.2:7200", 0), true),
        (weight("pay", "10.0.1.2:7200", 1), false),
        (maintenance("pay", closed("closed today")), true),
        (maintenance("pay", closed("closed tomorrow")), false),
        (maintenance("pay", None), false),
        (maintenance("battle", None), true),
        (release("a", None), true),
        (release("a", Some(Moving::Natural)), true),
        (release("a", Some(Moving::Forced)), false),
        (release("b", None), false),
        (Override::Ban { who: named("ann"), until: SystemTime::UNIX_EPOCH }, false),
    ] {
        assert_eq!(file.says(&change), says, "{change}");
    }
}

#[test]
fn a_change_is_one_line_whatever_is_in_it() {
    let until = parse_moment("2026-11-21T10:00:00Z");
    let words =
        Maintenance { message: "two\nlines".to_owned(), retry_after: Some(Duration::from_secs(1200)), until };
    for (change, line) in [
        (
            maintenance("pay", Some(words)),
            "route pay maintenance on, \"two\\nlines\", again after 20m, until 2026-11-21T10:00:00Z",
        ),
        (
            maintenance("pay", closed("back at ten o'clock")),
            "route pay maintenance on, \"back at ten o'clock\"",
        ),
        (maintenance("pay", None), "route pay maintenance off"),
        (release("b", Some(Moving::Forced)), "release b move forced"),
    ] {
        assert_eq!(change.to_string(), line);
    }
}

#[test]
fn the_kill_switch_of_a_partner_wins_over_the_file_until_it_is_cleared() {
    let file = plan(&format!("{FILE}{PARTNERS}"));
    let switch = |name: &str, enabled| Override::Partner { name: name.to_owned(), enabled };
    let enabled = |plan: &Plan| plan.partners().iter().map(|one| one.enabled()).collect::<Vec<_>>();
    assert_eq!(enabled(&file), [true, false]);
    let overrides = Overrides::default().with(switch("adnet", true)).with(switch("adnet", false));
    assert_eq!(overrides.entries().len(), 1, "the later word counts");
    assert_eq!(enabled(&file.with(&overrides)), [false, false]);
    let overrides = overrides.with(switch("paynet", true));
    assert_eq!(enabled(&file.with(&overrides)), [false, true]);
    assert!(file.stale(&overrides).is_empty() && file.unmatched(&switch("paynet", false)).is_none());
    assert!(file.says(&switch("paynet", false)) && !file.says(&switch("paynet", true)));
    let unmatched = file.unmatched(&switch("adnett", false)).expect("nobody has this name");
    assert_eq!((unmatched.why, unmatched.error.as_str()), (Unfit::Unknown, "there is no [partner.adnett]"));
    assert_eq!(unmatched.hint, "did you mean adnet?");
    assert_eq!(plan(FILE).stale(&overrides).len(), 2, "the file has no partners any more");
    let words: Vec<_> = overrides.entries().iter().map(ToString::to_string).collect();
    assert_eq!(words, ["partner adnet disable", "partner paynet enable"]);
}

const PARTNERS: &str = r#"
[listener.open]
listen   = "127.0.0.1:7001"
protocol = "http"

[cluster.web]
link     = "http"
backends = [{ address = "10.0.1.1:8080" }]

[http.pay]
listener = "open"
path     = "/pay/*"
cluster  = "web"
partners = ["adnet", "paynet"]

[partner.adnet]
auth = { kind = "hmac", secret_file = "keys/adnet" }

[partner.paynet]
enabled = false
auth    = { kind = "api_key", keys_file = "keys/paynet" }
"#;

#[test]
fn a_maintenance_ends_when_the_clock_says_so_however_it_was_set_meanwhile() {
    let at = |minutes: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minutes);
    let words = Maintenance { message: "later".to_owned(), retry_after: None, until: Some(at(600)) };
    let seen =
        [120, 599, 600, 480].map(|minutes: u64| (words.is_over(|| at(minutes)), words.again(|| at(minutes))));
    let left = |minutes: u64| Some(Duration::from_secs(60 * minutes));
    assert_eq!(seen, [(false, left(480)), (false, left(1)), (true, left(0)), (false, left(120))]);
    let told = Maintenance { retry_after: left(5), ..words };
    assert_eq!(told.again(|| unreachable!("it was said")), left(5));
    let open = Maintenance { until: None, ..told };
    assert!(!open.is_over(|| unreachable!("it has no end")));
}

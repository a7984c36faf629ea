//! What operators run by, in files that are right: the API, maintenance, release groups, and the lists of accounts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use realmgate::config::{
    AdminState, CanaryKey, CanaryRule, Maintenance, Moving, Plan, Source, parse, parse_moment,
};

#[path = "config/plans.rs"]
mod plans;

use plans::{SMALLEST, file, plan};

const TWO_GROUPS: &str =
    r#"backends = [{ address = "10.0.1.1:7100", group = "a" }, { address = "10.0.1.2:7100", group = "b" }]"#;

fn with_groups(more: &str) -> Plan {
    let two = SMALLEST.replace("backends = [{ address = \"10.0.1.1:7100\" }]", TWO_GROUPS);
    plan(&format!("{two}{more}"))
}

#[test]
fn without_these_keys_there_is_no_api_no_group_and_every_route_is_open() {
    let plan = plan(SMALLEST);
    assert_eq!(plan.gateway().state_dir(), Path::new("/var/lib/realmgate"));
    assert!(plan.admin().is_none() && plan.groups().is_empty());
    let release = plan.release();
    assert_eq!((release.active(), release.moving(), release.canary().len()), (None, Moving::Natural, 0));
    assert_eq!(release.spread(), Duration::from_secs(60));
    assert!(plan.routes()[0].maintenance().is_none());
    let cluster = &plan.clusters()[0];
    assert_eq!((cluster.active(), cluster.has_groups()), (None, false));
    let backend = &cluster.backends()[0];
    assert_eq!((backend.group(), backend.admin()), (None, AdminState::Ready));
}

#[test]
fn paths_start_at_the_folder_of_the_file() {
    let text = format!("[gateway]\nstate_dir = 'state'\n[admin]\ntoken_file = 'admin.token'\n{SMALLEST}");
    let source = Source { path: PathBuf::from("/etc/realmgate/gate.toml"), text };
    let plan = parse(vec![source]).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(plan.gateway().state_dir(), Path::new("/etc/realmgate/state"));
    let token = plan.admin().and_then(|admin| admin.token_file()).expect("it is given");
    assert_eq!(token.get(), Path::new("/etc/realmgate/admin.token"));
}

#[test]
fn the_api_listens_on_this_machine_unless_a_token_guards_it() {
    let listen = |keys: &str| {
        let plan = plan(&format!("{SMALLEST}[admin]\n{keys}"));
        *plan.admin().expect("a table").listen().get()
    };
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    assert_eq!(listen(""), address("127.0.0.1:9600"));
    assert_eq!(listen("listen = '[::1]:9601'"), address("[::1]:9601"));
    assert_eq!(listen("listen = '0.0.0.0:9600'\ntoken_file = 'admin.token'"), address("0.0.0.0:9600"));
}

#[test]
fn maintenance_has_a_message_of_its_own_when_none_is_written() {
    let closed = |keys: &str| {
        let text = SMALLEST.replace("ids     =", &format!("maintenance = {{ {keys} }}\nids     ="));
        plan(&text).routes()[0].maintenance().cloned()
    };
    let told = |message: &str| Maintenance { message: message.to_owned(), retry_after: None, until: None };
    assert_eq!(closed(""), Some(told("closed for maintenance")));
    assert_eq!(closed("message = 'back at ten'"), Some(told("back at ten")));
    let minutes = Some(Duration::from_secs(1200));
    assert_eq!(closed("retry_after = '20m'").and_then(|closed| closed.retry_after), minutes);
    let ten = parse_moment("2026-11-21T10:00:00Z");
    for until in [
        "2026-11-21T10:00:00Z",
        "2026-11-21T18:00:00+08:00",
        "\"2026-11-21T10:00:00Z\"",
        "2026-11-21 10:00:00Z",
    ] {
        assert_eq!(closed(&format!("until = {until}")).and_then(|closed| closed.until), ten, "{until}");
    }
    let past = closed("until = 2001-01-01T00:00:00Z").and_then(|closed| closed.until);
    assert_eq!(past, parse_moment("2001-01-01T00:00:00Z"), "a past moment is no mistake: the route is open");
}

#[test]
fn every_key_of_a_release_is_read() {
    let plan = with_groups(
        r#"
[release]
active = "b"
move   = "forced"
spread = "0s"
canary = [
  { group = "a", percent = 5 },
  { group = "a", percent = 0.25, by = "client_ip" },
  { group = "a", percent = 100.0 },
  { group = "b", accounts = "lists/testers.txt" },
  { group = "b", version = ">=1.4.0" },
  { group = "b", zone = "sh-b" },
]
"#,
    );
    assert_eq!(plan.groups(), ["a", "b"]);
    let (a, b) = (plan.group("a"), plan.group("b"));
    let groups: Vec<_> = plan.clusters()[0].backends().iter().map(|backend| backend.group()).collect();
    assert_eq!(groups, [a, b]);
    let release = plan.release();
    assert_eq!((release.active(), release.moving(), release.spread()), (b, Moving::Forced, Duration::ZERO));
    let share = |rule: &CanaryRule| match rule {
        CanaryRule::Share { of_ten_thousand, by } => Some((*of_ten_thousand, *by)),
        CanaryRule::Accounts(_) | CanaryRule::Version(_) | CanaryRule::Zone(_) => None,
    };
    let rules: Vec<_> = release.canary().iter().map(|rule| (Some(rule.group()), rule.who())).collect();
    assert_eq!(rules.iter().map(|(group, _)| *group).collect::<Vec<_>>(), [a, a, a, b, b, b]);
    let shares: Vec<_> = rules.iter().filter_map(|(_, who)| share(who)).collect();
    assert_eq!(shares, [(500, CanaryKey::Account), (25, CanaryKey::ClientIp), (10_000, CanaryKey::Account)]);
    assert!(matches!(rules[3].1, CanaryRule::Accounts(path) if path.get() == Path::new("lists/testers.txt")));
    assert!(matches!(rules[4].1, CanaryRule::Version(rule) if rule.as_str() == ">=1.4.0"));
    assert!(matches!(rules[5].1, CanaryRule::Zone(zone) if zone == "sh-b"));
}

#[test]
fn a_cluster_may_have_an_active_group_of_its_own() {
    let text = SMALLEST
        .replace("backends = [{ address = \"10.0.1.1:7100\" }]", &format!("active = 'b'\n{TWO_GROUPS}"));
    let plan = plan(&text);
    assert_eq!(plan.clusters()[0].active(), plan.group("b"));
    assert_eq!(plan.release().active(), None);
}

#[test]
fn backends_without_a_group_are_in_every_one_even_in_one_that_only_they_serve() {
    let mixed = r#"active = "a"
backends = [{ address = "10.0.1.1:7100" }, { address = "10.0.1.2:7100", group = "b" }]"#;
    let plan = plan(&SMALLEST.replace("backends = [{ address = \"10.0.1.1:7100\" }]", mixed));
    assert_eq!(plan.groups(), ["a", "b"]);
    let cluster = &plan.clusters()[0];
    let active = cluster.active().expect("it is given");
    let serves: Vec<_> = cluster.backends().iter().map(|backend| backend.serves(active)).collect();
    assert_eq!(serves, [true, false]);
}

#[test]
fn the_complete_file_shows_the_keys_of_operation() {
    let plan = file("conf/realmgate.toml");
    assert_eq!(plan.gateway().state_dir(), Path::new("/var/lib/realmgate"));
    assert_eq!(plan.admin().map(|admin| admin.listen().get().to_string()), Some("127.0.0.1:9600".to_owned()));
    assert_eq!(plan.groups(), ["a", "b"]);
    assert_eq!(plan.release().active(), plan.group("a"));
    assert_eq!(plan.release().canary().len(), 3);
    let closed: Vec<_> = plan
        .routes()
        .iter()
        .filter(|route| route.maintenance().is_some())
        .map(|route| route.name())
        .collect();
    assert_eq!(closed, ["rank"]);
}

#[test]
fn lists_of_accounts_are_read_in_the_order_of_their_rules() {
    let folder = std::env::temp_dir().join(format!("realmgate-lists-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("one.txt"), "# testers\nalice\n\n").expect("a file");
    std::fs::write(folder.join("two.txt"), "bob\n carol \n").expect("a file");
    let of = |first: &str, second: &str| {
        let two = SMALLEST.replace("backends = [{ address = \"10.0.1.1:7100\" }]", TWO_GROUPS);
        let rules = format!(
            "[release]\nactive = 'a'\ncanary = [{{ group = 'b', accounts = '{first}' }}, \
             {{ group = 'b', percent = 1 }}, {{ group = 'b', accounts = '{second}' }}]\n"
        );
        let source = Source { path: folder.join("gate.toml"), text: two + &rules };
        parse(vec![source]).unwrap_or_else(|report| panic!("{report}"))
    };
    let lists = of("one.txt", "two.txt").account_lists().map_err(|problems| problems.len());
    assert_eq!(lists, Ok(vec![vec!["alice".to_owned()], vec!["bob".to_owned(), "carol".to_owned()]]));

    let missing = of("none.txt", "neither.txt");
    let problems = missing.account_lists().expect_err("both are missing");
    let report = missing.report(problems).render(false);
    for part in ["none.txt: ", "neither.txt: ", "gate.toml:17:", "one account a line", "2 mistakes"] {
        assert!(report.contains(part), "{part} in {report}");
    }
    std::fs::remove_dir_all(&folder).expect("it is there");
}

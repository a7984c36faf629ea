//! Which release group a session enters: the rules of `canary` in their order, and else the active group.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::{CanaryKey, CanaryRule, GroupIndex, Plan};
use crate::policy::{VersionRule, stable_hash, stable_hash_u64};

/// The release rules in force.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    active: Option<GroupIndex>,
    rules: Arc<[Rule]>,
}

/// What the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// After login.
    pub account: Option<&'a str>,
    /// The client's version, where it is known.
    pub version: Option<&'a str>,
    /// The player's address.
    pub address: IpAddr,
}

#[derive(Clone, Debug)]
struct Rule {
    group: GroupIndex,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Share {
        of_ten_thousand: u16,
        by: CanaryKey,
        /// The group's own, so that two groups do not draw the same keys.
        salt: u64,
    },
    Accounts(HashSet<Box<str>>),
    Version(VersionRule),
    /// Everybody at this gateway, or nobody.
    Zone {
        name: String,
        here: bool,
    },
}

impl Groups {
    /// The rules of a plan; `lists` are the accounts of its canary rules that name a file, in their order.
    #[must_use]
    pub fn new(plan: &Plan, lists: Vec<Vec<String>>) -> Self {
        let mut lists = lists.into_iter();
        let mut test = |group: GroupIndex, who: &CanaryRule| match who {
            CanaryRule::Share { of_ten_thousand, by } => {
                let name = plan.groups().get(group.get()).map_or("", String::as_str);
                Test::Share { of_ten_thousand: *of_ten_thousand, by: *by, salt: stable_hash(name.as_bytes()) }
            }
            CanaryRule::Accounts(_) => {
                let accounts = lists.next().unwrap_or_default();
                Test::Accounts(accounts.into_iter().map(String::into_boxed_str).collect())
            }
            CanaryRule::Version(rule) => Test::Version(rule.clone()),
            CanaryRule::Zone(zone) => Test::Zone { name: zone.clone(), here: zone == plan.gateway().zone() },
        };
        let rules = plan.release().canary().iter();
        let rules = rules.map(|rule| Rule { group: rule.group(), test: test(rule.group(), rule.who()) });
        Self { active: plan.release().active(), rules: rules.collect() }
    }

    /// The group that such a session enters; `None`: there are no groups.
    #[must_use]
    pub fn decide(&self, who: &Who<'_>) -> Option<GroupIndex> {
        self.first(who).map(|(_, rule)| rule.group).or(self.active)
    }

    /// [`Groups::decide`], and why.
    #[must_use]
    pub fn why(&self, who: &Who<'_>) -> (Option<GroupIndex>, String) {
        match (self.first(who), self.active) {
            (Some((place, rule)), _) => {
                let why = rule.test.reason(who);
                (Some(rule.group), format!("canary rule {} of {}: {why}", place + 1, self.rules.len()))
            }
            (None, None) => (None, "there are no groups".to_owned()),
            (None, active) if self.rules.is_empty() => (active, "it is active".to_owned()),
            (None, active) => (active, format!("it is active, and {}", self.none_of_them())),
        }
    }

    fn first(&self, who: &Who<'_>) -> Option<(usize, &Rule)> {
        self.rules.iter().enumerate().find(|(_, rule)| rule.test.fits(who))
    }

    fn none_of_them(&self) -> String {
        match self.rules.len() {
            1 => "the canary rule does not fit".to_owned(),
            many => format!("none of {many} canary rules fits"),
        }
    }
}

impl Test {
    fn fits(&self, who: &Who<'_>) -> bool {
        match self {
            Self::Share { of_ten_thousand, by, salt } => {
                place(*by, *salt, who).is_some_and(|place| place < u64::from(*of_ten_thousand))
            }
            Self::Accounts(list) => who.account.is_some_and(|account| list.contains(account)),
            Self::Version(rule) => who.version.is_some_and(|version| rule.matches(version)),
            Self::Zone { here, .. } => *here,
        }
    }

    fn reason(&self, who: &Who<'_>) -> String {
        let account = who.account.unwrap_or_default();
        match self {
            Self::Share { of_ten_thousand, by, .. } => {
                let key = match by {
                    CanaryKey::Account => format!("the account {account}"),
                    CanaryKey::ClientIp => format!("the address {}", who.address),
                };
                format!(
                    "{key} is in the share of {}",
                    CanaryRule::Share { of_ten_thousand: *of_ten_thousand, by: *by }
                )
            }
            Self::Accounts(_) => format!("its list has the account {account}"),
            Self::Version(rule) => format!("{} is {}", who.version.unwrap_or_default(), rule.as_str()),
            Self::Zone { name, .. } => format!("this gateway is in the zone {name}"),
        }
    }
}

/// The key's place among 10,000; more percent reach further, so that those who were in stay.
fn place(by: CanaryKey, salt: u64, who: &Who<'_>) -> Option<u64> {
    let key = match (by, who.address.to_canonical()) {
        (CanaryKey::Account, _) => stable_hash(who.account?.as_bytes()),
        (CanaryKey::ClientIp, IpAddr::V4(address)) => stable_hash(&address.octets()),
        (CanaryKey::ClientIp, IpAddr::V6(address)) => stable_hash(&address.octets()),
    };
    Some(stable_hash_u64(key ^ salt) % 10_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Source, parse};

    fn plan(canary: &str) -> Plan {
        let text = format!(
            r#"
[gateway]
zone = "sh-a"
[frame.game]
length = {{ width = 4 }}
id = {{ offset = 4, width = 2 }}
[listener.players]
listen = "127.0.0.1:0"
[cluster.battle]
backends = [
  {{ address = "10.0.1.1:1", group = "a" }},
  {{ address = "10.0.1.1:2", group = "b" }},
  {{ address = "10.0.1.1:3", group = "c" }},
]
[route.battle]
ids = ["*"]
cluster = "battle"
[release]
active = "a"
canary = [{canary}]
"#
        );
        parse(vec![Source { path: PathBuf::from("test.toml"), text }])
            .unwrap_or_else(|report| panic!("{report}"))
    }

    fn who(account: &str) -> Who<'_> {
        Who { account: Some(account), version: None, address: IpAddr::from([192, 0, 2, 7]) }
    }

    fn drawn(canary: &str, group: &str) -> BTreeSet<u32> {
        let plan = plan(canary);
        let groups = Groups::new(&plan, Vec::new());
        let wanted = plan.group(group);
        (0..100_000).filter(|number| groups.decide(&who(&format!("player-{number}"))) == wanted).collect()
    }

    #[test]
    fn a_share_is_as_large_as_it_says() {
        for (percent, share) in [(0.25, 0.0025_f64), (5.0, 0.05), (50.0, 0.5), (100.0, 1.0)] {
            let (count, mean) =
                (drawn(&format!(r#"{{ group = "b", percent = {percent} }}"#), "b").len(), share * 1e5);
            let sigma = (mean * (1.0 - share)).sqrt();
            let off = (f64::from(u32::try_from(count).expect("few")) - mean).abs();
            assert!(off <= 3.0 * sigma, "{percent} percent drew {count}, {} sigma off", off / sigma);
        }
    }

    #[test]
    fn a_share_is_the_same_after_a_restart_and_more_percent_keep_those_who_were_in() {
        let five = drawn(r#"{ group = "b", percent = 5 }"#, "b");
        assert_eq!(drawn(r#"{ group = "b", percent = 5 }"#, "b"), five);
        let six = drawn(r#"{ group = "b", percent = 6.5 }"#, "b");
        assert!(five.is_subset(&six) && six.len() > five.len());
        let first: Vec<_> = five.iter().take(5).copied().collect();
        assert_eq!(first, PINNED, "players would change their group with a new version of the gateway");
    }

    /// The first of player-0 to player-99999 whom five percent of the group b drew when this was written.
    const PINNED: [u32; 5] = [26, 47, 54, 62, 73];

    #[test]
    fn two_groups_do_not_draw_the_same_accounts() {
        let both = r#"{ group = "b", percent = 5 }, { group = "c", percent = 5 }"#;
        let (b, c) = (drawn(both, "b").len(), drawn(both, "c").len());
        assert!((4_793..5_207).contains(&b) && (4_540..4_960).contains(&c), "{b} and {c}");
    }

    #[test]
    fn a_share_by_address_does_not_look_at_the_port_or_the_account() {
        let plan = plan(r#"{ group = "b", percent = 50, by = "client_ip" }"#);
        let groups = Groups::new(&plan, Vec::new());
        let from = |octet: u8, account| {
            let address = IpAddr::from([192, 0, 2, octet]);
            groups.decide(&Who { account, version: None, address })
        };
        let drawn = (0..=255).filter(|octet| from(*octet, None) == plan.group("b")).count();
        assert!((100..156).contains(&drawn), "{drawn} of 256");
        assert!((0..=255).all(|octet| from(octet, None) == from(octet, Some("alice"))));
        let mapped = std::net::Ipv4Addr::new(192, 0, 2, 9).to_ipv6_mapped();
        let by_six = Who { account: None, version: None, address: mapped.into() };
        assert_eq!(groups.decide(&by_six), from(9, None), "one player, whichever way it came");
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_says_why() {
        let plan = plan(
            r#"{ group = "a", accounts = "never.txt" }, { group = "b", accounts = "testers.txt" },
               { group = "c", version = ">=1.4" }"#,
        );
        let lists = vec![vec!["carol".to_owned()], vec!["alice".to_owned(), "carol".to_owned()]];
        let groups = Groups::new(&plan, lists);
        let new = |account| Who { version: Some("1.4.2"), ..who(account) };
        for (who, group, why) in [
            (who("alice"), "b", "canary rule 2 of 3: its list has the account alice"),
            (new("alice"), "b", "canary rule 2 of 3: its list has the account alice"),
            (new("carol"), "a", "canary rule 1 of 3: its list has the account carol"),
            (new("dave"), "c", "canary rule 3 of 3: 1.4.2 is >=1.4"),
            (who("dave"), "a", "it is active, and none of 3 canary rules fits"),
        ] {
            assert_eq!(groups.why(&who), (plan.group(group), why.to_owned()));
            assert_eq!(groups.decide(&who), plan.group(group));
        }
        let nobody = Who { account: None, version: None, address: IpAddr::from([192, 0, 2, 7]) };
        assert_eq!(groups.decide(&nobody), plan.group("a"), "what is not known fits no rule");
    }

    #[test]
    fn a_zone_is_the_gateways() {
        let decide = |zone: &str| {
            let plan = plan(&format!(r#"{{ group = "b", zone = "{zone}" }}"#));
            let (group, why) = Groups::new(&plan, Vec::new()).why(&who("alice"));
            (group == plan.group("b"), why)
        };
        assert_eq!(decide("sh-a"), (true, "canary rule 1 of 1: this gateway is in the zone sh-a".to_owned()));
        assert_eq!(decide("sh-b"), (false, "it is active, and the canary rule does not fit".to_owned()));
    }
}

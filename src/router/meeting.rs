//! Which release group a player meets at a cluster, and who serves it there, in words.

use super::{Groups, Who};
use crate::config::{AdminState, Backend, CanaryKey, CanaryRule, Cluster, GroupIndex, Plan};

/// What a player meets at a cluster.
pub(super) struct Meeting {
    /// `None`: every backend serves.
    serving: Option<GroupIndex>,
    why: String,
}

impl Meeting {
    pub(super) fn new(plan: &Plan, groups: &Groups, cluster: &Cluster, who: &Who<'_>) -> Self {
        if plan.groups().is_empty() {
            let why = "none: no release rules, every backend serves every account and version";
            return Self { serving: None, why: why.to_owned() };
        }
        let name = |group| name_of(plan, group);
        if let Some(own) = cluster.active() {
            let why = format!("{}: it is active at this cluster, for everybody", name(own));
            return Self { serving: Some(own), why };
        }
        let (Some(group), why) = groups.why(who) else {
            return Self { serving: None, why: "none: no group is active".to_owned() };
        };
        let why = format!("{}: {why}", name(group));
        if !cluster.has_groups() {
            return Self { serving: None, why: format!("{why}; this cluster serves every group") };
        }
        let here = cluster.backends().iter().any(|backend| backend.group() == Some(group));
        match plan.release().active().filter(|active| !here && *active != group) {
            Some(active) => {
                let why =
                    format!("{why}; this cluster has none of it, so {} serves, the active one", name(active));
                Self { serving: Some(active), why }
            }
            None => Self { serving: Some(group), why },
        }
    }

    /// The group, and why.
    pub(super) fn why(&self) -> &str {
        &self.why
    }

    /// A backend, and whether this player may meet it.
    pub(super) fn backend(&self, plan: &Plan, backend: &Backend) -> String {
        let zone = match backend.zone() {
            "" => String::new(),
            zone => format!(" zone {zone}"),
        };
        let most = backend.max_sessions().map(|most| format!(" at most {most} sessions")).unwrap_or_default();
        let group =
            backend.group().map(|group| format!(" group {}", name_of(plan, group))).unwrap_or_default();
        let serves = self.serving.is_none_or(|serving| backend.serves(serving));
        let but = match (serves, backend.admin()) {
            (false, _) => "; not for this player: another group",
            (true, AdminState::Ready) => "",
            (true, AdminState::Drain) => "; drained: no new sessions",
            (true, AdminState::Disable) => "; disabled: no sessions",
        };
        format!("{} weight {}{zone}{most}{group}{but}", backend.address().get(), backend.weight())
    }
}

/// What else could be said for another answer.
pub(super) fn hints(plan: &Plan, who: &Who<'_>) -> Option<String> {
    let rules = || plan.release().canary().iter().map(|rule| rule.who());
    let by_account = |rule: &CanaryRule| {
        matches!(rule, CanaryRule::Accounts(_) | CanaryRule::Share { by: CanaryKey::Account, .. })
    };
    let mut lacks = Vec::new();
    if who.account.is_none() && rules().any(by_account) {
        lacks.push("--account");
    }
    if who.version.is_none() && rules().any(|rule| matches!(rule, CanaryRule::Version(_))) {
        lacks.push("--version");
    }
    if who.address.is_loopback()
        && rules().any(|rule| matches!(rule, CanaryRule::Share { by: CanaryKey::ClientIp, .. }))
    {
        lacks.push("--address");
    }
    (!lacks.is_empty()).then(|| format!("canary rules look at {} too", lacks.join(" and ")))
}

fn name_of(plan: &Plan, group: GroupIndex) -> &str {
    plan.groups().get(group.get()).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Override, Overrides, Source, parse};

    const FILE: &str = r#"
[frame.game]
length = { width = 4 }
id = { offset = 4, width = 2 }
[listener.players]
listen = "127.0.0.1:0"
[cluster.battle]
backends = [{ address = "10.0.1.1:1", group = "a" }, { address = "10.0.1.1:2", group = "b", zone = "sh-b" }]
[cluster.chat]
backends = [{ address = "10.0.1.2:1" }]
[cluster.pay]
active = "a"
backends = [{ address = "10.0.1.3:1", group = "a" }, { address = "10.0.1.3:2", group = "b" }]
[cluster.rank]
backends = [{ address = "10.0.1.4:1", group = "a" }, { address = "10.0.1.4:2" }]
[route.battle]
ids = ["*"]
cluster = "battle"
[release]
active = "a"
canary = [{ group = "b", version = ">=2" }]
"#;

    fn plan(text: &str) -> Plan {
        let source = Source { path: PathBuf::from("test.toml"), text: text.to_owned() };
        parse(vec![source]).unwrap_or_else(|report| panic!("{report}"))
    }

    /// What a client of version 2 meets: why, and the backends.
    fn met(plan: &Plan, name: &str) -> (String, Vec<String>) {
        let groups = Groups::new(plan, Vec::new());
        let cluster = plan.clusters().iter().find(|cluster| cluster.name() == name).expect("it is there");
        let who = Who { account: None, version: Some("2.0.1"), address: IpAddr::from([192, 0, 2, 7]) };
        let meeting = Meeting::new(plan, &groups, cluster, &who);
        let backends = cluster.backends().iter().map(|backend| meeting.backend(plan, backend));
        (meeting.why().to_owned(), backends.collect())
    }

    #[test]
    fn each_cluster_is_met_in_its_own_way() {
        let plan = plan(FILE);
        let other = "; not for this player: another group";
        let rule = "b: canary rule 1 of 1: 2.0.1 is >=2";
        for (cluster, why, backends) in [
            (
                "battle",
                rule.to_owned(),
                vec![
                    format!("10.0.1.1:1 weight 100 group a{other}"),
                    "10.0.1.1:2 weight 100 zone sh-b group b".to_owned(),
                ],
            ),
            (
                "chat",
                format!("{rule}; this cluster serves every group"),
                vec!["10.0.1.2:1 weight 100".to_owned()],
            ),
            (
                "pay",
                "a: it is active at this cluster, for everybody".to_owned(),
                vec![
                    "10.0.1.3:1 weight 100 group a".to_owned(),
                    format!("10.0.1.3:2 weight 100 group b{other}"),
                ],
            ),
            (
                "rank",
                format!("{rule}; this cluster has none of it, so a serves, the active one"),
                vec!["10.0.1.4:1 weight 100 group a".to_owned(), "10.0.1.4:2 weight 100".to_owned()],
            ),
        ] {
            assert_eq!(met(&plan, cluster), (why, backends));
        }
    }

    #[test]
    fn what_the_operator_wants_of_a_backend_is_said() {
        let wanted = |state| {
            let (cluster, address) = ("chat".to_owned(), "10.0.1.2:1".to_owned());
            plan(FILE).with(&Overrides::default().with(Override::State { cluster, address, state }))
        };
        let (_, drained) = met(&wanted(AdminState::Drain), "chat");
        assert_eq!(drained, ["10.0.1.2:1 weight 100; drained: no new sessions"]);
        let (_, disabled) = met(&wanted(AdminState::Disable), "chat");
        assert_eq!(disabled, ["10.0.1.2:1 weight 100; disabled: no sessions"]);
    }
}

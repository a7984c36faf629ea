//! Partners of two plans compared.

use super::change::{Change, PartnerChange, Swap};
use super::find;
use crate::config::plan::{Partner, PartnerAuth, Plan};

pub(super) fn compare(changes: &mut Vec<Change>, old: &Plan, new: &Plan) {
    let mut add = |partner: &Partner, what| {
        changes.push(Change::Partner { name: partner.name.clone(), what });
    };
    for partner in &old.partners {
        match find(&new.partners, Partner::name, &partner.name) {
            Some(later) => one(partner, later).into_iter().for_each(|what| add(partner, what)),
            None => add(partner, PartnerChange::Removed),
        }
    }
    for partner in &new.partners {
        if find(&old.partners, Partner::name, &partner.name).is_none() {
            add(partner, PartnerChange::Added);
        }
    }
}

fn one(old: &Partner, new: &Partner) -> Vec<PartnerChange> {
    let switched = match (old.enabled, new.enabled) {
        (true, false) => Some(PartnerChange::Disabled),
        (false, true) => Some(PartnerChange::Enabled),
        (true, true) | (false, false) => None,
    };
    let limits = limits(old, new);
    [
        switched,
        Swap::of(auth(&old.auth), auth(&new.auth)).map(PartnerChange::Auth),
        (old.allow != new.allow).then_some(PartnerChange::Networks),
        (!limits.is_empty()).then_some(PartnerChange::Limits(limits)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What proves it, in words; only what files are called: what is in them is read again at every reload.
fn auth(auth: &PartnerAuth) -> String {
    let word = auth.as_str();
    match auth {
        PartnerAuth::ApiKey { keys: file } | PartnerAuth::Hmac { secret: file } => {
            format!("{word} of {}", file.get().display())
        }
        PartnerAuth::Jwt(trust) => {
            let audience = trust.audience.as_deref().map(|name| format!(" for {name}")).unwrap_or_default();
            let skew = crate::base::format_duration(trust.skew);
            let (algorithm, key) = (trust.algorithm.as_str(), trust.key.get().display());
            format!("{word} {algorithm}{audience}, key {key}, skew {skew}")
        }
        PartnerAuth::Mtls { names } => format!("{word} {}", names.join(", ")),
    }
}

fn limits(old: &Partner, new: &Partner) -> Vec<&'static str> {
    let keys = [
        ("rate", old.rate.per_second.to_bits() != new.rate.per_second.to_bits()),
        ("burst", old.rate.burst != new.rate.burst),
        ("daily", old.daily != new.daily),
        ("in_flight", old.in_flight != new.in_flight),
        ("connections", old.connections != new.connections),
    ];
    keys.iter().filter(|(_, differ)| *differ).map(|(key, _)| *key).collect()
}

//! Versions of game clients, and rules such as `">=1.4.0"`.

use std::cmp::Ordering;

/// Which versions a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRule {
    /// The rule as it was written.
    text: String,
    /// All of them must hold.
    bounds: Vec<Bound>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    relation: Relation,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
}

/// Dotted numbers without the zeros at their end, so that `1.4` is `1.4.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(Vec<u64>);

impl VersionRule {
    /// Reads relations joined by commas, all of which must hold: `">=1.4.0"`, `">1.2, <2"`. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bounds = text.split(',').map(Bound::parse).collect::<Option<Vec<_>>>()?;
        Some(Self { text: text.trim().to_owned(), bounds })
    }

    /// Whether the rule is for this version. What is no dotted number matches nothing; what follows a `-` or a `+` is
    /// not looked at.
    #[must_use]
    pub fn matches(&self, version: &str) -> bool {
        let found = Version::parse(version);
        found.is_some_and(|found| self.bounds.iter().all(|bound| bound.holds(&found)))
    }

    /// The rule as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Bound {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (relation, version) =
            RELATIONS.iter().find_map(|(sign, relation)| Some((*relation, text.strip_prefix(sign)?)))?;
        Some(Self { relation, version: Version::parse(version)? })
    }

    fn holds(&self, found: &Version) -> bool {
        let order = found.cmp(&self.version);
        match self.relation {
            Relation::AtLeast => order != Ordering::Less,
            Relation::Above => order == Ordering::Greater,
            Relation::AtMost => order != Ordering::Greater,
            Relation::Below => order == Ordering::Less,
            Relation::Equal => order == Ordering::Equal,
        }
    }
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let number = text.trim().split(['-', '+']).next().unwrap_or_default();
        if number.len() > LONGEST {
            return None;
        }
        let part = |part: &str| {
            let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| part.parse().ok()).flatten()
        };
        let mut parts = number.split('.').map(part).collect::<Option<Vec<u64>>>()?;
        let length = parts.iter().rposition(|part| *part != 0).map_or(0, |last| last + 1);
        parts.truncate(length);
        Some(Self(parts))
    }
}

/// The longer signs first, since the shorter ones begin them.
const RELATIONS: [(&str, Relation); 5] = [
    (">=", Relation::AtLeast),
    ("<=", Relation::AtMost),
    (">", Relation::Above),
    ("<", Relation::Below),
    ("=", Relation::Equal),
];
/// Clients say their versions themselves; nobody's is longer.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(rule: &str, version: &str) -> bool {
        VersionRule::parse(rule).unwrap_or_else(|| panic!("{rule} is a rule")).matches(version)
    }

    #[test]
    fn each_sign_has_its_relation() {
        let around = ["1.3.9", "1.4", "1.4.1"];
        for (rule, wanted) in [
            (">=1.4.0", [false, true, true]),
            (">1.4.0", [false, false, true]),
            ("<=1.4.0", [true, true, false]),
            ("<1.4.0", [true, false, false]),
            ("=1.4.0", [false, true, false]),
            (">1.3.9, <1.4.1", [false, true, false]),
        ] {
            assert_eq!(around.map(|version| matches(rule, version)), wanted, "{rule}");
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_missing_ones_are_zero() {
        assert!(matches(">1.9", "1.10"));
        assert!(matches("=1.4", "1.4.0.0") && matches("=1.4.0.0", "1.4"));
        assert!(matches("<1.4.0.1", "1.4"));
        assert!(matches(">=0", "0.0") && matches(" >= 1.4 , < 2 ", "1.9.9"));
    }

    #[test]
    fn what_follows_the_numbers_is_not_looked_at() {
        assert!(matches("=1.4.0", "1.4.0-rc.1") && matches("=1.4.0", "1.4.0+build7"));
        assert!(matches(">=1.4.0-beta", "1.4.0"));
    }

    #[test]
    fn an_unreadable_version_matches_nothing() {
        let long = format!("1.{}", "0.".repeat(100));
        for version in ["", "v1.4", "1..4", "1.", "new", "99999999999999999999", "1.4 beta", &long] {
            assert!(!matches(">=0", version), "{version}");
        }
    }

    #[test]
    fn what_is_no_rule_is_none() {
        for rule in ["", "1.4.0", ">=", ">=1.4,", "=>1.4", "~1.4", "1.4.*", ">=x", ">=1.4 || <1"] {
            assert_eq!(VersionRule::parse(rule), None, "{rule}");
        }
        assert_eq!(
            VersionRule::parse(" >=1.4 ").map(|rule| rule.as_str().to_owned()),
            Some(">=1.4".to_owned())
        );
    }
}

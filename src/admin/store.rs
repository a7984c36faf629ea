//! Runtime changes on disk, before anybody hears that they are in force.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::config::{
    AdminState, Banned, Maintenance, Moving, Override, Overrides, format_moment, parse_moment,
};
use crate::net::{StateFault, StateFile};

/// The file of the runtime changes.
#[derive(Clone, Debug)]
pub struct Store(StateFile);

const FILE: &str = "overrides.json";
const VERSION: u64 = 1;

impl Store {
    /// The file in a gateway's `state_dir`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self(StateFile::new(folder, FILE))
    }

    /// What is in the file, without what is over at `clock`; nothing if there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged: then nobody can know what was changed, and an operator has to look.
    pub fn read(&self, clock: SystemTime) -> Result<Overrides, StateFault> {
        Ok(self.0.read(parse)?.without_expired(clock))
    }

    /// Keeps them; when this returns they are on disk.
    ///
    /// # Errors
    /// When the operating system says no; what was kept before still is.
    pub fn write(&self, overrides: &Overrides) -> Result<(), StateFault> {
        let entries: Vec<_> = overrides.entries().iter().map(to_json).collect();
        let text = json!({ "version": VERSION, "overrides": entries });
        let written = self.0.write(&format!("{text:#}\n"));
        written.map_err(|error| StateFault::Io(self.0.folder().to_owned(), error))
    }

    /// What the operator can do.
    #[must_use]
    pub const fn hint(fault: &StateFault) -> &'static str {
        match fault {
            StateFault::Io(..) => {
                "give the gateway's user a folder it may write to, or name another one: [gateway] state_dir"
            }
            StateFault::Damaged(..) => {
                "look what was changed at run time, move the file away, start, and change it again with realmgate ctl"
            }
        }
    }
}

/// A runtime change as the API shows it and the file keeps it.
pub(super) fn to_json(entry: &Override) -> Value {
    match entry {
        Override::State { cluster, address, state } => {
            json!({ "kind": "state", "cluster": cluster, "address": address, "state": state.as_str() })
        }
        Override::Weight { cluster, address, weight } => {
            json!({ "kind": "weight", "cluster": cluster, "address": address, "weight": weight })
        }
        Override::Maintenance { route, closed } => json!({
            "kind": "maintenance",
            "route": route,
            "on": closed.is_some(),
            "message": closed.as_ref().map(|words| &words.message),
            "retry_after_ms": closed.as_ref().and_then(|words| words.retry_after).map(crate::base::millis),
            "until": closed.as_ref().and_then(|words| words.until).map(format_moment),
        }),
        Override::Partner { name, enabled } => {
            json!({ "kind": "partner", "partner": name, "enabled": enabled })
        }
        Override::Release { active, moving } => {
            json!({ "kind": "release", "active": active, "move": moving.map(Moving::as_str) })
        }
        Override::Ban { who: Banned::Address(address), until } => {
            json!({ "kind": "ban", "address": address.to_string(), "until": format_moment(*until) })
        }
        Override::Ban { who: Banned::Account(account), until } => {
            json!({ "kind": "ban", "account": account, "until": format_moment(*until) })
        }
    }
}

fn parse(text: &str) -> Result<Overrides, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match file.get("version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(other) => return Err(format!("it is of version {other}, and this program reads {VERSION}")),
        None => return Err("it has no version".to_owned()),
    }
    let entries = file.get("overrides").and_then(Value::as_array).ok_or("it has no list of overrides")?;
    let read = |entry| from_json(entry).ok_or_else(|| format!("this is no runtime change: {entry}"));
    entries.iter().map(read).collect()
}

fn from_json(entry: &Value) -> Option<Override> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let owned = |key: &str| text(key).map(str::to_owned);
    Some(match text("kind")? {
        "state" => Override::State {
            cluster: owned("cluster")?,
            address: owned("address")?,
            state: admin_state(text("state")?)?,
        },
        "weight" => Override::Weight {
            cluster: owned("cluster")?,
            address: owned("address")?,
            weight: u32::try_from(entry.get("weight")?.as_u64()?).ok()?,
        },
        "maintenance" if entry.get("on")?.as_bool()? => {
            let until = match text("until") {
                Some(until) => Some(parse_moment(until)?),
                None => None,
            };
            let retry_after = entry.get("retry_after_ms").and_then(Value::as_u64).map(Duration::from_millis);
            let closed = Some(Maintenance { message: owned("message")?, retry_after, until });
            Override::Maintenance { route: owned("route")?, closed }
        }
        "maintenance" => Override::Maintenance { route: owned("route")?, closed: None },
        "partner" => Override::Partner { name: owned("partner")?, enabled: entry.get("enabled")?.as_bool()? },
        "release" => Override::Release {
            active: owned("active")?,
            moving: match text("move") {
                Some(word) => Some(moving(word)?),
                None => None,
            },
        },
        "ban" => {
            let address = |text: &str| text.parse::<IpAddr>().ok().map(Banned::Address);
            let who = match text("address") {
                Some(text) => address(text)?,
                None => Banned::Account(owned("account")?),
            };
            Override::Ban { who, until: parse_moment(text("until")?)? }
        }
        _ => return None,
    })
}

/// The state of a word.
pub(super) fn admin_state(word: &str) -> Option<AdminState> {
    [AdminState::Ready, AdminState::Drain, AdminState::Disable]
        .into_iter()
        .find(|state| state.as_str() == word)
}

/// The way to move of a word.
pub(super) fn moving(word: &str) -> Option<Moving> {
    [Moving::Natural, Moving::Forced].into_iter().find(|moving| moving.as_str() == word)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::time::UNIX_EPOCH;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("realmgate-store-{}-{name}", std::process::id()));
            drop(fs::remove_dir_all(&folder));
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    /// One of every kind.
    fn all() -> Overrides {
        let (cluster, address) = (|| "battle".to_owned(), || "10.0.0.1:7100".to_owned());
        let until = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let closed = Maintenance {
            message: "closed \"until\" ten\n".to_owned(),
            retry_after: Some(Duration::from_secs(1200)),
            until: Some(until),
        };
        [
            Override::State { cluster: cluster(), address: address(), state: AdminState::Drain },
            Override::Weight { cluster: cluster(), address: address(), weight: 50 },
            Override::Maintenance { route: "rank".to_owned(), closed: Some(closed) },
            Override::Maintenance { route: "chat".to_owned(), closed: None },
            Override::Release { active: "b".to_owned(), moving: Some(Moving::Forced) },
            Override::Partner { name: "adnet".to_owned(), enabled: false },
            Override::Ban { who: Banned::Address("192.0.2.1".parse().expect("an address")), until },
            Override::Ban { who: Banned::Account("ann".to_owned()), until },
        ]
        .into_iter()
        .fold(Overrides::default(), |overrides, entry| overrides.with(entry))
    }

    /// The place of a kind among all of them, without gaps.
    fn kind(entry: &Override) -> usize {
        match entry {
            Override::State { .. } => 0,
            Override::Weight { .. } => 1,
            Override::Maintenance { closed: Some(_), .. } => 2,
            Override::Maintenance { closed: None, .. } => 3,
            Override::Release { .. } => 4,
            Override::Partner { .. } => 5,
            Override::Ban { who: Banned::Address(_), .. } => 6,
            Override::Ban { who: Banned::Account(_), .. } => LAST_KIND,
        }
    }

    const LAST_KIND: usize = 7;

    #[test]
    fn these_tests_have_one_of_every_kind() {
        let kinds: BTreeSet<usize> = all().entries().iter().map(kind).collect();
        assert!(kinds.into_iter().eq(0..=LAST_KIND));
    }

    #[test]
    fn what_is_written_is_read_again_and_readable_by_nobody_else() {
        let folder = Folder::new("whole");
        let store = Store::new(&folder.0);
        assert_eq!(store.read(UNIX_EPOCH).expect("no file is none"), Overrides::default());
        store.write(&all()).expect("written");
        assert_eq!(store.read(UNIX_EPOCH).expect("read"), all());
        let mode = fs::metadata(folder.0.join(FILE)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        store.write(&Overrides::default()).expect("written");
        assert_eq!(store.read(UNIX_EPOCH).expect("read"), Overrides::default());
    }

    #[test]
    fn twenty_thousand_bans_are_read_again_at_a_start() {
        let folder = Folder::new("many");
        let store = Store::new(&folder.0);
        let until = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let ban = |number| Override::Ban { who: Banned::Account(format!("account-{number}")), until };
        let many: Overrides = (0..20_000).map(ban).collect();
        store.write(&many).expect("written");
        assert_eq!(store.read(UNIX_EPOCH).expect("read"), many);
        assert_eq!(many.with(ban(7)).without_expired(UNIX_EPOCH).entries().len(), 20_000);
    }

    #[test]
    fn a_write_that_was_cut_short_leaves_what_was_there() {
        let folder = Folder::new("torn");
        let store = Store::new(&folder.0);
        store.write(&all()).expect("written");
        fs::write(folder.0.join("overrides.json.new"), "{\"version\": 1, \"over").expect("half a file");
        assert_eq!(store.read(UNIX_EPOCH).expect("read"), all());
        store.write(&all()).expect("written over it");
        let mode = fs::metadata(folder.0.join(FILE)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "not those of the torn file");
    }

    #[test]
    fn what_is_over_is_not_read_again() {
        let folder = Folder::new("over");
        let store = Store::new(&folder.0);
        store.write(&all()).expect("written");
        let until = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let read = |clock| store.read(clock).expect("read").bans().count();
        assert_eq!((read(until - Duration::from_secs(1)), read(until)), (2, 0));
        assert_eq!(store.read(until).expect("read").entries().len(), 5, "the maintenance is over, too");
    }

    #[test]
    fn a_damaged_file_is_never_taken_for_none() {
        let folder = Folder::new("damaged");
        let store = Store::new(&folder.0);
        fs::create_dir_all(&folder.0).expect("a folder");
        for text in [
            b"".as_slice(),
            b"{",
            b"{}",
            b"\xff",
            b"{\"version\": 2, \"overrides\": []}",
            b"{\"version\": 1}",
            b"{\"version\": 1, \"overrides\": [{\"kind\": \"state\"}]}",
            b"{\"version\": 1, \"overrides\": [{\"kind\": \"other\"}]}",
        ] {
            fs::write(folder.0.join(FILE), text).expect("a file");
            let read = store.read(UNIX_EPOCH);
            assert!(matches!(read, Err(StateFault::Damaged(..))), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_told() {
        let folder = Folder::new("file");
        fs::write(&folder.0, "no folder").expect("a file");
        let error = Store::new(&folder.0).write(&all()).expect_err("no folder");
        assert!(Store::hint(&error).contains("state_dir"), "{error}");
        fs::remove_file(&folder.0).expect("a file");
    }
}

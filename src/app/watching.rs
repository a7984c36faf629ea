//! `run --watch`: hears when the configuration on disk has changed and nobody is writing it any more. The operating system
//! tells of the folder that is there at the start; what it cannot tell of, files behind links and folders that are
//! exchanged as a whole, is looked at every few seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

/// A watch over a configuration file or folder.
#[derive(Debug)]
pub(super) struct Watching {
    origin: PathBuf,
    folder: PathBuf,
    watcher: RecommendedWatcher,
    /// The folder that the operating system tells of, which may have another name by now.
    armed: Option<Place>,
    seen: Arc<Seen>,
    /// Changes of which nothing is left to tell.
    told: u64,
    /// What was there when a change was told last.
    sight: Sight,
    looks: Interval,
    /// Something has changed and was not told yet: kept here, since who waits may be called away.
    pending: bool,
}

/// What the operating system has told so far.
#[derive(Debug, Default)]
struct Seen {
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    /// Files that somebody has written into and not closed yet.
    half_written: BTreeSet<PathBuf>,
    /// How often a file was closed, moved or removed.
    changes: u64,
}

/// What the configuration's name leads to: the folder, and each file with its place, its length and its time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sight {
    folder: Option<Place>,
    files: BTreeMap<PathBuf, (Place, u64, (i64, i64))>,
}

/// A device and a number on it: the same for a name as long as nothing else was put there.
type Place = (u64, u64);

/// How often it is looked at what the operating system does not tell of.
const LOOK: Duration = Duration::from_secs(2);
/// A change is taken when for so long nothing follows it: editors and copies touch several files.
const QUIET: Duration = Duration::from_millis(300);

impl Watching {
    /// Begins to watch. The folder is watched, since editors put a new file in the place of the old one.
    ///
    /// # Errors
    /// When the operating system gives no watch.
    pub(super) fn start(origin: &Path) -> notify::Result<Self> {
        let concerns = Concerns::new(origin);
        let folder = concerns.folder.clone();
        let seen = Arc::<Seen>::default();
        let told = Arc::clone(&seen);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = event {
                told.note(&event, &concerns);
            }
        })?;
        let armed = place_of(&folder);
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let sight = Sight::of(origin, &folder);
        let origin = origin.to_owned();
        Ok(Self { origin, folder, watcher, armed, seen, told: 0, sight, looks, pending: false })
    }

    /// Returns when something has changed and all of it is written.
    pub(super) async fn changed(&mut self) {
        while !self.pending {
            tokio::select! {
                () = self.seen.bell.notified() => self.pending = self.seen.state().changes != self.told,
                _ = self.looks.tick() => self.pending = self.is_another(),
            }
        }
        loop {
            let before = self.now();
            sleep(QUIET).await;
            if before.0.half_written.is_empty() && before == self.now() {
                (self.told, self.sight) = (before.0.changes, before.1);
                self.pending = false;
                return;
            }
        }
    }

    fn now(&self) -> (State, Sight) {
        (self.seen.state(), Sight::of(&self.origin, &self.folder))
    }

    /// Whether the name leads to something else than what was told last. A folder that took the place of the one that
    /// is watched is watched from now on.
    fn is_another(&mut self) -> bool {
        let sight = Sight::of(&self.origin, &self.folder);
        if sight.folder != self.armed {
            drop(self.watcher.unwatch(&self.folder)); // the operating system may have dropped it already
            self.seen.forget_half_written();
            let watched = self.watcher.watch(&self.folder, RecursiveMode::NonRecursive);
            self.armed = sight.folder.filter(|_| watched.is_ok());
        }
        sight != self.sight
    }
}

impl Sight {
    fn of(origin: &Path, folder: &Path) -> Self {
        let is_file = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "toml");
        let files: Vec<PathBuf> = match fs::read_dir(origin) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).filter(is_file).collect(),
            Err(_) => vec![origin.to_owned()],
        };
        let file = |path: PathBuf| {
            let file = fs::metadata(&path).ok()?;
            Some((path, (place(&file), file.len(), (file.mtime(), file.mtime_nsec()))))
        };
        Self { folder: place_of(folder), files: files.into_iter().filter_map(file).collect() }
    }
}

fn place_of(path: &Path) -> Option<Place> {
    fs::metadata(path).ok().as_ref().map(place)
}

fn place(file: &Metadata) -> Place {
    (file.dev(), file.ino())
}

impl Seen {
    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whoever writes into a folder that is watched no more is not heard of again.
    fn forget_half_written(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).half_written.clear();
    }

    fn note(&self, event: &Event, concerns: &Concerns) {
        for path in event.paths.iter().filter(|path| concerns.has(path)) {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match kind(event.kind) {
                Some(Kind::Writing) => drop(state.half_written.insert(path.clone())),
                Some(Kind::Done) => {
                    state.half_written.remove(path);
                    state.changes += 1;
                    self.bell.notify_one();
                }
                None => {}
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Writing,
    Done,
}

fn kind(kind: EventKind) -> Option<Kind> {
    match kind {
        EventKind::Modify(ModifyKind::Data(_)) => Some(Kind::Writing),
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::From | RenameMode::To | RenameMode::Both))
        | EventKind::Remove(_) => Some(Kind::Done),
        EventKind::Any
        | EventKind::Access(_)
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Other => None,
    }
}

/// Which files of the watched folder are part of the configuration.
#[derive(Debug)]
struct Concerns {
    folder: PathBuf,
    /// `None`: every `*.toml`.
    file: Option<PathBuf>,
}

impl Concerns {
    fn new(origin: &Path) -> Self {
        if origin.is_dir() {
            return Self { folder: origin.to_owned(), file: None };
        }
        let folder = origin.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            file: origin.file_name().map(PathBuf::from),
        }
    }

    /// Names that begin with two dots are those of a folder that is exchanged as a whole (mounted configuration maps).
    fn has(&self, path: &Path) -> bool {
        let Some(name) = path.file_name() else { return false };
        let exchanged = name.as_encoded_bytes().starts_with(b"..");
        exchanged
            || match &self.file {
                Some(file) => file.as_os_str() == name,
                None => path.extension().is_some_and(|ending| ending == "toml"),
            }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("realmgate-watch-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    async fn hears(watching: &mut Watching) {
        tokio::time::timeout(Duration::from_secs(20), watching.changed()).await.expect("a change");
    }

    #[tokio::test]
    async fn a_file_that_is_written_or_replaced_is_heard_when_it_is_whole() {
        let folder = Folder::new("file");
        let file = folder.0.join("gate.toml");
        fs::write(&file, "a = 1").expect("a file");
        let mut watching = Watching::start(&file).expect("a watch");
        let mut writer = fs::File::options().append(true).open(&file).expect("a file");
        writer.write_all(b"\nb = ").expect("written");
        writer.flush().expect("written");
        let seen = Arc::clone(&watching.seen);
        let half = async {
            while seen.state().half_written.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), half).await.expect("it is being written");
        assert_eq!(watching.seen.state().changes, 0, "half of it is no change");
        writer.write_all(b"2").expect("written");
        drop(writer);
        hears(&mut watching).await;
        assert!(watching.seen.state().half_written.is_empty());
        // Who waits is called away by something else, and comes back.
        let seen = Arc::clone(&watching.seen);
        let before = seen.state().changes;
        fs::write(&file, "c = 2").expect("a file");
        tokio::select! {
            () = watching.changed() => panic!("it is not quiet yet"),
            () = async { while seen.state().changes == before { tokio::task::yield_now().await } } => {}
        }
        hears(&mut watching).await;
        let other = folder.0.join("gate.toml.new");
        fs::write(&other, "c = 3").expect("a file");
        fs::rename(&other, &file).expect("moved");
        hears(&mut watching).await;
    }

    #[tokio::test]
    async fn a_file_behind_a_link_is_heard_where_it_is_written() {
        let (folder, elsewhere) = (Folder::new("link"), Folder::new("linked"));
        let (file, real) = (folder.0.join("gate.toml"), elsewhere.0.join("real.toml"));
        fs::write(&real, "a = 1").expect("a file");
        symlink(&real, &file).expect("a link");
        let mut watching = Watching::start(&file).expect("a watch");
        for text in ["a = 2", "a = 3"] {
            fs::write(&real, text).expect("a file");
            hears(&mut watching).await;
        }
        let mut whole = Watching::start(&folder.0).expect("a watch");
        fs::write(&real, "a = 4").expect("a file");
        hears(&mut whole).await;
    }

    #[tokio::test]
    async fn a_link_to_a_folder_is_heard_when_it_leads_elsewhere_and_what_is_written_there() {
        let folder = Folder::new("current");
        let (old, new, current) = (folder.0.join("v1"), folder.0.join("v2"), folder.0.join("current"));
        for version in [&old, &new] {
            fs::create_dir_all(version).expect("a folder");
            fs::write(version.join("gate.toml"), "a = 1").expect("a file");
        }
        symlink(&old, &current).expect("a link");
        let mut watching = Watching::start(&current.join("gate.toml")).expect("a watch");
        symlink(&new, folder.0.join("next")).expect("a link");
        fs::rename(folder.0.join("next"), &current).expect("switched");
        hears(&mut watching).await;
        assert_eq!(watching.armed, place_of(&new), "the new folder is the one that is watched");
        fs::write(new.join("gate.toml"), "a = 2").expect("a file");
        hears(&mut watching).await;
    }

    #[tokio::test]
    async fn a_folder_that_is_exchanged_as_a_whole_is_heard_and_watched() {
        let folder = Folder::new("exchanged");
        let (conf, next) = (folder.0.join("conf"), folder.0.join("next"));
        for version in [&conf, &next] {
            fs::create_dir_all(version).expect("a folder");
            fs::write(version.join("gate.toml"), "a = 1").expect("a file");
        }
        let mut watching = Watching::start(&conf).expect("a watch");
        fs::rename(&conf, folder.0.join("old")).expect("moved away");
        fs::rename(&next, &conf).expect("put in its place");
        hears(&mut watching).await;
        assert_eq!(watching.armed, place_of(&conf), "the new folder is the one that is watched");
        fs::write(conf.join("more.toml"), "b = 1").expect("a file");
        hears(&mut watching).await;
    }

    #[test]
    fn only_the_files_of_the_configuration_concern_it() {
        let folder = Folder::new("concerns");
        let (whole, one) = (Concerns::new(&folder.0), Concerns::new(&folder.0.join("gate.toml")));
        let has = |concerns: &Concerns, name: &str| concerns.has(&folder.0.join(name));
        assert_eq!(
            ["a.toml", "a.toml~", "gate.toml", "..data"].map(|name| (has(&whole, name), has(&one, name))),
            [(true, false), (false, false), (true, true), (true, true)]
        );
        assert_eq!(Concerns::new(Path::new("gate.toml")).folder, Path::new("."));
    }
}

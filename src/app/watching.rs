//! `run --watch`: hears when the configuration on disk has changed and nobody is writing it any more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::sleep;

/// A watch over a configuration file or folder.
#[derive(Debug)]
pub(super) struct Watching {
    _watcher: RecommendedWatcher,
    seen: Arc<Seen>,
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
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        Ok(Self { _watcher: watcher, seen, pending: false })
    }

    /// Returns when something has changed and all of it is written.
    pub(super) async fn changed(&mut self) {
        if !self.pending {
            self.seen.bell.notified().await;
            self.pending = true;
        }
        loop {
            let before = self.seen.state();
            sleep(QUIET).await;
            if before.half_written.is_empty() && before == self.seen.state() {
                self.pending = false;
                return;
            }
        }
    }
}

impl Seen {
    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
    use std::fs;
    use std::io::Write;

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

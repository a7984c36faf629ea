//! Which file an upgrade starts, and with which arguments.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf, absolute};

/// The flag by which a process is told that it takes over.
pub const TAKE_OVER: &str = "--take-over";

/// The program's file, to be asked at the start, before a new version takes its place. A path in the command line
/// is kept as it is, so that a symlink that is switched leads to the new version; without one it is the file that
/// runs.
///
/// # Errors
/// When the process does not know its own file.
pub fn program_file() -> io::Result<PathBuf> {
    named(env::args_os().next().as_deref()).map_or_else(env::current_exe, Ok)
}

/// The path that `name` is, made absolute; `None` for a name that was looked for in `PATH`, and for a made-up one.
fn named(name: Option<&OsStr>) -> Option<PathBuf> {
    let name = name.filter(|name| name.as_bytes().contains(&b'/'))?;
    absolute(Path::new(name)).ok().filter(|path| path.exists())
}

/// The arguments for the new process: this one's own, and that it takes over.
#[must_use]
pub fn arguments() -> Vec<OsString> {
    taking_over(env::args_os().skip(1))
}

fn taking_over(own: impl Iterator<Item = OsString>) -> Vec<OsString> {
    own.filter(|argument| argument != TAKE_OVER).chain([TAKE_OVER.into()]).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_symlink_in_the_command_line_stays_one() {
        let folder = env::temp_dir().join(format!("realmgate-program-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let link = folder.join("current");
        symlink(env::current_exe().expect("a file"), &link).expect("a link");
        assert_eq!(named(Some(link.as_os_str())), Some(link.clone()));
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(named(Some(link.as_os_str())), None, "a name that leads nowhere");
    }

    #[test]
    fn a_relative_path_holds_wherever_the_process_goes_and_a_bare_name_is_no_path() {
        let found = named(Some(OsStr::new("./Cargo.toml"))).expect("tests run in the project");
        assert!(found.is_absolute() && found.exists(), "{}", found.display());
        assert_eq!((named(Some(OsStr::new("Cargo.toml"))), named(None)), (None, None));
        assert!(program_file().expect("a file").is_absolute());
    }

    #[test]
    fn the_flag_is_there_once_however_many_upgrades_there_were() {
        let own = || ["run", "-c", "gate.toml"].map(OsString::from).into_iter();
        let first = taking_over(own());
        assert_eq!(first, ["run", "-c", "gate.toml", "--take-over"]);
        assert_eq!(taking_over(first.iter().cloned()), first);
    }
}

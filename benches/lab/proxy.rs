//! A proxy's turn on its core: its file, its process, its end.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::certificates::Certificates;
use super::folder::last_lines;
use super::process::Guarded;

/// Where a run keeps its files.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Configurations, content and logs.
    pub(crate) folder: PathBuf,
    /// What the proxies show.
    pub(crate) certificates: Certificates,
    /// The realmgate under test.
    pub(crate) gate: PathBuf,
}

/// How a proxy is started.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The cores that it has.
    pub(crate) cores: &'static str,
    /// The program.
    pub(crate) program: PathBuf,
    /// Its words; the name of its file comes after them.
    pub(crate) words: &'static [&'static str],
    /// The name of its file.
    pub(crate) file: &'static str,
    /// What is in its file.
    pub(crate) text: String,
    /// Where it listens as soon as it is up.
    pub(crate) doors: Vec<SocketAddr>,
    /// How many processes it is: nginx listens before its worker is there.
    pub(crate) processes: usize,
}

/// A proxy that accepts connections; gone when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    /// All its processes.
    pub(crate) pids: Vec<u32>,
    _guard: Guarded,
}

impl Site {
    /// Where the proxies log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("proxies.log")
    }

    /// Where loaders and servers log.
    pub(crate) fn log_of_others(&self) -> PathBuf {
        self.folder.join("others.log")
    }

    /// Writes a file, whole or not at all.
    pub(crate) fn put(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let (half, whole) = (self.folder.join(format!("{name}.new")), self.folder.join(name));
        let written = fs::write(&half, text).and_then(|()| fs::rename(&half, &whole));
        written.map_err(|error| format!("cannot write {}: {error}", whole.display()))?;
        Ok(whole)
    }

    /// Says to the person what everybody said last; the reason again.
    pub(crate) fn explain(&self, reason: String) -> String {
        let (others, proxies) = (last_lines(&self.log_of_others()), last_lines(&self.log()));
        eprintln!("{reason}\n--- loader and server\n{others}\n--- proxy\n{proxies}\n---");
        reason
    }
}

impl Launch {
    /// Starts it and waits until it accepts connections.
    pub(crate) fn start(self, site: &Site) -> Result<Running, String> {
        let file = site.put(self.file, &self.text)?;
        let mut words: Vec<PathBuf> = self.words.iter().map(PathBuf::from).collect();
        words.push(file);
        let mut guard = Guarded::start(self.cores, &self.program, &words, &site.log(), false)?;
        self.doors.iter().try_for_each(|door| guard.wait_for(*door))?;
        let pids = guard.wait_for_family(self.processes)?;
        Ok(Running { pids, _guard: guard })
    }
}

/// An address of this network.
pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

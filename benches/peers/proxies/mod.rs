//! Everybody who has a row in a table, each told to use one thread and to do the same work.

pub(crate) mod envoy;
mod realmgate;
mod relays;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::frame::CLUSTERS;
use crate::lab::netns;
use crate::lab::proxy::{Launch, Running, Site, local};
use crate::orders::Load;
use crate::works::Work;

use realmgate::Manner;

/// A row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// HAProxy, one thread, mode tcp.
    Haproxy,
    /// nginx, one worker, stream.
    Nginx,
    /// Envoy, one worker, `tcp_proxy`.
    Envoy,
    /// realmgate, one worker, one link for all sessions and each cluster.
    Shared,
    /// The same, and frames gather while it is busy.
    Gathered,
    /// realmgate, one worker, one connection for every session and cluster.
    Dedicated,
    /// As `Shared` with two workers.
    TwoWorkers,
    /// As `Shared`, and the file is changed and read again all the time.
    Reloaded,
}

/// The two ports of a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doors {
    plain: SocketAddr,
    tls: SocketAddr,
}

impl Peer {
    /// Those that read no frame.
    pub(crate) const OTHERS: [Self; 3] = [Self::Haproxy, Self::Nginx, Self::Envoy];

    /// The name of the row.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Envoy => "Envoy",
            Self::Shared => "realmgate, shared links",
            Self::Gathered => "realmgate, shared links, gather",
            Self::Dedicated => "realmgate, dedicated links",
            Self::TwoWorkers => "realmgate, shared links, 2 workers",
            Self::Reloaded => "realmgate, shared links, reloaded",
        }
    }

    /// Why it cannot do this work on this machine.
    pub(crate) fn hindrance(self, work: &Work) -> Option<String> {
        if self == Self::Envoy && envoy::program().is_none() {
            return Some("its program could not be had".to_owned());
        }
        let (wanted, allowed) = (self.connections(work.load) * work.room(), netns::descriptors());
        (wanted > allowed)
            .then(|| format!("wants {wanted} descriptors, of which this machine allows {allowed}"))
    }

    /// How many it has for each player: a silent one has asked one cluster only.
    fn connections(self, load: Load) -> usize {
        match self {
            Self::Haproxy | Self::Nginx | Self::Envoy => 2,
            Self::Shared | Self::Gathered | Self::TwoWorkers | Self::Reloaded => 1,
            Self::Dedicated if load == Load::Idle => 2,
            Self::Dedicated => 1 + CLUSTERS.len(),
        }
    }

    /// Where players connect.
    pub(crate) fn address(self, tls: bool) -> SocketAddr {
        if tls { self.doors().tls } else { self.doors().plain }
    }

    /// Where the API of a row is that has one.
    pub(crate) fn admin(self) -> Option<SocketAddr> {
        (self == Self::Reloaded).then(|| local(7300))
    }

    /// Starts it for this work, on these cores.
    pub(crate) fn start(self, site: &Site, work: &Work, cores: &'static str) -> Result<Running, String> {
        let doors = self.doors();
        let (program, words): (PathBuf, &[_]) = match self {
            Self::Haproxy => ("/usr/sbin/haproxy".into(), &["-db", "-f"]),
            Self::Nginx => ("/usr/sbin/nginx".into(), &["-c"]),
            Self::Envoy => (envoy::program().ok_or("Envoy is not there")?, &ENVOY),
            Self::Shared | Self::Gathered | Self::Dedicated | Self::TwoWorkers | Self::Reloaded => {
                (site.gate.clone(), &["run", "--log-level", "warn", "-c"])
            }
        };
        let text = match self {
            Self::Haproxy => relays::haproxy(doors, site, work),
            Self::Nginx => relays::nginx(doors, site, work),
            Self::Envoy => relays::envoy(doors, site, work),
            Self::Shared | Self::Gathered | Self::Dedicated | Self::TwoWorkers | Self::Reloaded => {
                self.file_of_realmgate(site, 0)
            }
        };
        let processes = if self == Self::Nginx { 2 } else { 1 };
        let doors = vec![doors.plain, doors.tls];
        Launch { cores, program, words, file: self.file(), text, doors, processes }.start(site)
    }

    /// realmgate's file; it differs by its number, so that a reload has something to do.
    pub(crate) fn file_of_realmgate(self, site: &Site, number: u32) -> String {
        let manner = Manner {
            is_shared: self != Self::Dedicated,
            gathers: self == Self::Gathered,
            workers: if self == Self::TwoWorkers { 2 } else { 1 },
            admin: self.admin(),
            idle: 10 + number % 2,
        };
        manner.text(self.doors(), site)
    }

    /// The name of its file.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy.cfg",
            Self::Nginx => "nginx.conf",
            Self::Envoy => "envoy.yaml",
            Self::Shared => "shared.toml",
            Self::Gathered => "gathered.toml",
            Self::Dedicated => "dedicated.toml",
            Self::TwoWorkers => "workers.toml",
            Self::Reloaded => "reloaded.toml",
        }
    }

    fn doors(self) -> Doors {
        let row = match self {
            Self::Haproxy => 1,
            Self::Nginx => 2,
            Self::Envoy => 3,
            Self::Shared => 4,
            Self::Gathered => 5,
            Self::Dedicated => 6,
            Self::TwoWorkers => 7,
            Self::Reloaded => 8,
        };
        Doors { plain: local(7000 + row), tls: local(7400 + row) }
    }
}

/// One thread that moves bytes; no memory shared with an Envoy that would follow it.
const ENVOY: [&str; 6] = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"];

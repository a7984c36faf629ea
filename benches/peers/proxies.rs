//! The three proxies, each told to use one thread and to do the same work.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::backend::{ECHO_PORTS, LINK_PORTS};
use crate::certificates::Certificates;
use crate::frame::CLUSTERS;
use crate::lab::folder::last_lines;
use crate::process::{Guarded, PROXY_CORE};

/// A row of every table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// HAProxy, one thread, mode tcp.
    Haproxy,
    /// nginx, one worker, stream.
    Nginx,
    /// realmgate, one worker, one link for all sessions and each cluster.
    Shared,
    /// realmgate, one worker, one connection for every session and cluster.
    Dedicated,
}

/// Where a run keeps its files.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Configurations and logs.
    pub(crate) folder: PathBuf,
    /// What the proxies show.
    pub(crate) certificates: Certificates,
    /// The realmgate under test.
    pub(crate) gate: PathBuf,
}

/// A proxy that accepts connections.
#[derive(Debug)]
pub(crate) struct Running {
    /// All its processes.
    pub(crate) pids: Vec<u32>,
    _guard: Guarded,
}

impl Peer {
    /// In the order of their turns.
    pub(crate) const ALL: [Self; 4] = [Self::Haproxy, Self::Nginx, Self::Shared, Self::Dedicated];

    /// The name of the row.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Shared => "realmgate, shared links",
            Self::Dedicated => "realmgate, dedicated links",
        }
    }

    /// Whether this is ours.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Shared | Self::Dedicated)
    }

    /// Where players connect.
    pub(crate) fn address(self, tls: bool) -> SocketAddr {
        let row = match self {
            Self::Haproxy => 1,
            Self::Nginx => 2,
            Self::Shared => 3,
            Self::Dedicated => 4,
        };
        local(if tls { 7400 } else { 7000 } + row)
    }

    /// Starts it with read buffers of `buffers` KiB, where that can be chosen.
    pub(crate) fn start(self, site: &Site, buffers: u32) -> Result<Running, String> {
        let log = site.folder.join("proxies.log");
        let (program, text, flags) = match self {
            Self::Haproxy => ("/usr/sbin/haproxy".into(), haproxy(self, site, buffers), &["-db", "-f"][..]),
            Self::Nginx => ("/usr/sbin/nginx".into(), nginx(self, site, buffers), &["-c"][..]),
            Self::Shared | Self::Dedicated => {
                (site.gate.clone(), realmgate(self, site), &["run", "--log-level", "warn", "-c"][..])
            }
        };
        let file = site.folder.join(match self {
            Self::Haproxy => "haproxy.cfg",
            Self::Nginx => "nginx.conf",
            Self::Shared => "shared.toml",
            Self::Dedicated => "dedicated.toml",
        });
        fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        let mut words: Vec<PathBuf> = flags.iter().map(PathBuf::from).collect();
        words.push(file);
        let mut guard = Guarded::start(PROXY_CORE, &program, &words, &log, false)?;
        let up = guard.wait_for(self.address(false)).and_then(|()| guard.wait_for(self.address(true)));
        up.map_err(|reason| format!("{reason}\n{}", last_lines(&log)))?;
        // nginx listens before its worker is there.
        let processes = if self == Self::Nginx { 2 } else { 1 };
        let pids = guard.wait_for_family(processes)?;
        Ok(Running { pids, _guard: guard })
    }
}

/// An address of this network.
pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn haproxy(peer: Peer, site: &Site, buffers: u32) -> String {
    format!(
        "global
    nbthread 1
    maxconn 7000
    tune.bufsize {bufsize}
defaults
    mode tcp
    backlog 16384
    timeout connect 5s
    timeout client 10m
    timeout server 10m
frontend players
    bind {plain}
    bind {tls} ssl crt {both} ssl-min-ver TLSv1.3
    default_backend servers
backend servers
    server echo {echo}
",
        bufsize = buffers * 1024,
        plain = peer.address(false),
        tls = peer.address(true),
        both = site.certificates.both.display(),
        echo = local(ECHO_PORTS[0]),
    )
}

fn nginx(peer: Peer, site: &Site, buffers: u32) -> String {
    format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 15000; }}
stream {{
    proxy_timeout 10m;
    proxy_buffer_size {buffers}k;
    upstream servers {{ server {echo}; }}
    server {{ listen {plain} backlog=16384; proxy_pass servers; }}
    server {{
        listen {tls} ssl backlog=16384;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        proxy_pass servers;
    }}
}}
",
        folder = site.folder.display(),
        echo = local(ECHO_PORTS[0]),
        plain = peer.address(false),
        tls = peer.address(true),
        certificate = site.certificates.certificate.display(),
        key = site.certificates.key.display(),
    )
}

/// realmgate reads every frame: layout, three clusters, three routes.
fn realmgate(peer: Peer, site: &Site) -> String {
    let limits = "idle_timeout = \"10m\", write_timeout = \"60s\", send_buffer = \"8MiB\", \
        connections_per_ip = 0, new_per_ip = \"off\", frames_per_session = \"off\"";
    let mut text = format!(
        "[gateway]
id = 1
workers = 1
[frame.game]
max_length = \"128KiB\"
length = {{ offset = 0, width = 4, adjust = 2 }}
id = {{ offset = 4, width = 2 }}
notice = {{ id = 9000 }}
[listener.plain]
listen = \"{plain}\"
frame = \"game\"
limits = {{ {limits} }}
[listener.tls]
listen = \"{tls}\"
frame = \"game\"
tls = {{ certificate = \"{certificate}\", key = \"{key}\" }}
limits = {{ {limits} }}
",
        plain = peer.address(false),
        tls = peer.address(true),
        certificate = site.certificates.certificate.display(),
        key = site.certificates.key.display(),
    );
    let (link, ports) = match peer {
        Peer::Shared => ("link = \"shared\"", LINK_PORTS),
        Peer::Dedicated | Peer::Haproxy | Peer::Nginx => {
            ("link = \"dedicated\"\nframe = \"game\"", ECHO_PORTS)
        }
    };
    for (ids, port) in CLUSTERS.iter().zip(ports) {
        let cluster = ids.cluster;
        let (first, last, address) = (ids.first, ids.last, local(port));
        text += &format!(
            "[cluster.{cluster}]
{link}
send_buffer = \"64MiB\"
backends = [ {{ address = \"{address}\" }} ]
[route.{cluster}]
ids = [\"{first}-{last}\"]
cluster = \"{cluster}\"
"
        );
    }
    text
}

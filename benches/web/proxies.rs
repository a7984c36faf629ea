//! The three proxies, each told to use one thread and to do the same work: three paths, one of which is asked for;
//! connections to the server are kept; who asked, how, and a number of the request are told to it.

use std::net::SocketAddr;

use crate::lab::certificates::Certificates;
use crate::lab::process::PROXY_CORE;
use crate::lab::proxy::{Launch, Running, Site, local};
use crate::origin;
use crate::works::Work;

/// A row of every table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// HAProxy, one thread, mode http.
    Haproxy,
    /// nginx, one worker, `proxy_pass`.
    Nginx,
    /// realmgate, one worker.
    Realmgate,
}

/// The three ports of a proxy.
#[derive(Clone, Copy, Debug)]
struct Doors {
    /// HTTP/1.1 without TLS.
    plain: SocketAddr,
    /// Both versions with TLS, by ALPN.
    tls: SocketAddr,
    /// HTTP/2 without TLS.
    two: SocketAddr,
}

/// Clients and backends keep connections for as long as a run.
const REQUESTS: &str = "1000000000";
/// Idle connections to the server that are kept.
const KEPT: usize = 256;

impl Peer {
    /// In the order of their turns.
    pub(crate) const ALL: [Self; 3] = [Self::Haproxy, Self::Nginx, Self::Realmgate];

    /// The name of the row.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Realmgate => "realmgate",
        }
    }

    /// Where the clients of a work connect.
    pub(crate) fn address(self, work: &Work) -> SocketAddr {
        let doors = self.doors();
        match (work.tls, work.is_two()) {
            (true, _) => doors.tls,
            (false, true) => doors.two,
            (false, false) => doors.plain,
        }
    }

    /// Where HTTP/1.1 is spoken with or without TLS.
    pub(crate) fn address_of_one(self, tls: bool) -> SocketAddr {
        if tls { self.doors().tls } else { self.doors().plain }
    }

    fn doors(self) -> Doors {
        let row = match self {
            Self::Haproxy => 1,
            Self::Nginx => 2,
            Self::Realmgate => 3,
        };
        Doors { plain: local(7000 + row), tls: local(7400 + row), two: local(7600 + row) }
    }

    /// Starts it with buffers of `buffers` KiB, where that can be chosen.
    pub(crate) fn start(self, site: &Site, buffers: usize) -> Result<Running, String> {
        let doors = self.doors();
        let (program, words, file, text, processes) = match self {
            Self::Haproxy => (
                "/usr/sbin/haproxy".into(),
                &["-db", "-f"][..],
                "haproxy.cfg",
                haproxy(doors, site, buffers),
                1,
            ),
            Self::Nginx => {
                ("/usr/sbin/nginx".into(), &["-c"][..], "nginx.conf", nginx(doors, site, buffers), 2)
            }
            Self::Realmgate => (
                site.gate.clone(),
                &["run", "--log-level", "warn", "-c"][..],
                "gate.toml",
                realmgate(doors, site),
                1,
            ),
        };
        let doors = vec![doors.plain, doors.tls, doors.two];
        Launch { cores: PROXY_CORE, program, words, file, text, doors, processes }.start(site)
    }
}

fn haproxy(Doors { plain, tls, two }: Doors, site: &Site, buffers: usize) -> String {
    format!(
        "global
    nbthread 1
    maxconn 4000
    tune.bufsize {bufsize}
    ssl-default-bind-options ssl-min-ver TLSv1.3 prefer-client-ciphers
defaults
    mode http
    backlog 16384
    timeout connect 5s
    timeout client 10m
    timeout server 10m
    http-reuse always
frontend open
    bind {plain}
    bind {tls} ssl crt {both} alpn h2,http/1.1
    bind {two} proto h2
    unique-id-format %{{+X}}o%ci:%cp_%fi:%fp_%Ts_%rt
    option forwardfor
    http-request set-header X-Request-Id %[unique-id]
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    use_backend pay if {{ path_beg /pay/ }}
    use_backend api if {{ path_beg /api/ }}
    use_backend files if {{ path_beg /files/ }}
backend pay
    server origin {origin}
backend api
    server origin {origin}
backend files
    server origin {origin}
",
        bufsize = buffers * 1024,
        both = site.certificates.both.display(),
        origin = origin::address(),
    )
}

fn nginx(Doors { plain, tls, two }: Doors, site: &Site, buffers: usize) -> String {
    format!(
        "daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 8000; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests {REQUESTS};
    keepalive_timeout 10m;
    client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/temp; uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Request-Id $request_id;
    proxy_buffer_size 16k;
    proxy_buffers 8 {buffers}k;
    proxy_busy_buffers_size {busy}k;
    proxy_max_temp_file_size 0;
    upstream origin {{
        server {origin};
        keepalive {KEPT};
        keepalive_requests {REQUESTS};
        keepalive_timeout 10m;
    }}
    server {{
        listen {plain} backlog=16384;
        listen {two} http2 backlog=16384;
        listen {tls} ssl http2 backlog=16384;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        location /pay/ {{ proxy_pass http://origin; }}
        location /api/ {{ proxy_pass http://origin; }}
        location /files/ {{ proxy_pass http://origin; }}
    }}
}}
",
        folder = site.folder.display(),
        busy = 2 * buffers,
        origin = origin::address(),
        certificate = site.certificates.certificate.display(),
        key = site.certificates.key.display(),
    )
}

/// realmgate speaks both versions on every port.
fn realmgate(Doors { plain, tls, two }: Doors, site: &Site) -> String {
    let Certificates { certificate, key, .. } = &site.certificates;
    let tls_keys =
        format!("tls = {{ certificate = \"{}\", key = \"{}\" }}\n", certificate.display(), key.display());
    let mut text = "[gateway]\nid = 1\nworkers = 1\n".to_owned();
    for (name, address, more) in [("plain", plain, ""), ("two", two, ""), ("tls", tls, tls_keys.as_str())] {
        text += &format!(
            "[listener.{name}]
protocol = \"http\"
listen = \"{address}\"
{more}limits = {{ idle_timeout = \"10m\", write_timeout = \"60s\", connections_per_ip = 0, new_per_ip = \"off\" }}
"
        );
        for route in ["pay", "api", "files"] {
            text += &format!(
                "[http.{route}_{name}]\nlistener = \"{name}\"\npath = \"/{route}/*\"\ncluster = \"origin\"\n"
            );
        }
    }
    text + &format!(
        "[cluster.origin]\nlink = \"http\"\nbackends = [ {{ address = \"{}\" }} ]\n",
        origin::address()
    )
}

//! The server behind the proxies: an nginx that gives two files from the page cache and keeps connections open.

use std::net::SocketAddr;
use std::path::Path;

use crate::lab::process::OTHER_CORE;
use crate::lab::proxy::{Launch, Running, Site, local};

/// Where it listens.
pub(crate) fn address() -> SocketAddr {
    local(7900)
}

/// Starts it; its content is in the run's folder.
pub(crate) fn start(site: &Site) -> Result<Running, String> {
    let launch = Launch {
        cores: OTHER_CORE,
        program: "/usr/sbin/nginx".into(),
        words: &["-c"],
        file: "origin.conf",
        text: configuration(&site.folder),
        doors: vec![address()],
        processes: 2,
    };
    launch.start(site)
}

fn configuration(folder: &Path) -> String {
    format!(
        "daemon off;
user root;
worker_processes 1;
pid {folder}/origin.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16;
    keepalive_requests 1000000000;
    keepalive_timeout 10m;
    default_type application/octet-stream;
    client_body_temp_path {folder}/origin-temp; proxy_temp_path {folder}/origin-temp;
    fastcgi_temp_path {folder}/origin-temp; uwsgi_temp_path {folder}/origin-temp; scgi_temp_path {folder}/origin-temp;
    server {{ listen {address} backlog=16384; root {folder}; }}
}}
",
        folder = folder.display(),
        address = address(),
    )
}

//! The server behind the proxies: an nginx that gives two files from the page cache and keeps connections open.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::lab::process::{Guarded, OTHER_CORE};
use crate::proxies::local;

/// Where it listens.
pub(crate) fn address() -> SocketAddr {
    local(7900)
}

/// Starts it; its content is below `folder`.
pub(crate) fn start(folder: &Path, log: &Path) -> Result<Origin, String> {
    let file = folder.join("origin.conf");
    fs::write(&file, configuration(folder))
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let words = [Path::new("-c"), &file];
    let mut guard = Guarded::start(OTHER_CORE, Path::new("/usr/sbin/nginx"), &words, log, false)?;
    guard.wait_for(address())?;
    let pids = guard.wait_for_family(2)?;
    Ok(Origin { pids, _guard: guard })
}

/// The running server.
#[derive(Debug)]
pub(crate) struct Origin {
    /// All its processes.
    pub(crate) pids: Vec<u32>,
    _guard: Guarded,
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

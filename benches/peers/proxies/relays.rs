//! The files of the proxies that relay bytes: one thread, one connection to the backend for every player.

use std::net::SocketAddr;

use super::Doors;
use crate::backend::ECHO_PORTS;
use crate::lab::proxy::{Site, local};
use crate::works::Work;

/// What the backend of all three listens at.
fn echo() -> SocketAddr {
    local(ECHO_PORTS[0])
}

pub(super) fn haproxy(Doors { plain, tls }: Doors, site: &Site, work: &Work) -> String {
    format!(
        "global
    nbthread 1
    maxconn {most}
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
        most = work.room(),
        bufsize = work.buffers * 1024,
        both = site.certificates.both.display(),
        echo = echo(),
    )
}

pub(super) fn nginx(Doors { plain, tls }: Doors, site: &Site, work: &Work) -> String {
    format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile {most};
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections {most}; }}
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
        // It counts both of a player's connections.
        most = 2 * work.room(),
        folder = site.folder.display(),
        buffers = work.buffers,
        echo = echo(),
        certificate = site.certificates.certificate.display(),
        key = site.certificates.key.display(),
    )
}

pub(super) fn envoy(Doors { plain, tls }: Doors, site: &Site, work: &Work) -> String {
    let relay = "{ name: relay, typed_config: { \
        \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, \
        stat_prefix: players, cluster: servers } }";
    let address = |at: SocketAddr| {
        format!("{{ socket_address: {{ address: {}, port_value: {} }} }}", at.ip(), at.port())
    };
    format!(
        "static_resources:
  listeners:
  - name: plain
    address: {plain}
    tcp_backlog_size: 16384
    filter_chains:
    - filters: [ {relay} ]
  - name: tls
    address: {tls}
    tcp_backlog_size: 16384
    filter_chains:
    - filters: [ {relay} ]
      transport_socket:
        name: tls
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_params: {{ tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }}
            tls_certificates:
            - certificate_chain: {{ filename: \"{certificate}\" }}
              private_key: {{ filename: \"{key}\" }}
  clusters:
  - name: servers
    type: STATIC
    connect_timeout: 5s
    circuit_breakers: {{ thresholds: [ {{ max_connections: {most}, max_pending_requests: {most} }} ] }}
    load_assignment:
      cluster_name: servers
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {echo} }} }} ] }} ]
",
        plain = address(plain),
        tls = address(tls),
        most = work.room(),
        certificate = site.certificates.certificate.display(),
        key = site.certificates.key.display(),
        echo = address(echo()),
    )
}

//! The files of realmgate, which reads every frame: layout, three clusters, three routes.

use std::net::SocketAddr;

use super::Doors;
use crate::backend::{ECHO_PORTS, LINK_PORTS};
use crate::frame::CLUSTERS;
use crate::lab::proxy::{Site, local};

/// What differs between the rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// A link for all sessions and each cluster, or a connection for every session and cluster.
    pub(super) is_shared: bool,
    /// Whether frames gather at a busy worker.
    pub(super) gathers: bool,
    /// Threads.
    pub(super) workers: u32,
    /// Where the API is, for rows that are asked something.
    pub(super) admin: Option<SocketAddr>,
    /// Minutes until a silent session ends: what one reload changes, and the next one changes back.
    pub(super) idle: u32,
}

impl Manner {
    /// The whole file.
    pub(super) fn text(self, Doors { plain, tls }: Doors, site: &Site) -> String {
        let limits = format!(
            "idle_timeout = \"{}m\", write_timeout = \"60s\", send_buffer = \"8MiB\", connections_per_ip = 0, \
             new_per_ip = \"off\", frames_per_session = \"off\"",
            self.idle
        );
        let gather = if self.gathers { "[net]\ngather = \"adaptive\"\n" } else { "" };
        let admin = self.admin.map_or(String::new(), |at| format!("[admin]\nlisten = \"{at}\"\n"));
        let mut text = format!(
            "[gateway]
id = 1
workers = {workers}
{gather}{admin}[frame.game]
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
            workers = self.workers,
            certificate = site.certificates.certificate.display(),
            key = site.certificates.key.display(),
        );
        let (link, ports) = if self.is_shared {
            ("link = \"shared\"", LINK_PORTS)
        } else {
            ("link = \"dedicated\"\nframe = \"game\"", ECHO_PORTS)
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
}

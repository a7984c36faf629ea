//! The gateway's file: what the scenarios change in it.

use std::net::SocketAddr;

use crate::backends::Listening;
use crate::frame::Cluster;

/// Everything of the file that is not always the same.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// The API; `None` where the scenario needs none.
    pub(crate) admin: Option<SocketAddr>,
    /// The listener without TLS.
    pub(crate) plain: SocketAddr,
    /// The listener with it.
    pub(crate) tls: SocketAddr,
    /// A listener more.
    pub(crate) second: Option<SocketAddr>,
    /// The backends, in the order of the run.
    pub(crate) backends: Vec<Listening>,
    /// Chat's last backend is left out.
    pub(crate) without_last_chat: bool,
    /// The weight of battle's first backend.
    pub(crate) weight: u32,
    /// Battle's rule.
    pub(crate) balance: &'static str,
    /// Where the route `mail` leads.
    pub(crate) mail: Cluster,
    /// `idle_timeout` of the listener without TLS, in seconds.
    pub(crate) idle: u32,
    /// Maintenance of a route that nobody uses.
    pub(crate) maintenance: bool,
    /// `[release]`: the active group, and how sessions move.
    pub(crate) release: Option<(&'static str, Moving)>,
    /// `[drain]`.
    pub(crate) drain: &'static str,
    /// Whatever stands at the end.
    pub(crate) more: String,
}

/// `move` of `[release]`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moving {
    /// Sessions stay until they end.
    Natural,
    /// They are told within so many seconds.
    Forced(u64),
}

impl File {
    /// The text for the gateway.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from(HEAD);
        let mut add = |part: String| text.push_str(&part);
        if let Some(admin) = self.admin {
            add(format!(
                "[gateway]\nid = 1\nworkers = 2\nstate_dir = \"state\"\n[admin]\nlisten = \"{admin}\"\n"
            ));
        } else {
            add("[gateway]\nid = 1\nworkers = 2\n".to_owned());
        }
        add(format!("[drain]\n{}\n", self.drain));
        add(format!("[listener.plain]\nlisten = \"{}\"\nframe = \"game\"\n", self.plain));
        add(format!("limits = {{ {FROM_ONE_ADDRESS}, idle_timeout = \"{}s\" }}\n", self.idle));
        add(format!("[listener.tls]\nlisten = \"{}\"\nframe = \"game\"\n", self.tls));
        add("tls = { certificate = \"game.pem\", key = \"game.key\" }\n".to_owned());
        add(format!("limits = {{ {FROM_ONE_ADDRESS} }}\n"));
        if let Some(second) = self.second {
            add(format!("[listener.second]\nlisten = \"{second}\"\nframe = \"game\"\n"));
            add(format!("limits = {{ {FROM_ONE_ADDRESS} }}\n"));
        }
        if let Some((active, moving)) = self.release {
            let moving = match moving {
                Moving::Natural => "move = \"natural\"".to_owned(),
                Moving::Forced(spread) => format!("move = \"forced\"\nspread = \"{spread}s\""),
            };
            add(format!("[release]\nactive = \"{active}\"\n{moving}\n"));
        }
        add(self.cluster(Cluster::Battle, &format!("balance = \"{}\"", self.balance)));
        add(self.cluster(Cluster::Chat, ""));
        add(self.cluster(Cluster::Pay, "link = \"dedicated\"\nframe = \"game\""));
        add(self.routes());
        add(self.more.clone());
        text
    }

    fn cluster(&self, cluster: Cluster, more: &str) -> String {
        let mut these: Vec<_> = self.backends.iter().filter(|backend| backend.cluster == cluster).collect();
        if cluster == Cluster::Chat && self.without_last_chat {
            these.truncate(these.len().saturating_sub(1));
        }
        let mut text = format!("[cluster.{}]\n{more}\nbackends = [\n", cluster.name());
        for (place, backend) in these.into_iter().enumerate() {
            let weight = if cluster == Cluster::Battle && place == 0 { self.weight } else { 100 };
            let group = match backend.group {
                1 => ", group = \"a\"",
                2 => ", group = \"b\"",
                _ => "",
            };
            let address = backend.address;
            text += &format!("  {{ address = \"{address}\", weight = {weight}{group} }},\n");
        }
        text + "]\n"
    }

    fn routes(&self) -> String {
        let mut text = String::new();
        let mail = self.mail.name();
        let routes =
            [("battle", "battle", 1000), ("mail", mail, 2000), ("chat", "chat", 3000), ("pay", "pay", 4000)];
        for (route, cluster, first) in routes {
            let last = first + 99;
            text += &format!("[route.{route}]\nids = [\"{first}-{last}\"]\ncluster = \"{cluster}\"\n");
        }
        text += "[route.unused]\nids = [\"5000-5099\"]\ncluster = \"battle\"\n";
        if self.maintenance {
            text += "maintenance = { message = \"closed until ten\", retry_after = \"20m\" }\n";
        }
        text
    }
}

/// All players come from the loader's address, as fast as it can.
const FROM_ONE_ADDRESS: &str = "connections_per_ip = 0, new_per_ip = \"off\", frames_per_session = \"off\"";
const HEAD: &str = r#"[frame.game]
length = { offset = 0, width = 4 }
id = { offset = 4, width = 2 }
heartbeat = { id = 1, reply = 2 }
notice = { id = 9000 }
"#;

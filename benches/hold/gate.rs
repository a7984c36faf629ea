//! The gate's process and what it takes of the machine.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::Outcome;
use crate::session::{HOST, SEASON, Transport};

/// The process, its folder and what players trust; all gone when dropped.
pub(crate) struct Gate {
    child: Child,
    folder: PathBuf,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Whom players trust.
    pub(crate) client: Arc<rustls::ClientConfig>,
}

impl Gate {
    /// Starts one whose only listener is of this transport.
    pub(crate) fn start(transport: Transport) -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("realmgate-hold-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let certified = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        fs::write(folder.join("game.pem"), certified.cert.pem())?;
        fs::write(folder.join("game.key"), certified.signing_key.serialize_pem())?;
        fs::write(folder.join("gate.toml"), file(transport))?;
        fs::write(folder.join("season.json"), SEASON)?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certified.cert.der().clone())?;
        let client =
            Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
        let mut child = Command::new(env!("CARGO_BIN_EXE_realmgate"))
            .args(["run", "--log-format", "json", "-c"])
            .arg(folder.join("gate.toml"))
            .stderr(Stdio::piped())
            .spawn()?;
        let errors = child.stderr.take().ok_or("no log")?;
        let mut gate = Self { child, folder, address: SocketAddr::from(([127, 0, 0, 1], 0)), client };
        let mut lines = BufReader::new(errors).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let listening = lines.find(|line| {
            said.push(line.clone());
            line.contains("\"listening\"")
        });
        let listening = listening.ok_or_else(|| format!("the gate did not start:\n{}", said.join("\n")))?;
        let address = listening.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next());
        gate.address = address.ok_or("no address in the log")?.parse()?;
        std::thread::spawn(move || lines.count());
        Ok(gate)
    }

    /// Resident bytes.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse::<u64>()? * 1024)
    }

    /// User and system time of all its threads.
    pub(crate) fn cpu_seconds(&self) -> Outcome<f64> {
        let mut nanos = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += schedstat.split_whitespace().next().ok_or("no schedstat")?.parse::<f64>()?;
        }
        Ok(nanos / 1e9)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn file(transport: Transport) -> String {
    let websocket = if transport.is_websocket() { "protocol = \"websocket\"\n" } else { "" };
    let tls = if transport.is_secret() { TLS } else { "" };
    let file = if transport.is_http() { HTTP } else { FILE };
    file.replace("@MORE", &format!("{websocket}{tls}"))
}

const TLS: &str = "tls = { certificate = \"game.pem\", key = \"game.key\" }\n";

/// The gate says nothing by itself to who is silent: a ping would come at half of `idle_timeout`.
const FILE: &str = r#"
[frame.game]
length = { offset = 0, width = 4 }
id = { offset = 4, width = 2 }
heartbeat = { id = 1, reply = 2 }
notice = { id = 9000 }
[listener.players]
listen = "127.0.0.1:0"
@MORElimits = { idle_timeout = "10m", connections_per_ip = 0, new_per_ip = "off", frames_per_session = "off" }
[cluster.battle]
backends = [{ address = "127.0.0.1:1" }]
[route.battle]
ids = [1000]
cluster = "battle"
"#;

const HTTP: &str = r#"
[listener.open]
listen = "127.0.0.1:0"
protocol = "http"
@MORElimits = { idle_timeout = "10m", connections_per_ip = 0, new_per_ip = "off" }
[http.season]
listener = "open"
path = "/season"
file = "season.json"
"#;

//! A run's gateway, backend and doors together, and how they end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Outcome;
use crate::backend::Backend;
use crate::certificates::Certificates;
use crate::dial::Door;
use crate::folder::Folder;
use crate::gateway::Gateway;
use crate::http;
use crate::machine;
use crate::options::Options;
use crate::page::Page;
use crate::patience::Patience;
use crate::token::Signer;
use crate::verdict::Verdict;
use crate::web::Web;

/// Everything of a run. Fields end in this order.
#[derive(Debug)]
pub(crate) struct Stage {
    /// What is tested.
    pub(crate) gateway: Gateway,
    /// Who answers.
    pub(crate) backend: Backend,
    /// The listener without TLS.
    pub(crate) plain: Door,
    /// The listener with it.
    pub(crate) tls: Door,
    /// The server that partners' requests reach.
    pub(crate) web: Web,
    /// Where a listener for partners is, if the scenario has one.
    pub(crate) open: SocketAddr,
    /// Makes accounts.
    pub(crate) signer: Signer,
    /// How long everything may take.
    pub(crate) patience: Patience,
    /// When the run began.
    pub(crate) began: Instant,
    folder: Folder,
    spent: (f64, f64),
}

/// What a scenario has in the gateway's file of its own.
#[derive(Debug)]
pub(crate) struct Setting {
    /// `limits` of both listeners.
    pub(crate) limits: &'static str,
    /// Whatever stands at the end; `@OPEN` and `@WEB` are the addresses of a listener for partners and of the server
    /// behind it.
    pub(crate) more: String,
    /// Files that it names.
    pub(crate) files: Vec<(&'static str, String)>,
}

const SECRET: &[u8] = b"a secret of this bench, long enough for HS256";

/// `[login]` with the tokens that [`Signer`] makes; more of its keys may follow.
pub(crate) const LOGIN: &str =
    "[login]\ntoken = { id = 100, offset = 6, algorithm = \"HS256\", key = \"login.secret\" }\n";

impl Stage {
    /// Starts backend and gateway.
    pub(crate) fn set(setting: &Setting, options: &Options) -> Outcome<Self> {
        machine::prepare()?;
        let spent = machine::cpu_seconds();
        let patience = Patience::new(options.number("seconds"));
        let folder = Folder::new()?;
        let certificates = Certificates::new(folder.path())?;
        certificates.write()?;
        folder.put("login.secret", std::str::from_utf8(SECRET).map_err(|error| error.to_string())?)?;
        for (name, text) in &setting.files {
            folder.put(name, text)?;
        }
        let (backend, web) = (Backend::start()?, Web::start()?);
        let addresses = machine::free_addresses(4)?;
        let [plain, tls, admin, open] = addresses.as_slice() else { return Err("no ports".to_owned()) };
        let text = (FILE.to_owned() + &setting.more)
            .replace("@PLAIN", &plain.to_string())
            .replace("@TLS", &tls.to_string())
            .replace("@ADMIN", &admin.to_string())
            .replace("@BACKEND", &backend.address.to_string())
            .replace("@OPEN", &open.to_string())
            .replace("@WEB", &web.address.to_string())
            .replace("@LIMITS", setting.limits);
        folder.put("gate.toml", &text)?;
        let gateway = Gateway::start(options.gate.clone(), &folder, (*plain, Some(*admin)), &patience)
            .map_err(|reason| format!("{reason}\n{}", folder.last_words()))?;
        let trust = certificates.trust(false)?;
        Ok(Self {
            gateway,
            backend,
            plain: Door::of(*plain, None),
            tls: Door::of(*tls, Some(Arc::clone(&trust))),
            web,
            open: *open,
            signer: Signer::new(SECRET),
            patience,
            began: Instant::now(),
            folder,
            spent,
        })
    }

    /// What the gateway counts now.
    pub(crate) fn page(&self) -> Outcome<Page> {
        Ok(Page::read(&http::get(self.gateway.admin()?, "/metrics")?.body))
    }

    /// An error if the gateway has ended or the scenario's time is over.
    pub(crate) fn must_go_on(&self) -> Outcome<()> {
        self.gateway.must_run()?;
        self.patience.must_hold()
    }

    /// Ends the gateway as an operator does, and says what all of it cost.
    pub(crate) fn close(self, verdict: &mut Verdict) {
        let Self { gateway, backend, patience, folder, spent, .. } = self;
        let ended = gateway
            .must_run()
            .and_then(|()| gateway.signal(Signal::TERM))
            .and_then(|()| gateway.wait_for_end(Duration::from_secs(20), &Patience::new(30)));
        match ended {
            Ok((fine, how)) => verdict.must(fine, "SIGTERM at the end", how),
            Err(reason) => verdict.must(false, "SIGTERM at the end", reason),
        }
        verdict.none(
            "broken links, and what the gateway refused of the backend",
            backend.counts.wrong.load(Relaxed),
        );
        let left = machine::end_all_children();
        verdict.none("processes left behind", u64::try_from(left).unwrap_or(u64::MAX));
        drop((gateway, backend));
        let (own, gateways) = machine::cpu_seconds();
        let seconds = patience.elapsed().as_secs_f64();
        let (own, gateways) = (own - spent.0, gateways - spent.1);
        verdict.figure("gateway", format!("{gateways:.1} s of CPU in {seconds:.1} s"));
        verdict.figure("players, attackers and backend", format!("{own:.1} s of CPU"));
        if !verdict.holds() {
            verdict.remark(format!("the gateway's last words:\n{}", folder.last_words()));
        }
    }
}

const FILE: &str = r#"[gateway]
id = 1
workers = 2
state_dir = "state"
[admin]
listen = "@ADMIN"
[drain]
lame_duck = "0s"
spread = "0s"
deadline = "5s"
[frame.game]
length = { offset = 0, width = 4 }
id = { offset = 4, width = 2 }
heartbeat = { id = 1, reply = 2 }
notice = { id = 9000 }
[listener.plain]
listen = "@PLAIN"
frame = "game"
limits = { @LIMITS }
[listener.tls]
listen = "@TLS"
frame = "game"
tls = { certificate = "game.pem", key = "game.key" }
limits = { @LIMITS }
[cluster.game]
backends = [{ address = "@BACKEND" }]
[route.game]
ids = [1000, 2000]
cluster = "game"
"#;

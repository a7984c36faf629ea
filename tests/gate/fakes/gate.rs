//! A gate with a configuration written as an operator would.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use realmgate::admin::{Refused, Reloaded};
use realmgate::app;
use realmgate::config::{self, Override, Source};
use realmgate::telemetry::{DoorRefusal, Meters};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Browser, Folder, Player, until, until_shown, within};

/// A running gate.
pub(crate) struct Gate {
    inner: app::Gate,
    client: Option<Arc<rustls::ClientConfig>>,
}

/// What a gate is started with.
pub(crate) struct GateBuilder {
    workers: usize,
    listener: String,
    limits: String,
    tables: String,
    drain: String,
}

/// A certificate authority in a folder of its own, which goes with it.
pub(crate) struct Certificates {
    pub(crate) folder: Folder,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

const FRAME: &str = r#"
[frame.game]
max_length = "64KiB"
length = { offset = 0, width = 4, order = "big" }
id = { offset = 4, width = 2, order = "big" }
heartbeat = { id = 1, reply = 2 }
notice = { id = 9000, body = "json" }
"#;

impl Gate {
    /// One plain listener; clusters and routes are added to it.
    pub(crate) fn builder() -> GateBuilder {
        GateBuilder {
            workers: 1,
            listener: String::new(),
            limits: String::new(),
            tables: FRAME.to_owned(),
            drain: "spread = \"0s\"\ndeadline = \"5s\"".to_owned(),
        }
    }

    /// A player of the plain listener.
    pub(crate) async fn player(&self) -> Player {
        Player::connect(self.address()).await
    }

    /// A player that speaks TLS to the host `game.test`.
    pub(crate) async fn tls_player(&self) -> Player {
        self.tls_player_of(Arc::clone(self.client.as_ref().expect("a gate with certificates"))).await
    }

    /// A player that speaks WebSocket.
    pub(crate) async fn browser(&self) -> Browser {
        Browser::over(self.player().await, &[]).await.expect("a handshake")
    }

    /// One that speaks it over TLS.
    pub(crate) async fn tls_browser(&self) -> Browser {
        Browser::over(self.tls_player().await, &[]).await.expect("a handshake")
    }

    /// One with a memory of tickets of its own.
    pub(crate) async fn tls_player_of(&self, config: Arc<rustls::ClientConfig>) -> Player {
        let player =
            within("a TLS handshake", Player::connect_tls(self.address(), "game.test", config)).await;
        player.expect("a TLS handshake")
    }

    /// Reloads it with another configuration, which must be good.
    pub(crate) async fn reload(&mut self, builder: GateBuilder) {
        if let Err(text) = self.try_reload(builder).await {
            panic!("{text}");
        }
    }

    /// Reloads it; what it says of that, or why it refuses.
    pub(crate) async fn try_reload(&mut self, builder: GateBuilder) -> Result<Reloaded, String> {
        let reloaded = within("a reload", self.inner.reload(builder.plan(), "test")).await;
        reloaded.map_err(|report| report.render(false))
    }

    /// Lays a runtime change over the configuration.
    pub(crate) async fn change(&mut self, change: Override) {
        self.try_change(change).await.unwrap_or_else(|refused| panic!("{}", refused.error));
    }

    /// The same; why it is refused if it is.
    pub(crate) async fn try_change(&mut self, change: Override) -> Result<(), Refused> {
        within("a change", self.inner.change(change, "test")).await.map(drop)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.inner.address("players").expect("the listener of every test")
    }

    pub(crate) fn meters(&self) -> &Arc<Meters> {
        self.inner.meters()
    }

    /// How many connections its listener refused for this.
    pub(crate) fn refused(&self, why: DoorRefusal) -> u64 {
        self.meters().listener("players").refused(why)
    }

    /// Waits until it has refused so many for this, and nobody for anything else but those.
    pub(crate) async fn has_refused(&self, counts: &[(DoorRefusal, u64)]) {
        let expected = |why| counts.iter().find(|(known, _)| *known == why).map_or(0, |(_, count)| *count);
        let are_counted = || counts.iter().all(|(why, count)| self.refused(*why) >= *count);
        until("refusals to be counted", are_counted).await;
        for why in DoorRefusal::ALL {
            assert_eq!(self.refused(why), expected(why), "{}", why.as_str());
        }
    }

    /// Waits until a line of the metrics page is this one.
    pub(crate) async fn shows(&self, line: &str) {
        until_shown(line, || self.inner.metrics_page()).await;
    }

    pub(crate) fn inner(&self) -> &app::Gate {
        &self.inner
    }

    pub(crate) fn into_inner(self) -> app::Gate {
        self.inner
    }

    /// Waits until it has so many sessions.
    pub(crate) async fn has_sessions(&self, count: usize) {
        until("the number of sessions", || self.inner.sessions() == count).await;
    }

    /// Waits until every session is over and nowhere counted any more.
    pub(crate) async fn is_empty(&self) {
        self.has_sessions(0).await;
        let world = self.inner.world();
        let left: Vec<_> = world.sessions().filter(|(_, _, sessions)| *sessions > 0).collect();
        assert!(left.is_empty(), "sessions that nobody has: {left:?}");
    }

    /// Drains it; how many were cut.
    pub(crate) async fn drain(self) -> usize {
        within("the end of the drain", Box::pin(self.inner.drain())).await
    }

    pub(crate) async fn stop(self) {
        within("the gate to stop", self.inner.stop()).await;
    }
}

impl GateBuilder {
    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// How it drains after a lame duck of no time.
    pub(crate) fn drains(mut self, lines: &str) -> Self {
        self.drain = lines.to_owned();
        self
    }

    /// A line of `[listener.players]`.
    pub(crate) fn listener(mut self, line: &str) -> Self {
        self.listener += &format!("{line}\n");
        self
    }

    /// A line of `[listener.players.limits]`.
    pub(crate) fn limit(mut self, line: &str) -> Self {
        self.limits += &format!("{line}\n");
        self
    }

    /// A listener that speaks WebSocket at `/play`.
    pub(crate) fn websocket(self) -> Self {
        self.listener("protocol = \"websocket\"").listener("path = \"/play\"")
    }

    /// Any other table.
    pub(crate) fn table(mut self, text: &str) -> Self {
        self.tables += &format!("\n{text}\n");
        self
    }

    /// A cluster over shared links with a route of the same name.
    pub(crate) fn shared(self, name: &str, ids: &str, backends: &[SocketAddr], more: &str) -> Self {
        self.cluster(name, "shared", ids, backends, more)
    }

    /// A cluster with a connection per session and a route of the same name.
    pub(crate) fn dedicated(self, name: &str, ids: &str, backends: &[SocketAddr], more: &str) -> Self {
        self.cluster(name, "dedicated", ids, backends, more)
    }

    fn cluster(self, name: &str, link: &str, ids: &str, backends: &[SocketAddr], more: &str) -> Self {
        let backends: Vec<String> =
            backends.iter().map(|address| format!("{{ address = \"{address}\" }}")).collect();
        let backends = backends.join(", ");
        self.table(&format!(
            "[cluster.{name}]\nlink = \"{link}\"\n{more}\nbackends = [{backends}]\n[route.{name}]\nids = [{ids}]\ncluster = \"{name}\""
        ))
    }

    /// The file that the gate is started with.
    pub(crate) fn text(&self) -> String {
        let frame = if self.listener.contains("frame") { "" } else { "frame = \"game\"" };
        format!(
            "[gateway]\nid = 1\nzone = \"test\"\nworkers = {}\n[drain]\nlame_duck = \"0s\"\n{}\n\
             [listener.players]\nlisten = \"127.0.0.1:0\"\n{frame}\n{}[listener.players.limits]\n{}{}{}",
            self.workers,
            self.drain,
            self.listener,
            self.limits,
            self.no_limits(),
            self.tables
        )
    }

    /// All players of a test come from one address, and often at once.
    fn no_limits(&self) -> String {
        let off = ["connections_per_ip = 0", "new_per_ip = \"off\"", "frames_per_session = \"off\""];
        let is_said = |line: &str| line.split(' ').next().is_some_and(|key| self.limits.contains(key));
        let left = off.into_iter().filter(|line| {
            !(is_said(line) || line.starts_with("frames") && self.listener.contains("\"raw\""))
        });
        left.map(|line| format!("{line}\n")).collect()
    }

    fn plan(&self) -> config::Plan {
        match config::parse(vec![Source { path: "test.toml".into(), text: self.text() }]) {
            Ok(plan) => plan,
            Err(report) => panic!("{}", report.render(false)),
        }
    }

    pub(crate) async fn start(self) -> Gate {
        self.start_with(None).await
    }

    /// Starts it with TLS at the listener and players that trust it.
    pub(crate) async fn start_tls(self, certificates: &Certificates) -> Gate {
        certificates.write("game", &["game.test"]);
        let pair = certificates.pair("game");
        let gate = self.listener(&format!("tls = {pair}")).start_with(Some(certificates.client()));
        gate.await
    }

    pub(crate) async fn start_with(self, client: Option<Arc<rustls::ClientConfig>>) -> Gate {
        let inner = within("the gate to start", app::Gate::start(self.plan())).await;
        Gate { inner: inner.unwrap_or_else(|error| panic!("{error}")), client }
    }
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("randomness");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = Folder::new();
        folder.write("ca.pem", &issuer.pem());
        Self { folder, issuer }
    }

    /// Writes NAME.pem and NAME.key for these host names.
    pub(crate) fn write(&self, name: &str, hosts: &[&str]) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let key = KeyPair::generate().expect("randomness");
        let params = CertificateParams::new(hosts).expect("host names");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        self.folder.write(&format!("{name}.pem"), &certificate.pem());
        self.folder.write(&format!("{name}.key"), &key.serialize_pem());
    }

    /// The TOML that names a pair.
    pub(crate) fn pair(&self, name: &str) -> String {
        let folder = self.folder.display();
        format!("{{ certificate = \"{folder}/{name}.pem\", key = \"{folder}/{name}.key\" }}")
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        roots
    }

    /// A client that shows the certificate NAME.
    pub(crate) fn client_with(&self, name: &str) -> Arc<rustls::ClientConfig> {
        let path = |ending| self.folder.path(&format!("{name}.{ending}"));
        let chain = CertificateDer::pem_file_iter(path("pem")).expect("PEM").collect::<Result<_, _>>();
        let key = PrivateKeyDer::from_pem_file(path("key")).expect("PEM");
        let builder = rustls::ClientConfig::builder().with_root_certificates(self.roots());
        Arc::new(builder.with_client_auth_cert(chain.expect("PEM"), key).expect("a pair"))
    }

    pub(crate) fn client(&self) -> Arc<rustls::ClientConfig> {
        Arc::new(rustls::ClientConfig::builder().with_root_certificates(self.roots()).with_no_client_auth())
    }
}

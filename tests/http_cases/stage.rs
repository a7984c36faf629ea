//! A gate with one listener before a backend that keeps connections, and one before a backend that closes them.

use std::net::SocketAddr;

use realmgate::app;
use realmgate::config::{self, Source};

use crate::backend::{Backend, Scripts, echo};
use crate::case::Seen;
use crate::client::Client;
use crate::within;

pub(crate) struct Stage {
    gate: app::Gate,
    pub(crate) doors: [Door; 2],
}

/// A listener and the backend behind it.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) backend: Backend,
}

fn tables(name: &str, backend: &Backend) -> String {
    format!(
        "[listener.{name}]\nlisten = \"127.0.0.1:0\"\nprotocol = \"http\"\n\
         [listener.{name}.limits]\nconnections_per_ip = 0\nnew_per_ip = \"off\"\n\
         [cluster.{name}]\nlink = \"http\"\nbackends = [{{ address = \"{}\" }}]\n\
         [http.{name}]\nlistener = \"{name}\"\npath = \"/*\"\ncluster = \"{name}\"\nretries = 0\n",
        backend.address
    )
}

impl Stage {
    pub(crate) async fn start(scripts: &Scripts) -> Self {
        let backends =
            [Backend::start(false, scripts.clone()).await, Backend::start(true, scripts.clone()).await];
        let names = ["keeps", "closes"];
        let tables: String =
            names.iter().zip(&backends).map(|(name, backend)| tables(name, backend)).collect();
        let text = format!(
            "[gateway]\nid = 1\nworkers = 1\n[drain]\nlame_duck = \"0s\"\nspread = \"0s\"\ndeadline = \"1s\"\n{tables}"
        );
        let plan = config::parse(vec![Source { path: "test.toml".into(), text }]);
        let plan = plan.unwrap_or_else(|report| panic!("{}", report.render(false)));
        let gate = within("the gate to start", app::Gate::start(plan))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let address = |name| gate.address(name).expect("a listener");
        let [keeps, closes] = backends;
        let doors = [
            Door { name: "keeps", address: address("keeps"), backend: keeps },
            Door { name: "closes", address: address("closes"), backend: closes },
        ];
        Self { gate, doors }
    }

    pub(crate) async fn stop(self) {
        within("the gate to stop", self.gate.stop()).await;
    }
}

impl Door {
    /// Asks on a connection of its own: whatever came before has left nothing behind.
    pub(crate) async fn is_sound(&self, name: &str) -> Seen {
        let marker = Seen::get(&format!("/behind/{name}"));
        let mut client = Client::connect(self.address).await;
        client.send(&ask(&marker)).await;
        let answered =
            client.answer().await.unwrap_or_else(|| panic!("{} {name}: no answer behind it", self.name));
        assert_eq!((answered.status, answered.body), (200, echo(&marker)), "{} {name}: behind it", self.name);
        marker
    }
}

/// A marker as it is sent.
pub(crate) fn ask(marker: &Seen) -> Vec<u8> {
    format!("{} {} HTTP/1.1\r\nHost: gate.test\r\n\r\n", marker.method, marker.target).into_bytes()
}

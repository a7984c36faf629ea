//! What the gates of this process log of their backends, and of players by their addresses.

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex};

use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// One line about a backend, or about the player at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) backend: String,
    pub(crate) message: String,
    /// All other fields, as `name=value`.
    pub(crate) fields: String,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<Line>>,
    changed: Notify,
}

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let subscriber = tracing_subscriber::registry().with(Ear);
    tracing::subscriber::set_global_default(subscriber).expect("no other listener");
    Log::default()
});

/// Begins to listen; what was logged before is lost.
pub(crate) fn listen() {
    LazyLock::force(&LOG);
}

/// The lines so far that are wanted.
pub(crate) fn lines(wanted: impl Fn(&Line) -> bool) -> Vec<Line> {
    LOG.lines.lock().expect("no panic").iter().filter(|line| wanted(line)).cloned().collect()
}

/// Waits until `count` lines about a backend begin so; the last of them.
pub(crate) async fn wait(backend: SocketAddr, begin: &str, count: usize) -> Line {
    let backend = backend.to_string();
    loop {
        let changed = LOG.changed.notified();
        let found = lines(|line| line.backend == backend && line.message.starts_with(begin));
        if let Some(line) = found.get(count - 1) {
            return line.clone();
        }
        changed.await;
    }
}

struct Ear;

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let about = fields.0.remove("backend").or_else(|| fields.0.remove("address"));
        let Some(backend) = about else { return };
        let message = fields.0.remove("message").unwrap_or_default();
        let fields: Vec<_> = fields.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let line = Line { backend, message, fields: fields.join(" ") };
        LOG.lines.lock().expect("no panic").push(line);
        LOG.changed.notify_waiters();
    }
}

#[derive(Default)]
struct Fields(HashMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

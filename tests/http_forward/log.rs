//! The lines of the access log that the gates of this process write, by their paths.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{LazyLock, Mutex};

use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::within;

/// The fields of one line.
pub(crate) type Line = HashMap<&'static str, String>;

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

/// Begins to listen: requests that come before have no line.
pub(crate) fn listen() {
    LazyLock::force(&LOG);
}

/// The line of the request with this path.
pub(crate) async fn line(path: &str) -> Line {
    within("a line of the log", async {
        loop {
            let changed = LOG.changed.notified();
            let found = LOG
                .lines
                .lock()
                .expect("no panic")
                .iter()
                .find(|line| line.get("path").is_some_and(|known| known == path))
                .cloned();
            if let Some(line) = found {
                return line;
            }
            changed.await;
        }
    })
    .await
}

struct Ear;

impl<S: Subscriber> Layer<S> for Ear {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "realmgate::http"
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        LOG.lines.lock().expect("no panic").push(fields.0);
        LOG.changed.notify_waiters();
    }
}

#[derive(Default)]
struct Fields(Line);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

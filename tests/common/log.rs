//! What the gates of this process log.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{LazyLock, Mutex};

use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// The fields of one line; its words are `message`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(BTreeMap<&'static str, String>);

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

impl Line {
    /// A field's value, empty where the line has no such field.
    pub(crate) fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }
}

/// Begins to listen; what was logged before is lost.
pub(crate) fn listen() {
    LazyLock::force(&LOG);
}

/// The lines so far that are wanted.
pub(crate) fn lines(wanted: impl Fn(&Line) -> bool) -> Vec<Line> {
    LOG.lines.lock().expect("no panic").iter().filter(|line| wanted(line)).cloned().collect()
}

/// Waits until there are `count` lines that are wanted; the last of them.
pub(crate) async fn wait(count: usize, wanted: impl Fn(&Line) -> bool) -> Line {
    loop {
        let changed = LOG.changed.notified();
        if let Some(line) = lines(&wanted).get(count - 1) {
            return line.clone();
        }
        changed.await;
    }
}

struct Ear;

impl<S: Subscriber> Layer<S> for Ear {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("realmgate")
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        LOG.lines.lock().expect("no panic").push(line);
        LOG.changed.notify_waiters();
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

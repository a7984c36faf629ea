//! The access log as programs read it: the same fields for a session that is over and for one that is still there.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use realmgate::base::{GatewayId, SessionId};
use realmgate::session::EndReason;
use realmgate::telemetry::{self, SessionRecord};
use serde_json::Value;

/// Where the lines of a test go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line of one record, read.
fn line(account: Option<&str>, end: Option<EndReason>) -> Value {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        telemetry::session(&SessionRecord {
            session: SessionId::new(GatewayId::new(7).expect("a gateway's number"), 1, 2),
            account,
            address: SocketAddr::from(([192, 0, 2, 1], 4711)),
            transport: "tls",
            tls: "1.3",
            listener: "players",
            duration: Duration::from_secs(601),
            frames_in: 3,
            frames_out: 4,
            bytes_in: 50,
            bytes_out: 60,
            routes: &["login", "battle"],
            end,
        });
    });
    let bytes = lines.0.lock().expect("no panic").clone();
    serde_json::from_slice(&bytes).expect("one line of JSON")
}

#[test]
fn a_session_that_is_still_there_has_the_fields_of_one_that_is_over() {
    let over = line(Some("anna"), Some(EndReason::Idle));
    let still = line(None, None);
    let fields = |line: &Value| line.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(fields(&over), fields(&still));
    assert_eq!(
        (&over["message"], &over["end_reason"], &over["account"]),
        (&Value::from("session"), &Value::from("idle"), &Value::from("anna"))
    );
    assert_eq!(
        (&still["message"], &still["end_reason"], &still["account"]),
        (&Value::from("session so far"), &Value::from(""), &Value::from(""))
    );
    for line in [over, still] {
        assert_eq!(
            (&line["duration_ms"], &line["routes"]),
            (&Value::from(601_000), &Value::from("login,battle"))
        );
        assert_eq!((&line["frames_in"], &line["bytes_out"]), (&Value::from(3), &Value::from(60)));
    }
}

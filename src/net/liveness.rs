//! What the operating system does about peers that are gone without a word: a machine without power, a phone
//! without a network, a router that forgot the connection. No FIN and no RST comes from them.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::config::ListenerLimits;

/// Probes of a connection to a player that says nothing: the first one after a third of `idle_timeout`, the next ones
/// sooner. What was sent and is not acknowledged for `write_timeout` and a little more ends the connection; the little
/// more lets a player that lives and only does not read come to the end that the session has for it.
pub(super) fn watch_player(stream: &impl AsFd, limits: &ListenerLimits) -> io::Result<()> {
    let first = (limits.idle_timeout() / 3).max(BETWEEN_PROBES);
    watch(stream, first, limits.write_timeout() + GRACE)
}

/// The same for a connection to a backend.
pub(super) fn watch_backend(stream: &TcpStream) -> io::Result<()> {
    watch(stream, BETWEEN_PROBES, BACKEND_SILENCE)
}

fn watch(stream: &impl AsFd, first: Duration, unacknowledged: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(first).with_interval(BETWEEN_PROBES))?;
    socket.set_tcp_user_timeout(Some(unacknowledged))
}

/// Probes are so far apart, and the first one comes no sooner.
const BETWEEN_PROBES: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(5);
/// How long a backend may acknowledge nothing: as long as a shared link waits for a PONG.
const BACKEND_SILENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Source};

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        (near.expect("connected"), far.expect("accepted").0)
    }

    fn options(stream: &TcpStream) -> (bool, u64, u64, Option<u64>) {
        let socket = SockRef::from(stream);
        let seconds = |time: io::Result<Duration>| time.expect("an option").as_secs();
        let silence = socket.tcp_user_timeout().expect("an option").map(|time| time.as_secs());
        let interval = seconds(socket.tcp_keepalive_interval());
        (socket.keepalive().expect("an option"), seconds(socket.tcp_keepalive_time()), interval, silence)
    }

    fn limits(of: &str) -> ListenerLimits {
        let text = format!(
            "[frame.game]\nlength = {{ width = 4 }}\nid = {{ offset = 4, width = 2 }}\n\
             [listener.players]\nlisten = \"127.0.0.1:0\"\n[listener.players.limits]\n{of}\n\
             [cluster.all]\nbackends = [{{ address = \"127.0.0.1:1\" }}]\n[route.all]\nids = [\"*\"]\ncluster = \"all\"\n"
        );
        let plan = config::parse(vec![Source { path: "liveness.toml".into(), text }]).expect("a plan");
        **plan.listeners().first().expect("one").limits()
    }

    #[tokio::test]
    async fn the_operating_system_looks_after_silent_players_and_backends() {
        let (near, far) = pair().await;
        watch_backend(&near).expect("options");
        assert_eq!(options(&near), (true, 10, 10, Some(15)));
        watch_player(&far, &limits("")).expect("options");
        assert_eq!(options(&far), (true, 30, 10, Some(20)));
        watch_player(&far, &limits("idle_timeout = \"6s\"\nwrite_timeout = \"2s\"")).expect("options");
        assert_eq!(options(&far), (true, 10, 10, Some(7)), "no sooner than ten seconds");
        watch_player(&far, &limits("idle_timeout = \"24h\"\nwrite_timeout = \"24h\"")).expect("options");
        assert_eq!(options(&far), (true, 8 * 3600, 10, Some(24 * 3600 + 5)));
    }
}

//! The file of a running realmgate is changed and read again, over and over.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::proxy::{Running, Site};
use crate::proxies::Peer;

/// Between two reloads.
const EVERY: Duration = Duration::from_millis(200);
/// How long the last ones may take until they are counted.
const PATIENCE: Duration = Duration::from_secs(5);

/// The reloads of one turn.
#[derive(Debug)]
pub(crate) struct Reloads<'a> {
    peer: Peer,
    site: &'a Site,
    admin: SocketAddr,
    pid: Pid,
    next: Instant,
    asked: u32,
}

impl<'a> Reloads<'a> {
    /// Of a peer that is reloaded; `None` of all others.
    pub(crate) fn of(peer: Peer, site: &'a Site, proxy: &Running) -> Option<Self> {
        let pid = i32::try_from(*proxy.pids.first()?).ok().and_then(Pid::from_raw)?;
        let admin = peer.admin()?;
        Some(Self { peer, site, admin, pid, next: Instant::now() + EVERY, asked: 0 })
    }

    /// Asks for the next one, if it is due.
    pub(crate) fn turn(&mut self) -> Result<(), String> {
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + EVERY;
        self.asked += 1;
        self.site.put(self.peer.file(), &self.peer.file_of_realmgate(self.site, self.asked))?;
        kill_process(self.pid, Signal::HUP).map_err(|error| format!("SIGHUP: {error}"))
    }

    /// How many there were, if all of them are in force: the second figure is what the proxy has counted.
    pub(crate) fn confirmed(&self) -> Result<u32, String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let applied = self.counted("applied")?;
            if applied >= f64::from(self.asked) && self.asked > 0 {
                return Ok(self.asked);
            }
            if Instant::now() > end {
                let refused = self.counted("rejected")?;
                return Err(format!("of {} reloads {applied} were confirmed, {refused} refused", self.asked));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn counted(&self, result: &str) -> Result<f64, String> {
        let page = crate::http::get(self.admin, "/metrics")?;
        let name = format!("realmgate_config_reloads_total{{result=\"{result}\"}}");
        Ok(crate::http::sample(&page.body, &name).unwrap_or(0.0))
    }
}

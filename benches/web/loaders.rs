//! wrk and h2load: what they are told, and what they say they got.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::content;
use crate::got::{self, Got};
use crate::lab::process::{Guarded, OTHER_CORE};
use crate::lab::proxy::Site;
use crate::works::{Loader, Work};

/// wrk tells its counts to this function when it has ended.
const SCRIPT: &str = "\
function done(summary, latency, requests)
  local e = summary.errors
  print(string.format('counts %d %d %d', summary.requests, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout))
end
";
/// For connecting before and for stragglers after the window.
const SLACK: Duration = Duration::from_secs(30);

/// Asks for so many seconds; whatever is not whole is rounded up, since wrk knows nothing smaller.
pub(crate) fn run(work: &Work, target: SocketAddr, seconds: f64, site: &Site) -> Result<Got, String> {
    let scheme = if work.tls { "https" } else { "http" };
    let url = format!("{scheme}://{target}{}", content::path(work.size));
    let seconds = seconds.ceil();
    let (connections, streams) = (work.connections.to_string(), work.streams.to_string());
    let output = if work.loader == Loader::Wrk {
        let (duration, script) =
            (format!("{seconds}s"), site.put("counts.lua", SCRIPT)?.display().to_string());
        let words = ["-t", "1", "-c", &connections, "-d", &duration, "-s", &script, &url];
        start("wrk", &words, site, seconds)?
    } else {
        let duration = seconds.to_string();
        let mut words = vec!["-t", "1", "-c", &connections, "-m", &streams, "-D", &duration, &url];
        if work.loader == Loader::H2loadOne {
            words.push("--h1");
        }
        start("h2load", &words, site, seconds)?
    };
    let got = if work.loader == Loader::Wrk { got::wrk(&output) } else { got::h2load(&output) };
    got.ok_or_else(|| format!("the loader told nothing that could be read:\n{output}"))
}

fn start(program: &str, words: &[&str], site: &Site, seconds: f64) -> Result<String, String> {
    let program = Path::new("/usr/bin").join(program);
    let loader = Guarded::start(OTHER_CORE, &program, words, &site.log_of_others(), true)?;
    loader.finish(Duration::from_secs_f64(seconds) + SLACK, || Ok(()))
}

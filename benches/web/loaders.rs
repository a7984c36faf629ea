//! wrk and h2load: what they are told, and what they say they got.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::content;
use crate::lab::process::{Guarded, OTHER_CORE};
use crate::works::{Loader, Work};

/// What a loader got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Got {
    /// Whole answers with status 200.
    pub(crate) answers: u64,
    /// Everything else that came or did not come: other statuses, broken connections, timeouts.
    pub(crate) wrong: u64,
    /// Bytes; of the bodies alone if the loader tells them apart.
    bytes: u64,
}

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
pub(crate) fn run(
    work: &Work,
    target: SocketAddr,
    seconds: f64,
    folder: &Path,
    log: &Path,
) -> Result<Got, String> {
    let scheme = if work.tls { "https" } else { "http" };
    let url = format!("{scheme}://{target}{}", content::path(work.size));
    let seconds = seconds.ceil();
    let (connections, streams) = (work.connections.to_string(), work.streams.to_string());
    let output = if work.loader == Loader::Wrk {
        let script = folder.join("counts.lua");
        fs::write(&script, SCRIPT).map_err(|error| format!("{}: {error}", script.display()))?;
        let (duration, script) = (format!("{seconds}s"), script.display().to_string());
        let words = ["-t", "1", "-c", &connections, "-d", &duration, "-s", &script, &url];
        start("wrk", &words, log, seconds)?
    } else {
        let duration = seconds.to_string();
        let mut words = vec!["-t", "1", "-c", &connections, "-m", &streams, "-D", &duration, &url];
        if work.loader == Loader::H2loadOne {
            words.push("--h1");
        }
        start("h2load", &words, log, seconds)?
    };
    let got = if work.loader == Loader::Wrk { wrk(&output) } else { h2load(&output) };
    got.ok_or_else(|| format!("the loader told nothing that could be read:\n{output}"))
}

fn start(program: &str, words: &[&str], log: &Path, seconds: f64) -> Result<String, String> {
    let program = Path::new("/usr/bin").join(program);
    let loader = Guarded::start(OTHER_CORE, &program, words, log, true)?;
    loader.finish(Duration::from_secs_f64(seconds) + SLACK)
}

fn wrk(output: &str) -> Option<Got> {
    let line = output.lines().find_map(|line| line.strip_prefix("counts "))?;
    let numbers: Vec<u64> = line.split(' ').map_while(|word| word.parse().ok()).collect();
    let [requests, bytes, wrong] = numbers.try_into().ok()?;
    Some(Got { answers: requests, wrong, bytes })
}

/// `requests: 9 total, 9 started, 9 done, 9 succeeded, 0 failed, 0 errored, 0 timeout`,
/// `status codes: 9 2xx, 0 3xx, 0 4xx, 0 5xx`, `traffic: 1.0MB (9) total, 1KB (9) headers (...), 1MB (9) data`.
fn h2load(output: &str) -> Option<Got> {
    let line = |name: &str| output.lines().find_map(|line| line.strip_prefix(name));
    let (requests, statuses) = (line("requests: ")?, line("status codes: ")?);
    let answers = before(requests, " succeeded")?;
    // A status counts when a head has come, a success when the body has: more heads than bodies are under way.
    let bare = answers.saturating_sub(before(statuses, " 2xx")?);
    let failed = before(requests, " failed")? + before(requests, " timeout")? + bare;
    let others = before(statuses, " 3xx")? + before(statuses, " 4xx")? + before(statuses, " 5xx")?;
    let bytes = before(&line("traffic: ")?.replace(['(', ')'], ""), " data")?;
    Some(Got { answers, wrong: failed + others, bytes })
}

/// The number before a word.
fn before(line: &str, word: &str) -> Option<u64> {
    let (front, _) = line.split_once(word)?;
    front.rsplit([' ', ',']).next()?.parse().ok()
}

impl Got {
    /// What is wrong with it, by counts and bytes; `head` is how long a head of the first answer was.
    pub(crate) fn fault(&self, work: &Work, head: usize) -> Option<String> {
        if self.wrong > 0 || self.answers == 0 {
            return Some(format!("{} answers, {} wrong or missing", self.answers, self.wrong));
        }
        // wrk counts heads, too. They may differ by a few letters: a date's length is the same, a number's may not be.
        let (head, differ) = if work.loader == Loader::Wrk { (head, HEADS) } else { (0, 0) };
        let bytes = |each: usize, count: u64| u64::try_from(each).unwrap_or(u64::MAX).saturating_mul(count);
        let least = bytes(work.size + head.saturating_sub(differ), self.answers);
        // What is under way at the end has brought some bytes, too.
        let most = bytes(work.size + head + differ, self.answers + work.under_way());
        (!(least..=most).contains(&self.bytes))
            .then(|| format!("{} bytes for {} answers of {} and {head}", self.bytes, self.answers, work.size))
    }
}

/// How much heads may differ in length.
const HEADS: usize = 16;

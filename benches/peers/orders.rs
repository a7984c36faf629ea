//! What one loader process is told to do and what it tells back: words on its command line, lines on its output.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How the players behave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// Each connection always waits for so many answers: as fast as it goes.
    Closed {
        /// Frames under way on every connection.
        in_flight: usize,
    },
    /// Frames leave at their time, whether earlier ones were answered or not.
    Open {
        /// Frames a second over all connections.
        per_second: f64,
    },
    /// Connect, one frame, then silence.
    Idle,
    /// Connect, one frame, close, again.
    Handshakes {
        /// With a ticket of an earlier connection.
        resumed: bool,
    },
}

/// One loader process.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The proxy's listener.
    pub(crate) target: SocketAddr,
    /// The certificate that the proxy must show; none: no TLS.
    pub(crate) certificate: Option<PathBuf>,
    /// What the connections do.
    pub(crate) load: Load,
    /// How many there are.
    pub(crate) connections: usize,
    /// Bytes of a whole frame.
    pub(crate) frame: usize,
    /// The load before the window.
    pub(crate) warm_up: Duration,
    /// The window.
    pub(crate) window: Duration,
    /// The proxy's processes.
    pub(crate) proxy: Vec<u32>,
    /// The backend's process.
    pub(crate) backend: u32,
}

/// What a loader saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Frames answered (or handshakes done) in the window.
    pub(crate) done: u64,
    /// The real length of the window, in nanoseconds.
    pub(crate) window: u64,
    /// Answers that were not what was asked for.
    pub(crate) wrong: u64,
    /// Frames never answered.
    pub(crate) missing: u64,
    /// Nanoseconds from asking to answer.
    pub(crate) p50: u64,
    /// The same, 99 of 100.
    pub(crate) p99: u64,
    /// The same, 999 of 1,000.
    pub(crate) p999: u64,
    /// CPU time of the proxy in the window, in nanoseconds.
    pub(crate) proxy: u64,
    /// Of the loader itself.
    pub(crate) loader: u64,
    /// Of the backend.
    pub(crate) backend: u64,
    /// Of everybody else on the two cores.
    pub(crate) strangers: u64,
    /// Memory that the proxy took for the idle connections, in KiB.
    pub(crate) grown: u64,
}

impl Order {
    /// As words.
    pub(crate) fn words(&self) -> Vec<String> {
        let (load, detail) = match self.load {
            Load::Closed { in_flight } => ("closed", in_flight.to_string()),
            Load::Open { per_second } => ("open", per_second.to_string()),
            Load::Idle => ("idle", String::new()),
            Load::Handshakes { resumed } => ("handshakes", resumed.to_string()),
        };
        let certificate = self.certificate.as_ref().map(|path| path.display().to_string());
        let proxy: Vec<String> = self.proxy.iter().map(u32::to_string).collect();
        vec![
            self.target.to_string(),
            certificate.unwrap_or_default(),
            load.to_owned(),
            detail,
            self.connections.to_string(),
            self.frame.to_string(),
            self.warm_up.as_millis().to_string(),
            self.window.as_millis().to_string(),
            proxy.join(","),
            self.backend.to_string(),
        ]
    }

    /// From words.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let [target, certificate, load, detail, connections, frame, warm_up, window, proxy, backend] = words
        else {
            return Err("the loader is started by `run`".to_owned());
        };
        let load = match load.as_str() {
            "closed" => Load::Closed { in_flight: read(detail)? },
            "open" => Load::Open { per_second: read(detail)? },
            "idle" => Load::Idle,
            "handshakes" => Load::Handshakes { resumed: read(detail)? },
            _ => return Err(format!("{load} is no load")),
        };
        Ok(Self {
            target: read(target)?,
            certificate: Some(PathBuf::from(certificate)).filter(|path| !path.as_os_str().is_empty()),
            load,
            connections: read(connections)?,
            frame: read(frame)?,
            warm_up: Duration::from_millis(read(warm_up)?),
            window: Duration::from_millis(read(window)?),
            proxy: proxy.split(',').map(read).collect::<Result<_, _>>()?,
            backend: read(backend)?,
        })
    }
}

impl Outcome {
    /// As one line.
    pub(crate) fn line(&self) -> String {
        let numbers = [
            self.done,
            self.window,
            self.wrong,
            self.missing,
            self.p50,
            self.p99,
            self.p999,
            self.proxy,
            self.loader,
            self.backend,
            self.strangers,
            self.grown,
        ];
        numbers.map(|number| number.to_string()).join(" ")
    }

    /// From a loader's output.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let numbers: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let [done, window, wrong, missing, p50, p99, p999, proxy, loader, backend, strangers, grown] =
            numbers.try_into().ok()?;
        Some(Self { done, window, wrong, missing, p50, p99, p999, proxy, loader, backend, strangers, grown })
    }
}

fn read<T: FromStr>(word: impl AsRef<str>) -> Result<T, String> {
    word.as_ref().parse().map_err(|_| format!("{} cannot be read", word.as_ref()))
}

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
    /// The same; then a window with as much under way as goes, then silence for as long as the order says.
    Peak,
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
    /// The number of the first one: loaders that work at one time have no number twice.
    pub(crate) first: usize,
    /// Bytes of a whole frame.
    pub(crate) frame: usize,
    /// The load before the window.
    pub(crate) warm_up: Duration,
    /// The window.
    pub(crate) window: Duration,
    /// The silence after a peak.
    pub(crate) silence: Duration,
    /// The first so many cores of the machine are those of the run.
    pub(crate) cores: usize,
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
    /// Of everybody else on the run's cores.
    pub(crate) strangers: u64,
    /// Memory that the proxy took for the idle connections, in KiB.
    pub(crate) grown: u64,
    /// What it had taken at the end of a peak.
    pub(crate) peaked: u64,
    /// What it kept after the silence that followed.
    pub(crate) kept: u64,
    /// Reloads that were confirmed meanwhile; the loader knows nothing of them.
    pub(crate) reloads: u64,
}

impl Order {
    /// As words.
    pub(crate) fn words(&self) -> Vec<String> {
        let (load, detail) = match self.load {
            Load::Closed { in_flight } => ("closed", in_flight.to_string()),
            Load::Open { per_second } => ("open", per_second.to_string()),
            Load::Idle => ("idle", String::new()),
            Load::Peak => ("peak", String::new()),
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
            self.first.to_string(),
            self.frame.to_string(),
            self.warm_up.as_millis().to_string(),
            self.window.as_millis().to_string(),
            self.silence.as_millis().to_string(),
            self.cores.to_string(),
            proxy.join(","),
            self.backend.to_string(),
        ]
    }

    /// From words.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let [target, certificate, load, detail, connections, first, frame, times @ .., cores, proxy, backend] =
            words
        else {
            return Err("the loader is started by `run`".to_owned());
        };
        let [warm_up, window, silence] = times else { return Err("three times are wanted".to_owned()) };
        let load = match load.as_str() {
            "closed" => Load::Closed { in_flight: read(detail)? },
            "open" => Load::Open { per_second: read(detail)? },
            "idle" => Load::Idle,
            "peak" => Load::Peak,
            "handshakes" => Load::Handshakes { resumed: read(detail)? },
            _ => return Err(format!("{load} is no load")),
        };
        Ok(Self {
            target: read(target)?,
            certificate: Some(PathBuf::from(certificate)).filter(|path| !path.as_os_str().is_empty()),
            load,
            connections: read(connections)?,
            first: read(first)?,
            frame: read(frame)?,
            warm_up: Duration::from_millis(read(warm_up)?),
            window: Duration::from_millis(read(window)?),
            silence: Duration::from_millis(read(silence)?),
            cores: read(cores)?,
            proxy: proxy.split(',').map(read).collect::<Result<_, _>>()?,
            backend: read(backend)?,
        })
    }
}

impl Outcome {
    /// As one line.
    pub(crate) fn line(&self) -> String {
        self.clone().told().map(|number| number.to_string()).join(" ")
    }

    /// From a loader's output.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let numbers: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let mut outcome = Self::default();
        let told = outcome.told();
        if numbers.len() != told.len() {
            return None;
        }
        told.into_iter().zip(numbers).for_each(|(place, number)| *place = number);
        Some(outcome)
    }

    /// What two loaders saw at one time: both looked at the same proxy and backend.
    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            done: self.done + other.done,
            wrong: self.wrong + other.wrong,
            missing: self.missing + other.missing,
            p50: self.p50.max(other.p50),
            p99: self.p99.max(other.p99),
            p999: self.p999.max(other.p999),
            loader: self.loader + other.loader,
            strangers: self.strangers.saturating_sub(other.loader),
            ..self
        }
    }

    /// Frames or handshakes a second.
    #[expect(clippy::cast_precision_loss, reason = "figures of a few digits are wanted")]
    pub(crate) fn per_second(&self) -> f64 {
        self.done as f64 * 1e9 / self.window.max(1) as f64
    }

    /// What is wrong with it.
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { wrong, missing, done, .. } = self;
        if *wrong > 0 || *missing > 0 {
            return Some(format!("{wrong} wrong, {missing} missing"));
        }
        if *done == 0 {
            return Some("nothing was answered".to_owned());
        }
        (self.proxy == 0 && self.grown == 0).then(|| "the proxy seems to have done nothing".to_owned())
    }

    /// What a loader tells, in this order.
    fn told(&mut self) -> [&mut u64; 14] {
        [
            &mut self.done,
            &mut self.window,
            &mut self.wrong,
            &mut self.missing,
            &mut self.p50,
            &mut self.p99,
            &mut self.p999,
            &mut self.proxy,
            &mut self.loader,
            &mut self.backend,
            &mut self.strangers,
            &mut self.grown,
            &mut self.peaked,
            &mut self.kept,
        ]
    }
}

fn read<T: FromStr>(word: impl AsRef<str>) -> Result<T, String> {
    word.as_ref().parse().map_err(|_| format!("{} cannot be read", word.as_ref()))
}

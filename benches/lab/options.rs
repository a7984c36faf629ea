//! The command line of `run`.

use std::path::PathBuf;

/// What a person can ask for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Short windows and one round: does it work, and roughly where.
    pub(crate) quick: bool,
    /// Keys or families of works; empty: all.
    pub(crate) only: Vec<String>,
    /// The measured window of one turn.
    pub(crate) seconds: f64,
    /// How often every peer has its turn at a work.
    pub(crate) rounds: usize,
    /// The realmgate under test.
    pub(crate) gate: PathBuf,
    /// Where the report goes.
    pub(crate) output: PathBuf,
    /// What was written on the command line.
    pub(crate) words: Vec<String>,
}

/// What differs between the comparisons.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manual {
    /// What the bench is called.
    pub(crate) bench: &'static str,
    /// Printed when nothing was asked for.
    pub(crate) usage: &'static str,
    /// Where the report of a short run goes.
    pub(crate) draft: &'static str,
    /// The measured window in seconds.
    pub(crate) seconds: f64,
}

impl Options {
    /// Reads the words after `run`.
    pub(crate) fn parse(manual: &Manual, words: &[String]) -> Result<Self, String> {
        let (mut seconds, mut rounds, mut output) = (None, None, None);
        let mut options = Self {
            quick: false,
            only: Vec::new(),
            seconds: 0.0,
            rounds: 0,
            gate: PathBuf::from(env!("CARGO_BIN_EXE_realmgate")),
            output: PathBuf::new(),
            words: words.to_vec(),
        };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--quick" => options.quick = true,
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--seconds" => seconds = Some(number(word, value()?)?),
                "--rounds" => rounds = Some(number(word, value()?)?),
                "--gate" => options.gate = PathBuf::from(value()?),
                "--output" => output = Some(PathBuf::from(value()?)),
                _ => return Err(format!("{word} is not known\n\n{}", manual.usage)),
            }
        }
        options.seconds = seconds.unwrap_or(if options.quick { 1.0 } else { manual.seconds });
        options.rounds = rounds.unwrap_or(if options.quick { 1 } else { 3 });
        options.output = output.unwrap_or_else(|| options.default_output(manual));
        if !(0.1..=600.0).contains(&options.seconds) || !(1..=100).contains(&options.rounds) {
            return Err("--seconds is 0.1 to 600, --rounds 1 to 100".to_owned());
        }
        Ok(options)
    }

    /// The load that runs before each measured window.
    pub(crate) fn warm_up(&self) -> f64 {
        if self.quick { 0.3 } else { 0.7 }
    }

    /// Only a full run may replace the report that is kept.
    fn default_output(&self, manual: &Manual) -> PathBuf {
        let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        if self.quick || !self.only.is_empty() {
            home.join(manual.draft)
        } else {
            home.join("benches/peers/RESULTS.md")
        }
    }
}

fn number<T: std::str::FromStr>(word: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{word}: {value} is no number"))
}

//! The way from the words of a person into the network namespace, and to an exit code.

use std::process::ExitCode;

use super::netns::{self, Needed};
use super::options::{Manual, Options};

/// A comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    /// What differs in its command line.
    pub(crate) manual: Manual,
    /// The packages that it needs beyond those that all need.
    pub(crate) needed: &'static [Needed],
    /// What is fetched and built while there still is a network.
    pub(crate) prepare: fn(&Options) -> Result<(), String>,
    /// The comparison itself; whether every answer was right.
    pub(crate) everything: fn(&Options) -> Result<bool, String>,
    /// Roles that are processes of their own: this program with another first word.
    pub(crate) roles: &'static [Role],
}

/// A first word and what the program does then.
pub(crate) type Role = (&'static str, fn(&[String]) -> Result<(), String>);

impl Comparison {
    /// Does what the command line says.
    pub(crate) fn main(&self) -> ExitCode {
        // Cargo adds `--bench` to whatever the person wrote.
        let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
        let (role, rest) = words.split_first().map_or(("", words.as_slice()), |(role, rest)| (role, rest));
        let done = match role {
            "run" => self.enter(rest).map(|()| true),
            "run-inside" => {
                Options::parse(&self.manual, rest).and_then(|options| (self.everything)(&options))
            }
            _ => match self.roles.iter().find(|(name, _)| *name == role) {
                Some((_, play)) => play(rest).map(|()| true),
                None => {
                    println!("{}", self.manual.usage);
                    return ExitCode::SUCCESS;
                }
            },
        };
        match done {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(reason) => {
                eprintln!("{}: {reason}", self.manual.bench);
                ExitCode::FAILURE
            }
        }
    }

    fn enter(&self, words: &[String]) -> Result<(), String> {
        let options = Options::parse(&self.manual, words)?;
        (self.prepare)(&options)?;
        netns::enter(self.needed, &options, words)
    }
}

//! The order of a run: which cases, how each is counted, what is done with the counts.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::callgrind::{self, Counted};
use crate::case::{ALL, Case, Kind};
use crate::folder::Folder;
use crate::path;
use crate::table::{Count, Table};

/// What the person asked for.
#[derive(Debug)]
pub(crate) struct Options {
    asked: Asked,
    only: Vec<String>,
    keep: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Show,
    Check,
    Write,
}

/// The committed table.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/table.md");

impl Options {
    pub(crate) fn parse(words: &[String]) -> Outcome<Self> {
        let mut options = Self { asked: Asked::Show, only: Vec::new(), keep: None };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{word} needs a value\n\n{}", crate::USAGE));
            match word.as_str() {
                "show" => options.asked = Asked::Show,
                "check" => options.asked = Asked::Check,
                "write" => options.asked = Asked::Write,
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--keep" => options.keep = Some(PathBuf::from(value()?)),
                _ => return Err(format!("{word} says nothing here\n\n{}", crate::USAGE)),
            }
        }
        if options.asked == Asked::Write && !options.only.is_empty() {
            return Err(
                "the table is written whole, so `write` takes no --only: its rows must be of one build"
                    .to_owned(),
            );
        }
        Ok(options)
    }

    fn cases(&self) -> Outcome<Vec<&'static Case>> {
        let named = |case: &&Case| {
            self.only.is_empty() || self.only.iter().any(|only| case.name.starts_with(only.as_str()))
        };
        let cases: Vec<&Case> = ALL.iter().filter(named).collect();
        let unknown =
            self.only.iter().find(|only| !ALL.iter().any(|case| case.name.starts_with(only.as_str())));
        match unknown {
            Some(unknown) => Err(format!("no case begins with {unknown}")),
            None => Ok(cases),
        }
    }
}

/// Counts and compares; whether nothing costs more than it may.
pub(crate) fn run(options: &Options) -> Outcome<bool> {
    let cases = options.cases()?;
    let made_with = format!("{}, {}, {}", compiler(), callgrind::version()?, std::env::consts::ARCH);
    let folder = Folder::new()?;
    let keep = options.keep.clone().unwrap_or_else(|| folder.path().to_owned());
    fs::create_dir_all(&keep).map_err(|error| format!("{}: {error}", keep.display()))?;
    let twice = options.asked == Asked::Write;
    let mut counts = Vec::new();
    for case in cases {
        let first = count(case, &folder, &keep)?;
        let second = if twice { count(case, &folder, &keep)? } else { first };
        eprintln!("{:<24} {first:.1}", case.name);
        counts.push(Count::new((case.name, case.unit), first, second));
    }
    let fresh = Table::new(made_with, counts);
    if options.asked == Asked::Write {
        fs::write(TABLE, fresh.text()).map_err(|error| format!("{TABLE}: {error}"))?;
        println!("{}", fresh.text());
        return Ok(true);
    }
    let text = fs::read_to_string(TABLE).map_err(|error| format!("{TABLE}: {error}"))?;
    let committed =
        Table::read(&text).ok_or_else(|| format!("{TABLE} is no table that this program has written"))?;
    let told = fresh.beside(&committed, options.only.is_empty());
    println!("{}", told.text);
    Ok(told.holds || options.asked == Asked::Show)
}

/// The instructions of one repetition.
fn count(case: &Case, folder: &Folder, keep: &Path) -> Outcome<f64> {
    let fail = |reason: String| format!("{}: {reason}", case.name);
    let total = |times| total(case, times, folder, keep).map_err(fail);
    let (once, twice) = (total(case.times)?, total(case.times * 2)?);
    let repeated = case.times
        * match case.kind {
            Kind::Piece(_) => 1,
            Kind::Path(shape) => shape.frames(),
        };
    Ok((twice as f64 - once as f64) / repeated as f64)
}

fn total(case: &Case, times: u64, folder: &Folder, keep: &Path) -> Outcome<u64> {
    let name = format!("{}-{times}", case.name.replace('/', "-"));
    match case.kind {
        Kind::Piece(_) => {
            let program = std::env::current_exe().map_err(|error| error.to_string())?;
            let words = ["piece", case.name, &times.to_string()];
            Counted::start(&program, &words, (keep, &name))?.finish()
        }
        Kind::Path(shape) => path::play(shape, times, (folder, &name), keep),
    }
}

fn compiler() -> String {
    let asked = std::process::Command::new("rustc").arg("--version").output();
    asked.map_or_else(
        |_| "an unknown rustc".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

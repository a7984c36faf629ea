//! Any text as a configuration: a plan or a report, never a panic.
#![no_main]

use realmgate::config::{Source, parse};

libfuzzer_sys::fuzz_target!(|text: &str| drop(
    parse(vec![Source { path: "fuzz.toml".into(), text: text.to_owned() }])
        .map_err(|report| report.render(false))
));

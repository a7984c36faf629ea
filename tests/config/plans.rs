//! Small plans for tests of the configuration.

use std::path::{Path, PathBuf};

use realmgate::config::{Plan, Source, load, parse};

/// A file with one of everything that is required.
pub(crate) const SMALLEST: &str = r#"
[frame.game]
length = { width = 4 }
id     = { offset = 4, width = 2 }

[listener.players]
listen = "[::1]:7000"

[cluster.battle]
backends = [{ address = "10.0.1.1:7100" }]

[route.battle]
ids     = ["*"]
cluster = "battle"
"#;

/// The plan of a text that must be right.
pub(crate) fn plan(text: &str) -> Plan {
    let source = Source { path: PathBuf::from("test.toml"), text: text.to_owned() };
    parse(vec![source]).unwrap_or_else(|report| panic!("{report}"))
}

/// The plan of a file that must be right.
pub(crate) fn file(path: &str) -> Plan {
    load(Path::new(path)).unwrap_or_else(|report| panic!("{report}"))
}

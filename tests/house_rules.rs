//! The floor plan of the house, held: what each room may import from the crate and from outside, how long a file
//! may be, and that every room has its door plate.
#![expect(clippy::string_slice, reason = "a test may panic and names what it means")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room, the rooms it may see, and the outside crates it may use; `main.rs` is held as a room is.
/// `docs/floor-plan.md` shows the same table.
const ROOMS: &[(&str, &[&str], &[&str])] = &[
    ("base", &[], &[]),
    ("wire", &["base"], &["flate2", "httparse", "tungstenite"]),
    ("policy", &["base"], &["rand"]),
    ("config", &["base", "wire", "policy"], &["toml", "annotate_snippets", "ipnet"]),
    ("router", &["base", "wire", "policy", "config"], &[]),
    ("cluster", &["base", "policy", "config"], &["rand"]),
    ("players", &["base", "config"], &["jsonwebtoken", "serde_json"]),
    ("partners", &["base", "config", "players"], &["aws_lc_rs", "serde_json"]),
    ("session", &["base", "wire", "policy", "config", "router"], &[]),
    ("telemetry", &["base", "wire", "policy", "cluster", "session"], &["tracing", "tracing_subscriber"]),
    (
        "net",
        &[
            "base",
            "wire",
            "policy",
            "config",
            "router",
            "cluster",
            "players",
            "partners",
            "session",
            "telemetry",
        ],
        &[
            "arc_swap",
            "atomic_waker",
            "aws_lc_rs",
            "foldhash",
            "http_body_util",
            "httparse",
            "hyper",
            "hyper_util",
            "procfs",
            "rand",
            "rustls",
            "serde_json",
            "socket2",
            "tokio",
            "tokio_rustls",
            "tungstenite",
            "x509_parser",
            "zeroize",
        ],
    ),
    (
        "http",
        &["base", "wire", "policy", "config", "router", "cluster", "partners", "telemetry", "net"],
        &[
            "arc_swap",
            "governor",
            "h2",
            "http_body_util",
            "hyper",
            "hyper_util",
            "rand",
            "rustix",
            "rustls",
            "serde_json",
            "socket2",
            "tokio",
            "tokio_rustls",
        ],
    ),
    (
        "admin",
        &["base", "wire", "policy", "config", "partners", "telemetry", "net"],
        &[
            "arc_swap",
            "clap",
            "http_body_util",
            "hyper",
            "hyper_util",
            "percent_encoding",
            "serde_json",
            "subtle",
            "tokio",
        ],
    ),
    (
        "app",
        &["base", "wire", "policy", "config", "router", "cluster", "telemetry", "net", "http", "admin"],
        &[
            "arc_swap",
            "listenfd",
            "notify",
            "rcgen",
            "rustix",
            "rustls",
            "sd_notify",
            "serde_json",
            "tokio",
            "tokio_rustls",
            "zeroize",
        ],
    ),
    ("main.rs", &["base", "telemetry", "admin", "app"], &["clap", "tikv_jemallocator"]),
];

const MOST_LINES: usize = 500;

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the house").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The files of a room.
fn files_of(room: &str) -> Vec<PathBuf> {
    let path = source().join(room);
    if path.is_file() { vec![path] } else { rust_files(&path) }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The code of a file: no comments, and no item that is there for tests only.
fn code(path: &Path) -> String {
    code_in(&fs::read_to_string(path).expect("a source file"))
}

/// An item of formatted text ends with the first line that is indented as its attribute and ends as items do.
fn code_in(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim_end());
    while let Some(line) = lines.next() {
        if line.trim_start() == "#[cfg(test)]" {
            let depth = indent(line);
            lines
                .by_ref()
                .take_while(|line| indent(line) > depth || !line.ends_with([';', '}']))
                .for_each(drop);
        } else {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Every `NAME` in `prefix::NAME`, and every `NAME` in `prefix::{NAME, ...}`.
fn named_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => drop(names.insert(identifier(rest))),
            Some(group) => names.extend(members(group).iter().map(|member| identifier(member))),
        }
    }
    names
}

/// The members of a use group up to its closing brace.
fn members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut members = vec![String::new()];
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => members.push(String::new()),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                members.last_mut().expect("one at least").push(c);
            }
        }
    }
    members
}

fn identifier(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn dependencies() -> BTreeSet<String> {
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("the manifest");
    let section = manifest.split("[dependencies]").nth(1).expect("dependencies");
    let lines = section.lines().skip(1).take_while(|line| !line.starts_with('['));
    lines.map(|line| identifier(&line.replace('-', "_"))).filter(|name| !name.is_empty()).collect()
}

#[test]
fn what_lies_beside_lib_rs_is_a_room_and_every_room_lies_there() {
    let entries: BTreeSet<String> = fs::read_dir(source())
        .expect("the house")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .filter(|name| name != "lib.rs")
        .collect();
    let rooms: BTreeSet<String> = ROOMS.iter().map(|(room, _, _)| (*room).to_owned()).collect();
    assert_eq!(entries, rooms, "a new room goes into the table of this test in the same change");
}

/// What a room, in one of its files or in all of them, sees of the others.
fn seen_by(room: &str, text: &str) -> BTreeSet<String> {
    // The library has a name for the program, as others have.
    let prefix = if room == "main.rs" { "realmgate::" } else { "crate::" };
    let is_other = |name: &String| name != room && ROOMS.iter().any(|(other, _, _)| other == name);
    named_after(text, prefix).into_iter().filter(is_other).collect()
}

#[test]
fn no_rooms_see_each_other_in_a_circle() {
    let mut left: Vec<_> = ROOMS.iter().map(|(room, may_see, _)| (*room, *may_see)).collect();
    loop {
        let rooms: BTreeSet<&str> = left.iter().map(|(room, _)| *room).collect();
        left.retain(|(_, may_see)| may_see.iter().any(|other| rooms.contains(other)));
        if left.len() == rooms.len() {
            break;
        }
    }
    assert_eq!(left, [], "each of them sees another one of them");
}

#[test]
fn no_room_sees_more_than_the_floor_plan_lets_it() {
    let mut breaches = Vec::new();
    for (room, may_see, _) in ROOMS {
        for file in files_of(room) {
            let seen = seen_by(room, &code(&file));
            let foreign = seen.iter().filter(|name| !may_see.contains(&name.as_str()));
            breaches.extend(foreign.map(|name| format!("{}: {name}", file.display())));
        }
    }
    assert_eq!(breaches, Vec::<String>::new());
}

#[test]
fn the_plan_lets_no_room_see_what_it_does_not_look_at() {
    for (room, may_see, _) in ROOMS {
        let text: String = files_of(room).iter().map(|file| code(file)).collect();
        let seen = seen_by(room, &text);
        for other in *may_see {
            assert!(seen.contains(*other), "{room} does not look at {other}");
        }
    }
}

#[test]
fn no_room_uses_a_crate_the_floor_plan_does_not_give_it() {
    let crates = dependencies();
    let mut breaches = Vec::new();
    for (room, _, may_use) in ROOMS {
        for file in files_of(room) {
            let text = code(&file);
            let used = crates.iter().filter(|name| !named_after(&text, &format!("{name}::")).is_empty());
            let foreign = used.filter(|name| !may_use.contains(&name.as_str()));
            breaches.extend(foreign.map(|name| format!("{}: {name}", file.display())));
        }
    }
    assert_eq!(breaches, Vec::<String>::new());
}

#[test]
fn the_plan_gives_no_room_a_crate_that_it_does_not_use() {
    for (room, _, may_use) in ROOMS {
        let text: String = files_of(room).iter().map(|file| code(file)).collect();
        for name in *may_use {
            assert!(!named_after(&text, &format!("{name}::")).is_empty(), "{room} does not use {name}");
        }
    }
}

#[test]
fn files_are_short_enough_to_be_read_in_one_go() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src", "tests", "benches", "examples", "fuzz/fuzz_targets"];
    let files = folders.iter().map(|folder| root.join(folder)).filter(|path| path.exists());
    for file in files.flat_map(|folder| rust_files(&folder)) {
        let lines = fs::read_to_string(&file).expect("a source file").lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines; {MOST_LINES} are the most", file.display());
    }
}

#[test]
fn every_module_begins_with_its_door_plate() {
    for file in rust_files(&source()) {
        let text = fs::read_to_string(&file).expect("a source file");
        assert!(text.starts_with("//! "), "{} does not say what it is", file.display());
    }
}

#[test]
fn the_floor_plan_document_shows_every_room() {
    let plan = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/floor-plan.md"))
        .expect("the plan");
    for (room, may_see, may_use) in ROOMS {
        let list = |names: &[&str]| {
            if names.is_empty() { "-".to_owned() } else { names.join(", ") }
        };
        let row = format!("| `{room}` |");
        let line =
            plan.lines().find(|line| line.contains(&row)).unwrap_or_else(|| panic!("no row for {room}"));
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        assert_eq!(cells[4], list(may_see), "what {room} may see");
        assert_eq!(cells[5], list(may_use), "what {room} may use");
    }
}

#[test]
fn the_reader_of_code_passes_over_what_is_for_tests_and_reads_on_behind_it() {
    let text = "\
//! Plate.
#[cfg(test)]
mod tests;
use a::B;
impl B {
    #[cfg(test)]
    fn known(&self) -> u8 {
        self.0;
    }
    fn used() {} // why
}
#[cfg(test)]
#[path = \"x.rs\"]
mod more {
    use c::D;
}
fn last() {}
";
    assert_eq!(code_in(text), "\nuse a::B;\nimpl B {\n    fn used() {}\n}\nfn last() {}\n");
}

#[test]
fn the_reader_of_imports_reads_every_form() {
    let text = "use crate::base::X;\nuse crate::{wire, policy::{A, B}, net::Hub};\nlet y = crate::router::explain();";
    let names: Vec<String> = named_after(text, "crate::").into_iter().collect();
    assert_eq!(names, ["base", "net", "policy", "router", "wire"]);
    assert_eq!(named_after("use superb::x;", "b::").len(), 0);
}

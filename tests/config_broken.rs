//! Files that are wrong: one for each mistake, with the whole report as a snapshot.

use std::fs;
use std::path::{Path, PathBuf};

use realmgate::config::{Report, Source, load, parse};

fn broken_files() -> Vec<PathBuf> {
    let entries = fs::read_dir("tests/config/broken").expect("the folder is there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn refused(path: &Path) -> Report {
    match load(path) {
        Ok(_) => panic!("{} is not refused", path.display()),
        Err(report) => report,
    }
}

#[test]
fn every_broken_file_has_its_report() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("config/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for path in broken_files() {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            insta::assert_snapshot!(name, refused(&path).render(false));
        }
    });
}

#[test]
fn every_mistake_says_what_would_have_happened_and_what_to_write() {
    let files = broken_files();
    assert!(files.len() >= 45, "{} files", files.len());
    for path in files {
        let report = refused(&path);
        assert!(!report.is_empty(), "{}", path.display());
        let text = report.render(false);
        assert_eq!(text.matches("= note: ").count(), report.problems().len(), "{text}");
        assert_eq!(text.matches("= help: ").count(), report.problems().len(), "{text}");
        assert!(text.ends_with("; nothing was started\n"), "{text}");
    }
}

#[test]
fn a_dozen_mistakes_are_reported_at_once() {
    let report = refused(Path::new("tests/config/broken/a_dozen.toml"));
    let text = report.render(false);
    for line in [
        "`max_length`: expected a size",
        "overlaps the length",
        "\"here\" is no address",
        "`fame` is no key",
        "`connections`: expected 1",
        "`idle_timeout`: expected a duration",
        "there is no \"roundrobin\"",
        "`sticky`: expected true or false",
        "\"10.0.1.1\" has no port",
        "ends before it starts",
        "there is no [cluster.batle]",
        "there is no \"urgent\"",
        "there is no [route.login]",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(
        text.ends_with("13 mistakes in tests/config/broken/a_dozen.toml; nothing was started\n"),
        "{text}"
    );
}

#[test]
fn colour_changes_nothing_but_colour() {
    let report = refused(Path::new("tests/config/broken/a_dozen.toml"));
    let plain = report.render(false);
    assert!(!plain.contains('\u{1b}'));
    assert!(report.render(true).contains('\u{1b}'));
}

#[test]
fn the_report_in_the_manual_is_a_real_one() {
    let text = r#"[frame.game]
length = { offset = 0, width = 4 }
id     = { offset = 4, width = 2 }

[listener.players]
listen = "127.0.0.1:7000"

[listener.players.limits]
idle_timout = "90s"

[cluster.battle]
backends = [{ address = "10.0.1.1:7100" }]

[route.battle]
ids     = ["1000-1999"]
cluster = "battle"

[route.pay]
ids     = ["1500-2500", 3000]
cluster = "battle"
"#;
    let source = Source { path: PathBuf::from("conf/game.toml"), text: text.to_owned() };
    let report = parse(vec![source]).map(|_| ()).expect_err("two mistakes").render(false);
    let manual = fs::read_to_string("docs/config.md").expect("the manual");
    assert!(manual.contains(&report), "{report}");
}

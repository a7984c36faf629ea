//! Texts that nobody means: no input may panic, and none may take long.

use std::fs;
use std::path::{Path, PathBuf};

use realmgate::config::{Source, parse};

/// Parses and renders; what comes out does not matter.
fn survive(text: String) {
    let source = Source { path: PathBuf::from("hostile.toml"), text };
    if let Err(report) = parse(vec![source]) {
        assert!(!report.problems().iter().any(|problem| problem.title().contains("no rule says why")));
        assert!(report.render(true).contains("nothing was started"));
        assert!(report.render(false).len() < 1 << 20);
    }
}

/// A small generator of numbers, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 1).expect("64 bits") % end.max(1)
    }
}

fn seeds() -> Vec<String> {
    let folder = fs::read_dir("tests/config/broken").expect("the folder is there");
    let mut paths: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).collect();
    paths.extend(
        ["conf/examples/layouts.toml", "tests/config/contract.toml"]
            .map(|path| Path::new(path).to_path_buf()),
    );
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).expect("a text")).collect()
}

#[test]
fn texts_with_random_changes_never_panic() {
    let pieces = [
        "[", "]", "{", "}", "=", ".", ",", "\"", "'", "\"\"\"", "\n", "\r\n", "#", "-", "9", "é", "\u{0}",
        "*", "[[", "true", "1e9",
    ];
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for seed in seeds() {
        for _ in 0..12 {
            let mut text = seed.clone();
            for _ in 0..=dice.below(4) {
                let at = text.floor_char_boundary(dice.below(text.len()));
                let end = text.floor_char_boundary(at + dice.below(6));
                text.replace_range(at..end.max(at), pieces[dice.below(pieces.len())]);
            }
            survive(text);
        }
    }
}

#[test]
fn deep_and_long_texts_never_panic() {
    let deep = 3_000;
    survive("a.".repeat(deep) + "a = 1");
    survive(format!("[{}a]\nb = 1", "a.".repeat(deep)));
    survive("a = ".to_owned() + &"[".repeat(deep));
    survive("a = ".to_owned() + &"{a=".repeat(deep));
    survive("a = ".to_owned() + &"{a.b.c.d.e.f=\n".repeat(deep));
    survive("x = 1\n".repeat(2_000));
    survive((0..5_000).map(|key| format!("k{key} = 1\n")).collect());
    survive("[route.a]\nids = [".to_owned() + &"1, ".repeat(2_000) + "]\n");
    survive(format!("{} = 1", "k".repeat(100_000)));
    survive(format!("[listener.a]\nlisten = \"{}\"", "k".repeat(100_000)));
    survive("gateway.id = 99999999999999999999999999999999999999999999999999".to_owned());
    survive(String::new());
    survive("\u{feff}[gateway]\nid = 5000".to_owned());
    assert!(parse(Vec::new()).is_err());
}

#[test]
fn a_hundred_mistakes_are_shown_and_the_rest_counted() {
    let text = (0..150).map(|key| format!("k{key} = 1\n")).collect();
    let source = Source { path: PathBuf::from("many.toml"), text };
    let text = parse(vec![source]).map(|_| ()).expect_err("no such keys").render(false);
    assert_eq!(text.matches("error: ").count(), 100);
    assert!(text.contains("and 52 more\n"), "{text}");
    assert!(text.ends_with("152 mistakes in many.toml; nothing was started\n"));
}

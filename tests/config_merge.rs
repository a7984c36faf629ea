//! Reading from the disk: folders, missing and unreadable places, and paths inside a file.

use std::fs;
use std::path::{Path, PathBuf};

use realmgate::config::{Plan, load};

const FRAME: &str = "[frame.game]\nlength = { width = 4 }\nid = { offset = 4, width = 2 }\n";
const LISTENER: &str = "[listener.players]\nlisten = \"127.0.0.1:0\"\n";
const CLUSTER: &str = "[cluster.battle]\nbackends = [{ address = \"10.0.1.1:7100\" }]\n";
const ROUTE: &str = "[route.battle]\nids = [\"*\"]\ncluster = \"battle\"\n";

/// A folder of its own for each test, inside the build's own folder.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("config").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("an old folder can go");
    }
    fs::create_dir_all(&folder).expect("a folder");
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("a file");
    }
    folder
}

fn refused(path: &Path) -> String {
    load(path).map(|_| ()).expect_err("it is refused").render(false)
}

fn accepted(path: &Path) -> Plan {
    load(path).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn a_folder_is_one_configuration_and_tables_meet() {
    let files = [
        ("10-frames.toml", FRAME),
        ("20-players.toml", LISTENER),
        ("30-battle.toml", &format!("{CLUSTER}{ROUTE}")),
        ("40-limits.toml", "[listener.players.limits]\nconnections = 7\n[cluster.battle]\nsticky = false\n"),
        ("notes.txt", "this is no TOML"),
        (".hidden.toml", "nor is this"),
    ];
    let plan = accepted(&folder("meet", &files));
    assert_eq!(plan.listeners()[0].limits().connections(), 7);
    assert!(!plan.clusters()[0].sticky());
}

#[test]
fn the_same_key_in_two_files_names_both_places() {
    let all = [FRAME, LISTENER, CLUSTER, ROUTE].concat();
    let again = "[listener.players]\nlisten = \"127.0.0.1:7001\"\n";
    let folder = folder("twice", &[("a.toml", &all), ("b.toml", again)]);
    let text = refused(&folder);
    assert!(text.contains("`listen` is written twice"), "{text}");
    assert!(text.contains("a.toml:5:1"), "{text}");
    assert!(text.contains("b.toml:2:1"), "{text}");
    assert!(text.ends_with(&format!("1 mistake in {}; nothing was started\n", folder.display())), "{text}");
}

#[test]
fn inline_tables_are_closed() {
    let all = [FRAME, LISTENER, CLUSTER, ROUTE].concat();
    let folder = folder("inline", &[("a.toml", &all), ("b.toml", "[frame.game.length]\noffset = 1\n")]);
    assert!(refused(&folder).contains("`length` is written twice"));
}

#[test]
fn the_same_overlap_is_found_across_files() {
    let first =
        [FRAME, LISTENER, CLUSTER, "[route.battle]\nids = [\"1-9\"]\ncluster = \"battle\"\n"].concat();
    let second = "[route.arena]\nids = [\"5-20\"]\ncluster = \"battle\"\n";
    let text = refused(&folder("overlap", &[("a.toml", &first), ("b.toml", second)]));
    assert!(text.contains("[route.battle] and [route.arena] both want the IDs 5-9"), "{text}");
}

#[test]
fn a_place_that_cannot_be_read_never_means_defaults() {
    let gone = folder("gone", &[]);
    assert!(refused(&gone.join("nothing.toml")).contains("cannot read"));
    assert!(refused(&gone).contains("has no file whose name ends in .toml"));
    let bad = folder("bad", &[]);
    fs::write(bad.join("x.toml"), [b'a', 0xFF, b'b']).expect("a file");
    assert!(refused(&bad).contains("is not UTF-8 text: the first bad byte is at 1"));
    fs::write(bad.join("x.toml"), vec![b'#'; 5 << 20]).expect("a file");
    assert!(refused(&bad).contains("is longer than 4MiB"));
}

#[test]
fn paths_start_at_the_file_that_names_them() {
    let tls = "[listener.players]\ntls = { certificate = \"tls/game.pem\", key = \"/keys/game.key\" }\n";
    let backend = "[cluster.battle]\ntls = { ca = \"ca.pem\" }\n";
    let all = [FRAME, LISTENER, CLUSTER, ROUTE].concat();
    let folder = folder("paths", &[("a.toml", &all), ("b.toml", tls), ("c.toml", backend)]);
    let plan = accepted(&folder);
    let pair = &plan.listeners()[0].tls()[0];
    assert_eq!(pair.certificate().get(), &folder.join("tls/game.pem"));
    assert_eq!(pair.key().get(), Path::new("/keys/game.key"));
    assert_eq!(plan.clusters()[0].tls().expect("tls").ca().get(), &folder.join("ca.pem"));
    assert!(plan.place(pair.key().site()).ends_with("b.toml:2:45"), "{}", plan.place(pair.key().site()));
}

#[test]
fn the_hash_follows_the_texts() {
    let all = [FRAME, LISTENER, CLUSTER, ROUTE].concat();
    let one = accepted(&folder("hash-1", &[("a.toml", &all)]));
    let same = accepted(&folder("hash-2", &[("b.toml", &all)]));
    let other = accepted(&folder("hash-3", &[("a.toml", &format!("{all}\n"))]));
    assert_eq!(one.hash(), same.hash());
    assert_ne!(one.hash(), other.hash());
}

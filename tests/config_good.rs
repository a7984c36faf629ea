//! Files that are right: the shipped ones, the values they give and the defaults of the rest.

use std::fs;
use std::path::{Path, PathBuf};

use realmgate::config::load;

/// Every shipped file, so that none goes stale.
fn shipped(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            shipped(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
}

#[test]
fn every_shipped_file_loads() {
    let mut files = Vec::new();
    shipped(Path::new("conf"), &mut files);
    assert!(!files.is_empty());
    for file in files {
        if let Err(report) = load(&file) {
            panic!("{report}");
        }
    }
}

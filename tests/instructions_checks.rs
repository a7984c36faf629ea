//! What `benches/instructions` judges a change by, itself on trial: a table that is misread, or a bound that is never met,
//! would let every change pass.

#[path = "../benches/instructions/table.rs"]
mod table;

use table::{Count, Table};

fn counts(of: &[(&str, f64)]) -> Vec<Count> {
    of.iter().map(|(name, count)| Count::new((name, "a frame"), *count, *count)).collect()
}

fn table(of: &[(&str, f64)]) -> Table {
    Table::new("rustc 1, valgrind-1".to_owned(), counts(of))
}

#[test]
fn what_is_written_is_read_again() {
    let written = Table::new(
        "rustc 1.95.0 (f2d3ce0bd 2026-03-21), valgrind-3.19.0, x86_64".to_owned(),
        vec![
            Count { name: "a/b".to_owned(), unit: "`x`, of 32".to_owned(), instructions: 61.5, spread: 0.0 },
            Count { name: "c".to_owned(), unit: "y".to_owned(), instructions: 12345.0, spread: 0.003 },
        ],
    );
    assert_eq!(Table::read(&written.text()), Some(written));
    assert_eq!(Table::read("# Instructions\n"), None);
    assert_eq!(Table::read(&table(&[]).text()), None, "a table without a row allows nothing");
    let torn = table(&[("a", 1.0)]).text().replace("| 1.0 |", "| many |");
    assert_eq!(Table::read(&torn), None, "a row that is no number is not passed over");
}

#[test]
fn the_committed_table_can_be_read_and_repeats_itself() {
    let text = include_str!("../benches/instructions/table.md");
    let committed = Table::read(text).expect("the table of the repository");
    assert_eq!(committed.text(), text, "written by the bench, not by hand");
    assert!(committed.beside(&committed, true).holds);
    for count in &committed.counts {
        assert!(count.spread < 0.05, "{} differs too much between two runs to be judged", count.name);
    }
}

#[test]
fn a_tenth_more_is_too_much_and_is_told_with_what_to_do() {
    let committed = table(&[("kept", 100.0), ("dearer", 100.0)]);
    assert!(table(&[("kept", 110.0), ("dearer", 90.0)]).beside(&committed, true).holds);
    let told = table(&[("kept", 109.9), ("dearer", 110.1)]).beside(&committed, true);
    assert!(!told.holds);
    assert!(told.text.contains("dearer costs over a tenth more"), "{}", told.text);
    assert!(!told.text.contains("kept costs"), "{}", told.text);
    assert!(
        told.text.contains("make bench-instructions-table") && told.text.contains("say why"),
        "{}",
        told.text
    );
}

#[test]
fn a_tenth_less_is_told_and_no_fault() {
    let told = table(&[("a", 89.0)]).beside(&table(&[("a", 100.0)]), true);
    assert!(told.holds);
    assert!(told.text.contains("a costs over a tenth less"), "{}", told.text);
}

#[test]
fn every_case_has_its_row_and_every_row_its_case() {
    let committed = table(&[("a", 1.0), ("b", 1.0)]);
    assert!(!table(&[("a", 1.0)]).beside(&committed, true).holds, "nothing counts b");
    assert!(table(&[("a", 1.0)]).beside(&committed, false).holds, "only a was asked for");
    assert!(!table(&[("a", 1.0), ("b", 1.0), ("c", 1.0)]).beside(&committed, true).holds, "c has no row");
}

#[test]
fn another_compiler_is_named() {
    let fresh = Table::new("rustc 2, valgrind-1".to_owned(), counts(&[("a", 1.0)]));
    let told = fresh.beside(&table(&[("a", 1.0)]), true);
    assert!(told.holds && told.text.contains("rustc 2"), "{}", told.text);
}

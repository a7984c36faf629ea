//! Aligned columns for people.

use std::fmt;

/// A table that is as wide as its widest cells. What players named themselves may be in it, so no cell can move the
/// cursor of a terminal.
#[derive(Debug)]
pub(super) struct Table {
    /// Of each column: its head, and whether it is a number.
    columns: Vec<(&'static str, bool)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one. Heads that begin with `>` are of numbers, which stand at the right.
    pub(super) fn new(heads: &[&'static str]) -> Self {
        let column = |head: &&'static str| match head.strip_prefix('>') {
            Some(head) => (head, true),
            None => (*head, false),
        };
        Self { columns: heads.iter().map(column).collect(), rows: Vec::new() }
    }

    /// The same with one row more.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let cells = cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { plain(&cell) });
        self.rows.push(cells.into());
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let head = self.columns.get(column).map_or(0, |(head, _)| head.chars().count());
        cells.map(|cell| cell.chars().count()).fold(head, usize::max)
    }

    fn line<'c>(&self, cells: impl Iterator<Item = &'c str>, widths: &[usize]) -> String {
        let aligned = cells.zip(&self.columns).zip(widths).map(|((cell, (_, number)), &width)| {
            if *number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        aligned.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

/// A text without control characters.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<_> = (0..self.columns.len()).map(|column| self.width(column)).collect();
        writeln!(f, "{}", self.line(self.columns.iter().map(|(head, _)| *head), &widths))?;
        let line = |row: &Vec<String>| self.line(row.iter().map(String::as_str), &widths);
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", line(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_no_cell_moves_the_cursor() {
        let mut table = Table::new(&["NAME", ">SESSIONS", "WHY"]);
        table.row(["a".to_owned(), "12".to_owned(), String::new()]);
        table.row(["b\u{1b}[2J\n".to_owned(), "1234567890".to_owned(), "späť".to_owned()]);
        let text = table.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines, ["NAME      SESSIONS  WHY", "a               12  -", "b?[2J?  1234567890  späť"]);
    }
}

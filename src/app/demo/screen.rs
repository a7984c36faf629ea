//! The terminal or the file that the game is told to.

use std::io::{self, IsTerminal, Write};

/// Standard output. A terminal gets the table drawn again at its place; a file gets lines only.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: bool,
    /// The lines of the table at the bottom that the next one is drawn over.
    drawn: usize,
    closed: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), drawn: 0, closed: false }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Nobody reads any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Lines that stay.
    pub(super) fn print(&mut self, text: &str) {
        let text = format!("{}{text}", self.back());
        self.drawn = 0;
        self.write(&text);
    }

    /// A table that the next one takes the place of, if this is a terminal.
    pub(super) fn draw(&mut self, table: &str) {
        // Lines that are too long for the terminal are cut: broken ones would be more lines than are counted.
        let text =
            if self.terminal { format!("{}\x1b[?7l{table}\x1b[?7h", self.back()) } else { table.to_owned() };
        self.drawn = table.lines().count();
        self.write(&text);
    }

    /// Green or red on a terminal.
    pub(super) fn coloured(&self, text: &str, good: bool) -> String {
        match (self.terminal, good) {
            (false, _) => text.to_owned(),
            (true, true) => format!("\x1b[1;32m{text}\x1b[0m"),
            (true, false) => format!("\x1b[1;31m{text}\x1b[0m"),
        }
    }

    /// To the first line of the last table, and everything below it is gone.
    fn back(&self) -> String {
        if self.terminal && self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() }
    }

    fn write(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        self.closed |= written.is_err();
    }
}

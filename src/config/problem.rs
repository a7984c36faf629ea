//! One mistake and all that an operator needs to mend it.

use super::site::Site;

/// A mistake: where, what is wrong, what would have happened, what to write instead.
#[derive(Clone, Debug)]
pub struct Problem {
    pub(super) site: Option<Site>,
    pub(super) title: String,
    pub(super) also: Vec<(Site, String)>,
    pub(super) because: Option<String>,
    pub(super) write: Option<String>,
    /// The required key that the table at the site lacks.
    pub(super) lacks: Option<&'static str>,
    /// The table and the key that an unknown key was most likely meant to be.
    pub(super) meant: Option<(Site, &'static str)>,
}

impl Problem {
    /// A mistake at a place of the configuration.
    #[must_use]
    pub fn at(site: &Site, title: impl Into<String>) -> Self {
        Self { site: Some(site.clone()), ..Self::without_site(title) }
    }

    /// A mistake that no text shows, such as a file that is not there.
    #[must_use]
    pub fn without_site(title: impl Into<String>) -> Self {
        Self {
            site: None,
            title: printable(title.into()),
            also: Vec::new(),
            because: None,
            write: None,
            lacks: None,
            meant: None,
        }
    }

    /// What would have happened.
    #[must_use]
    pub fn because(mut self, text: impl Into<String>) -> Self {
        self.because = Some(printable(text.into()));
        self
    }

    /// What to write instead.
    #[must_use]
    pub fn write(mut self, text: impl Into<String>) -> Self {
        self.write = Some(printable(text.into()));
        self
    }

    /// A second place that belongs to the mistake.
    #[must_use]
    pub fn see(mut self, site: &Site, label: impl Into<String>) -> Self {
        self.also.push((site.clone(), printable(label.into())));
        self
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where; `None` when no text shows it.
    #[must_use]
    pub fn site(&self) -> Option<&Site> {
        self.site.as_ref()
    }
}

/// Titles quote the file; what is in it must not steer the terminal.
pub(super) fn printable(text: String) -> String {
    if text.chars().any(char::is_control) { text.escape_debug().to_string() } else { text }
}

/// Titles stay lines, whatever the file quotes.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

//! Every mistake of a configuration as text for people.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::parts::{Made, Parts};
use super::problem::Problem;
use super::site::Site;
use super::source::{Source, Sources};

/// More than this helps nobody; the rest is counted.
const SHOWN: usize = 100;

/// All mistakes of a configuration, in the order of files and lines.
#[derive(Clone, Debug)]
pub struct Report {
    sources: Arc<Sources>,
    problems: Vec<Problem>,
    outcome: &'static str,
    made: Box<Made>,
}

impl Report {
    pub(super) fn new(sources: Arc<Sources>, problems: Vec<Problem>) -> Self {
        let nothing =
            Self { sources, problems: Vec::new(), outcome: "nothing was started", made: Box::default() };
        nothing.and(problems)
    }

    /// What could be made of the configuration all the same.
    pub(super) fn about(self, made: Box<Made>) -> Self {
        Self { made, ..self }
    }

    /// The same with what was found later, in the files that the configuration names.
    #[must_use]
    pub fn and(mut self, found: Vec<Problem>) -> Self {
        self.problems.extend(found);
        self.problems.sort_by_key(|problem| problem.site.as_ref().map(|site| (site.source, site.span.start)));
        self
    }

    /// The parts that could be made all the same, so that their files can be looked at.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        self.made.parts()
    }

    /// What the last line says after the number of mistakes; a reload says "nothing was changed".
    #[must_use]
    pub fn with_outcome(mut self, outcome: &'static str) -> Self {
        self.outcome = outcome;
        self
    }

    /// The mistakes, in the order of files and lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The whole report, each mistake with its line underlined; `color` for terminals.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in self.problems.iter().take(SHOWN) {
            text.push_str(&renderer.render(&[self.group(problem)]));
            text.push_str("\n\n");
        }
        if self.problems.len() > SHOWN {
            text.push_str(&format!("and {} more\n", self.problems.len() - SHOWN));
        }
        text.push_str(&format!("{}; {}\n", self.count(), self.outcome));
        text
    }

    /// How many mistakes there are, and where.
    #[must_use]
    pub fn count(&self) -> String {
        let mistakes = match self.problems.len() {
            1 => "1 mistake".to_owned(),
            many => format!("{many} mistakes"),
        };
        format!("{mistakes} in {}", self.sources.origin().display())
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let mut group = Group::with_title(Level::ERROR.primary_title(&problem.title));
        for snippet in self.snippets(problem) {
            group = group.element(snippet);
        }
        if let Some(because) = &problem.because {
            group = group.element(Level::NOTE.message(because));
        }
        if let Some(write) = &problem.write {
            group = group.element(Level::HELP.message(write));
        }
        group
    }

    fn snippets<'a>(&'a self, problem: &'a Problem) -> Vec<Snippet<'a, Annotation<'a>>> {
        let main = problem.site.iter().map(|site| (site, None, AnnotationKind::Primary));
        let also =
            problem.also.iter().map(|(site, label)| (site, Some(label.as_str()), AnnotationKind::Context));
        main.chain(also).filter_map(|(site, label, kind)| self.snippet(site, label, kind)).collect()
    }

    fn snippet<'a>(
        &'a self,
        site: &Site,
        label: Option<&'a str>,
        kind: AnnotationKind,
    ) -> Option<Snippet<'a, Annotation<'a>>> {
        let source = self.sources.file(site)?;
        let window = Window::around(source, &site.span);
        let annotation = kind.span(window.span).label(label);
        let path = source.path.display().to_string();
        Some(Snippet::source(window.text).line_start(window.line).path(path).annotation(annotation))
    }
}

/// The plain text of [`Report::render`].
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Error for Report {}

/// The line a span starts in. Only this much goes to the renderer, so that a report over a long file costs what
/// it shows.
struct Window<'a> {
    text: &'a str,
    line: usize,
    span: Range<usize>,
}

impl<'a> Window<'a> {
    fn around(source: &'a Source, span: &Range<usize>) -> Self {
        let text = source.text.as_str();
        let at = text.floor_char_boundary(span.start);
        let (before, after) = text.split_at(at);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = after.find(['\n', '\r']).map_or(text.len(), |newline| at + newline);
        let last = text.floor_char_boundary(span.end).clamp(at, end);
        Self {
            text: text.get(start..end).unwrap_or_default(),
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            span: at - start..last - start,
        }
    }
}

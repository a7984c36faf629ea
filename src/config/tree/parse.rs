//! One file as a tree.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Entry, Node, Table, Value, syntax};
use crate::config::mistakes::Mistakes;
use crate::config::problem::Problem;
use crate::config::site::Site;

/// What could be read of a file.
pub(super) struct Parsed {
    pub(super) root: Table,
    pub(super) broken: Vec<Site>,
}

/// Reads as much as can be read; what is no TOML becomes mistakes and is remembered as broken.
pub(super) fn parse(source: usize, text: &str, mistakes: &Mistakes) -> Parsed {
    if let Some(at) = syntax::too_deep(text) {
        let site = Site { source, span: at..at + 1 };
        mistakes.add(
            Problem::at(&site, "this key has too many parts")
                .because("no key of the configuration is so deep")
                .write("use at most four parts, such as listener.players.limits.connections"),
        );
        return Parsed { root: Table::default(), broken: vec![site] };
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut broken = Vec::new();
    for (index, error) in errors.into_iter().enumerate() {
        let search = index < SEARCHED;
        let problem = syntax::mistake(source, text, error.message(), error.span(), search);
        if error.message() != syntax::DUPLICATE {
            broken.extend(problem.site.clone());
        }
        mistakes.add(problem);
    }
    let reader = Reader { source, text };
    Parsed { root: reader.table(root.get_ref(), false), broken }
}

/// Each search reads the text above, so a file full of repeated keys must not have one for each.
const SEARCHED: usize = 100;

struct Reader<'t> {
    source: usize,
    text: &'t str,
}

impl Reader<'_> {
    fn table(&self, table: &DeTable<'_>, inline: bool) -> Table {
        let entries = table.iter().map(|(key, value)| {
            let entry = Entry { key: self.site(key), node: self.node(value) };
            (key.get_ref().clone().into_owned(), entry)
        });
        Table { inline, entries: entries.collect() }
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let site = self.site(value);
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => {
                Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Float(number) => Value::Float(number.as_str().to_owned()),
            DeValue::Boolean(yes) => Value::Bool(*yes),
            DeValue::Datetime(date) => Value::Date(*date),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => Value::Table(self.table(table, self.is_inline(&site))),
        };
        Node { site, value }
    }

    fn is_inline(&self, site: &Site) -> bool {
        self.text.get(site.span.clone()).is_some_and(|text| text.starts_with('{'))
    }

    fn site<T>(&self, spanned: &Spanned<T>) -> Site {
        Site { source: self.source, span: spanned.span() }
    }
}

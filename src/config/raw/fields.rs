//! Reads the keys of one table and knows in the end which were not asked for.

use super::field::{Field, Named};
use super::values::Wrong;
use crate::config::mistakes::Mistakes;
use crate::config::nearest::nearest;
use crate::config::problem::{Problem, short};
use crate::config::site::{Located, Site};
use crate::config::tree::{Entry, Node, Table, Value};

/// The readers of one table.
pub(super) struct Fields<'a> {
    mistakes: &'a Mistakes,
    table: &'a Table,
    /// The dotted path of the table; empty for the whole file.
    path: String,
    site: Site,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(mistakes: &'a Mistakes, table: &'a Table, path: String, site: Site) -> Self {
        Self { mistakes, table, path, site, known: Vec::new() }
    }

    /// Where the table itself is.
    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    /// One value; what `read` finds wrong becomes a mistake.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node) -> Result<T, Wrong>,
    ) -> Field<T> {
        let Some(entry) = self.find(key) else { return Field::Absent };
        match read(&entry.node) {
            Ok(value) => Field::Given(Located::new(value, entry.node.site.clone())),
            Err(wrong) => {
                self.mistakes.add(wrong.problem(key, &entry.node));
                Field::Bad
            }
        }
    }

    /// A list; a wrong item is a mistake and left out.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        like: &'static str,
        read: impl Fn(&Node) -> Result<T, Wrong>,
    ) -> Field<Vec<Located<T>>> {
        let Some(entry) = self.find(key) else { return Field::Absent };
        let Value::List(items) = &entry.node.value else {
            self.mistakes.add(Wrong::kind("a list", like).problem(key, &entry.node));
            return Field::Bad;
        };
        let read = |item: &Node| match read(item) {
            Ok(value) => Some(Located::new(value, item.site.clone())),
            Err(wrong) => {
                self.mistakes.add(wrong.problem(key, item));
                None
            }
        };
        let good: Vec<_> = items.iter().filter_map(read).collect();
        if good.is_empty() && !items.is_empty() {
            Field::Bad
        } else {
            Field::Given(Located::new(good, entry.node.site.clone()))
        }
    }

    /// A table inside this one.
    pub(super) fn nested<T>(
        &mut self,
        key: &'static str,
        like: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> Field<T> {
        let Some(entry) = self.find(key) else { return Field::Absent };
        match self.inside(key, &entry.node, entry.key.clone(), like, read) {
            Some(value) => Field::Given(Located::new(value, entry.key.clone())),
            None => Field::Bad,
        }
    }

    /// A list of tables; with `or_one` a single table is a list of one.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        like: &'static str,
        or_one: bool,
        read: impl Fn(&mut Fields<'_>) -> T,
    ) -> Field<Vec<Located<T>>> {
        let Some(entry) = self.find(key) else { return Field::Absent };
        let single = or_one && entry.node.value.table().is_some();
        let one_item = single.then_some(std::slice::from_ref(&entry.node));
        let Some(items) = one_item.or(entry.node.value.list()) else {
            self.mistakes.add(Wrong::kind("a list of tables", like).problem(key, &entry.node));
            return Field::Bad;
        };
        let one = |item: &Node| {
            let value = self.inside(key, item, item.site.clone(), like, &read)?;
            Some(Located::new(value, item.site.clone()))
        };
        let good: Vec<_> = items.iter().filter_map(one).collect();
        if good.is_empty() && !items.is_empty() {
            Field::Bad
        } else {
            Field::Given(Located::new(good, entry.key.clone()))
        }
    }

    /// A table that is as good as empty when it is not there.
    pub(super) fn section<T: Default>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> T {
        match self.nested(key, "a table with its name in brackets and its keys below", read) {
            Field::Given(located) => located.value,
            Field::Absent | Field::Bad => T::default(),
        }
    }

    /// Every `[key.NAME]`.
    pub(super) fn named<T>(&mut self, key: &'static str, read: fn(&mut Fields<'_>) -> T) -> Vec<Named<T>> {
        let Some(entry) = self.find(key) else { return Vec::new() };
        let Value::Table(table) = &entry.node.value else {
            let like = format!("[{key}.NAME]");
            self.mistakes.add(Wrong::kind("a table with a name", &like).problem(key, &entry.node));
            return Vec::new();
        };
        table.entries.iter().filter_map(|(name, entry)| self.one_named(key, name, entry, read)).collect()
    }

    fn one_named<T>(
        &self,
        key: &str,
        name: &str,
        entry: &Entry,
        read: fn(&mut Fields<'_>) -> T,
    ) -> Option<Named<T>> {
        let path = format!("{key}.{name}");
        let Value::Table(table) = &entry.node.value else {
            let found = entry.node.value.kind();
            self.mistakes.add(
                Problem::at(
                    &entry.key,
                    format!("expected a table [{key}.NAME], found `{}` with {found}", short(name)),
                )
                .because(format!("[{key}] holds one table for each name and no keys of its own"))
                .write(format!("write [{key}.NAME] with a name of your choice above the keys")),
            );
            return None;
        };
        if let Some(problem) = super::values::bad_name(name, &entry.key) {
            self.mistakes.add(problem);
        }
        let mut fields = Fields::new(self.mistakes, table, path, entry.key.clone());
        let body = read(&mut fields);
        fields.done();
        Some(Named { name: Located::new(name.to_owned(), entry.key.clone()), body })
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn done(self) {
        for (name, entry) in &self.table.entries {
            if !self.known.contains(&name.as_str()) {
                self.mistakes.add(self.unknown(name, &entry.key));
            }
        }
    }

    fn unknown(&self, name: &str, site: &Site) -> Problem {
        let title = match self.path.is_empty() {
            true => format!("`{}` is no table of the configuration", short(name)),
            false => format!("`{}` is no key of [{}]", short(name), self.path),
        };
        let problem = Problem::at(site, title).because("it would have had no effect");
        match (nearest(name, self.known.iter().copied()), self.home_of(name)) {
            (Some(near), _) => {
                let meant = self.known.iter().find(|key| **key == near).map(|key| (self.site.clone(), *key));
                Problem { meant, ..problem.write(format!("write `{near}`")) }
            }
            (None, Some(home)) => problem.write(format!("move it to [{home}]")),
            (None, None) => problem.write(format!("remove it; the keys here are {}", self.known.join(", "))),
        }
    }

    /// The table that has such a key, for keys that were written one table too high.
    fn home_of(&self, name: &str) -> Option<String> {
        let owns = |owner: &str| match self.path.split_once('.') {
            Some((kind, own)) => kind == owner && !own.contains('.'),
            None => owner == self.path,
        };
        let (_, home, _) = HOMES.into_iter().find(|(owner, _, keys)| owns(owner) && keys.contains(&name))?;
        if self.path.is_empty() { Some(home.to_owned()) } else { Some(format!("{}.{home}", self.path)) }
    }

    /// Whether a key has a table, for keys that may have something else.
    pub(super) fn holds_table(&self, key: &str) -> bool {
        self.table.entries.get(key).is_some_and(|entry| entry.node.value.table().is_some())
    }

    pub(super) fn holds_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.table.entries.contains_key(*key))
    }

    fn find(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.known.push(key);
        self.table.entries.get(key)
    }

    fn inside<T>(
        &self,
        key: &str,
        node: &Node,
        site: Site,
        like: &str,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> Option<T> {
        let Value::Table(table) = &node.value else {
            self.mistakes.add(Wrong::kind("a table", like).problem(key, node));
            return None;
        };
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let mut fields = Fields::new(self.mistakes, table, path, site);
        let value = read(&mut fields);
        fields.done();
        Some(value)
    }
}

/// The kind of a table, a table inside it and the keys of that.
const HOMES: [(&str, &str, &[&str]); 8] = [
    ("", "gateway", &["id", "zone", "workers", "state_dir"]),
    ("", "net", &["gather", "gather_delay"]),
    ("", "release", &["canary"]),
    ("listener", "limits", &super::listener::LIMITS),
    ("cluster", "health", &super::health::HEALTH),
    ("cluster", "outlier", &super::outlier::OUTLIER),
    ("route", "limit", &super::limit::LIMIT),
    ("route", "breaker", &super::breaker::BREAKER),
];

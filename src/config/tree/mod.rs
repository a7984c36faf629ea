//! The merged text of all files as one tree in which every key and value knows where it was written. Owns TOML's
//! syntax and the merge of folders; knows no key of the configuration.

mod merge;
mod parse;
mod syntax;

use std::collections::BTreeMap;

use toml::value::Datetime;

use super::mistakes::Mistakes;
use super::site::Site;
use super::source::Sources;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) site: Site,
    pub(super) value: Value,
}

/// What TOML can say.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// `None`: beyond even 128 bits.
    Integer(Option<i128>),
    /// As it is written, without its underscores.
    Float(String),
    Bool(bool),
    Date(Datetime),
    List(Vec<Node>),
    Table(Table),
}

/// A table's entries by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// Written as `{ ... }`: closed, so another file cannot add to it.
    pub(super) inline: bool,
    pub(super) entries: BTreeMap<String, Entry>,
}

/// A key of a table and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Site,
    pub(super) node: Node,
}

/// The merged tree, and the places where the text is no TOML.
pub(super) struct Tree {
    pub(super) root: Table,
    pub(super) broken: Vec<Site>,
}

impl Value {
    pub(in crate::config) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(in crate::config) fn flag(&self) -> Option<bool> {
        if let Self::Bool(yes) = self { Some(*yes) } else { None }
    }

    /// The inner `None` is a number beyond even 128 bits.
    pub(in crate::config) fn integer(&self) -> Option<Option<i128>> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    pub(in crate::config) fn table(&self) -> Option<&Table> {
        if let Self::Table(table) = self { Some(table) } else { None }
    }

    pub(in crate::config) fn list(&self) -> Option<&[Node]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The type's name for people.
    pub(in crate::config) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Bool(_) => "a boolean",
            Self::Date(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Parses every file and merges them in their order.
pub(super) fn read(sources: &Sources, mistakes: &Mistakes) -> Tree {
    let mut tree = Tree { root: Table::default(), broken: Vec::new() };
    for (index, source) in sources.files().iter().enumerate() {
        let parsed = parse::parse(index, &source.text, mistakes);
        merge::merge(&mut tree.root, &parsed.root, mistakes);
        tree.broken.extend(parsed.broken);
    }
    tree
}

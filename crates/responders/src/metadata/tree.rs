//! Directories of values, and how they are listed.

use super::{Answer, TEXT};

/// A directory or a value.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Value(Vec<u8>),
    Directory(Vec<Entry>),
}

/// What is in a directory.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    name: String,
    /// How it is listed, if not by its name.
    listed: Option<String>,
    tree: Tree,
}

impl Tree {
    /// A value.
    pub(super) fn text(text: impl Into<String>) -> Tree {
        Tree::Value(text.into().into_bytes())
    }

    /// What is found by a path.
    pub(super) fn find(&self, path: &[&str]) -> Option<&Tree> {
        let [first, rest @ ..] = path else { return Some(self) };
        match self {
            Tree::Value(_) => None,
            Tree::Directory(entries) => entries.iter().find(|entry| entry.name == *first)?.tree.find(rest),
        }
    }

    /// A value, or a list of what is in a directory.
    pub(super) fn answer(&self) -> Answer {
        match self {
            Tree::Value(bytes) => Answer::ok(TEXT, bytes.clone()),
            Tree::Directory(entries) => {
                let mut names: Vec<&Entry> = entries.iter().collect();
                names.sort_by(|a, b| a.name.cmp(&b.name));
                Answer::ok(TEXT, names.into_iter().map(Entry::line).collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

impl Entry {
    /// An entry that is listed by its name.
    pub(super) fn new(name: &str, tree: Tree) -> Entry {
        Entry { name: name.to_owned(), listed: None, tree }
    }

    /// An entry that is listed otherwise.
    pub(super) fn listed(name: &str, listed: String, tree: Tree) -> Entry {
        Entry { listed: Some(listed), ..Entry::new(name, tree) }
    }

    fn line(&self) -> String {
        match (&self.listed, &self.tree) {
            (Some(listed), _) => listed.clone(),
            (None, Tree::Directory(_)) => format!("{}/", self.name),
            (None, Tree::Value(_)) => self.name.clone(),
        }
    }
}

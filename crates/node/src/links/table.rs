//! What is known of the interfaces, by index and by name.

use super::Link;
use std::collections::{BTreeSet, HashMap};

/// A piece of news about interfaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkNews {
    /// The whole truth at one moment: what is not in it doesn't exist.
    All(Vec<Link>),
    /// The interface exists and looks like this.
    Is(Link),
    /// The interface of this index is gone.
    Gone(u32),
}

/// Interfaces by index and by name. A name belongs to one interface at a time.
#[derive(Debug, Default)]
pub struct LinkTable {
    by_index: HashMap<u32, Link>,
    by_name: HashMap<String, u32>,
}

impl LinkTable {
    /// Takes in `news` and answers the names whose meaning changed: an interface came, went, was renamed or looks different.
    pub fn take(&mut self, news: LinkNews) -> Vec<String> {
        match news {
            LinkNews::All(links) => self.replace_all(links),
            LinkNews::Is(link) => self.replace(link),
            LinkNews::Gone(index) => self.forget(index).map(|link| link.name).into_iter().collect(),
        }
    }

    /// The interface of this name.
    pub fn named(&self, name: &str) -> Option<&Link> {
        self.by_index.get(self.by_name.get(name)?)
    }

    /// The interface of this index.
    pub fn indexed(&self, index: u32) -> Option<&Link> {
        self.by_index.get(&index)
    }

    /// Notes that an interface was brought up, before the kernel announces it.
    pub fn raised(&mut self, index: u32, mtu: Option<u32>) {
        if let Some(link) = self.by_index.get_mut(&index) {
            link.is_up = true;
            link.mtu = mtu.unwrap_or(link.mtu);
        }
    }

    fn forget(&mut self, index: u32) -> Option<Link> {
        let link = self.by_index.remove(&index)?;
        if self.by_name.get(&link.name) == Some(&index) {
            self.by_name.remove(&link.name);
        }
        Some(link)
    }

    fn replace(&mut self, link: Link) -> Vec<String> {
        let before = self.named(&link.name).cloned();
        let old = self.forget(link.index);
        let mut changed: Vec<String> =
            old.map(|old| old.name).into_iter().filter(|name| *name != link.name).collect();
        if before.as_ref() != Some(&link) {
            changed.push(link.name.clone());
        }
        self.by_name.insert(link.name.clone(), link.index);
        self.by_index.insert(link.index, link);
        changed
    }

    fn replace_all(&mut self, links: Vec<Link>) -> Vec<String> {
        let old = std::mem::take(self);
        for link in links {
            self.by_name.insert(link.name.clone(), link.index);
            self.by_index.insert(link.index, link);
        }
        let names: BTreeSet<&String> = old.by_name.keys().chain(self.by_name.keys()).collect();
        names.into_iter().filter(|name| old.named(name) != self.named(name)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link(index: u32, name: &str) -> Link {
        Link { index, name: name.into(), is_up: false, mtu: 1500, mac: [0; 6], vxlan: None, is_pair: false }
    }

    #[test]
    fn a_rename_changes_two_names() {
        let mut table = LinkTable::default();
        assert_eq!(table.take(LinkNews::Is(link(3, "a"))), ["a"]);
        assert_eq!(table.take(LinkNews::Is(link(3, "a"))), [""; 0]);
        assert_eq!(table.take(LinkNews::Is(link(3, "b"))), ["a", "b"]);
        assert_eq!(table.named("a"), None);
        assert_eq!(table.named("b").map(|l| l.index), Some(3));
    }

    #[test]
    fn a_name_taken_over_before_the_old_owner_is_reported_gone_stays() {
        let mut table = LinkTable::default();
        table.take(LinkNews::Is(link(3, "a")));
        table.take(LinkNews::Is(link(4, "a")));
        assert_eq!(table.take(LinkNews::Gone(3)), ["a"]);
        assert_eq!(table.named("a").map(|l| l.index), Some(4));
    }

    #[test]
    fn a_dump_forgets_what_it_does_not_list() {
        let mut table = LinkTable::default();
        table.take(LinkNews::Is(link(3, "a")));
        table.take(LinkNews::Is(link(4, "b")));
        assert_eq!(table.take(LinkNews::All(vec![link(4, "b"), link(5, "c")])), ["a", "c"]);
        assert_eq!(table.named("a"), None);
    }

    proptest! {
        /// Whatever the history, what the table says of a name is what the last news said, and every change was announced.
        #[test]
        fn announces_every_change(news in proptest::collection::vec((0..4u32, proptest::option::of(0..3usize)), 0..40)) {
            const NAMES: [&str; 3] = ["a", "b", "c"];
            let mut table = LinkTable::default();
            for (index, name) in news {
                let before = NAMES.map(|n| table.named(n).cloned());
                let changed = table.take(match name {
                    Some(name) => LinkNews::Is(link(index, NAMES[name])),
                    None => LinkNews::Gone(index),
                });
                for (name, before) in NAMES.iter().zip(before) {
                    if table.named(name) != before.as_ref() {
                        prop_assert!(changed.iter().any(|c| c == name));
                    }
                }
                for (indexed, known) in &table.by_index {
                    prop_assert_eq!(*indexed, known.index);
                }
            }
        }
    }
}

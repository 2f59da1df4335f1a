//! Flood lists: the targets of a network in consecutive slots, changed with few writes.
//!
//! The packet path walks the slots from 0 to the list's length. A new target takes the next slot; when one leaves, the last
//! one moves into its slot. So a change costs a constant number of writes, whatever the list's length. After a restart the
//! lists begin as they were found, and [`FloodLists::drop_leftovers`] takes out what nobody joined again.

use hadron_pipeline::table::{FloodKey, FloodTarget, MAX_FLOOD};
use std::collections::{BTreeMap, HashMap};

#[derive(Debug, Default)]
struct List {
    slots: Vec<FloodTarget>,
    /// Slot of each target, and whether somebody joined it (as opposed to: it was found there).
    members: HashMap<FloodTarget, (usize, bool)>,
}

/// The flood lists of all networks.
#[derive(Debug, Default)]
pub struct FloodLists {
    lists: HashMap<u32, List>,
}

/// Slots to write or, with `None`, to delete.
pub type SlotChanges = Vec<(FloodKey, Option<FloodTarget>)>;

impl FloodLists {
    /// Begins with what was found in the tables. Slots that don't follow on from 0, and second ones of a target, are not
    /// taken in; the writer removes them, since nobody desires them.
    pub fn found(entries: impl IntoIterator<Item = (FloodKey, FloodTarget)>) -> Self {
        let sorted: BTreeMap<FloodKey, FloodTarget> = entries.into_iter().collect();
        let mut lists = Self::default();
        for (key, target) in sorted {
            let list = lists.lists.entry(key.network).or_default();
            if key.slot as usize == list.slots.len() && !list.members.contains_key(&target) {
                list.members.insert(target, (list.slots.len(), false));
                list.slots.push(target);
            }
        }
        lists
    }

    /// Every slot that is in use.
    pub fn slots(&self) -> impl Iterator<Item = (FloodKey, FloodTarget)> {
        self.lists.iter().flat_map(|(network, list)| {
            list.slots
                .iter()
                .take(MAX_FLOOD as usize)
                .enumerate()
                .map(|(slot, target)| (key(*network, slot), *target))
        })
    }

    /// The target in a slot that is in use.
    pub fn slot(&self, key: &FloodKey) -> Option<FloodTarget> {
        let list = self.lists.get(&key.network).filter(|_| key.slot < MAX_FLOOD)?;
        list.slots.get(key.slot as usize).copied()
    }

    /// Adds `target` to the list of `network`, if it isn't there.
    pub fn join(&mut self, network: u32, target: FloodTarget) -> SlotChanges {
        let list = self.lists.entry(network).or_default();
        let next = list.slots.len();
        let (slot, joined) = list.members.entry(target).or_insert((next, false));
        *joined = true;
        if *slot < next {
            return Vec::new();
        }
        list.slots.push(target);
        within_limit([(key(network, next), Some(target))])
    }

    /// Takes `target` out of the list of `network`.
    pub fn leave(&mut self, network: u32, target: FloodTarget) -> SlotChanges {
        let Some(list) = self.lists.get_mut(&network) else { return Vec::new() };
        let Some((slot, _)) = list.members.remove(&target) else { return Vec::new() };
        list.slots.swap_remove(slot);
        let last = list.slots.len();
        let mut changes = vec![(key(network, last), None)];
        if let Some(moved) = list.slots.get(slot) {
            if let Some((position, _)) = list.members.get_mut(moved) {
                *position = slot;
            }
            changes.push((key(network, slot), Some(*moved)));
        }
        if list.slots.is_empty() {
            self.lists.remove(&network);
        }
        within_limit(changes)
    }

    /// Takes out everything that was found and that nobody has joined since. Answers the networks that changed.
    pub fn drop_leftovers(&mut self) -> Vec<(u32, SlotChanges)> {
        let mut leftovers = Vec::new();
        for (network, list) in &self.lists {
            leftovers.extend(
                list.members.iter().filter(|(_, (_, joined))| !joined).map(|(target, _)| (*network, *target)),
            );
        }
        leftovers.into_iter().map(|(network, target)| (network, self.leave(network, target))).collect()
    }

    /// The number of slots in use, at most [`MAX_FLOOD`].
    pub fn length(&self, network: u32) -> u32 {
        self.members(network).min(MAX_FLOOD as usize) as u32
    }

    /// Targets that find no place because the list is full.
    pub fn overflow(&self, network: u32) -> usize {
        self.members(network).saturating_sub(MAX_FLOOD as usize)
    }

    fn members(&self, network: u32) -> usize {
        self.lists.get(&network).map_or(0, |list| list.slots.len())
    }
}

fn key(network: u32, slot: usize) -> FloodKey {
    FloodKey { network, slot: slot as u32 }
}

fn within_limit(changes: impl IntoIterator<Item = (FloodKey, Option<FloodTarget>)>) -> SlotChanges {
    changes.into_iter().filter(|(key, _)| key.slot < MAX_FLOOD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadron_pipeline::table::target;
    use proptest::prelude::*;
    use std::collections::{BTreeSet, HashSet};

    fn port(id: u32) -> FloodTarget {
        FloodTarget { kind: target::PORT, id }
    }

    fn apply(table: &mut BTreeMap<FloodKey, FloodTarget>, changes: SlotChanges) {
        for (key, value) in changes {
            match value {
                Some(value) => drop(table.insert(key, value)),
                None => drop(table.remove(&key)),
            }
        }
    }

    fn check(
        lists: &FloodLists,
        table: &BTreeMap<FloodKey, FloodTarget>,
        network: u32,
        wanted: &HashSet<u32>,
    ) {
        let slots: Vec<u32> = table.keys().filter(|k| k.network == network).map(|k| k.slot).collect();
        assert_eq!(slots, (0..lists.length(network)).collect::<Vec<_>>());
        let ids: BTreeSet<u32> =
            table.iter().filter(|(k, _)| k.network == network).map(|(_, t)| t.id).collect();
        assert_eq!(ids.len(), slots.len(), "a target has two slots");
        assert!(ids.iter().all(|id| wanted.contains(id)));
        assert_eq!(ids.len() + lists.overflow(network), wanted.len());
    }

    proptest! {
        #[test]
        fn slots_are_gapless_and_hold_the_members(steps in proptest::collection::vec((0..2u32, 0..6u32, any::<bool>()), 0..80)) {
            let mut lists = FloodLists::default();
            let mut table = BTreeMap::new();
            let mut wanted = [HashSet::new(), HashSet::new()];
            for (network, id, joins) in steps {
                let changes = if joins { lists.join(network, port(id)) } else { lists.leave(network, port(id)) };
                prop_assert!(changes.len() <= 2);
                apply(&mut table, changes);
                if joins { wanted[network as usize].insert(id); } else { wanted[network as usize].remove(&id); }
                check(&lists, &table, network, &wanted[network as usize]);
                prop_assert_eq!(lists.slots().collect::<BTreeMap<_, _>>(), table.clone());
            }
        }

        #[test]
        fn a_restart_keeps_what_stays(before in proptest::collection::hash_set(0..9u32, 0..9), after in proptest::collection::hash_set(0..9u32, 0..9)) {
            let mut table = BTreeMap::new();
            let mut lists = FloodLists::default();
            for id in &before {
                apply(&mut table, lists.join(1, port(*id)));
            }
            let mut lists = FloodLists::found(table.clone());
            for id in &after {
                let changes = lists.join(1, port(*id));
                prop_assert_eq!(changes.is_empty(), before.contains(id));
                apply(&mut table, changes);
            }
            for (_, changes) in lists.drop_leftovers() {
                apply(&mut table, changes);
            }
            check(&lists, &table, 1, &after);
        }
    }

    #[test]
    fn a_list_that_is_too_long_moves_up_when_there_is_room() {
        let mut lists = FloodLists::default();
        let mut table = BTreeMap::new();
        let mut wanted = HashSet::new();
        for id in 0..MAX_FLOOD + 2 {
            wanted.insert(id);
            apply(&mut table, lists.join(1, port(id)));
            check(&lists, &table, 1, &wanted);
        }
        for id in [5, MAX_FLOOD + 1, 0, 7, MAX_FLOOD] {
            wanted.remove(&id);
            apply(&mut table, lists.leave(1, port(id)));
            check(&lists, &table, 1, &wanted);
        }
    }

    #[test]
    fn gaps_and_doubles_that_were_found_are_not_taken_over() {
        let found = [(key(1, 0), port(7)), (key(1, 1), port(7)), (key(1, 2), port(8)), (key(2, 1), port(9))];
        let lists = FloodLists::found(found);
        assert_eq!(lists.slots().collect::<Vec<_>>(), [(key(1, 0), port(7))]);
    }
}

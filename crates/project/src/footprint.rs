//! What an object is on the hosts: which of them need it, and from which revision on they have it.

use crate::tombstone::Gone;
use crate::touch::Touched;
use crate::{Interest, Projection};
use hadron_store::{RecordKey, Revision, Snapshot};
use hadron_wire::RowKey;
use std::collections::{BTreeMap, BTreeSet};

/// What there is of an object in the projection, or could be.
#[derive(Debug)]
pub struct Footprint {
    /// What would be touched if the object came just now.
    object: Touched,
    /// Rows that its last change touched, and that have no part of it any more.
    left: BTreeSet<RowKey>,
}

impl Footprint {
    /// That of an object of `model`; `before` is the model without the object's last change, if that is known. It costs what making the object
    /// costs, for a network or a group what making all that is in it does.
    pub fn of(key: &RecordKey, before: Option<&Snapshot>, model: &Snapshot) -> Self {
        let touched = |before: &Snapshot| {
            let mut touched = Touched::default();
            touched.add(key, before, model);
            touched
        };
        let object = touched(&Snapshot::default());
        let last = before.map(|before| touched(before).rows).unwrap_or_default();
        let left = last.into_iter().filter(|key| !object.rows.contains(key)).collect();
        Self { object, left }
    }
}

impl Projection {
    /// The numbers of the hosts that need an object, each with the revision that it must have acknowledged for the object's last change,
    /// `changed`, to be in force there.
    ///
    /// A host needs an object if it is to have a row that carries it, or others because of it, or still has to give one up, or to have one
    /// that the object's last change took it out of. If no such row has changed since an earlier revision, that is enough. What went before `since` is left out: the lowest revision that any host has.
    pub fn needs(&self, object: &Footprint, changed: Revision, since: Revision) -> BTreeMap<u32, Revision> {
        let mut latest: BTreeMap<Interest, Revision> = BTreeMap::new();
        let mut note = |interest, revision: Revision| {
            let known = latest.entry(interest).or_default();
            *known = revision.max(*known);
        };
        for entry in object.object.rows.iter().filter_map(|key| self.entry(key)) {
            note(entry.interest, entry.revision);
        }
        if changed > since {
            let left = object.left.iter().filter_map(|key| self.entry(key));
            left.filter(|entry| entry.revision >= changed).for_each(|entry| note(entry.interest, changed));
        }
        for (revision, gone) in self.tombstones.dated_since(since) {
            if let Gone::Row { interest, key } = gone
                && object.object.rows.contains(&key)
            {
                note(interest, revision);
            }
        }
        let mut needs = self.needs_of_interests(&object.object, changed);
        for (interest, revision) in latest {
            for host in self.interested(interest) {
                let gained = self.since(host, interest).unwrap_or_default();
                let needed = revision.min(changed).max(gained);
                let known: &mut Revision = needs.entry(host).or_default();
                *known = needed.max(*known);
            }
        }
        needs
    }

    /// What hosts came to need because of an object, from when on. What came later has other reasons.
    fn needs_of_interests(&self, object: &Touched, changed: Revision) -> BTreeMap<u32, Revision> {
        let of_namings = object.namings.iter().flat_map(|(group, set)| {
            self.interested(Interest::Rules(*group)).map(|host| (host, Interest::Members(*set)))
        });
        let mut needs = BTreeMap::new();
        for (host, interest) in object.interests.iter().copied().chain(of_namings) {
            let Some(gained) = self.since(host, interest) else { continue };
            let known: &mut Revision = needs.entry(host).or_default();
            *known = gained.min(changed).max(*known);
        }
        needs
    }

    /// Since when a host is to have the rows of an interest.
    fn since(&self, host: u32, interest: Interest) -> Option<Revision> {
        let entry = self.host(host)?;
        match interest {
            Interest::Host(_) => Some(entry.since),
            shared => entry.interests.get(&shared).copied(),
        }
    }
}

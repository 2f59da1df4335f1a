//! What an object is on the hosts: which of them need it, and from which revision on they have it.

use crate::tombstone::Gone;
use crate::touch::Touched;
use crate::{Interest, Projection};
use hadron_store::{RecordKey, Revision, Snapshot};
use std::collections::BTreeMap;

/// What there is of an object in the projection, or could be.
#[derive(Debug)]
pub struct Footprint(Touched);

impl Footprint {
    /// What would be touched if the object came just now. It costs what making the object costs, for a network or a group what making all
    /// that is in it does.
    pub fn of(key: &RecordKey, model: &Snapshot) -> Self {
        let mut touched = Touched::default();
        touched.add(key, &Snapshot::default(), model);
        Self(touched)
    }
}

impl Projection {
    /// The numbers of the hosts that need an object, each with the revision that it must have acknowledged for the object's last change,
    /// `changed`, to be in force there.
    ///
    /// A host needs an object if it is to have a row that carries it, or others because of it, or still has to give one up. If no such row has
    /// changed since an earlier revision, that is enough. What went before `since` is left out: the lowest revision that any host has.
    pub fn needs(&self, object: &Footprint, changed: Revision, since: Revision) -> BTreeMap<u32, Revision> {
        let mut latest: BTreeMap<Interest, Revision> = BTreeMap::new();
        let mut note = |interest, revision: Revision| {
            let known = latest.entry(interest).or_default();
            *known = revision.max(*known);
        };
        for entry in object.0.rows.iter().filter_map(|key| self.entry(key)) {
            note(entry.interest, entry.revision);
        }
        for (revision, gone) in self.tombstones.dated_since(since) {
            if let Gone::Row { interest, key } = gone
                && object.0.rows.contains(&key)
            {
                note(interest, revision);
            }
        }
        let mut needs = self.needs_of_interests(&object.0, changed);
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

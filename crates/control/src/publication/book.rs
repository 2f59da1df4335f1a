//! Who claims which name, kept up to date commit by commit.

use super::claims::{self, Claim, Owner};
use super::zones::Zones;
use hadron_model::{
    FloatingIp, NameValue, NetworkId, NetworkSegment, Port, PublishedName, RbacPolicy, Shareable, Subnet,
};
use hadron_store::{Commit, RecordKey, Snapshot};
use std::collections::{BTreeMap, BTreeSet};

/// What a name is to stand for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The project whose it is.
    pub project_id: String,
    /// Its records, at least one.
    pub values: BTreeSet<NameValue>,
}

/// The claims of all ports and floating IPs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Book {
    zones: Zones,
    by_owner: BTreeMap<Owner, Vec<(String, Claim)>>,
    by_name: BTreeMap<String, BTreeSet<Claim>>,
}

impl Book {
    /// What is claimed in a state.
    pub fn new(zones: Zones, view: &Snapshot) -> Self {
        let mut book = Self { zones, by_owner: BTreeMap::new(), by_name: BTreeMap::new() };
        book.look_at(all(view), view);
        book
    }

    /// The zones.
    pub fn zones(&self) -> &Zones {
        &self.zones
    }

    /// Every name that is claimed.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.by_name.keys()
    }

    /// Follows a commit. The names whose claims have changed.
    pub fn follow(&mut self, commit: &Commit) -> BTreeSet<String> {
        let mut owners = BTreeSet::new();
        for change in &commit.changes {
            for view in [&commit.before, &commit.after] {
                touched(view, &change.key, &mut owners);
            }
        }
        self.look_at(owners, &commit.after)
    }

    fn look_at(&mut self, owners: BTreeSet<Owner>, view: &Snapshot) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        for owner in owners {
            let new = claims::of(view, &self.zones, owner);
            let old = self.by_owner.remove(&owner).unwrap_or_default();
            for (name, claim) in old.iter().filter(|it| !new.contains(it)) {
                let others = self.by_name.get_mut(name);
                if others.is_some_and(|others| others.remove(claim) && others.is_empty()) {
                    self.by_name.remove(name);
                }
                changed.insert(name.clone());
            }
            for (name, claim) in new.iter().filter(|it| !old.contains(it)) {
                self.by_name.entry(name.clone()).or_default().insert(claim.clone());
                changed.insert(name.clone());
            }
            if !new.is_empty() {
                self.by_owner.insert(owner, new);
            }
        }
        changed
    }

    /// What a name is to stand for, as things are; `None` if it is not to be there. The project that has it keeps it as long as it claims
    /// it, and then the first of those that do gets it. An address leads back to a name once that name leads to it.
    pub fn wanted(&self, view: &Snapshot, name: &str) -> Option<Wanted> {
        let claims: Vec<&Claim> =
            self.by_name.get(name)?.iter().filter(|claim| is_backed(view, claim)).collect();
        let holder = view.get::<PublishedName>(&name.to_owned()).map(|published| &published.project_id);
        let of_holder = claims.iter().find(|claim| Some(&claim.project_id) == holder);
        let project_id = of_holder.or(claims.first())?.project_id.clone();
        let values = claims.iter().filter(|claim| claim.project_id == project_id);
        Some(Wanted { values: values.map(|claim| claim.value.clone()).collect(), project_id })
    }

    /// The reverse names that lead to a name, or are to.
    pub fn reverse_of(&self, name: &str) -> BTreeSet<String> {
        let claims = self.by_name.get(name).into_iter().flatten();
        claims.filter_map(|claim| self.zones.of_address(claim.address)).map(|(_, reverse)| reverse).collect()
    }
}

fn is_backed(view: &Snapshot, claim: &Claim) -> bool {
    let NameValue::Name(forward) = &claim.value else { return true };
    view.get::<PublishedName>(forward).is_some_and(|published| {
        published.is_ours
            && published.project_id == claim.project_id
            && published.values.contains(&NameValue::Address(claim.address))
    })
}

fn all(view: &Snapshot) -> BTreeSet<Owner> {
    let ports = view.iter::<Port>().map(|port| Owner::Port(port.id));
    ports.chain(view.iter::<FloatingIp>().map(|floating_ip| Owner::FloatingIp(floating_ip.id))).collect()
}

/// Adds the owners whose claims depend on a record.
fn touched(view: &Snapshot, key: &RecordKey, owners: &mut BTreeSet<Owner>) {
    let network: NetworkId = match key {
        RecordKey::Port(id) => return owners.extend(claims::owners_with(view, *id)),
        RecordKey::FloatingIp(id) => {
            owners.insert(Owner::FloatingIp(*id));
            return;
        }
        RecordKey::SegmentRange(_) => return owners.extend(all(view)),
        RecordKey::Network(id) => *id,
        RecordKey::Subnet(id) => match view.get::<Subnet>(id) {
            Some(subnet) => subnet.network_id,
            None => return,
        },
        RecordKey::NetworkSegment(id) => match view.get::<NetworkSegment>(id) {
            Some(segment) => segment.network_id,
            None => return,
        },
        RecordKey::RbacPolicy(id) => match view.get::<RbacPolicy>(id).map(|policy| policy.object) {
            Some(Shareable::Network(network)) => network,
            _ => return,
        },
        _ => return,
    };
    owners.extend(claims::owners_on(view, network));
}

//! Networks: by number and project; VXLAN identifiers in use.

use super::{Indexed, Indexes, replace};
use crate::VniClaim;
use crate::record::Tables;
use hadron_model::{Network, NetworkSegment};

impl Indexed for Network {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|network| (network.number, network.id)),
            new.map(|network| (network.number, network.id)),
            |indexes, (number, _)| indexes.network_numbers.remove(&number),
            |indexes, (number, id)| indexes.network_numbers.insert(number, id),
        );
        replace(
            indexes,
            old.map(|network| (network.project_id.as_str(), network.id)),
            new.map(|network| (network.project_id.as_str(), network.id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.networks.remove(&id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.networks.insert(id)),
        );
    }
}

impl Indexed for NetworkSegment {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        let entry = |segment: &NetworkSegment| (segment.network_id, segment.index, segment.id);
        replace(
            indexes,
            old.map(entry),
            new.map(entry),
            |indexes, entry| indexes.network_segments.remove(&entry),
            |indexes, entry| indexes.network_segments.insert(entry),
        );
    }
}

impl Indexed for VniClaim {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|claim| claim.vni),
            new.map(|claim| claim.vni),
            |indexes, vni| indexes.free_vnis.insert(vni.get().into()),
            |indexes, vni| indexes.free_vnis.remove(vni.get().into()),
        );
    }
}

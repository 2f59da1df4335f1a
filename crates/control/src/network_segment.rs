//! Segments of networks, as objects: what a network begins with, and how an operator adds, names and removes some.
//!
//! A network's record repeats its first segment, by which hosts carry its frames; something outside joins it with the others. Every
//! change of a network's segments writes the network, so that two servers that change them at the same time find out.

use crate::segment::{self, Asker, Provider};
use crate::{Config, Error, SegmentError, stamp};
use hadron_model::{Network, NetworkId, NetworkSegment, Segment, SegmentId, Subnet};
use hadron_store::{CommitInfo, Snapshot, Store, Tx};

/// Most segments of a network.
pub const MAX_SEGMENTS: usize = 16;

/// `service_types` of subnets that are of no segment where the network's others are.
const ROUTED: &str = "network:routed";

/// A segment to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSegment {
    /// Its network.
    pub network_id: NetworkId,
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// How frames travel in it; the type is given.
    pub provider: Provider,
}

/// Changes to a segment; the outer `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SegmentChange {
    /// Name; the inner `None` takes it away.
    pub name: Option<Option<String>>,
    /// Description.
    pub description: Option<String>,
}

/// Takes the segments of a new network, and makes them; the first of them.
pub(crate) fn begin(tx: &mut Tx, asks: &Asker<'_>, asked: &[Provider]) -> Result<Segment, Error> {
    if asked.len() > MAX_SEGMENTS {
        return Err(too_many());
    }
    for (index, one) in asked.iter().enumerate() {
        if !one.is_partial() && asked[..index].contains(one) {
            return Err(SegmentError::Duplicate.into());
        }
    }
    let mut first = Segment::None;
    for (index, provider) in asked.iter().enumerate() {
        let taken = segment::claim(tx, asks, provider)?;
        if index == 0 {
            first.clone_from(&taken);
        }
        put(tx, asks.network, index as u32, taken);
    }
    Ok(first)
}

fn put(tx: &mut Tx, network_id: NetworkId, index: u32, segment: Segment) {
    let stamp = stamp::born(tx, 0);
    tx.put(NetworkSegment {
        id: SegmentId::random(),
        network_id,
        name: None,
        description: None,
        index,
        segment,
        stamp,
    });
}

/// The largest IP packet that all segments of a network carry.
pub(crate) fn max_mtu(view: &Snapshot, config: &Config, network: NetworkId) -> u32 {
    let each = view.segments_of(network).map(|segment| segment::max_mtu(config, &segment.segment));
    each.min().unwrap_or(config.underlay_mtu)
}

/// Adds a segment to a network.
pub fn create(tx: &mut Tx, config: &Config, new: &NewSegment) -> Result<NetworkSegment, Error> {
    let network = tx.get::<Network>(&new.network_id).ok_or(Error::NetworkNotFound(new.network_id))?;
    let has: Vec<u32> = tx.view().segments_of(network.id).map(|segment| segment.index).collect();
    if has.len() >= MAX_SEGMENTS {
        return Err(too_many());
    }
    // As in Neutron, of the identifiers for all: an administrator asks.
    let asks = Asker { config, network: network.id, project: "" };
    let segment = segment::claim(tx, &asks, &new.provider)?;
    segment::mtu(segment::max_mtu(config, &segment), network.mtu)?;
    let made = NetworkSegment {
        id: SegmentId::random(),
        network_id: network.id,
        name: new.name.clone(),
        description: new.description.clone(),
        index: has.last().map_or(0, |last| last + 1),
        segment,
        stamp: stamp::born(tx, 1),
    };
    tx.put(made.clone());
    settle(tx, &network);
    Ok(made)
}

/// Changes a segment; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    id: SegmentId,
    change: &SegmentChange,
    revision: Option<u64>,
) -> Result<NetworkSegment, Error> {
    let old = tx.get::<NetworkSegment>(&id).ok_or(SegmentError::NotFound(id))?;
    stamp::check_revision(&old.stamp, revision)?;
    let mut segment = old.value.clone();
    if let Some(name) = &change.name {
        segment.name.clone_from(name);
    }
    if let Some(description) = &change.description {
        segment.description = Some(description.clone());
    }
    if segment != old.value {
        stamp::touch(tx, &mut segment);
        tx.put(segment.clone());
    }
    Ok(segment)
}

/// Removes a segment of a network. Subnets that are of it keep it.
pub fn delete(tx: &mut Tx, id: SegmentId, revision: Option<u64>) -> Result<(), Error> {
    let segment = tx.get::<NetworkSegment>(&id).ok_or(SegmentError::NotFound(id))?;
    stamp::check_revision(&segment.stamp, revision)?;
    // Guarded: a subnet that comes meanwhile, or goes to the segment, writes the network.
    let network = tx.get::<Network>(&segment.network_id).ok_or(Error::NetworkNotFound(segment.network_id))?;
    let users = tx.view().subnets_of(network.id).filter(|subnet| subnet.segment_id == Some(id));
    let subnets: Vec<_> = users.map(|subnet| subnet.id).collect();
    if !subnets.is_empty() {
        return Err(SegmentError::InUse { segment: id, subnets }.into());
    }
    segment::release(tx, &segment.segment);
    tx.delete::<NetworkSegment>(&id);
    settle(tx, &network);
    Ok(())
}

/// Removes all segments of a network that goes.
pub(crate) fn remove_all(tx: &mut Tx, network: NetworkId) {
    let all: Vec<NetworkSegment> =
        tx.view().segments_of(network).map(|segment| segment.value.clone()).collect();
    for segment in all {
        segment::release(tx, &segment.segment);
        tx.delete::<NetworkSegment>(&segment.id);
    }
}

/// Writes the network with the segment that is its first now.
fn settle(tx: &mut Tx, network: &Network) {
    let first = tx.view().segments_of(network.id).next();
    let segment = first.map_or(Segment::None, |first| first.segment.clone());
    tx.put(Network { segment, ..network.clone() });
}

/// Gives a network's only segment another VLAN; the network's record is for the caller to write.
pub(crate) fn change_vlan(tx: &mut Tx, network: &Network, id: i64) -> Result<Segment, Error> {
    let all: Vec<NetworkSegment> =
        tx.view().segments_of(network.id).map(|segment| segment.value.clone()).collect();
    let [only] = &all[..] else { return Err(not_one()) };
    let segment = segment::change_vlan(tx, network.id, &only.segment, id)?;
    if segment != only.segment {
        let mut changed = NetworkSegment { segment: segment.clone(), ..only.clone() };
        stamp::touch(tx, &mut changed);
        tx.put(changed);
    }
    Ok(segment)
}

/// Refuses provider attributes of a network that has not exactly one segment.
pub(crate) fn check_one(view: &Snapshot, network: NetworkId) -> Result<(), Error> {
    if view.segments_of(network).count() == 1 { Ok(()) } else { Err(not_one()) }
}

/// Refuses a new subnet to be of that segment, or of none.
pub(crate) fn check_new_subnet(
    view: &Snapshot,
    network: NetworkId,
    segment: Option<SegmentId>,
    service_types: &[String],
) -> Result<(), Error> {
    check_segment(view, network, segment)?;
    let is_routed = service_types.iter().any(|service| service == ROUTED);
    if !is_routed && associations(view, network).any(|(_, other)| other.is_some() != segment.is_some()) {
        return Err(SegmentError::SubnetsNotAllAssociated(network).into());
    }
    Ok(())
}

/// Refuses that a subnet comes to be of another segment, or of none: only a network's only subnet can come to its only one.
pub(crate) fn check_move(view: &Snapshot, subnet: &Subnet, segment: Option<SegmentId>) -> Result<(), Error> {
    if segment == subnet.segment_id {
        return Ok(());
    }
    let network = subnet.network_id;
    if associations(view, network).count() > 1 {
        return Err(SegmentError::SubnetsNotAllAssociated(network).into());
    }
    if subnet.segment_id.is_some() {
        return Err(SegmentError::AssociationChange.into());
    }
    if view.segments_of(network).count() > 1 {
        return Err(SegmentError::MultipleSegments(network).into());
    }
    check_segment(view, network, segment)
}

/// The subnets of a network, and the segments that they are of, but for those that are of none in any case.
fn associations(
    view: &Snapshot,
    network: NetworkId,
) -> impl Iterator<Item = (hadron_model::SubnetId, Option<SegmentId>)> {
    let subnets = view.subnets_of(network);
    let subnets = subnets.filter(|subnet| subnet.service_types.iter().all(|service| service != ROUTED));
    subnets.map(|subnet| (subnet.id, subnet.segment_id))
}

fn check_segment(view: &Snapshot, network: NetworkId, segment: Option<SegmentId>) -> Result<(), Error> {
    let Some(id) = segment else { return Ok(()) };
    let segment = view.get::<NetworkSegment>(&id).ok_or(SegmentError::NotFound(id))?;
    if segment.network_id != network {
        return Err(SegmentError::NetworkIdsDontMatch { network, segment: id }.into());
    }
    Ok(())
}

/// Whether all ports of a network are in one broadcast domain: its subnets are of no segments.
pub fn is_adjacent(view: &Snapshot, network: NetworkId) -> bool {
    view.subnets_of(network).all(|subnet| subnet.segment_id.is_none())
}

/// Makes the segment of each network from before segments were objects.
pub(crate) async fn adopt_all(store: &Store, info: &CommitInfo) -> Result<(), Error> {
    let view = store.snapshot();
    let is_without = |network: &NetworkId| view.segments_of(*network).next().is_none();
    let old: Vec<NetworkId> = view
        .iter::<Network>()
        .filter(|network| network.segment != Segment::None)
        .map(|network| network.id)
        .filter(is_without)
        .collect();
    for id in old {
        store.write(info.clone(), |tx| adopt(tx, id)).await?;
    }
    Ok(())
}

fn adopt(tx: &mut Tx, id: NetworkId) -> Result<(), Error> {
    let Some(network) = tx.get::<Network>(&id) else { return Ok(()) };
    if tx.view().segments_of(id).next().is_none() && network.segment != Segment::None {
        put(tx, id, 0, network.segment.clone());
        tx.put(network.value.clone());
    }
    Ok(())
}

fn not_one() -> Error {
    Error::input("provider attributes can be updated only of networks with a single segment")
}

fn too_many() -> Error {
    Error::InvalidInput(format!("a network has at most {MAX_SEGMENTS} segments"))
}

//! Ranges of identifiers from which networks get theirs.
//!
//! The operator starts the servers with some, for all projects; administrators add others, for all or for a certain project. A
//! project's networks get the lowest free identifier of its own ranges, and else of those for all that is in no project's range.

use crate::network::set;
use crate::{Config, Error, SegmentError, stamp, tag};
use hadron_model::{
    Network, NetworkId, PhysicalSegment, SegmentPool, SegmentRange, SegmentRangeId, Tags, Tunnel, VlanId, Vni,
};
use hadron_store::{CommitInfo, SegmentClaim, Snapshot, Store, TunnelClaim, Tx, VniClaim};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A range to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSegmentRange {
    /// The project whose networks get its identifiers; empty for all.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// What its identifiers are of.
    pub pool: SegmentPool,
    /// The first and the last identifier.
    pub ends: (u32, u32),
    /// Its tags.
    pub tags: Tags,
}

/// Changes to a range; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SegmentRangeChange {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// The first identifier.
    pub first: Option<u32>,
    /// The last identifier.
    pub last: Option<u32>,
}

/// Creates a range.
pub fn create(tx: &mut Tx, new: &NewSegmentRange) -> Result<SegmentRange, Error> {
    let mut range = SegmentRange {
        id: SegmentRangeId::random(),
        project_id: new.project_id.clone(),
        name: new.name.clone(),
        description: Some(new.description.clone()),
        is_default: false,
        pool: new.pool.clone(),
        first: new.ends.0,
        last: new.ends.1,
        stamp: stamp::born(tx, 0),
    };
    check(tx, &range)?;
    tag::begin(&mut range.stamp, &new.tags, "network_segment_ranges", range.id.0)?;
    tx.put(range.clone());
    Ok(range)
}

/// Changes a range; `revision` is the one that the caller demands, if any. It goes on to have all of its identifiers that are in use.
pub fn update(
    tx: &mut Tx,
    id: SegmentRangeId,
    change: &SegmentRangeChange,
    revision: Option<u64>,
) -> Result<SegmentRange, Error> {
    let old = changeable(tx, id, revision)?;
    let mut range = old.clone();
    set(&mut range.name, &change.name);
    if let Some(description) = &change.description {
        range.description = Some(description.clone());
    }
    range.first = change.first.unwrap_or(old.first);
    range.last = change.last.unwrap_or(old.last);
    if (range.first, range.last) != (old.first, old.last) {
        take_turn(tx, id);
    }
    let used = used(tx.view(), &old);
    let ends = used.first_key_value().zip(used.last_key_value());
    if ends.is_some_and(|(lowest, highest)| *lowest.0 < range.first || *highest.0 > range.last) {
        return Err(SegmentError::RangeInUse(id).into());
    }
    check(tx, &range)?;
    if range != old {
        stamp::touch(tx, &mut range);
        tx.put(range.clone());
    }
    Ok(range)
}

/// Removes a range of which no identifier is in use.
pub fn delete(tx: &mut Tx, id: SegmentRangeId, revision: Option<u64>) -> Result<(), Error> {
    let range = changeable(tx, id, revision)?;
    take_turn(tx, id);
    if !used(tx.view(), &range).is_empty() {
        return Err(SegmentError::RangeInUse(id).into());
    }
    tx.delete::<SegmentRange>(&id);
    Ok(())
}

/// Keeps the ranges that administrators have made for an identifier as they are until a network has it.
pub(crate) fn hold(tx: &mut Tx, pool: &SegmentPool, id: u32) {
    let has = |range: &SegmentRange| {
        !range.is_default && range.pool == *pool && (range.first..=range.last).contains(&id)
    };
    let holding = tx.view().iter::<SegmentRange>().find(|range| has(range)).map(|range| range.id);
    if let Some(range) = holding {
        take_turn(tx, range);
    }
}

/// What takes an identifier of a range and what takes the range away follow each other.
fn take_turn(tx: &mut Tx, range: SegmentRangeId) {
    tx.take_turn(format!("segment range {range}"));
}

fn changeable(tx: &mut Tx, id: SegmentRangeId, revision: Option<u64>) -> Result<SegmentRange, Error> {
    let range = tx.get::<SegmentRange>(&id).ok_or(SegmentError::RangeNotFound(id))?;
    stamp::check_revision(&range.stamp, revision)?;
    if range.is_default {
        return Err(SegmentError::RangeIsDefault(id).into());
    }
    Ok(range.value.clone())
}

/// Refuses identifiers that can't be, and those of another range that administrators have made.
fn check(tx: &mut Tx, range: &SegmentRange) -> Result<(), Error> {
    let most = range.pool.max_id();
    if range.first == 0 || range.first > range.last || range.last > most {
        let kind = range.pool.network_type();
        return Err(Error::InvalidInput(format!(
            "minimum and maximum of a range of {kind} are 1 to {most}, the first not above the second"
        )));
    }
    // Another server may make one that overlaps.
    tx.guard_range::<SegmentRange>(());
    let overlaps = |other: &SegmentRange| {
        other.id != range.id
            && !other.is_default
            && other.pool == range.pool
            && other.first <= range.last
            && other.last >= range.first
    };
    match tx.view().iter::<SegmentRange>().find(|other| overlaps(other)) {
        Some(other) => Err(SegmentError::RangeOverlaps(other.id).into()),
        None => Ok(()),
    }
}

/// The identifiers of a range that are in use, with the projects of the networks that have them.
pub fn used(view: &Snapshot, range: &SegmentRange) -> BTreeMap<u32, String> {
    let project = |network: &NetworkId| {
        view.get::<Network>(network).map(|network| network.project_id.clone()).unwrap_or_default()
    };
    let taken = taken(view, &range.pool, range.first..=range.last);
    taken.map(|(id, network)| (id, project(&network))).collect()
}

/// The identifiers of a range that are not in use, in order.
pub fn available<'a>(view: &'a Snapshot, range: &'a SegmentRange) -> impl Iterator<Item = u32> + 'a {
    let mut taken = taken(view, &range.pool, range.first..=range.last).map(|(id, _)| id).peekable();
    (range.first..=range.last).filter(move |id| taken.next_if_eq(id).is_none())
}

/// The identifiers that networks have, in order.
fn taken<'a>(
    view: &'a Snapshot,
    pool: &'a SegmentPool,
    ids: RangeInclusive<u32>,
) -> Box<dyn Iterator<Item = (u32, NetworkId)> + 'a> {
    let last = *ids.end();
    let all: Box<dyn Iterator<Item = (u32, NetworkId)> + 'a> = match pool {
        SegmentPool::Vxlan => {
            let Some(first) = Vni::new((*ids.start()).max(1)) else { return Box::new(std::iter::empty()) };
            Box::new(view.iter_from::<VniClaim>(first).map(|claim| (claim.vni.get(), claim.network_id)))
        }
        SegmentPool::Tunnel(kind) => {
            let first = Tunnel { kind: *kind, id: *ids.start() };
            let claims =
                view.iter_from::<TunnelClaim>(first).take_while(move |claim| claim.tunnel.kind == *kind);
            Box::new(claims.map(|claim| (claim.tunnel.id, claim.network_id)))
        }
        SegmentPool::Vlan(physical) => {
            let vlan = u16::try_from(*ids.start()).ok().and_then(VlanId::new);
            let first = PhysicalSegment { network: physical.clone(), vlan };
            let claims = view.iter_from::<SegmentClaim>(first);
            let claims = claims.take_while(move |claim| claim.segment.network == *physical);
            Box::new(claims.filter_map(|claim| Some((claim.segment.vlan?.get().into(), claim.network_id))))
        }
    };
    Box::new(all.take_while(move |(id, _)| *id <= last))
}

/// The lowest free identifier that a project's network gets of a pool.
pub(crate) fn first_free(view: &Snapshot, config: &Config, pool: &SegmentPool, project: &str) -> Option<u32> {
    let mut of_pool: Vec<&SegmentRange> =
        view.iter::<SegmentRange>().map(|range| &range.value).filter(|range| range.pool == *pool).collect();
    of_pool.sort_unstable_by_key(|range| range.first);
    let ids = |range: &&SegmentRange| range.first..=range.last;
    let (shared, owned): (Vec<_>, Vec<_>) =
        of_pool.into_iter().partition(|range| range.project_id.is_empty());
    let own = owned.iter().filter(|range| range.project_id == project);
    let kept: Vec<RangeInclusive<u32>> = owned.iter().map(ids).collect();
    let for_all = configured(config, pool).into_iter();
    let for_all = for_all.chain(shared.iter().filter(|range| !range.is_default).map(ids));
    own.map(ids).find_map(|ids| first_free_of(view, pool, ids)).or_else(|| {
        for_all.flat_map(|ids| without(ids, &kept)).find_map(|ids| first_free_of(view, pool, ids))
    })
}

/// What is left of a range without others, which are in order and apart.
fn without(ids: RangeInclusive<u32>, others: &[RangeInclusive<u32>]) -> Vec<RangeInclusive<u32>> {
    let mut left = Vec::new();
    let mut next = *ids.start();
    for other in others.iter().filter(|other| other.end() >= ids.start() && other.start() <= ids.end()) {
        if *other.start() > next {
            left.push(next..=other.start() - 1);
        }
        next = next.max(other.end().saturating_add(1));
    }
    if next <= *ids.end() {
        left.push(next..=*ids.end());
    }
    left
}

fn first_free_of(view: &Snapshot, pool: &SegmentPool, ids: RangeInclusive<u32>) -> Option<u32> {
    if *pool == SegmentPool::Vxlan {
        return view.first_free_vni(ids).map(Vni::get);
    }
    let mut taken = taken(view, pool, ids.clone()).map(|(id, _)| id).peekable();
    ids.into_iter().find(|id| taken.next_if_eq(id).is_none())
}

/// The ranges of a pool that the servers are started with.
fn configured(config: &Config, pool: &SegmentPool) -> Vec<RangeInclusive<u32>> {
    match pool {
        SegmentPool::Vxlan | SegmentPool::Tunnel(_) => vec![config.tenant_vnis.clone()],
        SegmentPool::Vlan(physical) => {
            let ranges = config.vlan_ranges.iter().filter(|range| range.physical_network == *physical);
            ranges.map(|range| (*range.vlans.start()).into()..=(*range.vlans.end()).into()).collect()
        }
    }
}

/// The physical networks of which VLANs are kept: those that the servers are started with first.
pub(crate) fn physical_networks(view: &Snapshot, config: &Config, project: &str) -> Vec<String> {
    let configured = config.vlan_ranges.iter().map(|range| &range.physical_network);
    let made = view.iter::<SegmentRange>().filter_map(|range| match &range.pool {
        SegmentPool::Vlan(physical) if range.is_for(project) && !range.is_default => Some(physical),
        _ => None,
    });
    let mut names: Vec<String> = Vec::new();
    for name in configured.chain(made) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Shows the ranges that this server is started with as defaults, and those of an earlier start no longer.
pub async fn sync_defaults(store: &Store, config: &Config) -> Result<(), Error> {
    let pools = [
        SegmentPool::Vxlan,
        SegmentPool::Tunnel(hadron_model::TunnelKind::Gre),
        SegmentPool::Tunnel(hadron_model::TunnelKind::Geneve),
    ];
    let vlans = config.vlan_ranges.iter().map(|range| SegmentPool::Vlan(range.physical_network.clone()));
    let mut wanted: Vec<(SegmentPool, RangeInclusive<u32>)> = Vec::new();
    for pool in pools.into_iter().chain(vlans) {
        for ids in configured(config, &pool) {
            if !wanted.contains(&(pool.clone(), ids.clone())) {
                wanted.push((pool.clone(), ids));
            }
        }
    }
    store.write(CommitInfo::system(), |tx| sync(tx, &wanted)).await?;
    Ok(())
}

fn sync(tx: &mut Tx, wanted: &[(SegmentPool, RangeInclusive<u32>)]) -> Result<(), Error> {
    tx.guard_range::<SegmentRange>(());
    let shown: Vec<SegmentRange> = tx
        .view()
        .iter::<SegmentRange>()
        .filter(|range| range.is_default)
        .map(|range| range.value.clone())
        .collect();
    let is = |range: &SegmentRange, (pool, ids): &(SegmentPool, RangeInclusive<u32>)| {
        range.pool == *pool && (range.first..=range.last) == *ids
    };
    for range in shown.iter().filter(|range| !wanted.iter().any(|wanted| is(range, wanted))) {
        tx.delete::<SegmentRange>(&range.id);
    }
    for (pool, ids) in wanted.iter().filter(|wanted| !shown.iter().any(|range| is(range, wanted))) {
        let stamp = stamp::born(tx, 0);
        tx.put(SegmentRange {
            id: SegmentRangeId::random(),
            project_id: String::new(),
            name: String::new(),
            description: None,
            is_default: true,
            pool: pool.clone(),
            first: *ids.start(),
            last: *ids.end(),
            stamp,
        });
    }
    Ok(())
}

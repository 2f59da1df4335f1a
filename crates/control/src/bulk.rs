//! Creating many objects: all or none.
//!
//! What fits one transaction is one. More is done in several, under a [`BulkIntent`] that lists what has been made and is
//! removed with the last of them. A failure removes what was made; a crash leaves the intent, and [`undo_interrupted`]
//! does the same at the next start; where servers share the store, [`Abandoned`] does it on one that is alive. In between, the
//! objects made so far can be seen.

use crate::{
    Config, Error, LogError, PoolError, RouterError, SecurityError, SegmentError, SharingError, Step,
    address_group, address_scope, default_rule, default_statefulness, floating_ip, network, network_segment,
    packet_log, port, port_forwarding, rbac, router, security_group, security_group_rule, segment_range,
    steps, subnet, subnet_pool,
};
use hadron_model::Agent;
use hadron_model::{
    AddressGroup, AddressScope, DefaultRule, DefaultStatefulness, FloatingIp, Network, NetworkSegment,
    PacketLog, Port, PortForwarding, RbacPolicy, Router, SecurityGroup, SecurityGroupRule, SegmentRange,
    Subnet, SubnetPool,
};
use hadron_store::{BulkIntent, CommitInfo, Created, Logged, Revision, Snapshot, Store, StoreError, Tx};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Objects that are tried in one transaction at first; halved when they turn out not to fit.
const FIRST_TRY: usize = 40;
/// Records that one transaction may change while undoing.
const ROOM: usize = 100;

/// What can be created in bulk.
pub trait Made: Send {
    /// Its kind and id.
    fn created(&self) -> Created;
}

impl Made for Network {
    fn created(&self) -> Created {
        Created::Network(self.id)
    }
}

impl Made for Subnet {
    fn created(&self) -> Created {
        Created::Subnet(self.id)
    }
}

impl Made for Port {
    fn created(&self) -> Created {
        Created::Port(self.id)
    }
}

impl Made for SecurityGroup {
    fn created(&self) -> Created {
        Created::SecurityGroup(self.id)
    }
}

impl Made for SecurityGroupRule {
    fn created(&self) -> Created {
        Created::SecurityGroupRule(self.id)
    }
}

impl Made for AddressGroup {
    fn created(&self) -> Created {
        Created::AddressGroup(self.id)
    }
}

impl Made for DefaultStatefulness {
    fn created(&self) -> Created {
        Created::DefaultStatefulness(self.id)
    }
}

impl Made for PacketLog {
    fn created(&self) -> Created {
        Created::PacketLog(self.id)
    }
}

impl Made for Router {
    fn created(&self) -> Created {
        Created::Router(self.id)
    }
}

impl Made for FloatingIp {
    fn created(&self) -> Created {
        Created::FloatingIp(self.id)
    }
}

impl Made for PortForwarding {
    fn created(&self) -> Created {
        Created::PortForwarding(self.id)
    }
}

impl Made for DefaultRule {
    fn created(&self) -> Created {
        Created::DefaultRule(self.id)
    }
}

impl Made for AddressScope {
    fn created(&self) -> Created {
        Created::AddressScope(self.id)
    }
}

impl Made for SubnetPool {
    fn created(&self) -> Created {
        Created::SubnetPool(self.id)
    }
}

impl Made for NetworkSegment {
    fn created(&self) -> Created {
        Created::Segment(self.id)
    }
}

impl Made for SegmentRange {
    fn created(&self) -> Created {
        Created::SegmentRange(self.id)
    }
}

impl Made for RbacPolicy {
    fn created(&self) -> Created {
        Created::RbacPolicy(self.id)
    }
}

impl Made for Agent {
    fn created(&self) -> Created {
        Created::Nothing
    }
}

/// A bulk create that failed.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// The intent of what could not be undone either, because the store can't write. The caller is to [`undo`] it later;
    /// the next start does so in any case.
    pub unfinished: Option<Uuid>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, unfinished: None }
    }
}

/// Creates every item with `create`, or none. The results are in the order of the items, with a state that includes them.
pub async fn create<T, R>(
    store: &Store,
    config: &Config,
    info: &CommitInfo,
    items: &[T],
    create: impl Fn(&mut Tx, &T) -> Result<R, Error> + Send + Sync,
) -> Result<(Vec<R>, Arc<Snapshot>), Failure>
where
    T: Sync,
    R: Made,
{
    if items.len() > config.max_bulk {
        return Err(Error::InvalidInput(format!(
            "{} objects are more than the {} that one request may create",
            items.len(),
            config.max_bulk
        ))
        .into());
    }
    if items.len() <= FIRST_TRY {
        match in_one(store, info, items, &create).await {
            Err(Error::Store(StoreError::TooLarge { .. })) if items.len() > 1 => {}
            done => return Ok(done?),
        }
    }
    let intent = Uuid::new_v4();
    let error = match in_several(store, info, intent, items, &create).await {
        Ok(made) => return Ok(made),
        Err(error) => error,
    };
    let undone = undo(store, config, intent).await;
    if let Err(error) = &undone {
        tracing::error!(%intent, %error, "a failed bulk create can't be undone now");
    }
    Err(Failure { error, unfinished: undone.is_err().then_some(intent) })
}

async fn in_one<T: Sync, R: Made>(
    store: &Store,
    info: &CommitInfo,
    items: &[T],
    create: &(impl Fn(&mut Tx, &T) -> Result<R, Error> + Send + Sync),
) -> Result<(Vec<R>, Arc<Snapshot>), Error> {
    let make = |tx: &mut Tx| items.iter().map(|item| create(tx, item)).collect::<Result<Vec<R>, Error>>();
    let committed = store.write(info.clone(), make).await?;
    Ok((committed.value, committed.snapshot))
}

async fn in_several<T: Sync, R: Made>(
    store: &Store,
    info: &CommitInfo,
    intent: Uuid,
    items: &[T],
    create: &(impl Fn(&mut Tx, &T) -> Result<R, Error> + Send + Sync),
) -> Result<(Vec<R>, Arc<Snapshot>), Error> {
    let mut made: Vec<R> = Vec::with_capacity(items.len());
    let mut size = FIRST_TRY;
    loop {
        let start = made.len();
        let end = items.len().min(start + size);
        let chunk = |tx: &mut Tx| {
            let made =
                items[start..end].iter().map(|item| create(tx, item)).collect::<Result<Vec<R>, Error>>()?;
            note(tx, intent, &made, start == 0, end == items.len())?;
            Ok::<_, Error>(made)
        };
        match store.write(info.clone(), chunk).await {
            Ok(committed) => {
                made.extend(committed.value);
                if end == items.len() {
                    return Ok((made, committed.snapshot));
                }
            }
            Err(Error::Store(StoreError::TooLarge { .. })) if size > 1 => size = (end - start).div_ceil(2),
            Err(error) => return Err(error),
        }
    }
}

/// Adds what a transaction has made to the intent, or removes the intent with the last.
fn note<R: Made>(tx: &mut Tx, id: Uuid, made: &[R], is_first: bool, is_last: bool) -> Result<(), Error> {
    let before = tx.get::<BulkIntent>(&id);
    let mut created = match &before {
        Some(intent) => intent.value.created.clone(),
        None if is_first => vec![],
        // Another server took this one for dead and undid it.
        None => return Err(Error::Store(StoreError::Conflict)),
    };
    if is_last {
        tx.delete::<BulkIntent>(&id);
    } else {
        created.extend(made.iter().map(Made::created));
        tx.put(BulkIntent { id, created });
    }
    Ok(())
}

/// Removes what interrupted bulk creates have made. To be called at start, before requests are served.
pub async fn undo_interrupted(store: &Store, config: &Config) -> Result<usize, Error> {
    let interrupted: Vec<Uuid> = store.snapshot().iter::<BulkIntent>().map(|intent| intent.id).collect();
    for &id in &interrupted {
        tracing::warn!(intent = %id, "undoing an interrupted bulk create");
        undo(store, config, id).await?;
    }
    Ok(interrupted.len())
}

/// The bulk creates that other servers may have left when they died, as one server sees them: an intent changes with every
/// transaction of its create, so one that stays as it is belongs to nobody any more. By this process's clock alone: those of
/// servers may differ.
#[derive(Debug, Default)]
pub struct Abandoned(HashMap<Uuid, (Revision, Instant)>);

impl Abandoned {
    /// Undoes those that have stayed as they are for `patience`, as far as this was called often enough to know. A server that was only slow finds its
    /// create undone and says so. How many were undone.
    pub async fn undo(&mut self, store: &Store, config: &Config, patience: Duration) -> Result<usize, Error> {
        let snapshot = store.snapshot();
        let now = Instant::now();
        let under_way = snapshot.iter::<BulkIntent>().map(|intent| {
            let since = self.0.get(&intent.id).filter(|(revision, _)| *revision == intent.modified);
            (intent.id, (intent.modified, since.map_or(now, |(_, since)| *since)))
        });
        self.0 = under_way.collect();
        let due = self.0.iter().filter(|(_, (_, since))| now.duration_since(*since) >= patience);
        let due: Vec<Uuid> = due.map(|(id, _)| *id).collect();
        let mut failed = None;
        for id in &due {
            tracing::warn!(intent = %id, "undoing a bulk create that its server has abandoned");
            // One that can't be undone now must not keep the others.
            failed = undo(store, config, *id).await.err().or(failed);
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(due.len()),
        }
    }
}

/// Removes the objects of an intent, the newest first, then the intent.
pub async fn undo(store: &Store, config: &Config, id: Uuid) -> Result<(), Error> {
    let info = CommitInfo::system();
    steps::run(store, &info, |tx| {
        let Some(intent) = tx.get::<BulkIntent>(&id) else { return Ok(Step::Done(())) };
        let mut created = intent.value.created.clone();
        let mut room = ROOM;
        while let Some(newest) = created.last().copied() {
            let size = size(tx, newest);
            if size > room && room < ROOM {
                break;
            }
            room = room.saturating_sub(size);
            if remove(tx, config, newest)? == Step::More {
                break;
            }
            created.pop();
        }
        if created.is_empty() {
            tx.delete::<BulkIntent>(&id);
            return Ok(Step::Done(()));
        }
        tx.put(BulkIntent { id, created });
        Ok(Step::More)
    })
    .await
    .map(|_| ())
}

/// How many records the removal of an object changes at most, as far as undoing several in one transaction matters.
fn size(tx: &Tx, object: Created) -> usize {
    match object {
        Created::Port(id) => {
            let addresses = tx.view().get::<Port>(&id).map_or(0, |port| port.fixed_ips.len());
            3 + addresses + packet_log::naming(tx.view(), Logged::Port(id)).take(steps::BATCH).count()
        }
        Created::SecurityGroupRule(_)
        | Created::AddressGroup(_)
        | Created::Nothing
        | Created::DefaultRule(_)
        | Created::RbacPolicy(_)
        | Created::AddressScope(_)
        | Created::SubnetPool(_)
        | Created::PortForwarding(_)
        | Created::PacketLog(_)
        | Created::SegmentRange(_)
        | Created::DefaultStatefulness(_) => 2,
        Created::Segment(_) => 3,
        Created::Router(_) | Created::FloatingIp(_) => 10,
        Created::Network(_) | Created::Subnet(_) | Created::SecurityGroup(_) => ROOM,
    }
}

fn remove(tx: &mut Tx, config: &Config, object: Created) -> Result<Step<()>, Error> {
    let removed = match object {
        Created::Network(id) => network::delete(tx, config, id, None),
        Created::Subnet(id) => subnet::delete(tx, config, id, None),
        Created::Port(id) => port::delete(tx, config, id, None),
        Created::SecurityGroup(id) => security_group::delete(tx, id, true, None),
        Created::SecurityGroupRule(id) => security_group_rule::delete(tx, id, None).map(Step::Done),
        Created::AddressGroup(id) => address_group::delete(tx, id, None),
        Created::RbacPolicy(id) => rbac::delete(tx, id).map(Step::Done),
        Created::AddressScope(id) => address_scope::delete(tx, id),
        Created::SubnetPool(id) => subnet_pool::delete(tx, id, None),
        Created::Segment(id) => network_segment::delete(tx, id, None).map(Step::Done),
        Created::SegmentRange(id) => segment_range::delete(tx, id, None).map(Step::Done),
        Created::Nothing => Ok(Step::Done(())),
        Created::DefaultRule(id) => default_rule::delete(tx, id, None).map(Step::Done),
        Created::Router(id) => router::delete(tx, id, None).map(Step::Done),
        Created::FloatingIp(id) => floating_ip::delete(tx, config, id, None).map(Step::Done),
        Created::PortForwarding(id) => port_forwarding::delete(tx, id, None).map(Step::Done),
        Created::PacketLog(id) => packet_log::delete(tx, id, None).map(Step::Done),
        Created::DefaultStatefulness(id) => default_statefulness::delete(tx, id).map(Step::Done),
    };
    match removed {
        // Gone already, or taken into use by somebody who saw it: then it stays.
        Err(Error::NetworkNotFound(_) | Error::SubnetNotFound(_) | Error::PortNotFound(_)) => {
            Ok(Step::Done(()))
        }
        Err(Error::Security(
            SecurityError::GroupNotFound(_)
            | SecurityError::RuleNotFound(_)
            | SecurityError::AddressGroupNotFound(_)
            | SecurityError::DefaultRuleNotFound(_)
            | SecurityError::DefaultStatefulnessNotFound(_),
        ))
        | Err(Error::Sharing(SharingError::PolicyNotFound(_)))
        | Err(Error::Pool(PoolError::PoolNotFound(_) | PoolError::ScopeNotFound(_)))
        | Err(Error::Log(LogError::NotFound(_)))
        | Err(Error::Segment(SegmentError::NotFound(_) | SegmentError::RangeNotFound(_)))
        | Err(Error::Router(
            RouterError::NotFound(_)
            | RouterError::FloatingIpNotFound(_)
            | RouterError::ForwardingNotFound(_),
        )) => Ok(Step::Done(())),
        Err(
            error @ (Error::NetworkInUse { .. }
            | Error::SubnetInUse { .. }
            | Error::Security(SecurityError::GroupInUse(_) | SecurityError::AddressGroupInUse(_))
            | Error::Sharing(SharingError::PolicyInUse { .. })
            | Error::Pool(PoolError::PoolDelete | PoolError::ScopeInUse(_))
            | Error::Router(
                RouterError::InUse { .. }
                | RouterError::GatewayInUseByFloatingIp { .. }
                | RouterError::FloatingIpInUseByForwarding(_),
            )),
        ) => {
            tracing::warn!(?object, %error, "an object of a failed bulk create stays");
            Ok(Step::Done(()))
        }
        removed => removed,
    }
}

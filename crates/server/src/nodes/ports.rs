//! Routers outside: leases of their ports to hosts that ask, and what is looked at from time to time: the hosts that stand for them, and
//! leases that nobody needs any more.

use super::hub::Hub;
use super::session::Session;
use hadron_control::nat;
use hadron_model::nat::MOST_SLOTS;
use hadron_model::{HostNumber, Port, PortId, PortLease, Router, Timestamp};
use hadron_project::Interest;
use hadron_store::CommitInfo;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often the hosts that stand for routers are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// So many looks later leases are looked at: every minute. One that isn't needed at two of these looks ends: what its host has of the
/// router has gone by then.
const LOOKS: u32 = 12;
/// Routers, or leases, in one transaction.
const AT_ONCE: usize = 32;
/// How long to wait before a lease that the store refused is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What a host wants of a router's address.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Blocks of ports in all.
    blocks: u32,
    /// Slots, at most as many as it may have.
    slots: Vec<u16>,
}

impl Wanted {
    /// Takes note of what a host has said.
    pub(super) fn add(&mut self, blocks: u32, slots: impl IntoIterator<Item = u32>) {
        if blocks > 0 {
            self.blocks = blocks;
        }
        for slot in slots.into_iter().filter_map(|slot| u16::try_from(slot).ok()) {
            if self.slots.len() < MOST_SLOTS && !self.slots.contains(&slot) {
                self.slots.push(slot);
            }
        }
    }

    /// Waits again; what has been said meanwhile is newer.
    fn return_to(self, waiting: &mut BTreeMap<u32, Wanted>, interface: u32) {
        let later = waiting.insert(interface, self).unwrap_or_default();
        let all = waiting.entry(interface).or_default();
        all.add(later.blocks, later.slots.into_iter().map(u32::from));
    }
}

/// Gives a host the ports that it has asked for.
pub(super) async fn lease(hub: &Hub, session: &Session) {
    let wanted = std::mem::take(&mut *session.wanted.lock());
    let host = &session.peer.host;
    for (interface, wanted) in wanted {
        let info =
            CommitInfo { actor: format!("node:{host}"), time: Timestamp::now(), ..CommitInfo::default() };
        let mut granted = 0;
        let lease = |tx: &mut _| {
            granted = nat::lease(tx, host, interface, wanted.blocks as usize)?;
            granted += nat::lease_slots(tx, host, interface, &wanted.slots)?;
            Ok::<_, hadron_control::Error>(())
        };
        let result = hub.store.write(info, lease).await.map(drop);
        match result {
            Ok(()) if granted > 0 => {
                tracing::debug!(host, interface, granted, "blocks of ports outside, or slots, are leased")
            }
            Ok(()) => tracing::debug!(
                host,
                interface,
                ?wanted,
                "a host got none of the ports outside that it asked for"
            ),
            Err(error) => {
                tracing::warn!(host, interface, %error, "ports outside could not be leased; it is tried again");
                wanted.return_to(&mut session.wanted.lock(), interface);
                tokio::time::sleep(RETRY).await;
                session.reported.notify_one();
            }
        }
    }
}

/// Looks after routers for as long as the service lives.
pub(super) async fn keep(hub: Arc<Hub>) {
    let mut clock = tokio::time::interval(LOOK);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut unneeded = BTreeSet::new();
    for look in 0u32.. {
        clock.tick().await;
        if let Err(error) = place(&hub).await {
            tracing::warn!(%error, "the hosts that stand for routers outside stay as they are for now");
        }
        if look.is_multiple_of(LOOKS) {
            match release(&hub, &unneeded).await {
                Ok(now) => unneeded = now,
                Err(error) => {
                    tracing::warn!(%error, "leases of ports outside that nobody needs stay for now")
                }
            }
        }
    }
}

/// Chooses hosts for the routers that have none, too few, or others than they should.
async fn place(hub: &Hub) -> Result<(), hadron_control::Error> {
    let misplaced = nat::misplaced(&hub.store.snapshot(), Timestamp::now());
    for ports in misplaced.chunks(AT_ONCE) {
        let choose = |tx: &mut _| {
            for port in ports {
                nat::choose_hosts(tx, *port);
            }
            Ok::<_, hadron_control::Error>(())
        };
        hub.store.write(CommitInfo::system(), choose).await?;
    }
    Ok(())
}

/// Ends the leases that were not needed at the last look and aren't now. Those that are not needed now.
async fn release(
    hub: &Hub,
    before: &BTreeSet<(PortId, HostNumber)>,
) -> Result<BTreeSet<(PortId, HostNumber)>, hadron_control::Error> {
    let view = hub.store.snapshot();
    hub.reach(view.position().revision).await;
    let is_needed = |lease: &PortLease| {
        let router = view.get::<Port>(&lease.port_id).and_then(|port| port.router());
        let router = router.and_then(|(router, _)| view.get::<Router>(&router)).map(|router| router.number.0);
        let projection = hub.projection.read();
        router.is_some_and(|router| projection.is_interested(lease.host.0, Interest::Router(router)))
    };
    let unneeded: BTreeSet<_> = view
        .iter::<PortLease>()
        .filter(|lease| !is_needed(lease))
        .map(|lease| (lease.port_id, lease.host))
        .collect();
    let over: Vec<_> = unneeded.intersection(before).copied().collect();
    for leases in over.chunks(AT_ONCE) {
        let release = |tx: &mut _| {
            nat::release(tx, leases);
            Ok::<_, hadron_control::Error>(())
        };
        hub.store.write(CommitInfo::system(), release).await?;
    }
    Ok(unneeded)
}

//! Routers outside: leases of their ports and slots to hosts that ask, and their end; and what is looked at from time to time: the hosts that
//! stand for routers, and leases that nobody needs any more.
//!
//! ```text
//!  host: unused, or the server: the host no longer reaches the router
//!        └─► ending, in no row ─► acknowledged by the host ─► free
//!                  ▲   └─ asked for again by the host: its own as before
//!                  └─ of a host that is gone: free when it was not heard of for long
//! ```

use super::hub::Hub;
use super::session::Session;
use hadron_control::nat;
use hadron_model::nat::MOST_SLOTS;
use hadron_model::{Host, HostNumber, Port, PortId, PortLease, PortNumber, Router, Timestamp};
use hadron_project::Interest;
use hadron_store::{CommitInfo, Revision, Snapshot};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often the hosts that stand for routers are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// So many looks later all leases are looked at: every minute.
const LOOKS: u32 = 12;
/// Or when something of them may end, but no more often than this.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a host must be gone, as far as this server sees, before leases end that it can't acknowledge.
const GONE: Duration = Duration::from_secs(60);
/// Routers, or leases, in one transaction.
const AT_ONCE: usize = 32;
/// How long to wait before a lease that the store refused is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A lease: the router's port outside and the host.
type Key = (PortId, HostNumber);

/// What a host wants of a router's address.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Blocks of ports in all.
    blocks: u32,
    /// Slots, at most as many as it may have.
    slots: BTreeSet<u16>,
    /// Slots that it gives back, likewise.
    unused: BTreeSet<u16>,
}

impl Wanted {
    /// Takes note of what a host has said: the last word on a slot counts, and of a message that it wants it.
    pub(super) fn add(&mut self, blocks: u32, slots: &[u32], unused: &[u32]) {
        if blocks > 0 {
            self.blocks = blocks;
        }
        note(unused, &mut self.unused, &mut self.slots);
        note(slots, &mut self.slots, &mut self.unused);
    }

    /// Waits again; what has been said meanwhile is newer. That slots are unused is not repeated, as it may no longer be so: the host says it
    /// again.
    fn return_to(self, waiting: &mut BTreeMap<u32, Wanted>, interface: u32) {
        let later = waiting.remove(&interface).unwrap_or_default();
        let slots = self.slots.difference(&later.unused).chain(&later.slots).copied().collect();
        let blocks = if later.blocks > 0 { later.blocks } else { self.blocks };
        waiting.insert(interface, Wanted { blocks, slots, unused: later.unused });
    }
}

fn note(slots: &[u32], to: &mut BTreeSet<u16>, from: &mut BTreeSet<u16>) {
    for slot in slots.iter().filter_map(|slot| u16::try_from(*slot).ok()) {
        if to.len() < MOST_SLOTS {
            from.remove(&slot);
            to.insert(slot);
        }
    }
}

/// Gives a host the ports that it has asked for, and begins to end what it gives back.
pub(super) async fn lease(hub: &Hub, session: &Session) {
    let wanted = std::mem::take(&mut *session.wanted.lock());
    let host = &session.peer.host;
    for (interface, wanted) in wanted {
        let info =
            CommitInfo { actor: format!("node:{host}"), time: Timestamp::now(), ..CommitInfo::default() };
        let (slots, unused): (Vec<_>, Vec<_>) =
            (wanted.slots.iter().copied().collect(), wanted.unused.iter().copied().collect());
        let (mut granted, mut ending) = (0, 0);
        let lease = |tx: &mut _| {
            ending = nat::give_back(tx, host, interface, &unused);
            granted = nat::lease(tx, host, interface, wanted.blocks as usize)?;
            granted += nat::lease_slots(tx, host, interface, &slots)?;
            Ok::<_, hadron_control::Error>(())
        };
        let result = hub.store.write(info, lease).await.map(drop);
        match result {
            Ok(()) => {
                tracing::debug!(host, interface, ?wanted, granted, ending, "ports outside are leased");
                if ending > 0 {
                    let port = hub.store.snapshot().port_by_number(PortNumber(interface)).map(|port| port.id);
                    session.ending.lock().extend(port);
                }
            }
            Err(error) => {
                tracing::warn!(host, interface, %error, "ports outside could not be leased; it is tried again");
                wanted.return_to(&mut session.wanted.lock(), interface);
                tokio::time::sleep(RETRY).await;
                session.reported.notify_one();
            }
        }
    }
}

/// Ends what ends of the host's leases, as far as it has acknowledged rows without it. What it has asked for again before it acknowledged
/// stays, so this waits until nothing is wanted, and comes behind [`lease`] in the same task.
pub(super) async fn end(hub: &Hub, session: &Session) {
    let ending = session.ending.lock().clone();
    if ending.is_empty() {
        return;
    }
    let view = hub.store.snapshot();
    hub.reach(view.position().revision).await;
    let Some(watermark) = hub.watermark(session, view.position().history) else { return };
    if !session.wanted.lock().is_empty() {
        return;
    }
    let mut over = Vec::new();
    for port in ending {
        let key = (port, HostNumber(session.host));
        match view.get::<PortLease>(&key).filter(|lease| !lease.ending.is_empty()) {
            Some(lease) if lease.modified <= watermark => over.push((key, lease.modified)),
            Some(_) => {}
            None => drop(session.ending.lock().remove(&port)),
        }
    }
    if let Err(error) = end_all(hub, &over).await {
        tracing::warn!(host = session.peer.host, %error, "leases of ports outside could not be ended; it is tried again");
        tokio::time::sleep(RETRY).await;
        session.reported.notify_one();
    }
}

async fn end_all(hub: &Hub, over: &[(Key, Revision)]) -> Result<(), hadron_control::Error> {
    for leases in over.chunks(AT_ONCE) {
        let end = |tx: &mut _| {
            nat::end(tx, leases);
            Ok::<_, hadron_control::Error>(())
        };
        hub.store.write(CommitInfo::system(), end).await?;
    }
    Ok(())
}

/// Looks after routers for as long as the service lives.
pub(super) async fn keep(hub: Arc<Hub>) {
    let mut clock = tokio::time::interval(LOOK);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut gone, mut looks) = (BTreeMap::new(), 0u32);
    loop {
        let is_due = tokio::select! {
            _ = clock.tick() => {
                if let Err(error) = place(&hub).await {
                    tracing::warn!(%error, "the hosts that stand for routers outside stay as they are for now");
                }
                looks = looks.wrapping_add(1);
                looks % LOOKS == 1
            }
            () = hub.leases_due.notified() => {
                tokio::time::sleep(PAUSE).await;
                true
            }
        };
        if is_due && let Err(error) = look_at_leases(&hub, &mut gone).await {
            tracing::warn!(%error, "leases of ports outside that nobody needs stay for now");
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

/// Begins to end the leases that nobody needs, has the hosts' sessions end what ends, and ends the leases of hosts that are `gone` since
/// then.
async fn look_at_leases(hub: &Hub, gone: &mut BTreeMap<Key, Instant>) -> Result<(), hadron_control::Error> {
    let view = hub.store.snapshot();
    hub.reach(view.position().revision).await;
    let is_in_force = |lease: &&PortLease| lease.ending.len() < lease.blocks.len() + lease.slots.len();
    let leases = || view.iter::<PortLease>().map(|lease| &lease.value);
    let unneeded: Vec<Key> =
        leases().filter(|lease| !is_needed(hub, &view, lease)).filter(is_in_force).map(key).collect();
    for leases in unneeded.chunks(AT_ONCE) {
        let give_up = |tx: &mut _| {
            nat::give_up(tx, leases);
            Ok::<_, hadron_control::Error>(())
        };
        hub.store.write(CommitInfo::system(), give_up).await?;
    }
    let view = hub.store.snapshot();
    let over = pass_on(hub, &view, gone);
    end_all(hub, &over).await
}

/// Has the sessions of hosts look after what ends of their leases. Those that end without an acknowledgement: their hosts were gone for [`GONE`] and have no
/// instance behind the router, so these have been taken elsewhere.
fn pass_on(hub: &Hub, view: &Snapshot, gone: &mut BTreeMap<Key, Instant>) -> Vec<(Key, Revision)> {
    let hosts: HashMap<HostNumber, &Host> =
        view.iter::<Host>().map(|host| (host.number, &host.value)).collect();
    let now = Timestamp::now();
    let is_there = |host| hosts.get(&host).is_some_and(|host| nat::is_heard(view, host, now));
    let (mut over, before) = (Vec::new(), std::mem::take(gone));
    for lease in view.iter::<PortLease>().filter(|lease| !lease.ending.is_empty()) {
        let key = key(lease);
        if let Some(session) = hub.session_of(lease.host.0) {
            session.ending.lock().insert(lease.port_id);
            session.reported.notify_one();
        } else if !is_there(lease.host) && !is_needed(hub, view, lease) {
            let since = before.get(&key).copied().unwrap_or_else(Instant::now);
            gone.insert(key, since);
            if since.elapsed() >= GONE {
                over.push((key, lease.modified));
            }
        }
    }
    over
}

fn key(lease: &PortLease) -> Key {
    (lease.port_id, lease.host)
}

/// Whether the host has rows of the router.
fn is_needed(hub: &Hub, view: &Snapshot, lease: &PortLease) -> bool {
    let router = view.get::<Port>(&lease.port_id).and_then(|port| port.router());
    let router = router.and_then(|(router, _)| view.get::<Router>(&router)).map(|router| router.number.0);
    let projection = hub.projection.read();
    router.is_some_and(|router| projection.is_interested(lease.host.0, Interest::Router(router)))
}

//! The sweep of sessions by shared addresses.

use crate::error::Result;
use crate::tables::Tables;
use hadron_pipeline::table::{
    Forwarding, ForwardingKey, NAT_BLOCK, NatCount, NatOwnerKey, NatPool, NatPoolKey, NatSession,
    NatSessionKey, is_renumbered, nat_slot,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What ports outside this host's sessions may have.
struct Lent {
    pools: HashMap<NatPoolKey, NatPool>,
    /// Those that are forwarded, by the instance's port.
    forwarded: HashMap<u32, Vec<(ForwardingKey, Forwarding)>>,
    /// Slots of this host.
    slots: HashSet<NatOwnerKey>,
    /// The networks of routers' interfaces.
    networks: HashMap<u32, u32>,
}

/// A slot of a shared address that this host has, see [`nat_slot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The router's interface to the external network.
    pub interface: u32,
    /// Its number.
    pub slot: u16,
    /// The ports that have sessions in it, in rising order.
    pub ports: Vec<u32>,
}

/// Ports with sessions in force, by router's interface and slot.
type InUse = BTreeMap<(u32, u16), BTreeSet<u32>>;

impl Tables {
    /// Deletes the sessions that have expired, whose port is gone or whose ports outside are no longer this host's, and ways back that
    /// lead to none; writes how many each port has. How many are in force, and the slots that this host has.
    pub(crate) fn sweep_nat(&self, now: u64) -> Result<(u64, Vec<Slot>)> {
        // Read first: what a session has was there before it.
        let sessions = self.nat_sessions.dump()?;
        let rows = self.nat_counts.dump()?;
        let mut counts: HashMap<u32, u32> = rows.iter().map(|(key, _)| (key.port, 0)).collect();
        let lent = self.lent()?;
        let mut in_use = lent.slots_in_use();
        for (key, session) in sessions {
            let is_over = session.expires <= now && self.has_session_expired(&key, now)?;
            match counts.get_mut(&session.port) {
                Some(count) if !is_over && lent.has(&key, &session) => {
                    *count += 1;
                    if let Some(ports) = in_use.get_mut(&(key.interface, nat_slot(key.protocol, key.remote)))
                    {
                        ports.extend((!is_renumbered(key.protocol)).then_some(session.port));
                    }
                }
                _ => drop(self.nat_sessions.remove(&key)?),
            }
        }
        self.sweep_returns()?;
        for (key, _) in rows {
            let Some(row) = self.nat_counts.get(&key)? else { continue };
            self.nat_counts.overwrite(&key, &NatCount { count: counts[&key.port], since: now, ..row })?;
        }
        let live = counts.values().map(|count| u64::from(*count)).sum();
        self.nat_sessions.recount(live);
        let slot = |((interface, slot), ports): ((u32, u16), BTreeSet<u32>)| Slot {
            interface,
            slot,
            ports: ports.into_iter().collect(),
        };
        Ok((live, in_use.into_iter().map(slot).collect()))
    }

    fn lent(&self) -> Result<Lent> {
        let mut forwarded: HashMap<u32, Vec<_>> = HashMap::new();
        for (key, row) in self.forwardings.dump()?.into_iter().filter(|(_, row)| row.host == 0) {
            forwarded.entry(row.port).or_default().push((key, row));
        }
        let owners = self.nat_owners.dump()?.into_iter();
        let interfaces = self.router_interfaces.dump()?.into_iter();
        Ok(Lent {
            pools: self.nat_pools.dump()?.into_iter().collect(),
            forwarded,
            slots: owners.filter(|(_, owner)| owner.host == 0).map(|(key, _)| key).collect(),
            networks: interfaces.map(|(key, row)| (key.interface, row.network)).collect(),
        })
    }

    fn has_session_expired(&self, key: &NatSessionKey, now: u64) -> Result<bool> {
        Ok(self.nat_sessions.get(key)?.is_none_or(|session| session.expires <= now))
    }

    fn sweep_returns(&self) -> Result<()> {
        let mut kept = 0;
        for (key, row) in self.nat_returns.dump()? {
            // A session is written before its way back, so one that begins meanwhile is found.
            let session = self.nat_sessions.get(&row.session(&key))?;
            let is_mutual = |session: NatSession| {
                (session.outside, session.outside_port) == (key.outside, key.outside_port)
            };
            if session.is_some_and(is_mutual) {
                kept += 1;
            } else {
                self.nat_returns.remove(&key)?;
            }
        }
        self.nat_returns.recount(kept);
        Ok(())
    }
}

impl Lent {
    /// Whether the session's port outside is one that it may have: the host's own, or one that leads to its instance. One that is not
    /// renumbered needs the host's slot.
    fn has(&self, key: &NatSessionKey, session: &NatSession) -> bool {
        let is_own = if is_renumbered(key.protocol) {
            self.has_port(key, session)
        } else {
            self.has_slot(key, session)
        };
        let forwarded = self.forwarded.get(&session.port).map_or(&[][..], Vec::as_slice);
        is_own || forwarded.iter().any(|(range, row)| leads_to(range, row, key, session))
    }

    /// The host's slots, none of them in use yet.
    fn slots_in_use(&self) -> InUse {
        let addresses = self.pools.iter().filter_map(|(key, pool)| {
            Some(((*self.networks.get(&key.interface)?, pool.address), key.interface))
        });
        let interfaces: HashMap<_, u32> = addresses.collect();
        let slot = |key: &NatOwnerKey| {
            Some(((*interfaces.get(&(key.network, key.address))?, key.block), BTreeSet::new()))
        };
        self.slots.iter().filter_map(slot).collect()
    }

    fn has_slot(&self, key: &NatSessionKey, session: &NatSession) -> bool {
        let block = nat_slot(key.protocol, key.remote);
        self.networks.get(&key.interface).is_some_and(|network| {
            let slot = NatOwnerKey { network: *network, address: session.outside, block, pad: [0; 2] };
            self.slots.contains(&slot)
        })
    }

    fn has_port(&self, key: &NatSessionKey, session: &NatSession) -> bool {
        let block = session.outside_port / NAT_BLOCK;
        let pool = self.pools.get(&NatPoolKey { interface: key.interface });
        pool.is_some_and(|pool| {
            let blocks = pool.blocks.get(..pool.count as usize).unwrap_or(&pool.blocks);
            pool.address == session.outside && blocks.contains(&block)
        })
    }
}

/// Whether the session is one that the forwarding of a range of ports has begun.
fn leads_to(range: &ForwardingKey, row: &Forwarding, key: &NatSessionKey, session: &NatSession) -> bool {
    let port = session.outside_port;
    (range.address, range.protocol) == (session.outside, key.protocol)
        && range.covers(port)
        && (row.inside, row.inside_port(port)) == (key.inside, key.inside_port)
}

use crate::error::{Error, Result};
use crate::map::Map;
use hadron_pipeline::table::{FloodKey, FloodTarget, MAX_FLOOD, Network, NetworkKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a network is on this host; its row but for the length of the flood list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkState {
    /// VNI in the overlay; 0 for a network that stays on its host.
    pub vni: u32,
    /// Bits of [`hadron_pipeline::table::network_flag`].
    pub flags: u32,
    /// Interface to the network's physical network; 0 for none.
    pub provider: u32,
    /// VLAN there; 0 for untagged frames.
    pub vlan: u32,
}

/// The networks on this host and their flood lists, which share a row: the length of a list stands in the network's row, and
/// its members are numbered. Here a list is a set. A packet under way never misses a member because of a change.
#[derive(Debug)]
pub struct Networks {
    rows: Map<NetworkKey, Network>,
    slots: Map<FloodKey, FloodTarget>,
    known: Mutex<BTreeMap<u32, Known>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    state: Option<NetworkState>,
    targets: Vec<FloodTarget>,
}

impl Networks {
    /// Learns what is in the tables, and mends what an interrupted change left.
    pub(crate) fn new(rows: Map<NetworkKey, Network>, slots: Map<FloodKey, FloodTarget>) -> Result<Networks> {
        let networks = Networks { rows, slots, known: Mutex::default() };
        let mut known: BTreeMap<u32, Known> = BTreeMap::new();
        let mut lengths = BTreeMap::new();
        for (key, row) in networks.rows.dump()? {
            lengths.insert(key.network, row.flood_length);
            let state =
                Some(NetworkState { vni: row.vni, flags: row.flags, provider: row.provider, vlan: row.vlan });
            known.insert(key.network, Known { state, targets: Vec::new() });
        }
        let slots: BTreeMap<_, _> = networks.slots.dump()?.into_iter().collect();
        for (key, target) in &slots {
            match known.get_mut(&key.network) {
                Some(Known { targets, .. })
                    if key.slot < lengths[&key.network]
                        && key.slot as usize == targets.len()
                        && !targets.contains(target) =>
                {
                    targets.push(*target);
                }
                _ => {
                    networks.slots.remove(key)?;
                }
            }
        }
        for (&network, known) in &known {
            if lengths[&network] as usize != known.targets.len() {
                networks.write_row(network, known)?;
            }
        }
        *networks.lock() = known;
        Ok(networks)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_row(&self, network: u32, known: &Known) -> Result<()> {
        let Some(NetworkState { vni, flags, provider, vlan }) = known.state else { return Ok(()) };
        let flood_length = known.targets.len() as u32;
        self.rows.put(&NetworkKey { network }, &Network { vni, flood_length, flags, provider, vlan })
    }

    /// Writes a network's row; its flood list stays as it is.
    pub fn put(&self, network: u32, state: NetworkState) -> Result<()> {
        let mut all = self.lock();
        let known = all.entry(network).or_default();
        let updated = Known { state: Some(state), targets: known.targets.clone() };
        self.write_row(network, &updated)?;
        *known = updated;
        Ok(())
    }

    /// Removes a network and its flood list; false when it was not there.
    pub fn remove(&self, network: u32) -> Result<bool> {
        let mut all = self.lock();
        let removed = self.rows.remove(&NetworkKey { network })?;
        let Some(known) = all.get_mut(&network) else { return Ok(removed) };
        known.state = None;
        while !known.targets.is_empty() {
            self.slots.remove(&FloodKey { network, slot: known.targets.len() as u32 - 1 })?;
            known.targets.pop();
        }
        all.remove(&network);
        Ok(removed)
    }

    /// Adds a member to a flood list, before or after the network's row; one that is in it stays.
    pub fn add_target(&self, network: u32, target: FloodTarget) -> Result<()> {
        let mut all = self.lock();
        let known = all.entry(network).or_default();
        if known.targets.contains(&target) {
            return Ok(());
        }
        let slot = known.targets.len() as u32;
        if slot >= MAX_FLOOD {
            return Err(Error::FloodListFull { network, limit: MAX_FLOOD });
        }
        self.slots.put(&FloodKey { network, slot }, &target)?;
        known.targets.push(target);
        if let Err(error) = self.write_row(network, known) {
            known.targets.pop();
            self.slots.remove(&FloodKey { network, slot })?;
            return Err(error);
        }
        Ok(())
    }

    /// Takes a member out of a flood list; false when it was not in it.
    pub fn remove_target(&self, network: u32, target: FloodTarget) -> Result<bool> {
        let mut all = self.lock();
        let Some(known) = all.get_mut(&network) else { return Ok(false) };
        let Some(slot) = known.targets.iter().position(|member| *member == target) else { return Ok(false) };
        let last = known.targets.len() - 1;
        // For a moment the last one is in the list twice.
        self.slots.put(&FloodKey { network, slot: slot as u32 }, &known.targets[last])?;
        let mut shorter = known.clone();
        shorter.targets.swap_remove(slot);
        self.write_row(network, &shorter)?;
        *known = shorter;
        self.slots.remove(&FloodKey { network, slot: last as u32 })?;
        if known.state.is_none() && known.targets.is_empty() {
            all.remove(&network);
        }
        Ok(true)
    }

    /// Every network that has a row.
    pub fn dump(&self) -> BTreeMap<u32, NetworkState> {
        let all = self.lock();
        all.iter().filter_map(|(network, known)| Some((*network, known.state?))).collect()
    }

    /// Every member of every flood list.
    pub fn dump_targets(&self) -> BTreeSet<(u32, FloodTarget)> {
        let all = self.lock();
        let members = |(network, known): (&u32, &Known)| {
            let network = *network;
            known.targets.clone().into_iter().map(move |target| (network, target))
        };
        all.iter().flat_map(members).collect()
    }

    /// The tables beneath, for their status.
    pub fn tables(&self) -> (&Map<NetworkKey, Network>, &Map<FloodKey, FloodTarget>) {
        (&self.rows, &self.slots)
    }
}

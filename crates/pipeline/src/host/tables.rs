//! The tables as hash maps.

use std::collections::HashMap;

use crate::table::{
    Allowed, AllowedKey, Config, FdbEntry, FdbKey, FloodKey, FloodTarget, Host, HostKey, Interface,
    InterfaceKey, Meters, Neighbour, NeighbourKey, Network, NetworkKey, Port, PortCounters, PortKey, Vni,
    VniKey, Vtep, VtepKey,
};

/// Every table of [`crate::table`], by the same keys and values as in the kernel.
#[derive(Clone, Debug, Default)]
#[expect(
    missing_docs,
    reason = "each field is the table of its name in upper case, documented in `crate::table`"
)]
pub struct Tables {
    pub config: Config,
    pub interfaces: HashMap<InterfaceKey, Interface>,
    pub ports: HashMap<PortKey, Port>,
    pub allowed: HashMap<AllowedKey, Allowed>,
    pub networks: HashMap<NetworkKey, Network>,
    pub fdb: HashMap<FdbKey, FdbEntry>,
    pub neighbours: HashMap<NeighbourKey, Neighbour>,
    pub flood: HashMap<FloodKey, FloodTarget>,
    pub hosts: HashMap<HostKey, Host>,
    pub vnis: HashMap<VniKey, Vni>,
    pub vteps: HashMap<VtepKey, Vtep>,
    pub meters: HashMap<PortKey, Meters>,
    pub port_counters: HashMap<PortKey, PortCounters>,
}

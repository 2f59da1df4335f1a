//! The kernel's tables as what a trace reads from.

use crate::connection::monotonic;
use crate::error::{Error, Result};
use crate::map::Map;
use crate::tables::Tables;
use hadron_pipeline::host::trace::{Snapshot, Source};
use hadron_pipeline::table::{Row, Table};
use std::any::Any;
use std::io;

impl Tables {
    /// An empty snapshot of this host, at this moment of its clock. It reads from these tables.
    ///
    /// # Errors
    /// [`Error::Table`]
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot::new(self.config()?, self.service_link()?, monotonic()?))
    }

    /// Every table that a walk may ask, but for the two with a single row.
    fn asked(&self) -> [&dyn Any; 40] {
        let (networks, flood) = self.networks.tables();
        [
            &self.interfaces,
            &self.ports,
            &self.allowed,
            &self.fdb,
            &self.neighbours,
            &self.hosts,
            &self.vnis,
            &self.vteps,
            &self.segments,
            networks,
            flood,
            &self.allowed_prefixes,
            &self.policies,
            &self.policy_sets,
            &self.classes,
            &self.members,
            &self.member_prefixes,
            &self.rules,
            &self.connections,
            &self.connection_counts,
            &self.fragments,
            &self.learned_macs,
            &self.learned_neighbours,
            &self.privacy_prefixes,
            &self.privacy_addresses,
            &self.privacy_rings,
            &self.router_interfaces,
            &self.routes,
            &self.floating_sources,
            &self.floating_ips,
            &self.nat_pools,
            &self.nat_owners,
            &self.forwardings,
            &self.scopes,
            &self.nat_sessions,
            &self.nat_returns,
            &self.nat_counts,
            &self.nat_fragments,
            &self.service_sessions,
            &self.meters,
        ]
    }
}

/// Looking a row up changes nothing, not even which row of an LRU table is thought the oldest.
impl Source for Tables {
    type Error = Error;

    fn get<K: Row, V: Row>(&self, table: &'static Table, key: &K) -> Result<Option<V>> {
        let all = self.asked();
        let of_type = all.iter().filter_map(|map| map.downcast_ref::<Map<K, V>>());
        match of_type.into_iter().find(|map| map.table().name == table.name) {
            Some(map) => map.get(key),
            None => Err(Error::Table {
                action: "trace by",
                table: table.name,
                source: io::ErrorKind::Unsupported.into(),
            }),
        }
    }
}

//! Subnets: by network and project.

use super::address::FreeAddresses;
use super::subnet_pool::index_subnet;
use super::{Indexed, Indexes, replace};
use crate::record::Tables;
use hadron_model::Subnet;

impl Indexed for Subnet {
    fn index(indexes: &mut Indexes, tables: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|subnet| (subnet.network_id, subnet.id)),
            new.map(|subnet| (subnet.network_id, subnet.id)),
            |indexes, pair| indexes.network_subnets.remove(&pair),
            |indexes, pair| indexes.network_subnets.insert(pair),
        );
        replace(
            indexes,
            old.map(|subnet| (subnet.project_id.as_str(), subnet.id)),
            new.map(|subnet| (subnet.project_id.as_str(), subnet.id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.subnets.remove(&id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.subnets.insert(id)),
        );
        replace(
            indexes,
            old.map(|subnet| (subnet.id, &subnet.allocation_pools, subnet.gateway_ip)),
            new.map(|subnet| (subnet.id, &subnet.allocation_pools, subnet.gateway_ip)),
            |indexes, (id, _, _)| indexes.free_addresses.remove(&id),
            |indexes, (id, pools, gateway)| {
                indexes.free_addresses.insert(id, FreeAddresses::new(id, pools, gateway, tables));
            },
        );
        index_subnet(indexes, tables, old, new);
    }
}

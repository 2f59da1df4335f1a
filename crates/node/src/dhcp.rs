//! DHCPv4 for the host's own ports.
//!
//! ```text
//! node ── Leases ──────────┐
//! plane ── Punt ──► serve() ── frame ──► Inject
//! ```
//!
//! What a port is told follows from its rows, and is in place before the port's interface is let in. What a guest sends decides
//! only what it is answered, never as whom: the packet path says which port asked.

use crate::apply::rules::serves_dhcp4;
use crate::plane::{Inject, Punt, Punts};
use hadron_model::Mac;
use hadron_responders::dhcp4::{self, Lease};
use hadron_wire::held::Held;
use hadron_wire::row::{HostRoute, NetworkRow, PortRow, Row, RowKey, SubnetRow, unmapped};
use ipnet::Ipv4Net;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The lease of each port of the host that has one, by port number.
#[derive(Debug, Default)]
pub struct Leases {
    by_port: RwLock<HashMap<u32, Arc<Lease>>>,
}

impl Leases {
    /// Sets what a port is told; `None` for nothing.
    pub fn set(&self, port: u32, lease: Option<Lease>) {
        let mut leases = self.by_port.write().unwrap_or_else(PoisonError::into_inner);
        match lease {
            Some(lease) => drop(leases.insert(port, Arc::new(lease))),
            None => drop(leases.remove(&port)),
        }
    }

    /// What a port is told.
    pub fn get(&self, port: u32) -> Option<Arc<Lease>> {
        self.by_port.read().unwrap_or_else(PoisonError::into_inner).get(&port).cloned()
    }

    /// How many ports have a lease.
    pub fn len(&self) -> usize {
        self.by_port.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the server did, since the process began.
#[derive(Debug, Default)]
pub struct Counters {
    /// By answer and by reason for silence.
    pub messages: dhcp4::Counters,
    /// From ports without a lease: no IPv4 address in a subnet with DHCP.
    pub without_lease: AtomicU64,
    /// Answers that could not be sent, as when the interface is gone.
    pub not_sent: AtomicU64,
}

/// The lease of a port: of its first IPv4 address in a subnet that serves DHCP.
pub fn lease(rows: &Held, port: &PortRow, domain: &str) -> Option<Lease> {
    let Some(Row::Network(network)) = rows.get(&RowKey::Network(port.network)) else { return None };
    port.addresses.iter().find_map(|address| {
        let key = RowKey::Subnet { network: port.network, subnet: address.subnet };
        let Some(Row::Subnet(subnet)) = rows.get(&key) else { return None };
        lease_of(network, subnet, port, v4(address.address)?, domain)
    })
}

fn lease_of(
    network: &NetworkRow,
    subnet: &SubnetRow,
    port: &PortRow,
    address: Ipv4Addr,
    domain: &str,
) -> Option<Lease> {
    if !serves_dhcp4(subnet) {
        return None;
    }
    let server = subnet.dhcp?;
    let (_, prefix_len) = subnet.cidr.unmapped();
    Some(Lease {
        mac: Mac(port.mac),
        address,
        prefix_len,
        server_id: v4(server.address)?,
        server_mac: Mac(server.mac),
        router: subnet.gateway.and_then(v4),
        dns: subnet.dns.iter().copied().filter_map(v4).collect(),
        mtu: u16::try_from(network.mtu).unwrap_or(u16::MAX),
        lease_seconds: subnet.lease_seconds,
        domain: domain.to_owned(),
        static_routes: subnet.host_routes.iter().filter_map(route).collect(),
        hostname: format!("host-{}", address.to_string().replace('.', "-")),
    })
}

fn route(route: &HostRoute) -> Option<(Ipv4Net, Ipv4Addr)> {
    let (IpAddr::V4(address), length) = route.destination.unmapped() else { return None };
    Some((Ipv4Net::new(address, length).ok()?, v4(route.nexthop)?))
}

fn v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match unmapped(address) {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// Answers punted frames until there are no more. Where they come from bounds what waits, after a limit per port.
pub async fn serve(
    mut punts: impl Punts,
    inject: Arc<dyn Inject>,
    leases: Arc<Leases>,
    counters: Arc<Counters>,
) {
    while let Some(punt) = punts.next().await {
        answer(&punt, &*inject, &leases, &counters);
    }
}

fn answer(punt: &Punt, inject: &dyn Inject, leases: &Leases, counters: &Counters) {
    let Some(lease) = leases.get(punt.port) else {
        counters.without_lease.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let result = dhcp4::answer(&punt.frame, &lease);
    counters.messages.record(&result);
    match result {
        Ok(reply) => {
            if let Err(error) = inject.inject(punt.ifindex, &reply.frame) {
                counters.not_sent.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(port = punt.port, %error, "a DHCP answer could not be sent");
            }
        }
        Err(dhcp4::Silence::Declined) => {
            tracing::warn!(port = punt.port, address = %lease.address, "a DHCP client found its address in use by another");
        }
        Err(silence) => {
            tracing::debug!(port = punt.port, reason = silence.name(), "a DHCP message gets no answer")
        }
    }
}

#[cfg(test)]
mod tests;

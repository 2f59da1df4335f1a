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
use hadron_responders::dhcp4::{self, Extra, Lease, Refusal};
use hadron_wire::held::Held;
use hadron_wire::row::{HostRoute, NetworkRow, PortRow, Prefix, Row, RowKey, SubnetRow, unmapped};
use ipnet::Ipv4Net;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Where instances ask who they are: EC2's address, which OpenStack took over.
const METADATA: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 169, 254), 32);

/// What a port is told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// A lease for each of its addresses in a subnet with DHCP, in the order of the addresses.
    pub leases: Vec<Lease>,
    /// Names of options of the port that can't be sent, with the reason.
    pub refused: Vec<(String, Refusal)>,
}

/// The leases of each port of the host that has some, by port number.
#[derive(Debug, Default)]
pub struct Leases {
    by_port: RwLock<HashMap<u32, Arc<Told>>>,
}

impl Leases {
    /// Sets what a port is told. Options that can't be sent are logged once.
    pub fn set(&self, port: u32, told: Told) {
        let mut all = self.by_port.write().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&port).map(|old| &old.refused[..]).unwrap_or_default();
        for (option, reason) in told.refused.iter().filter(|refused| !known.contains(refused)) {
            tracing::warn!(port, option, "a DHCP option of a port is not sent: {reason}");
        }
        if told == Told::default() {
            all.remove(&port);
        } else {
            all.insert(port, Arc::new(told));
        }
    }

    /// What a port is told, if it is told anything.
    pub fn get(&self, port: u32) -> Option<Arc<Told>> {
        self.by_port.read().unwrap_or_else(PoisonError::into_inner).get(&port).cloned()
    }

    /// How many ports have a lease.
    pub fn len(&self) -> usize {
        let all = self.by_port.read().unwrap_or_else(PoisonError::into_inner);
        all.values().filter(|told| !told.leases.is_empty()).count()
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
    /// Answers that could not be sent, as when the interface is gone.
    pub not_sent: AtomicU64,
}

/// What a port is told.
pub fn told(rows: &Held, port: &PortRow, domain: &str) -> Told {
    let Some(Row::Network(network)) = rows.get(&RowKey::Network(port.network)) else {
        return Told::default();
    };
    let mut extra = Extra::default();
    let mut refused = Vec::new();
    for option in port.dhcp_options.iter().filter(|option| !option.is_ipv6) {
        if let Err(reason) = extra.add(&option.name, &option.value) {
            refused.push((option.name.clone(), reason));
        }
    }
    let leases = port.addresses.iter().filter_map(|address| {
        let key = RowKey::Subnet { network: port.network, subnet: address.subnet };
        let Some(Row::Subnet(subnet)) = rows.get(&key) else { return None };
        let lease = lease_of(network, subnet, port, v4(address.address)?, domain)?;
        Some(Lease { static_routes: routes(rows, subnet, lease.server_id), extra: extra.clone(), ..lease })
    });
    Told { leases: leases.collect(), refused }
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
        static_routes: Vec::new(),
        hostname: hostname(port, address),
        extra: Extra::default(),
    })
}

/// The first label of the port's name, or one made of its address.
fn hostname(port: &PortRow, address: Ipv4Addr) -> String {
    match port.dns_name.split('.').next() {
        Some(label) if !label.is_empty() => label.to_owned(),
        _ => format!("host-{}", address.to_string().replace('.', "-")),
    }
}

/// The routes of the subnet, those to the network's other subnets, which are on the same link, and the one to the metadata address,
/// by the DHCP service: so it is there on a network without a router too. What the subnet itself says goes first.
fn routes(rows: &Held, subnet: &SubnetRow, server: Ipv4Addr) -> Vec<(Ipv4Net, Ipv4Addr)> {
    let others = rows.subnets(subnet.network).filter(|other| other.number != subnet.number);
    let beside = others.filter_map(|other| Some((v4_net(&other.cidr)?, Ipv4Addr::UNSPECIFIED)));
    let mut routes: Vec<_> = subnet.host_routes.iter().filter_map(route).collect();
    for route in beside.chain([(METADATA, server)]) {
        if routes.iter().all(|(destination, _)| *destination != route.0) {
            routes.push(route);
        }
    }
    routes
}

fn route(route: &HostRoute) -> Option<(Ipv4Net, Ipv4Addr)> {
    Some((v4_net(&route.destination)?, v4(route.nexthop)?))
}

fn v4_net(prefix: &Prefix) -> Option<Ipv4Net> {
    match prefix.unmapped() {
        (IpAddr::V4(address), length) => Ipv4Net::new(address, length).ok(),
        (IpAddr::V6(_), _) => None,
    }
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
    let told = leases.get(punt.port).unwrap_or_default();
    let result = dhcp4::answer(&punt.frame, &told.leases);
    counters.messages.record(&result);
    match result {
        Ok(reply) => {
            if let Err(error) = inject.inject(punt.ifindex, &reply.frame) {
                counters.not_sent.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(port = punt.port, %error, "a DHCP answer could not be sent");
            }
        }
        Err(dhcp4::Silence::Declined) => {
            let addresses: Vec<_> = told.leases.iter().map(|lease| lease.address).collect();
            tracing::warn!(port = punt.port, ?addresses, "a DHCP client found its address in use by another");
        }
        Err(silence) => {
            tracing::debug!(port = punt.port, reason = silence.name(), "a DHCP message gets no answer")
        }
    }
}

#[cfg(test)]
mod tests;

//! Makers of records for the store's tests.
#![allow(dead_code)]

pub mod etcd;
pub mod medium;

use hadron_model::*;
use hadron_store::*;
use std::net::IpAddr;
use uuid::Uuid;

pub fn info(actor: &str) -> CommitInfo {
    CommitInfo { actor: actor.to_owned(), ..CommitInfo::default() }
}

pub fn network(n: u32) -> Network {
    Network {
        id: network_id(n),
        number: NetworkNumber(n),
        project_id: format!("project-{}", n % 3),
        name: format!("net-{n}"),
        description: String::new(),
        admin_state_up: true,
        was_shared: false,
        mtu: 1450,
        segment: Segment::Local,
        port_security_enabled: true,
        privacy_addresses: false,
        availability_zone_hints: vec![],
        dns_domain: String::new(),
        stamp: Stamp::default(),
    }
}

pub fn network_id(n: u32) -> NetworkId {
    NetworkId(Uuid::from_u128(0x1000_0000 + u128::from(n)))
}

pub fn subnet_id(n: u32) -> SubnetId {
    SubnetId(Uuid::from_u128(0x2000_0000 + u128::from(n)))
}

pub fn port_id(n: u32) -> PortId {
    PortId(Uuid::from_u128(0x3000_0000 + u128::from(n)))
}

/// A subnet 10.0.n.0/24 of network `n` with its pool from .2 to .254.
pub fn subnet(n: u32) -> Subnet {
    let address = |last: u8| IpAddr::from([10, 0, n as u8, last]);
    Subnet {
        id: subnet_id(n),
        number: SubnetNumber(n),
        network_id: network_id(n),
        project_id: format!("project-{}", n % 3),
        name: String::new(),
        description: String::new(),
        subnetpool_id: None,
        cidr: IpNet::new(address(0), 24).unwrap(),
        gateway_ip: Some(address(1)),
        allocation_pools: vec![AddressRange::new(address(2), address(254)).unwrap()],
        dns_nameservers: vec![],
        host_routes: vec![],
        enable_dhcp: true,
        ipv6_ra_mode: None,
        ipv6_address_mode: None,
        service_types: vec![],
        dns_publish_fixed_ip: false,
        segment_id: None,
        stamp: Stamp::default(),
    }
}

pub fn port(n: u32, network: NetworkId, fixed_ips: Vec<FixedIp>) -> Port {
    Port {
        id: port_id(n),
        number: PortNumber(n),
        network_id: network,
        project_id: format!("project-{}", n % 3),
        name: format!("port-{n}"),
        description: String::new(),
        mac_address: mac(n),
        fixed_ips,
        admin_state_up: true,
        device_id: format!("device-{}", n % 5),
        device_owner: "compute:nova".to_owned(),
        binding: Binding { host_id: format!("host-{}", n % 4), ..Binding::default() },
        status: PortStatus::Down,
        port_security_enabled: false,
        security_groups: vec![],
        details: hadron_model::PortDetails::default(),
        inactive_bindings: vec![],
        allowed_address_pairs: vec![],
        policy: None,
        stamp: Stamp::default(),
    }
}

pub fn mac(n: u32) -> Mac {
    let [_, b, c, d] = n.to_be_bytes();
    Mac([0xfa, 0x16, 0x3e, b, c, d])
}

/// What a port create does: the lowest free address of the subnet, claims, and the port.
pub fn create_port(tx: &mut Tx, n: u32, subnet: u32) -> Result<Port, StoreError> {
    let (subnet, network) = (subnet_id(subnet), network_id(subnet));
    let address = tx.view().first_free_address(subnet).ok_or(StoreError::Conflict)?;
    let mut port = port(n, network, vec![FixedIp { subnet_id: subnet, ip_address: address }]);
    port.number = PortNumber(tx.next_number(Counter::Port)?);
    tx.insert(AddressClaim { subnet_id: subnet, address, port_id: port.id })
        .map_err(|_| StoreError::Conflict)?;
    tx.insert(MacClaim { network_id: network, mac: port.mac_address, port_id: port.id })
        .map_err(|_| StoreError::Conflict)?;
    tx.insert(port.clone()).map_err(|_| StoreError::Conflict)?;
    Ok(port)
}

pub async fn put_network(store: &Store, actor: &str, network: Network) -> Committed<()> {
    let put = store.write(info(actor), |tx| {
        tx.put(network.clone());
        Ok::<_, StoreError>(())
    });
    put.await.unwrap()
}

/// Network and subnet `n`.
pub async fn put_subnet(store: &Store, n: u32) -> Committed<()> {
    let put = store.write(info("tester"), |tx| {
        tx.put(network(n));
        tx.put(subnet(n));
        Ok::<_, StoreError>(())
    });
    put.await.unwrap()
}

//! A store in memory and short names for what tests do with it.

#![allow(dead_code, missing_docs)]

pub mod consistency;
pub mod routers;
pub mod security;
pub mod servers;

use hadron_control::host::{self, Join};
use hadron_control::ipam::FixedIpRequest;
use hadron_control::network::{self, NewNetwork};
use hadron_control::port::{self, NewPort};
use hadron_control::segment::Provider;
use hadron_control::subnet::{self, Gateway, NewSubnet, Prefix};
use hadron_control::{Config, Error, steps};
use hadron_model::{
    Host, Ipv6Mode, JoinToken, Network, NetworkId, Port, PortId, Subnet, SubnetId, Timestamp,
};
use hadron_store::{CommitInfo, Snapshot, Store, Tx};
use std::net::IpAddr;
use std::sync::Arc;

pub struct Cloud {
    pub store: Store,
    pub config: Config,
}

pub fn info() -> CommitInfo {
    CommitInfo { time: Timestamp(1_000_000), ..CommitInfo::system() }
}

impl Cloud {
    pub async fn new() -> Self {
        let mut config = Config::default();
        config.quotas.port = None;
        Self { store: Store::in_memory().await, config }
    }

    pub async fn write<R>(&self, f: impl FnMut(&mut Tx) -> Result<R, Error>) -> Result<R, Error> {
        self.store.write(info(), f).await.map(|committed| committed.value)
    }

    pub fn view(&self) -> Arc<Snapshot> {
        self.store.snapshot()
    }

    pub async fn network(&self) -> Network {
        self.write(|tx| network::create(tx, &self.config, &new_network())).await.unwrap()
    }

    pub async fn subnet(&self, new: &NewSubnet) -> Result<Subnet, Error> {
        self.write(|tx| subnet::create(tx, &self.config, new)).await
    }

    pub async fn port(&self, new: &NewPort) -> Result<Port, Error> {
        self.write(|tx| port::create(tx, &self.config, new)).await
    }

    pub async fn delete_port(&self, id: PortId) -> Result<(), Error> {
        steps::run(&self.store, &info(), |tx| port::delete(tx, &self.config, id, None)).await.map(|_| ())
    }

    pub async fn delete_subnet(&self, id: SubnetId) -> Result<(), Error> {
        steps::run(&self.store, &info(), |tx| subnet::delete(tx, &self.config, id, None)).await.map(|_| ())
    }

    pub async fn delete_network(&self, id: NetworkId) -> Result<(), Error> {
        steps::run(&self.store, &info(), |tx| network::delete(tx, &self.config, id, None)).await.map(|_| ())
    }

    pub async fn host(&self, name: &str, underlay: &str) -> Host {
        let join = join(name, underlay, [7; 32]);
        self.write(|tx| {
            host::create_join_token(tx, token(name))?;
            host::redeem(tx, &join)
        })
        .await
        .unwrap()
    }

    pub fn check(&self) {
        consistency::check(&self.view());
    }
}

pub fn token(id: &str) -> JoinToken {
    JoinToken { id: id.to_owned(), secret_sha256: [1; 32], host: None, expires_at: Timestamp(2_000_000) }
}

pub fn join(name: &str, underlay: &str, key: [u8; 32]) -> Join {
    Join {
        token_id: name.to_owned(),
        secret_sha256: [1; 32],
        host: name.to_owned(),
        underlay: underlay.parse().unwrap(),
        key_fingerprint: key,
    }
}

pub fn new_network() -> NewNetwork {
    NewNetwork {
        project_id: "p".to_owned(),
        name: String::new(),
        description: String::new(),
        admin_state_up: true,
        shared: false,
        external: false,
        is_default: false,
        mtu: 0,
        port_security_enabled: true,
        privacy_addresses: false,
        availability_zone_hints: vec![],
        segments: vec![Provider::default()],
        dns_domain: String::new(),
    }
}

pub fn new_subnet(network: NetworkId, cidr: &str) -> NewSubnet {
    let cidr: hadron_model::IpNet = cidr.parse().unwrap();
    NewSubnet {
        network_id: network,
        project_id: "p".to_owned(),
        name: String::new(),
        description: String::new(),
        ip_version: if cidr.addr().is_ipv6() { 6 } else { 4 },
        prefix: Prefix::Given(cidr),
        gateway: Gateway::First,
        allocation_pools: None,
        dns_nameservers: vec![],
        host_routes: vec![],
        enable_dhcp: false,
        ipv6_ra_mode: None,
        ipv6_address_mode: None,
        service_types: vec![],
        dns_publish_fixed_ip: false,
        segment_id: None,
        relies_on: vec![],
    }
}

pub fn slaac(network: NetworkId, cidr: &str) -> NewSubnet {
    NewSubnet {
        enable_dhcp: true,
        ipv6_ra_mode: Some(Ipv6Mode::Slaac),
        ipv6_address_mode: Some(Ipv6Mode::Slaac),
        service_types: vec![],
        dns_publish_fixed_ip: false,
        segment_id: None,
        ..new_subnet(network, cidr)
    }
}

pub fn new_port(network: NetworkId) -> NewPort {
    NewPort::on(network, "p".to_owned())
}

pub fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn of_subnet(id: SubnetId) -> FixedIpRequest {
    FixedIpRequest { subnet_id: Some(id), ..FixedIpRequest::default() }
}

pub fn at(text: &str) -> FixedIpRequest {
    FixedIpRequest { ip_address: Some(address(text)), ..FixedIpRequest::default() }
}

pub fn addresses(port: &Port) -> Vec<String> {
    port.fixed_ips.iter().map(|ip| ip.ip_address.to_string()).collect()
}

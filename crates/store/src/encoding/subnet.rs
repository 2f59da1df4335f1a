//! Subnets.

use super::Encoded;
use super::parts::{
    PrefixMessage, RangeMessage, StampMessage, address, address_bytes, bad, prefix, prefix_message, range,
    range_message, stamp, stamp_message, uuid, uuid_bytes,
};
use crate::DecodeError;
use hadron_model::{HostRoute, Ipv6Mode, NetworkId, SegmentId, Subnet, SubnetId, SubnetNumber, SubnetPoolId};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SubnetMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(bytes = "vec", tag = "3")]
    network_id: Vec<u8>,
    #[prost(string, tag = "4")]
    project_id: String,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(string, tag = "6")]
    description: String,
    #[prost(message, optional, tag = "7")]
    cidr: Option<PrefixMessage>,
    #[prost(bytes = "vec", optional, tag = "8")]
    gateway_ip: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "9")]
    allocation_pools: Vec<RangeMessage>,
    #[prost(bytes = "vec", repeated, tag = "10")]
    dns_nameservers: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "11")]
    host_routes: Vec<HostRouteMessage>,
    #[prost(bool, tag = "12")]
    enable_dhcp: bool,
    #[prost(uint32, tag = "13")]
    ipv6_ra_mode: u32,
    #[prost(uint32, tag = "14")]
    ipv6_address_mode: u32,
    #[prost(message, optional, tag = "15")]
    stamp: Option<StampMessage>,
    #[prost(bytes = "vec", optional, tag = "16")]
    subnetpool_id: Option<Vec<u8>>,
    #[prost(string, repeated, tag = "30")]
    service_types: Vec<String>,
    #[prost(bool, tag = "31")]
    dns_publish_fixed_ip: bool,
    #[prost(bytes = "vec", optional, tag = "32")]
    segment_id: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HostRouteMessage {
    #[prost(message, optional, tag = "1")]
    destination: Option<PrefixMessage>,
    #[prost(bytes = "vec", tag = "2")]
    nexthop: Vec<u8>,
}

fn mode_number(mode: Option<Ipv6Mode>) -> u32 {
    match mode {
        None => 0,
        Some(Ipv6Mode::Slaac) => 1,
        Some(Ipv6Mode::Dhcpv6Stateful) => 2,
        Some(Ipv6Mode::Dhcpv6Stateless) => 3,
    }
}

fn mode(number: u32) -> Result<Option<Ipv6Mode>, DecodeError> {
    Ok(match number {
        0 => None,
        1 => Some(Ipv6Mode::Slaac),
        2 => Some(Ipv6Mode::Dhcpv6Stateful),
        3 => Some(Ipv6Mode::Dhcpv6Stateless),
        _ => return Err(bad("IPv6 mode")),
    })
}

fn host_route_message(route: &HostRoute) -> HostRouteMessage {
    HostRouteMessage {
        destination: Some(prefix_message(route.destination)),
        nexthop: address_bytes(route.nexthop),
    }
}

fn host_route(message: &HostRouteMessage) -> Result<HostRoute, DecodeError> {
    Ok(HostRoute {
        destination: prefix(message.destination.as_ref().ok_or_else(|| bad("destination"))?)?,
        nexthop: address(&message.nexthop)?,
    })
}

impl Encoded for Subnet {
    type Message = SubnetMessage;
    const LAST_FIELD: u32 = 32;
    with_tags!();

    fn to_message(&self) -> SubnetMessage {
        SubnetMessage {
            id: uuid_bytes(self.id.0),
            number: self.number.0,
            network_id: uuid_bytes(self.network_id.0),
            project_id: self.project_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            cidr: Some(prefix_message(self.cidr)),
            gateway_ip: self.gateway_ip.map(address_bytes),
            allocation_pools: self.allocation_pools.iter().copied().map(range_message).collect(),
            dns_nameservers: self.dns_nameservers.iter().copied().map(address_bytes).collect(),
            host_routes: self.host_routes.iter().map(host_route_message).collect(),
            enable_dhcp: self.enable_dhcp,
            ipv6_ra_mode: mode_number(self.ipv6_ra_mode),
            ipv6_address_mode: mode_number(self.ipv6_address_mode),
            stamp: stamp_message(&self.stamp),
            subnetpool_id: self.subnetpool_id.map(|id| uuid_bytes(id.0)),
            service_types: self.service_types.clone(),
            dns_publish_fixed_ip: self.dns_publish_fixed_ip,
            segment_id: self.segment_id.map(|id| uuid_bytes(id.0)),
        }
    }

    fn from_message(message: SubnetMessage) -> Result<Self, DecodeError> {
        Ok(Subnet {
            id: SubnetId(uuid(&message.id)?),
            number: SubnetNumber(message.number),
            network_id: NetworkId(uuid(&message.network_id)?),
            project_id: message.project_id,
            name: message.name,
            description: message.description,
            subnetpool_id: message.subnetpool_id.as_deref().map(uuid).transpose()?.map(SubnetPoolId),
            cidr: prefix(message.cidr.as_ref().ok_or_else(|| bad("prefix"))?)?,
            gateway_ip: message.gateway_ip.as_deref().map(address).transpose()?,
            allocation_pools: message.allocation_pools.iter().map(range).collect::<Result<_, _>>()?,
            dns_nameservers: message
                .dns_nameservers
                .iter()
                .map(|it| address(it))
                .collect::<Result<_, _>>()?,
            host_routes: message.host_routes.iter().map(host_route).collect::<Result<_, _>>()?,
            enable_dhcp: message.enable_dhcp,
            ipv6_ra_mode: mode(message.ipv6_ra_mode)?,
            ipv6_address_mode: mode(message.ipv6_address_mode)?,
            service_types: message.service_types,
            dns_publish_fixed_ip: message.dns_publish_fixed_ip,
            segment_id: message.segment_id.as_deref().map(uuid).transpose()?.map(SegmentId),
            stamp: stamp(message.stamp),
        })
    }
}

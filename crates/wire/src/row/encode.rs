//! Typed rows to protobuf.

use super::{
    DhcpOption, Direction, Family, FloatingIpRow, FloatingRelayRow, ForwardingRow, HostRoute, Ipv6Mode,
    LocationRow, LogObject, MemberRow, NameRow, NetworkRow, Place, PolicyRow, PortLeaseRow, PortRow, Prefix,
    PresenceRow, Remote, RoutePath, RouteRow, RouterInterfaceRow, Row, RowKey, RuleRow, SubnetRow,
};
use crate::proto::{self, row::Kind, row_key};
use bytes::Bytes;
use prost::Message;
use std::net::Ipv6Addr;

pub(super) fn change(key: RowKey, row: Option<&Row>) -> Bytes {
    proto::RowChange { key: Some(self::key(key)), row: row.map(self::row) }.encode_to_vec().into()
}

fn key(key: RowKey) -> proto::RowKey {
    use row_key::Kind;
    let kind = match key {
        RowKey::Network(number) => Kind::Network(number),
        RowKey::Subnet { network, subnet } => Kind::Subnet(proto::SubnetKey { network, subnet }),
        RowKey::Presence { network, host } => Kind::Presence(proto::PresenceKey { network, host }),
        RowKey::Location { network, port } => Kind::Location(proto::LocationKey { network, port }),
        RowKey::Name { network, port } => Kind::Name(proto::NameKey { network, port }),
        RowKey::RouterInterface { router, port } => {
            Kind::RouterInterface(proto::RouterInterfaceKey { router, port })
        }
        RowKey::Route { router, destination } => {
            Kind::Route(proto::RouteKey { router, destination: Some(prefix(&destination)) })
        }
        RowKey::Rule { group, rule } => Kind::Rule(proto::RuleKey { group, rule }),
        RowKey::Member { set, member } => Kind::Member(proto::MemberKey { set, member }),
        RowKey::Policy(number) => Kind::Policy(number),
        RowKey::FloatingIp(number) => Kind::FloatingIp(number),
        RowKey::FloatingRelay { router, floating_ip } => {
            Kind::FloatingRelay(proto::FloatingRelayKey { router, floating_ip })
        }
        RowKey::Forwarding { router, floating_ip, protocol, port } => {
            let (protocol, port) = (protocol.into(), port.into());
            Kind::Forwarding(proto::ForwardingKey { router, floating_ip, protocol, port })
        }
        RowKey::PortLease { router, interface, host } => {
            Kind::PortLease(proto::PortLeaseKey { router, interface, host })
        }
        RowKey::Instance(port) => Kind::Instance(port),
        RowKey::Port(number) => Kind::Port(number),
    };
    proto::RowKey { kind: Some(kind) }
}

fn row(row: &Row) -> proto::Row {
    let kind = match row {
        Row::Network(row) => Kind::Network(network(row)),
        Row::Subnet(row) => Kind::Subnet(subnet(row)),
        Row::Presence(row) => Kind::Presence(presence(row)),
        Row::Location(row) => Kind::Location(location(row)),
        Row::Name(row) => Kind::Name(name(row)),
        Row::RouterInterface(row) => Kind::RouterInterface(router_interface(row)),
        Row::Route(row) => Kind::Route(route(row)),
        Row::Rule(row) => Kind::Rule(rule(row)),
        Row::Member(row) => Kind::Member(member(row)),
        Row::Policy(row) => Kind::Policy(policy(row)),
        Row::FloatingIp(row) => Kind::FloatingIp(floating_ip(row)),
        Row::PortLease(row) => Kind::PortLease(port_lease(row)),
        Row::FloatingRelay(row) => Kind::FloatingRelay(floating_relay(row)),
        Row::Forwarding(row) => Kind::Forwarding(forwarding(row)),
        Row::Instance(row) => Kind::Instance(super::instance::encode(row)),
        Row::Port(row) => Kind::Port(port(row)),
    };
    proto::Row { kind: Some(kind) }
}

fn network(row: &NetworkRow) -> proto::NetworkRow {
    proto::NetworkRow {
        number: row.number,
        uuid: octets(&row.uuid),
        vni: row.vni.unwrap_or(0),
        mtu: row.mtu,
        admin_up: row.admin_up,
        privacy_addresses: row.privacy_addresses,
        unlisted_addresses: row.unlisted_addresses,
        physical: row.physical.as_ref().map(|physical| proto::PhysicalSegment {
            network: physical.network.clone(),
            vlan: physical.vlan.unwrap_or(0).into(),
        }),
    }
}

fn subnet(row: &SubnetRow) -> proto::SubnetRow {
    proto::SubnetRow {
        number: row.number,
        network: row.network,
        uuid: octets(&row.uuid),
        cidr: Some(prefix(&row.cidr)),
        gateway: row.gateway.map(address).unwrap_or_default(),
        dns: row.dns.iter().copied().map(address).collect(),
        host_routes: row.host_routes.iter().map(host_route).collect(),
        enable_dhcp: row.enable_dhcp,
        dhcp_address: row.dhcp.map(|dhcp| address(dhcp.address)).unwrap_or_default(),
        dhcp_mac: row.dhcp.map(|dhcp| octets(&dhcp.mac)).unwrap_or_default(),
        lease_seconds: row.lease_seconds,
        ra_mode: ipv6_mode(row.ra_mode).into(),
        address_mode: ipv6_mode(row.address_mode).into(),
    }
}

fn presence(row: &PresenceRow) -> proto::PresenceRow {
    proto::PresenceRow { network: row.network, host: row.host, underlay: address(row.underlay) }
}

fn location(row: &LocationRow) -> proto::LocationRow {
    proto::LocationRow {
        network: row.network,
        port: row.port,
        mac: octets(&row.mac),
        addresses: row.addresses.iter().copied().map(address).collect(),
        host: match row.place {
            Place::Host(number) => number,
            Place::Everywhere => 0,
        },
    }
}

fn name(row: &NameRow) -> proto::NameRow {
    let NameRow { network, port, name, domain } = row.clone();
    proto::NameRow { network, port, name, domain }
}

fn router_interface(row: &RouterInterfaceRow) -> proto::RouterInterfaceRow {
    let addresses = row.addresses.iter();
    let [scope_v4, scope_v6] = row.scopes;
    proto::RouterInterfaceRow {
        router: row.router,
        port: row.port,
        network: row.network,
        mac: octets(&row.mac),
        addresses: addresses
            .map(|a| proto::InterfaceAddress { address: address(a.address), length: a.length.into() })
            .collect(),
        gateway: row.gateway.as_ref().map(|gateway| proto::Gateway {
            snat: gateway.snat,
            hosts: gateway.hosts.clone(),
            one_of_several: gateway.is_one_of_several,
        }),
        scope_v4: scope_v4.map(|scope| octets(&scope)).unwrap_or_default(),
        scope_v6: scope_v6.map(|scope| octets(&scope)).unwrap_or_default(),
    }
}

fn floating_ip(row: &FloatingIpRow) -> proto::FloatingIpRow {
    proto::FloatingIpRow {
        number: row.number,
        network: row.network,
        address: address(row.address),
        router: row.router,
        interface: row.interface,
        port: row.port,
        inside: address(row.inside),
    }
}

fn floating_relay(row: &FloatingRelayRow) -> proto::FloatingRelayRow {
    proto::FloatingRelayRow {
        router: row.router,
        floating_ip: row.floating_ip,
        network: row.network,
        address: address(row.address),
        interface: row.interface,
        host: row.host,
    }
}

fn forwarding(row: &ForwardingRow) -> proto::ForwardingRow {
    proto::ForwardingRow {
        router: row.router,
        floating_ip: row.floating_ip,
        protocol: row.protocol.into(),
        network: row.network,
        address: address(row.address),
        interface: row.interface,
        first: row.first.into(),
        last: row.last.into(),
        host: row.host,
        port: row.port,
        inside: address(row.inside),
        inside_port: row.inside_port.into(),
        single: row.single,
    }
}

fn port_lease(row: &PortLeaseRow) -> proto::PortLeaseRow {
    proto::PortLeaseRow {
        router: row.router,
        interface: row.interface,
        host: row.host,
        network: row.network,
        address: address(row.address),
        blocks: row.blocks.iter().copied().map(u32::from).collect(),
        slots: row.slots.iter().copied().map(u32::from).collect(),
    }
}

fn route(row: &RouteRow) -> proto::RouteRow {
    let paths = |paths: &[RoutePath]| {
        let path = |path: &RoutePath| proto::RoutePath { port: path.port, gateway: address(path.gateway) };
        paths.iter().map(path).collect()
    };
    proto::RouteRow {
        router: row.router,
        destination: Some(prefix(&row.destination)),
        paths: paths(&row.paths),
        others: paths(&row.others),
        watched: row.is_watched,
    }
}

fn port(row: &PortRow) -> proto::PortRow {
    proto::PortRow {
        number: row.number,
        uuid: octets(&row.uuid),
        network: row.network,
        mac: octets(&row.mac),
        addresses: row
            .addresses
            .iter()
            .map(|a| proto::PortAddress { address: address(a.address), subnet: a.subnet })
            .collect(),
        interface_name: row.interface_name.clone(),
        admin_up: row.admin_up,
        port_security_disabled: row.port_security_disabled,
        revision: row.revision,
        policy: row.policy.unwrap_or(0),
        allowed_pairs: row
            .allowed_pairs
            .iter()
            .map(|pair| proto::AllowedPair { prefix: Some(prefix(&pair.prefix)), mac: octets(&pair.mac) })
            .collect(),
        log: row.log.as_ref().map(|log| proto::PortLog {
            project: log.project.clone(),
            logs: log.logs.iter().map(log_object).collect(),
        }),
        dhcp_options: row.dhcp_options.iter().map(dhcp_option).collect(),
        dns_name: row.dns_name.clone(),
    }
}

fn dhcp_option(option: &DhcpOption) -> proto::DhcpOption {
    proto::DhcpOption { name: option.name.clone(), value: option.value.clone(), ipv6: option.is_ipv6 }
}

fn log_object(log: &LogObject) -> proto::LogObject {
    proto::LogObject {
        uuid: octets(&log.uuid),
        accepted: log.accepted,
        dropped: log.dropped,
        group: log.group.unwrap_or(0),
    }
}

fn policy(row: &PolicyRow) -> proto::PolicyRow {
    proto::PolicyRow { number: row.number, groups: row.groups.clone() }
}

fn rule(row: &RuleRow) -> proto::RuleRow {
    let direction = match row.direction {
        Direction::Egress => proto::Direction::Egress,
        Direction::Ingress => proto::Direction::Ingress,
    };
    let family = match row.family {
        Family::Ipv4 => proto::Family::Ipv4,
        Family::Ipv6 => proto::Family::Ipv6,
    };
    proto::RuleRow {
        group: row.group,
        rule: row.rule,
        direction: direction.into(),
        family: family.into(),
        protocol: row.protocol.map(Into::into),
        port_min: row.port_min.map(Into::into),
        port_max: row.port_max.map(Into::into),
        remote: Some(match row.remote {
            Remote::Any => proto::rule_row::Remote::Any(true),
            Remote::Prefix(remote) => proto::rule_row::Remote::Prefix(prefix(&remote)),
            Remote::Set(number) => proto::rule_row::Remote::Set(number),
        }),
        stateless: row.stateless,
        uuid: octets(&row.uuid),
    }
}

fn member(row: &MemberRow) -> proto::MemberRow {
    proto::MemberRow { set: row.set, member: row.member, prefixes: row.prefixes.iter().map(prefix).collect() }
}

fn prefix(prefix: &Prefix) -> proto::Prefix {
    proto::Prefix { address: address(prefix.address), length: prefix.length.into() }
}

fn host_route(route: &HostRoute) -> proto::HostRoute {
    proto::HostRoute { destination: Some(prefix(&route.destination)), nexthop: address(route.nexthop) }
}

fn ipv6_mode(mode: Option<Ipv6Mode>) -> proto::Ipv6Mode {
    match mode {
        None => proto::Ipv6Mode::None,
        Some(Ipv6Mode::Slaac) => proto::Ipv6Mode::Slaac,
        Some(Ipv6Mode::Dhcpv6Stateful) => proto::Ipv6Mode::Dhcpv6Stateful,
        Some(Ipv6Mode::Dhcpv6Stateless) => proto::Ipv6Mode::Dhcpv6Stateless,
    }
}

pub(super) fn address(address: Ipv6Addr) -> Bytes {
    octets(&address.octets())
}

fn octets(octets: &[u8]) -> Bytes {
    Bytes::copy_from_slice(octets)
}

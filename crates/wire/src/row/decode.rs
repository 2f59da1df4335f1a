//! Protobuf to typed rows. A peer's bytes are not trusted: every length and range is checked here, once.

mod policy;
mod router;

use super::{
    AllowedPair, DhcpOption, DhcpServer, HostRoute, Ipv6Mode, LocationRow, LogObject, NameRow, NetworkRow,
    PhysicalSegment, Place, PortAddress, PortLog, PortRow, Prefix, PresenceRow, Row, RowChange, RowKey,
    SubnetRow,
};
use crate::proto::{self, row::Kind, row_key};
use bytes::Bytes;
use prost::Message;
use std::net::Ipv6Addr;

/// What an element of `Batch.changes` was.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are changes, and each is taken apart at once")]
pub enum Decoded {
    /// A change of a known kind.
    Change(RowChange),
    /// A kind of row that this build doesn't know; it is ignored and counted.
    Unknown,
}

/// A row that breaks the shapes of `rows.proto`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedRow {
    /// Not protobuf.
    #[error("a row is not valid protobuf; server and node may be more than one release apart")]
    Encoding(#[from] prost::DecodeError),
    /// A field with an impossible value.
    #[error("field `{field}` of {key:?} is missing or has an impossible value")]
    Field {
        /// The row.
        key: RowKey,
        /// The field, by its name in `rows.proto`.
        field: &'static str,
    },
    /// The row under a key is of another kind, or says another key.
    #[error("the row sent for {key:?} is not that row")]
    OtherRow {
        /// The key that it came under.
        key: RowKey,
    },
}

pub(super) fn change(bytes: Bytes) -> Result<Decoded, MalformedRow> {
    let change = proto::RowChange::decode(bytes)?;
    let Some(kind) = change.key.and_then(|key| key.kind) else {
        return Ok(Decoded::Unknown);
    };
    let Some(key) = self::key(kind) else { return Ok(Decoded::Unknown) };
    let row = match change.row {
        None => None,
        Some(proto::Row { kind: None }) => return Ok(Decoded::Unknown),
        Some(proto::Row { kind: Some(kind) }) => {
            let row = self::row(key, kind)?;
            if row.key() != key {
                return Err(MalformedRow::OtherRow { key });
            }
            Some(row)
        }
    };
    Ok(Decoded::Change(RowChange { key, row }))
}

/// None for a key that names nothing: a route to no prefix, a port beyond all numbers.
fn key(kind: row_key::Kind) -> Option<RowKey> {
    Some(match kind {
        row_key::Kind::Network(number) => RowKey::Network(number),
        row_key::Kind::Subnet(proto::SubnetKey { network, subnet }) => RowKey::Subnet { network, subnet },
        row_key::Kind::Presence(proto::PresenceKey { network, host }) => RowKey::Presence { network, host },
        row_key::Kind::Location(proto::LocationKey { network, port }) => RowKey::Location { network, port },
        row_key::Kind::Name(proto::NameKey { network, port }) => RowKey::Name { network, port },
        row_key::Kind::RouterInterface(proto::RouterInterfaceKey { router, port }) => {
            RowKey::RouterInterface { router, port }
        }
        row_key::Kind::Route(proto::RouteKey { router, destination }) => {
            RowKey::Route { router, destination: prefix(&destination?)? }
        }
        row_key::Kind::Rule(proto::RuleKey { group, rule }) => RowKey::Rule { group, rule },
        row_key::Kind::Member(proto::MemberKey { set, member }) => RowKey::Member { set, member },
        row_key::Kind::Policy(number) => RowKey::Policy(number),
        row_key::Kind::FloatingIp(number) => RowKey::FloatingIp(number),
        row_key::Kind::FloatingRelay(proto::FloatingRelayKey { router, floating_ip }) => {
            RowKey::FloatingRelay { router, floating_ip }
        }
        row_key::Kind::Forwarding(proto::ForwardingKey { router, floating_ip, protocol, port }) => {
            let (protocol, port) = (protocol.try_into().ok()?, port.try_into().ok()?);
            RowKey::Forwarding { router, floating_ip, protocol, port }
        }
        row_key::Kind::PortLease(proto::PortLeaseKey { router, interface, host }) => {
            RowKey::PortLease { router, interface, host }
        }
        row_key::Kind::Instance(port) => RowKey::Instance(port),
        row_key::Kind::Port(number) => RowKey::Port(number),
    })
}

/// None when its address is none, or has bits behind its length.
fn prefix(prefix: &proto::Prefix) -> Option<Prefix> {
    let length = u8::try_from(prefix.length).ok().filter(|length| *length <= 128)?;
    let address = super::address_from_bytes(&prefix.address)?;
    let canonical = Prefix::of(address.into(), length);
    (canonical.address == address).then_some(canonical)
}

fn row(key: RowKey, kind: Kind) -> Result<Row, MalformedRow> {
    let read = Reader { key };
    Ok(match kind {
        Kind::Network(row) => Row::Network(read.network(row)?),
        Kind::Subnet(row) => Row::Subnet(read.subnet(row)?),
        Kind::Presence(row) => Row::Presence(read.presence(row)?),
        Kind::Location(row) => Row::Location(read.location(row)?),
        Kind::Name(proto::NameRow { network, port, name, domain }) => {
            Row::Name(NameRow { network, port, name, domain })
        }
        Kind::RouterInterface(row) => Row::RouterInterface(read.router_interface(row)?),
        Kind::Route(row) => Row::Route(read.route(row)?),
        Kind::Rule(row) => Row::Rule(read.rule(row)?),
        Kind::Member(row) => Row::Member(read.member(row)?),
        Kind::Policy(row) => Row::Policy(read.policy(row)?),
        Kind::FloatingIp(row) => Row::FloatingIp(read.floating_ip(row)?),
        Kind::PortLease(row) => Row::PortLease(read.port_lease(row)?),
        Kind::FloatingRelay(row) => Row::FloatingRelay(read.floating_relay(row)?),
        Kind::Forwarding(row) => Row::Forwarding(read.forwarding(row)?),
        Kind::Instance(row) => Row::Instance(read.instance(row)?),
        Kind::Port(row) => Row::Port(read.port(row)?),
    })
}

/// Reads the fields of one row; knows the key only for its errors.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    key: RowKey,
}

impl Reader {
    pub(super) fn bad(self, field: &'static str) -> MalformedRow {
        MalformedRow::Field { key: self.key, field }
    }

    fn small<N: TryFrom<u32>>(self, field: &'static str, number: u32) -> Result<N, MalformedRow> {
        N::try_from(number).map_err(|_| self.bad(field))
    }

    fn octets<const N: usize>(self, field: &'static str, bytes: &[u8]) -> Result<[u8; N], MalformedRow> {
        bytes.try_into().map_err(|_| self.bad(field))
    }

    fn address(self, field: &'static str, bytes: &[u8]) -> Result<Ipv6Addr, MalformedRow> {
        self.octets(field, bytes).map(Ipv6Addr::from)
    }

    fn optional_address(self, field: &'static str, bytes: &[u8]) -> Result<Option<Ipv6Addr>, MalformedRow> {
        if bytes.is_empty() { Ok(None) } else { self.address(field, bytes).map(Some) }
    }

    pub(super) fn addresses(
        self,
        field: &'static str,
        list: &[Bytes],
    ) -> Result<Vec<Ipv6Addr>, MalformedRow> {
        list.iter().map(|bytes| self.address(field, bytes)).collect()
    }

    fn prefix(self, field: &'static str, prefix: Option<proto::Prefix>) -> Result<Prefix, MalformedRow> {
        prefix.and_then(|prefix| self::prefix(&prefix)).ok_or(self.bad(field))
    }

    fn network(self, row: proto::NetworkRow) -> Result<NetworkRow, MalformedRow> {
        if row.vni >= 1 << 24 {
            return Err(self.bad("vni"));
        }
        Ok(NetworkRow {
            number: row.number,
            uuid: self.octets("uuid", &row.uuid)?,
            vni: (row.vni != 0).then_some(row.vni),
            mtu: row.mtu,
            admin_up: row.admin_up,
            privacy_addresses: row.privacy_addresses,
            unlisted_addresses: row.unlisted_addresses,
            physical: row.physical.map(|physical| self.physical(physical)).transpose()?,
        })
    }

    fn physical(self, physical: proto::PhysicalSegment) -> Result<PhysicalSegment, MalformedRow> {
        let vlan = match physical.vlan {
            0 => None,
            vlan @ 1..=4094 => Some(vlan as u16),
            _ => return Err(self.bad("vlan")),
        };
        Ok(PhysicalSegment { network: physical.network, vlan })
    }

    fn subnet(self, row: proto::SubnetRow) -> Result<SubnetRow, MalformedRow> {
        let dhcp = match self.optional_address("dhcp_address", &row.dhcp_address)? {
            None => None,
            Some(address) => Some(DhcpServer { address, mac: self.octets("dhcp_mac", &row.dhcp_mac)? }),
        };
        Ok(SubnetRow {
            number: row.number,
            network: row.network,
            uuid: self.octets("uuid", &row.uuid)?,
            cidr: self.prefix("cidr", row.cidr)?,
            gateway: self.optional_address("gateway", &row.gateway)?,
            dns: self.addresses("dns", &row.dns)?,
            host_routes: row
                .host_routes
                .into_iter()
                .map(|route| self.host_route(route))
                .collect::<Result<_, _>>()?,
            enable_dhcp: row.enable_dhcp,
            dhcp,
            lease_seconds: row.lease_seconds,
            ra_mode: self.ipv6_mode("ra_mode", row.ra_mode)?,
            address_mode: self.ipv6_mode("address_mode", row.address_mode)?,
        })
    }

    fn host_route(self, route: proto::HostRoute) -> Result<HostRoute, MalformedRow> {
        Ok(HostRoute {
            destination: self.prefix("host_routes", route.destination)?,
            nexthop: self.address("host_routes", &route.nexthop)?,
        })
    }

    fn ipv6_mode(self, field: &'static str, mode: i32) -> Result<Option<Ipv6Mode>, MalformedRow> {
        Ok(match proto::Ipv6Mode::try_from(mode).map_err(|_| self.bad(field))? {
            proto::Ipv6Mode::None => None,
            proto::Ipv6Mode::Slaac => Some(Ipv6Mode::Slaac),
            proto::Ipv6Mode::Dhcpv6Stateful => Some(Ipv6Mode::Dhcpv6Stateful),
            proto::Ipv6Mode::Dhcpv6Stateless => Some(Ipv6Mode::Dhcpv6Stateless),
        })
    }

    fn presence(self, row: proto::PresenceRow) -> Result<PresenceRow, MalformedRow> {
        Ok(PresenceRow {
            network: row.network,
            host: row.host,
            underlay: self.address("underlay", &row.underlay)?,
        })
    }

    fn location(self, row: proto::LocationRow) -> Result<LocationRow, MalformedRow> {
        Ok(LocationRow {
            network: row.network,
            port: row.port,
            mac: self.octets("mac", &row.mac)?,
            addresses: self.addresses("addresses", &row.addresses)?,
            place: if row.host == 0 { Place::Everywhere } else { Place::Host(row.host) },
        })
    }

    fn port(self, row: proto::PortRow) -> Result<PortRow, MalformedRow> {
        let name = row.interface_name;
        // IFNAMSIZ is 16 with the closing zero; the kernel refuses slashes and white space (dev_valid_name).
        if name.is_empty() || name.len() > 15 || name.contains(|c: char| c == '/' || c.is_whitespace()) {
            return Err(self.bad("interface_name"));
        }
        Ok(PortRow {
            number: row.number,
            uuid: self.octets("uuid", &row.uuid)?,
            network: row.network,
            mac: self.octets("mac", &row.mac)?,
            addresses: row
                .addresses
                .into_iter()
                .map(|a| {
                    Ok(PortAddress { address: self.address("addresses", &a.address)?, subnet: a.subnet })
                })
                .collect::<Result<_, MalformedRow>>()?,
            interface_name: name,
            admin_up: row.admin_up,
            port_security_disabled: row.port_security_disabled,
            revision: row.revision,
            policy: match row.policy {
                0 => None,
                number => Some(self.number("policy", number)?),
            },
            allowed_pairs: row
                .allowed_pairs
                .into_iter()
                .map(|pair| {
                    Ok(AllowedPair {
                        prefix: self.prefix("allowed_pairs", pair.prefix)?,
                        mac: self.octets("allowed_pairs", &pair.mac)?,
                    })
                })
                .collect::<Result<_, MalformedRow>>()?,
            log: match row.log {
                Some(log) => Some(self.log(log)?),
                None => None,
            },
            dhcp_options: row.dhcp_options.into_iter().map(dhcp_option).collect(),
            dns_name: row.dns_name,
        })
    }

    fn log(self, log: proto::PortLog) -> Result<PortLog, MalformedRow> {
        let logs = log.logs.into_iter().map(|log| {
            let uuid = self.octets("log", &log.uuid)?;
            let group = (log.group != 0).then_some(log.group);
            Ok(LogObject { uuid, accepted: log.accepted, dropped: log.dropped, group })
        });
        Ok(PortLog { project: log.project, logs: logs.collect::<Result<_, MalformedRow>>()? })
    }
}

fn dhcp_option(option: proto::DhcpOption) -> DhcpOption {
    DhcpOption { name: option.name, value: option.value, is_ipv6: option.ipv6 }
}

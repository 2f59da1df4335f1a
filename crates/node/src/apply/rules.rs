//! What follows from one row. Each function is a pure look at the inputs.

use super::calculation::{Inputs, PortInterface};
use super::entry::{FloodMember, NetworkFacts};
use super::{Key, Value, policy, router};
use hadron_pipeline::table::{
    self, AllowedKey, AllowedPrefixKey, FdbEntry, FdbKey, FloodTarget, HostKey, Interface, InterfaceKey,
    LAYOUT_VERSION, Neighbour, NeighbourKey, NetworkKey, PortKey, PrivacyPrefixKey, RuleCounterKey, Segment,
    SegmentKey, Vni, VniKey, Vtep, VtepKey, neighbour_kind, network_flag, port_flag, service_flag, target,
};
use hadron_pipeline::{Address, Mac};
use hadron_policy::without_mapped;
use hadron_wire::row::{
    Ipv6Mode, LocationRow, NetworkRow, Place, PortLog, PortRow, Prefix, PresenceRow, RouterInterfaceRow, Row,
    RowKey, SubnetRow, unmapped,
};

use std::collections::BTreeSet;

type Entries = Vec<(Key, Value)>;

pub(super) fn row(inputs: &Inputs, row: &Row) -> Entries {
    match row {
        Row::Network(row) => network(inputs, row),
        Row::Subnet(_) | Row::Policy(_) | Row::Instance(_) | Row::Name(_) => Entries::new(),
        Row::Rule(row) => {
            vec![(Key::RuleCounter(RuleCounterKey { rule: row.rule }), Value::RuleCounter(()))]
        }
        Row::Member(row) => policy::member(row),
        Row::Presence(row) => presence(inputs, row),
        Row::Location(row) => location(inputs, row),
        Row::RouterInterface(row) => router::interface(inputs, row),
        Row::Route(row) => vec![router::route(inputs, row)],
        Row::FloatingIp(row) => router::floating_ip(inputs, row),
        Row::FloatingRelay(row) => router::floating_relay(inputs, row),
        Row::Forwarding(row) => router::forwarding(inputs, row),
        Row::PortLease(row) => router::port_lease(inputs, row),
        Row::Port(row) => port(inputs, row),
    }
}

pub(super) fn host(inputs: &Inputs) -> Entries {
    let host = &inputs.host;
    let config = table::Config {
        layout_version: LAYOUT_VERSION,
        host: host.number,
        overlay_ifindex: host.overlay.unwrap_or(0),
        overlay_mtu: host.overlay_mtu,
        underlay: host.underlay.into(),
        timeouts: host.limits.timeouts,
        following: 0,
    };
    // What comes from outside is charged to port 0.
    let strangers = Key::PortState(PortKey { port: 0 });
    let mut entries = vec![(Key::Config(()), Value::Config(config)), (strangers, Value::PortState(()))];
    entries.extend(host.overlay.map(|index| (Key::OverlayProgram(()), Value::OverlayProgram(index))));
    entries.extend(host.services.map(|link| (Key::ServiceLink(()), Value::ServiceLink(link))));
    entries.extend(host.services.map(|link| (Key::ServiceProgram(()), Value::ServiceProgram(link.ifindex))));
    let providers = host.providers.values().flatten().map(|provider| provider.index);
    entries.extend(providers.map(|index| (Key::ProviderProgram(index), Value::ProviderProgram(()))));
    entries
}

fn network(inputs: &Inputs, row: &NetworkRow) -> Entries {
    let subnets = || inputs.rows.subnets(row.number);
    let mut routers = inputs.routers_of(row.number);
    let flags = [
        (network_flag::DHCP4, subnets().any(serves_dhcp4)),
        (network_flag::UNLISTED, row.unlisted_addresses),
        (network_flag::DHCP6, subnets().any(serves_dhcp6)),
        (network_flag::NO_UPSTREAM, inputs.outages.upstreams.contains(&row.number)),
        (network_flag::TRANSIT, row.physical.is_some() && row.vni.is_some()),
        (network_flag::ADVERTISED, routers.any(|router| advertised(subnets(), router).next().is_some())),
    ];
    let flags = bits(&flags);
    let segment = inputs.host.segment_of(row);
    let (provider, vlan) = segment.map_or((0, 0), |(provider, vlan)| (provider.index, vlan));
    let value = NetworkFacts { vni: row.vni.unwrap_or(0), flags, provider, vlan };
    let mut entries = vec![(Key::Network(NetworkKey { network: row.number }), Value::Network(value))];
    if provider != 0 {
        let key = SegmentKey { ifindex: provider, vlan };
        entries.push((Key::Segment(key), Value::Segment(Segment { network: row.number })));
        entries.push((flood(row.number, target::PROVIDER, 0), Value::Flood(())));
    }
    if let Some(vni) = row.vni {
        entries.push((Key::Vni(VniKey { vni }), Value::Vni(Vni { network: row.number })));
    }
    if inputs.host.services.is_some_and(|link| link.flags & service_flag::METADATA != 0) {
        let known = Neighbour { mac: table::METADATA_MAC, kind: neighbour_kind::SERVICE };
        entries.extend([table::METADATA_V4, table::METADATA_V6].map(|address| {
            (Key::Neighbour(NeighbourKey { network: row.number, address }), Value::Neighbour(known))
        }));
    }
    if row.privacy_addresses {
        let chosen = subnets().filter(|subnet| is_chosen(subnet));
        entries.extend(chosen.map(|subnet| {
            let key = PrivacyPrefixKey::new(row.number, subnet.cidr.address.into(), subnet.cidr.length);
            (Key::PrivacyPrefix(key), Value::PrivacyPrefix(()))
        }));
    }
    entries
}

/// All flags that are set.
pub(super) fn bits(flags: &[(u32, bool)]) -> u32 {
    flags.iter().filter(|(_, is_set)| *is_set).fold(0, |all, (flag, _)| all | flag)
}

/// Whether instances make their own addresses in the subnet (RFC 4862).
fn is_chosen(subnet: &SubnetRow) -> bool {
    matches!(subnet.address_mode, Some(Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6Stateless))
}

/// Whether DHCPv4 is answered for the subnet.
pub(crate) fn serves_dhcp4(subnet: &SubnetRow) -> bool {
    subnet.enable_dhcp && subnet.dhcp.is_some_and(|server| unmapped(server.address).is_ipv4())
}

/// Whether DHCPv6 is answered for the subnet: with addresses, or with everything else.
pub(crate) fn serves_dhcp6(subnet: &SubnetRow) -> bool {
    let is_served = matches!(subnet.address_mode, Some(Ipv6Mode::Dhcpv6Stateful | Ipv6Mode::Dhcpv6Stateless));
    subnet.enable_dhcp && is_served
}

/// The subnets, of all of its network, that a router advertises itself in: those that it has an address in and that say how. It is no
/// router of an external network's hosts.
pub(crate) fn advertised<'a>(
    subnets: impl Iterator<Item = &'a SubnetRow>,
    router: &RouterInterfaceRow,
) -> impl Iterator<Item = &'a SubnetRow> {
    let is_inside = router.gateway.is_none();
    let is_beside = |subnet: &SubnetRow| router.addresses.iter().any(|own| own.prefix() == subnet.cidr);
    subnets.filter(move |subnet| is_inside && subnet.ra_mode.is_some() && is_beside(subnet))
}

fn presence(inputs: &Inputs, row: &PresenceRow) -> Entries {
    let vni = network_of(inputs, row.network).and_then(|network| network.vni);
    let (Some(vni), true) = (vni, row.host != inputs.host.number) else { return Entries::new() };
    let vtep = Address::from(row.underlay);
    let mut entries = vec![
        (Key::Host(HostKey { host: row.host }), Value::Host(table::Host { vtep })),
        (Key::Vtep(VtepKey { vni, address: vtep }), Value::Vtep(Vtep { host: row.host })),
    ];
    // Broadcasts of a physical network are brought by that.
    if !is_physical(inputs, row.network) {
        entries.push((flood(row.network, target::HOST, row.host), Value::Flood(())));
    }
    entries
}

fn flood(network: u32, kind: u32, id: u32) -> Key {
    Key::Flood(FloodMember { network, target: FloodTarget { kind, id } })
}

fn location(inputs: &Inputs, row: &LocationRow) -> Entries {
    let (entry, kind) = match row.place {
        Place::Everywhere => (FdbEntry { kind: target::SERVICE, id: 0 }, neighbour_kind::SERVICE),
        Place::Host(host) if host == inputs.host.number => {
            (FdbEntry { kind: target::PORT, id: row.port }, neighbour_kind::INSTANCE)
        }
        Place::Host(_) if is_physical(inputs, row.network) => {
            (FdbEntry { kind: target::PROVIDER, id: 0 }, neighbour_kind::INSTANCE)
        }
        Place::Host(host) => (FdbEntry { kind: target::HOST, id: host }, neighbour_kind::INSTANCE),
    };
    let mac = Mac(row.mac);
    let mut entries = vec![(Key::Fdb(FdbKey::new(row.network, mac)), Value::Fdb(entry))];
    entries.extend(row.addresses.iter().map(|address| {
        let key = NeighbourKey { network: row.network, address: Address::from(*address) };
        (Key::Neighbour(key), Value::Neighbour(Neighbour { mac, kind }))
    }));
    entries
}

fn port(inputs: &Inputs, row: &PortRow) -> Entries {
    let Some(&PortInterface { index: ifindex, is_pair }) = inputs.interfaces.get(&row.interface_name) else {
        return Entries::new();
    };
    let Some(network) = network_of(inputs, row.network) else { return Entries::new() };
    if inputs.holder(&row.interface_name) != Some(row.number) {
        return Entries::new();
    }
    let limits = inputs.host.limits;
    let is_enabled = row.admin_up && network.admin_up;
    let mac = Mac(row.mac);
    let sources = sources(row);
    let has_other_mac = sources.iter().any(|(other, _)| *other != mac);
    let has_prefixes = sources.iter().any(|(_, prefix)| prefix.length < 128);
    let flags = [
        (port_flag::PORT_SECURITY, !row.port_security_disabled),
        (port_flag::ACCEPT_UNKNOWN, row.port_security_disabled || has_other_mac),
        (port_flag::ALLOWED_PREFIXES, has_prefixes),
        (port_flag::DISABLED, !is_enabled),
        (port_flag::PRIVACY, network.privacy_addresses && !row.port_security_disabled),
        (port_flag::LOG_ACCEPTED, row.log.as_ref().is_some_and(PortLog::has_accepted)),
        (port_flag::LOG_DROPPED, row.log.as_ref().is_some_and(PortLog::has_dropped)),
        (port_flag::PAIR, is_pair),
    ];
    let value = table::Port {
        network: row.network,
        ifindex,
        mac,
        flags: flags.into_iter().filter(|(_, is_set)| *is_set).fold(0, |all, (flag, _)| all | flag),
        punt_limit: limits.punt,
        miss_limit: limits.miss,
        flood_limit: limits.flood,
        policy: row.policy.filter(|_| !row.port_security_disabled).unwrap_or(0),
        connection_limit: limits.connections,
        log_limit: limits.log,
        error_limit: limits.error,
    };
    let key = PortKey { port: row.number };
    let mut entries = vec![
        (Key::PortState(key), Value::PortState(())),
        (Key::Port(key), Value::Port(value)),
        (Key::PortProgram(key), Value::PortProgram(ifindex)),
        (Key::Interface(InterfaceKey { ifindex }), Value::Interface(Interface { port: row.number })),
    ];
    entries.extend(sources.into_iter().map(|(mac, prefix)| allowed(row.number, mac, prefix)));
    if is_enabled {
        entries.push((flood(row.network, target::PORT, row.number), Value::Flood(())));
    }
    entries
}

/// The sources that a port may use: its addresses beside its MAC, its pairs beside theirs.
fn sources(row: &PortRow) -> BTreeSet<(Mac, Prefix)> {
    let fixed = row.addresses.iter().map(|address| Prefix { address: address.address, length: 128 });
    let pairs = row
        .allowed_pairs
        .iter()
        .flat_map(|pair| without_mapped(pair.prefix).into_iter().map(|prefix| (Mac(pair.mac), prefix)));
    fixed.map(|prefix| (Mac(row.mac), prefix)).chain(pairs).collect()
}

fn allowed(port: u32, mac: Mac, prefix: Prefix) -> (Key, Value) {
    let address = Address::from(prefix.address);
    if prefix.length == 128 {
        (Key::Allowed(AllowedKey::new(port, mac, address)), Value::Allowed(()))
    } else {
        let key = AllowedPrefixKey::new(port, mac, address, prefix.length);
        (Key::AllowedPrefix(key), Value::AllowedPrefix(()))
    }
}

fn is_physical(inputs: &Inputs, network: u32) -> bool {
    network_of(inputs, network).is_some_and(|network| network.physical.is_some())
}

pub(super) fn network_of(inputs: &Inputs, network: u32) -> Option<&NetworkRow> {
    match inputs.rows.get(&RowKey::Network(network))? {
        Row::Network(row) => Some(row),
        _ => None,
    }
}

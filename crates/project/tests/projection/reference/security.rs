//! The rows of policies, rules and members by the words of `rows.proto`.

use crate::model::Model;
use hadron_model::{Direction, Ethertype, Host, IpNet, Port, Remote, SecurityGroup};
use hadron_wire::Row;
use hadron_wire::row::{self, AllowedPair, MemberRow, PolicyRow, Prefix, RuleRow};

/// What a host with these ports is to have.
pub fn rows(model: &Model, host: &Host) -> Vec<Row> {
    let mut rows = Vec::new();
    for port in model.ports.values().filter(|port| port.binding.host_id == host.name) {
        let Some(number) = port.policy else { continue };
        let groups: Vec<&SecurityGroup> =
            model.groups.values().filter(|group| port.security_groups.contains(&group.id)).collect();
        let mut numbers: Vec<u32> = groups.iter().map(|group| group.number.0).collect();
        numbers.sort();
        rows.push(Row::Policy(PolicyRow { number: number.0, groups: numbers }));
        groups.into_iter().for_each(|group| rows.extend(rules(model, group)));
    }
    rows
}

/// The rules of a group and the members that they name.
fn rules(model: &Model, group: &SecurityGroup) -> Vec<Row> {
    let mut rows = Vec::new();
    for rule in model.rules.values().filter(|rule| rule.security_group_id == group.id) {
        let (remote, members) = match rule.remote {
            Remote::Any => (row::Remote::Any, vec![]),
            Remote::Prefix(prefix) => (row::Remote::Prefix(wire(prefix)), vec![]),
            Remote::Group(id) => {
                let named = model.groups.values().find(|group| group.id == id).unwrap();
                let ports = model.ports.values().filter(|port| port.security_groups.contains(&id));
                let members = ports.filter_map(|port| member(named, port)).collect();
                (row::Remote::Set(named.number.0), members)
            }
            Remote::AddressGroup(id) => {
                let named = model.address_groups.values().find(|group| group.id == id).unwrap();
                let set = named.number.0;
                let entry = |address: &IpNet| {
                    let prefixes = vec![wire(*address)];
                    Row::Member(MemberRow { set, member: fnv(wire(*address)), prefixes })
                };
                (row::Remote::Set(set), named.addresses.iter().map(entry).collect())
            }
        };
        rows.extend(members);
        rows.push(Row::Rule(RuleRow {
            group: group.number.0,
            rule: rule.number.0,
            uuid: rule.id.0.into_bytes(),
            direction: if rule.direction == Direction::Egress {
                row::Direction::Egress
            } else {
                row::Direction::Ingress
            },
            family: if rule.ethertype == Ethertype::Ipv4 { row::Family::Ipv4 } else { row::Family::Ipv6 },
            protocol: rule.protocol.map(|protocol| protocol.number()),
            port_min: rule.port_range_min,
            port_max: rule.port_range_max,
            remote,
            stateless: !group.stateful,
        }));
    }
    rows
}

fn member(group: &SecurityGroup, port: &Port) -> Option<Row> {
    let own = port.fixed_ips.iter().map(|fixed| wire(fixed.ip_address.into()));
    let mut prefixes: Vec<Prefix> =
        own.chain(port.allowed_address_pairs.iter().map(|pair| wire(pair.ip))).collect();
    prefixes.sort();
    let row = MemberRow { set: group.number.0, member: port.number.0, prefixes };
    (!row.prefixes.is_empty()).then_some(Row::Member(row))
}

pub fn allowed_pairs(port: &Port) -> Vec<AllowedPair> {
    let pair =
        |pair: &hadron_model::AddressPair| AllowedPair { prefix: wire(pair.ip), mac: port.mac_address.0 };
    let delegated = port.details.delegation.filter(|_| port.port_security_enabled);
    let delegated = delegated.map(|it| AllowedPair { prefix: wire(it.prefix), mac: port.mac_address.0 });
    let pairs: std::collections::BTreeSet<_> =
        port.allowed_address_pairs.iter().map(pair).chain(delegated).collect();
    pairs.into_iter().collect()
}

fn wire(prefix: IpNet) -> Prefix {
    Prefix::of(prefix.network(), prefix.prefix_len())
}

/// FNV-1a, 32 bits.
fn fnv(prefix: Prefix) -> u32 {
    let mut hash: u64 = 2_166_136_261;
    for octet in prefix.address.octets().iter().chain([&prefix.length]) {
        hash = ((hash ^ u64::from(*octet)) * 16_777_619) & 0xffff_ffff;
    }
    hash as u32
}

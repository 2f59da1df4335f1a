//! Policies, rules and members as functions of their keys and a snapshot of the model.

use super::Source;
use crate::Interest;
use hadron_model::{
    AddressGroup, Direction, Ethertype, IpNet, PolicyNumber, Port, PortNumber, Remote, RuleNumber,
    SecurityGroup, SecurityGroupId, SetNumber,
};
use hadron_store::{SetId, Snapshot};
use hadron_wire::Row;
use hadron_wire::row::{self, AllowedPair, MemberRow, PolicyRow, Prefix, RuleRow};
use std::collections::BTreeSet;

/// The prefixes of address groups by the number that stands for each in its group's rows: a hash, so that it stays what it is
/// whatever else the group has. Prefixes with the same hash are one member.
#[derive(Default, Debug)]
pub(crate) struct AddressEntries(BTreeSet<(SetNumber, u32, IpNet)>);

impl AddressEntries {
    /// Follows a group from `old` to `new`.
    pub(crate) fn replace(&mut self, old: Option<&AddressGroup>, new: Option<&AddressGroup>) {
        for entry in entries_only_in(old, new) {
            self.0.remove(&entry);
        }
        self.0.extend(entries_only_in(new, old));
    }

    fn of(&self, set: SetNumber, member: u32) -> impl Iterator<Item = IpNet> {
        let lowest = IpNet::V4(hadron_model::Ipv4Net::default());
        self.0
            .range((set, member, lowest)..)
            .take_while(move |entry| (entry.0, entry.1) == (set, member))
            .map(|entry| entry.2)
    }
}

/// The entries of `one` that `other` has not, with the set's number and each one's own. An address group's prefixes are sorted.
pub(crate) fn entries_only_in<'a>(
    one: Option<&'a AddressGroup>,
    other: Option<&'a AddressGroup>,
) -> impl Iterator<Item = (SetNumber, u32, IpNet)> + 'a {
    one.into_iter().flat_map(move |one| {
        let other = other.filter(|other| other.number == one.number);
        let is_in_other =
            move |address: &IpNet| other.is_some_and(|other| other.addresses.binary_search(address).is_ok());
        let entries = one.addresses.iter().filter(move |address| !is_in_other(address));
        entries.map(|address| (one.number, member_of(*address), *address))
    })
}

/// The number of a prefix in an address group: FNV-1a of its 16 octets and its length.
fn member_of(prefix: IpNet) -> u32 {
    let Prefix { address, length } = wire_prefix(prefix);
    address
        .octets()
        .into_iter()
        .chain([length])
        .fold(0x811c_9dc5, |hash: u32, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

fn wire_prefix(prefix: IpNet) -> Prefix {
    Prefix::of(prefix.addr(), prefix.prefix_len())
}

/// The number of a group, and whether it stands in `model`.
pub(super) fn number(model: &Snapshot, group: SecurityGroupId) -> Option<u32> {
    model.get::<SecurityGroup>(&group).map(|group| group.number.0)
}

impl Source<'_> {
    pub(super) fn policy(self, policy: u32) -> Option<(Interest, Row)> {
        let groups = &self.model.policy_by_number(PolicyNumber(policy))?.groups;
        let mut groups: Vec<u32> = groups.iter().filter_map(|group| number(self.model, *group)).collect();
        groups.sort_unstable();
        Some((Interest::Policy(policy), Row::Policy(PolicyRow { number: policy, groups })))
    }

    pub(super) fn rule(self, group: u32, number: u32) -> Option<(Interest, Row)> {
        let rule = self.model.rule_by_number(RuleNumber(number))?;
        let of = self.model.get::<SecurityGroup>(&rule.security_group_id)?;
        if of.number.0 != group {
            return None;
        }
        let row = RuleRow {
            group,
            rule: number,
            uuid: rule.id.0.into_bytes(),
            direction: match rule.direction {
                Direction::Egress => row::Direction::Egress,
                Direction::Ingress => row::Direction::Ingress,
            },
            family: match rule.ethertype {
                Ethertype::Ipv4 => row::Family::Ipv4,
                Ethertype::Ipv6 => row::Family::Ipv6,
            },
            protocol: rule.protocol.map(|protocol| protocol.number()),
            port_min: rule.port_range_min,
            port_max: rule.port_range_max,
            remote: self.remote(rule.remote)?,
            stateless: !of.stateful,
        };
        Some((Interest::Rules(group), Row::Rule(row)))
    }

    /// `None` when the set is gone: then the rule allows nothing.
    fn remote(self, remote: Remote) -> Option<row::Remote> {
        match remote {
            Remote::Any => Some(row::Remote::Any),
            Remote::Prefix(prefix) => Some(row::Remote::Prefix(wire_prefix(prefix))),
            Remote::Group(_) | Remote::AddressGroup(_) => {
                Some(row::Remote::Set(self.model.set_number(SetId::of(remote)?)?.0))
            }
        }
    }

    pub(super) fn member(self, set: u32, member: u32) -> Option<(Interest, Row)> {
        let prefixes: Vec<Prefix> = match self.model.set_by_number(SetNumber(set))? {
            SetId::Group(group) => {
                let port = self.model.port_by_number(PortNumber(member))?;
                port.security_groups.contains(&group).then(|| addresses(port))?
            }
            SetId::AddressGroup(_) => {
                self.entries.of(SetNumber(set), member).map(wire_prefix).collect::<Vec<_>>()
            }
        };
        let row = MemberRow { set, member, prefixes };
        (!row.prefixes.is_empty()).then_some((Interest::Members(set), Row::Member(row)))
    }

    /// Whether the host needs the rows of the policy, of the group's rules or of the set's members.
    pub(super) fn needs(self, host: &str, interest: Interest) -> bool {
        let policies =
            || self.model.host_policies(host).filter_map(|(policy, _)| self.model.policy_by_number(policy));
        let set = |number| self.model.set_by_number(SetNumber(number));
        match interest {
            Interest::Host(_) | Interest::Network(_) | Interest::Router(_) => false,
            Interest::Policy(policy) => self.model.host_policy_ports(host, PolicyNumber(policy)) > 0,
            Interest::Rules(group) => match set(group) {
                Some(SetId::Group(group)) => policies().any(|policy| policy.groups.contains(&group)),
                _ => false,
            },
            Interest::Members(number) => set(number).is_some_and(|set| {
                policies().any(|policy| policy.groups.iter().any(|group| names(self.model, *group, set)))
            }),
        }
    }
}

/// Whether a rule of the group names the set.
pub(crate) fn names(model: &Snapshot, group: SecurityGroupId, set: SetId) -> bool {
    Direction::ALL.into_iter().any(|direction| model.is_remote_of_group(group, direction, set))
}

/// Where the packets of a port of a group come from: its addresses, and those that it may use beside.
fn addresses(port: &Port) -> Vec<Prefix> {
    let own = port.fixed_ips.iter().map(|fixed| wire_prefix(fixed.ip_address.into()));
    let pairs = port.allowed_address_pairs.iter().map(|pair| wire_prefix(pair.ip));
    own.chain(pairs).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The port's allowed address pairs, those without a MAC with the port's.
pub(super) fn allowed_pairs(port: &Port) -> Vec<AllowedPair> {
    let pairs = port.allowed_address_pairs.iter().map(|pair| AllowedPair {
        prefix: wire_prefix(pair.ip),
        mac: pair.mac.unwrap_or(port.mac_address).0,
    });
    let delegated = port.details.delegation.filter(|_| port.port_security_enabled);
    let delegated =
        delegated.map(|it| AllowedPair { prefix: wire_prefix(it.prefix), mac: port.mac_address.0 });
    pairs.chain(delegated).collect::<BTreeSet<_>>().into_iter().collect()
}

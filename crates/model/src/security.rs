//! Security groups, their rules, address groups, and the policies that ports have of them.

use crate::{
    AddressGroupId, DefaultStatefulnessId, PolicyNumber, Protocol, RuleNumber, SecurityGroupId,
    SecurityGroupRuleId, SetNumber, Stamp,
};
use ipnet::IpNet;
use std::net::IpAddr;

/// The name of the group that every project has, and that no other group may have.
pub const DEFAULT_GROUP_NAME: &str = "default";

/// Most distinct remote groups and address groups that a policy's rules of one direction may name: what a packet pays for.
pub const MAX_REMOTE_SETS: usize = 32;

/// Which way a packet goes, as the instance sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// From the instance.
    Egress,
    /// To the instance.
    Ingress,
}

impl Direction {
    /// Both.
    pub const ALL: [Direction; 2] = [Direction::Egress, Direction::Ingress];

    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Egress => "egress",
            Direction::Ingress => "ingress",
        }
    }
}

/// The family of the packets that a rule is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ethertype {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Ethertype {
    /// Both.
    pub const ALL: [Ethertype; 2] = [Ethertype::Ipv4, Ethertype::Ipv6];

    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Ethertype::Ipv4 => "IPv4",
            Ethertype::Ipv6 => "IPv6",
        }
    }

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Ethertype::Ipv4 } else { Ethertype::Ipv6 }
    }
}

/// The other end of what a rule allows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Remote {
    /// Anywhere.
    Any,
    /// Inside a prefix, of the rule's family. The bits behind the prefix are as they were given.
    Prefix(IpNet),
    /// The addresses of the ports of a security group.
    Group(SecurityGroupId),
    /// The addresses of an address group.
    AddressGroup(AddressGroupId),
}

impl Remote {
    /// The prefix as given.
    pub fn prefix(self) -> Option<IpNet> {
        match self {
            Remote::Prefix(prefix) => Some(prefix),
            _ => None,
        }
    }

    /// The security group.
    pub fn group(self) -> Option<SecurityGroupId> {
        match self {
            Remote::Group(id) => Some(id),
            _ => None,
        }
    }

    /// The address group.
    pub fn address_group(self) -> Option<AddressGroupId> {
        match self {
            Remote::AddressGroup(id) => Some(id),
            _ => None,
        }
    }
}

/// A set of rules that ports share, and a set of addresses: those of its ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecurityGroup {
    /// UUID.
    pub id: SecurityGroupId,
    /// Number in the packet path, among security groups and address groups.
    pub number: SetNumber,
    /// Owner's project id.
    pub project_id: String,
    /// Name, at most 255 characters, not unique.
    pub name: String,
    /// Description, at most 255 characters.
    pub description: String,
    /// Whether answers to what its rules allow are allowed.
    pub stateful: bool,
    /// Whether it is its project's default group.
    pub is_default: bool,
    /// Times and revision.
    pub stamp: Stamp,
}

/// Something that a group's ports may send or receive. Rules only allow; what none allows is dropped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecurityGroupRule {
    /// UUID.
    pub id: SecurityGroupRuleId,
    /// Number in the packet path.
    pub number: RuleNumber,
    /// Its group.
    pub security_group_id: SecurityGroupId,
    /// Owner's project id.
    pub project_id: String,
    /// Which way.
    pub direction: Direction,
    /// Which family.
    pub ethertype: Ethertype,
    /// Which protocol, as given; `None` is any.
    pub protocol: Option<Protocol>,
    /// Lowest destination port; for ICMP the type. `None` is any.
    pub port_range_min: Option<u16>,
    /// Highest destination port; for ICMP the code. `None` is any.
    pub port_range_max: Option<u16>,
    /// The other end.
    pub remote: Remote,
    /// Description, at most 255 characters; a rule made from a template has none.
    pub description: Option<String>,
    /// Times and revision.
    pub stamp: Stamp,
}

impl SecurityGroupRule {
    /// The prefix with the bits behind it zero (`normalized_cidr`).
    pub fn normalized_cidr(&self) -> Option<IpNet> {
        self.remote.prefix().map(|prefix| prefix.trunc())
    }
}

/// The other end in a template.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TemplateRemote {
    /// The group that the rule is made for (`PARENT`).
    Parent,
    /// As in a rule.
    Fixed(Remote),
}

/// A template of the rules with which groups begin (`default_security_group_rule`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DefaultRule {
    /// UUID.
    pub id: SecurityGroupRuleId,
    /// Which way.
    pub direction: Direction,
    /// Which family.
    pub ethertype: Ethertype,
    /// Which protocol, as given; `None` is any.
    pub protocol: Option<Protocol>,
    /// As in a rule.
    pub port_range_min: Option<u16>,
    /// As in a rule.
    pub port_range_max: Option<u16>,
    /// The other end.
    pub remote: TemplateRemote,
    /// Whether a project's default group begins with it.
    pub used_in_default_sg: bool,
    /// Whether other groups begin with it.
    pub used_in_non_default_sg: bool,
    /// Description, at most 255 characters.
    pub description: String,
    /// Times and revision.
    pub stamp: Stamp,
}

/// A set of addresses that rules can name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressGroup {
    /// UUID.
    pub id: AddressGroupId,
    /// Number in the packet path, among security groups and address groups.
    pub number: SetNumber,
    /// Owner's project id.
    pub project_id: String,
    /// Name, at most 255 characters, not unique.
    pub name: String,
    /// Description, at most 1024 characters.
    pub description: String,
    /// Distinct prefixes, sorted, the bits behind each zero.
    pub addresses: Vec<IpNet>,
    /// Times and revision.
    pub stamp: Stamp,
}

/// A distinct set of security groups that ports have. The empty set is one too: it allows nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Number in the packet path.
    pub number: PolicyNumber,
    /// Sorted, distinct; the key of the record.
    pub groups: Vec<SecurityGroupId>,
}

/// Which security group is a project's default one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DefaultGroup {
    /// The project, the key of the record: a project has at most one.
    pub project_id: String,
    /// The group.
    pub security_group_id: SecurityGroupId,
}

/// Whether security groups that don't say so begin stateful, in one project or in all that have no setting of their own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DefaultStatefulness {
    /// UUID.
    pub id: DefaultStatefulnessId,
    /// The project; `None` for all others.
    pub project_id: Option<String>,
    /// What they begin with.
    pub stateful: bool,
}

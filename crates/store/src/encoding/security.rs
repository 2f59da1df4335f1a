//! Security groups, rules, templates, address groups, policies.

use super::Encoded;
use super::parts::{
    PrefixMessage, StampMessage, bad, prefix, prefix_message, stamp, stamp_message, uuid, uuid_bytes,
};
use crate::DecodeError;
use hadron_model::{
    AddressGroup, AddressGroupId, DefaultGroup, DefaultRule, DefaultStatefulness, DefaultStatefulnessId,
    Direction, Ethertype, Policy, PolicyNumber, Protocol, Remote, RuleNumber, SecurityGroup, SecurityGroupId,
    SecurityGroupRule, SecurityGroupRuleId, SetNumber, TemplateRemote,
};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SecurityGroupMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(string, tag = "3")]
    project_id: String,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(string, tag = "5")]
    description: String,
    #[prost(bool, tag = "6")]
    stateful: bool,
    #[prost(bool, tag = "7")]
    is_default: bool,
    #[prost(message, optional, tag = "8")]
    stamp: Option<StampMessage>,
}

impl Encoded for SecurityGroup {
    type Message = SecurityGroupMessage;
    const LAST_FIELD: u32 = 8;
    with_tags!();

    fn to_message(&self) -> SecurityGroupMessage {
        SecurityGroupMessage {
            id: uuid_bytes(self.id.0),
            number: self.number.0,
            project_id: self.project_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            stateful: self.stateful,
            is_default: self.is_default,
            stamp: stamp_message(&self.stamp),
        }
    }

    fn from_message(message: SecurityGroupMessage) -> Result<Self, DecodeError> {
        Ok(SecurityGroup {
            id: SecurityGroupId(uuid(&message.id)?),
            number: SetNumber(message.number),
            project_id: message.project_id,
            name: message.name,
            description: message.description,
            stateful: message.stateful,
            is_default: message.is_default,
            stamp: stamp(message.stamp),
        })
    }
}

/// What a rule and a template have in common.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MatchMessage {
    #[prost(uint32, tag = "1")]
    direction: u32,
    #[prost(uint32, tag = "2")]
    ethertype: u32,
    /// As it was given; absent is any.
    #[prost(string, optional, tag = "3")]
    protocol: Option<String>,
    #[prost(uint32, optional, tag = "4")]
    port_range_min: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    port_range_max: Option<u32>,
    #[prost(uint32, tag = "6")]
    remote: u32,
    #[prost(message, optional, tag = "7")]
    remote_prefix: Option<PrefixMessage>,
    #[prost(bytes = "vec", tag = "8")]
    remote_id: Vec<u8>,
}

const EGRESS: u32 = 1;
const INGRESS: u32 = 2;
const IPV4: u32 = 4;
const IPV6: u32 = 6;
const ANY: u32 = 1;
const PREFIX: u32 = 2;
const GROUP: u32 = 3;
const ADDRESS_GROUP: u32 = 4;
const PARENT: u32 = 5;

/// The fields of [`MatchMessage`] as the model has them.
struct Match {
    direction: Direction,
    ethertype: Ethertype,
    protocol: Option<Protocol>,
    ports: (Option<u16>, Option<u16>),
    remote: TemplateRemote,
}

fn match_message(it: &Match) -> Option<MatchMessage> {
    let (remote, remote_prefix, remote_id) = match it.remote {
        TemplateRemote::Parent => (PARENT, None, vec![]),
        TemplateRemote::Fixed(Remote::Any) => (ANY, None, vec![]),
        TemplateRemote::Fixed(Remote::Prefix(prefix)) => (PREFIX, Some(prefix_message(prefix)), vec![]),
        TemplateRemote::Fixed(Remote::Group(id)) => (GROUP, None, uuid_bytes(id.0)),
        TemplateRemote::Fixed(Remote::AddressGroup(id)) => (ADDRESS_GROUP, None, uuid_bytes(id.0)),
    };
    Some(MatchMessage {
        direction: if it.direction == Direction::Egress { EGRESS } else { INGRESS },
        ethertype: if it.ethertype == Ethertype::Ipv4 { IPV4 } else { IPV6 },
        protocol: it.protocol.map(|protocol| protocol.to_string()),
        port_range_min: it.ports.0.map(u32::from),
        port_range_max: it.ports.1.map(u32::from),
        remote,
        remote_prefix,
        remote_id,
    })
}

fn matched(message: Option<MatchMessage>) -> Result<Match, DecodeError> {
    let message = message.unwrap_or_default();
    let port = |port: Option<u32>| port.map(u16::try_from).transpose().map_err(|_| bad("port"));
    let remote = match message.remote {
        PARENT => TemplateRemote::Parent,
        ANY => TemplateRemote::Fixed(Remote::Any),
        PREFIX => {
            let message = message.remote_prefix.as_ref().ok_or_else(|| bad("remote prefix"))?;
            TemplateRemote::Fixed(Remote::Prefix(prefix(message)?))
        }
        GROUP => TemplateRemote::Fixed(Remote::Group(SecurityGroupId(uuid(&message.remote_id)?))),
        ADDRESS_GROUP => {
            TemplateRemote::Fixed(Remote::AddressGroup(AddressGroupId(uuid(&message.remote_id)?)))
        }
        _ => return Err(bad("remote")),
    };
    Ok(Match {
        direction: match message.direction {
            EGRESS => Direction::Egress,
            INGRESS => Direction::Ingress,
            _ => return Err(bad("direction")),
        },
        ethertype: match message.ethertype {
            IPV4 => Ethertype::Ipv4,
            IPV6 => Ethertype::Ipv6,
            _ => return Err(bad("ethertype")),
        },
        protocol: message.protocol.map(|text| text.parse().map_err(|_| bad("protocol"))).transpose()?,
        ports: (port(message.port_range_min)?, port(message.port_range_max)?),
        remote,
    })
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RuleMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(bytes = "vec", tag = "3")]
    security_group_id: Vec<u8>,
    #[prost(string, tag = "4")]
    project_id: String,
    #[prost(message, optional, tag = "5")]
    matched: Option<MatchMessage>,
    #[prost(string, optional, tag = "6")]
    description: Option<String>,
    #[prost(message, optional, tag = "7")]
    stamp: Option<StampMessage>,
}

impl Encoded for SecurityGroupRule {
    type Message = RuleMessage;
    const LAST_FIELD: u32 = 7;
    with_tags!();

    fn to_message(&self) -> RuleMessage {
        RuleMessage {
            id: uuid_bytes(self.id.0),
            number: self.number.0,
            security_group_id: uuid_bytes(self.security_group_id.0),
            project_id: self.project_id.clone(),
            matched: match_message(&Match {
                direction: self.direction,
                ethertype: self.ethertype,
                protocol: self.protocol,
                ports: (self.port_range_min, self.port_range_max),
                remote: TemplateRemote::Fixed(self.remote),
            }),
            description: self.description.clone(),
            stamp: stamp_message(&self.stamp),
        }
    }

    fn from_message(message: RuleMessage) -> Result<Self, DecodeError> {
        let matched = matched(message.matched)?;
        let TemplateRemote::Fixed(remote) = matched.remote else { return Err(bad("remote of a rule")) };
        Ok(SecurityGroupRule {
            id: SecurityGroupRuleId(uuid(&message.id)?),
            number: RuleNumber(message.number),
            security_group_id: SecurityGroupId(uuid(&message.security_group_id)?),
            project_id: message.project_id,
            direction: matched.direction,
            ethertype: matched.ethertype,
            protocol: matched.protocol,
            port_range_min: matched.ports.0,
            port_range_max: matched.ports.1,
            remote,
            description: message.description,
            stamp: stamp(message.stamp),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DefaultRuleMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    matched: Option<MatchMessage>,
    #[prost(bool, tag = "3")]
    used_in_default_sg: bool,
    #[prost(bool, tag = "4")]
    used_in_non_default_sg: bool,
    #[prost(string, tag = "5")]
    description: String,
    #[prost(message, optional, tag = "6")]
    stamp: Option<StampMessage>,
}

impl Encoded for DefaultRule {
    type Message = DefaultRuleMessage;
    const LAST_FIELD: u32 = 6;
    with_tags!();

    fn to_message(&self) -> DefaultRuleMessage {
        DefaultRuleMessage {
            id: uuid_bytes(self.id.0),
            matched: match_message(&Match {
                direction: self.direction,
                ethertype: self.ethertype,
                protocol: self.protocol,
                ports: (self.port_range_min, self.port_range_max),
                remote: self.remote,
            }),
            used_in_default_sg: self.used_in_default_sg,
            used_in_non_default_sg: self.used_in_non_default_sg,
            description: self.description.clone(),
            stamp: stamp_message(&self.stamp),
        }
    }

    fn from_message(message: DefaultRuleMessage) -> Result<Self, DecodeError> {
        let matched = matched(message.matched)?;
        Ok(DefaultRule {
            id: SecurityGroupRuleId(uuid(&message.id)?),
            direction: matched.direction,
            ethertype: matched.ethertype,
            protocol: matched.protocol,
            port_range_min: matched.ports.0,
            port_range_max: matched.ports.1,
            remote: matched.remote,
            used_in_default_sg: message.used_in_default_sg,
            used_in_non_default_sg: message.used_in_non_default_sg,
            description: message.description,
            stamp: stamp(message.stamp),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AddressGroupMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(string, tag = "3")]
    project_id: String,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(string, tag = "5")]
    description: String,
    #[prost(message, repeated, tag = "6")]
    addresses: Vec<PrefixMessage>,
    #[prost(message, optional, tag = "7")]
    stamp: Option<StampMessage>,
}

impl Encoded for AddressGroup {
    type Message = AddressGroupMessage;
    const LAST_FIELD: u32 = 7;
    with_tags!();

    fn to_message(&self) -> AddressGroupMessage {
        AddressGroupMessage {
            id: uuid_bytes(self.id.0),
            number: self.number.0,
            project_id: self.project_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            addresses: self.addresses.iter().copied().map(prefix_message).collect(),
            stamp: stamp_message(&self.stamp),
        }
    }

    fn from_message(message: AddressGroupMessage) -> Result<Self, DecodeError> {
        Ok(AddressGroup {
            id: AddressGroupId(uuid(&message.id)?),
            number: SetNumber(message.number),
            project_id: message.project_id,
            name: message.name,
            description: message.description,
            addresses: message.addresses.iter().map(prefix).collect::<Result<_, _>>()?,
            stamp: stamp(message.stamp),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PolicyMessage {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(bytes = "vec", repeated, tag = "2")]
    groups: Vec<Vec<u8>>,
}

impl Encoded for Policy {
    type Message = PolicyMessage;
    const LAST_FIELD: u32 = 2;

    fn to_message(&self) -> PolicyMessage {
        PolicyMessage {
            number: self.number.0,
            groups: self.groups.iter().map(|id| uuid_bytes(id.0)).collect(),
        }
    }

    fn from_message(message: PolicyMessage) -> Result<Self, DecodeError> {
        let groups = message.groups.iter().map(|id| uuid(id).map(SecurityGroupId));
        Ok(Policy { number: PolicyNumber(message.number), groups: groups.collect::<Result<_, _>>()? })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DefaultGroupMessage {
    #[prost(string, tag = "1")]
    project_id: String,
    #[prost(bytes = "vec", tag = "2")]
    security_group_id: Vec<u8>,
}

impl Encoded for DefaultGroup {
    type Message = DefaultGroupMessage;
    const LAST_FIELD: u32 = 2;

    fn to_message(&self) -> DefaultGroupMessage {
        DefaultGroupMessage {
            project_id: self.project_id.clone(),
            security_group_id: uuid_bytes(self.security_group_id.0),
        }
    }

    fn from_message(message: DefaultGroupMessage) -> Result<Self, DecodeError> {
        Ok(DefaultGroup {
            project_id: message.project_id,
            security_group_id: SecurityGroupId(uuid(&message.security_group_id)?),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DefaultStatefulnessMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, optional, tag = "2")]
    project_id: Option<String>,
    #[prost(bool, tag = "3")]
    stateful: bool,
}

impl Encoded for DefaultStatefulness {
    type Message = DefaultStatefulnessMessage;
    const LAST_FIELD: u32 = 3;

    fn to_message(&self) -> DefaultStatefulnessMessage {
        DefaultStatefulnessMessage {
            id: uuid_bytes(self.id.0),
            project_id: self.project_id.clone(),
            stateful: self.stateful,
        }
    }

    fn from_message(message: DefaultStatefulnessMessage) -> Result<Self, DecodeError> {
        Ok(DefaultStatefulness {
            id: DefaultStatefulnessId(uuid(&message.id)?),
            project_id: message.project_id,
            stateful: message.stateful,
        })
    }
}

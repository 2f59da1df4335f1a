//! Refusals about security groups, port security and address groups.

use hadron_model::{
    AddressGroupId, DefaultStatefulnessId, Direction, Ethertype, IpNet, PortId, Protocol, SecurityGroupId,
    SecurityGroupRuleId,
};

/// A refused operation on what filters traffic. Named and numbered as Neutron's exceptions.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SecurityError {
    /// There is no such group, or the caller can't see it.
    #[error("security group {0} does not exist")]
    GroupNotFound(SecurityGroupId),
    /// There is no such rule, or the caller can't see it.
    #[error("security group rule {0} does not exist")]
    RuleNotFound(SecurityGroupRuleId),
    /// There is no such template.
    #[error("default security group rule {0} does not exist")]
    DefaultRuleNotFound(SecurityGroupRuleId),
    /// There is no such address group, or the caller can't see it.
    #[error("address group {0} could not be found")]
    AddressGroupNotFound(AddressGroupId),
    /// There is no such setting, or the caller can't see it.
    #[error("security group default statefulness {0} could not be found")]
    DefaultStatefulnessNotFound(DefaultStatefulnessId),
    /// There is a setting for the project.
    #[error("there is a default statefulness of security groups for {}; change it", .0.as_deref().unwrap_or("all projects"))]
    DefaultStatefulnessExists(Option<String>),
    /// Ports have the group.
    #[error("security group {0} is in use: ports have it; give them other groups first")]
    GroupInUse(SecurityGroupId),
    /// Only an administrator may delete a default group.
    #[error("insufficient rights for removing the default security group")]
    CannotRemoveDefault,
    /// A default group keeps its name.
    #[error("the default security group can't be renamed")]
    CannotUpdateDefault,
    /// Only a project's default group is named so.
    #[error("a default security group already exists; choose another name")]
    DefaultAlreadyExists,
    /// The group has a rule of the same meaning.
    #[error("the security group rule already exists; rule id is {0}")]
    RuleExists(SecurityGroupRuleId),
    /// Two rules of one request mean the same.
    #[error("the request has the same security group rule twice")]
    DuplicateRuleInPost,
    /// There is a template of the same meaning.
    #[error("the default security group rule already exists; rule id is {0}")]
    DefaultRuleExists(SecurityGroupRuleId),
    /// A bulk create of rules is for one group.
    #[error("the rules of one request must belong to one security group")]
    NotSingleGroupRules,
    /// A bulk create of rules is for one project.
    #[error("the rules of one request must belong to one project")]
    RulesNotSingleProject,
    /// A rule has one other end.
    #[error("only one of remote_ip_prefix, remote_group_id and remote_address_group_id may be given")]
    MultipleRemoteEntities,
    /// Ports need a protocol.
    #[error("a protocol must be given with a port range")]
    ProtocolRequiredWithPorts,
    /// Not a port.
    #[error("Invalid value for port {0}: it must be 1 to 65535")]
    InvalidPortValue(String),
    /// An end is missing, or they are in the wrong order.
    #[error("for protocols with ports both are needed, and port_range_min must be <= port_range_max")]
    InvalidPortRange,
    /// Not an ICMP type or code.
    #[error("Invalid value for ICMP {field} ({attribute}): {value}; it must be 0 to 255")]
    InvalidIcmpValue {
        /// `type` or `code`.
        field: &'static str,
        /// The attribute that holds it.
        attribute: &'static str,
        /// What was given.
        value: u16,
    },
    /// An ICMP code needs its type.
    #[error("ICMP code (port-range-max) {0} is given, but its ICMP type (port-range-min) is missing")]
    MissingIcmpType(u16),
    /// The protocol has no ports.
    #[error("protocol {0} has no ports; those with ports are TCP, UDP, UDPLITE, SCTP and DCCP")]
    InvalidProtocolForPort(Protocol),
    /// The prefix is of the other family.
    #[error("Conflicting value ethertype {} for CIDR {cidr}", .ethertype.as_str())]
    RuleParameterConflict {
        /// The rule's family.
        ethertype: Ethertype,
        /// The prefix.
        cidr: IpNet,
    },
    /// The protocol belongs to IPv6.
    #[error("ethertype {} is invalid for protocol {protocol}", .ethertype.as_str())]
    EthertypeConflictWithProtocol {
        /// The rule's family.
        ethertype: Ethertype,
        /// The protocol.
        protocol: Protocol,
    },
    /// Not a protocol.
    #[error(
        "security group rule protocol {0} is not supported; give any, a number from 0 to 255, or one of: {names}",
        names = Protocol::names().collect::<Vec<_>>().join(", ")
    )]
    RuleInvalidProtocol(String),
    /// Not a family.
    #[error("security group rule ethertype {0} is not supported; give IPv4 or IPv6")]
    RuleInvalidEtherType(String),
    /// The operation contradicts what is there.
    #[error("security group conflict: {0}")]
    Conflict(String),
    /// More distinct remote groups than a policy can have.
    #[error(
        "the {} rules of a port's security groups would name {count} distinct remote groups and address groups; \
         at most {limit} are possible: name fewer groups, or use remote_ip_prefix",
        .direction.as_str()
    )]
    TooManyRemoteGroups {
        /// Of which rules.
        direction: Direction,
        /// How many there would be.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Rules name the address group.
    #[error("address group {0} is in use by security group rules; delete them first")]
    AddressGroupInUse(AddressGroupId),
    /// The group has the addresses already.
    #[error("addresses {} already exist in address group {group}", list(.addresses))]
    AddressesAlreadyExist {
        /// Which.
        addresses: Vec<IpNet>,
        /// The group.
        group: AddressGroupId,
    },
    /// The group does not have the addresses.
    #[error("addresses {} are not in address group {group}", list(.addresses))]
    AddressesNotFound {
        /// Which.
        addresses: Vec<IpNet>,
        /// The group.
        group: AddressGroupId,
    },
    /// Address pairs need port security.
    #[error("port security must be enabled for a port with allowed address pairs")]
    AddressPairAndPortSecurityRequired,
    /// Too many address pairs.
    #[error("a port may have at most {0} allowed address pairs")]
    AllowedAddressPairExhausted(usize),
    /// A pair is given twice.
    #[error("the request has the allowed address pair {mac} {ip} twice")]
    DuplicateAddressPairInRequest {
        /// Its MAC.
        mac: String,
        /// Its addresses, as given.
        ip: String,
    },
    /// Security groups need port security.
    #[error("port security must be enabled for a port with security groups")]
    PortSecurityAndIpRequiredForSecurityGroups,
    /// Port security can't go while the port has groups.
    #[error("port {0} has security groups; take them off in the same request to disable port security")]
    PortSecurityPortHasSecurityGroup(PortId),
}

impl SecurityError {
    /// The name of Neutron's exception.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::GroupNotFound(_) => "SecurityGroupNotFound",
            Self::RuleNotFound(_) => "SecurityGroupRuleNotFound",
            Self::DefaultRuleNotFound(_) => "DefaultSecurityGroupRuleNotFound",
            Self::AddressGroupNotFound(_) => "AddressGroupNotFound",
            Self::DefaultStatefulnessNotFound(_) => "SecurityGroupDefaultStatefulnessNotFound",
            Self::DefaultStatefulnessExists(_) => "SecurityGroupDefaultStatefulnessAlreadyExists",
            Self::GroupInUse(_) => "SecurityGroupInUse",
            Self::CannotRemoveDefault => "SecurityGroupCannotRemoveDefault",
            Self::CannotUpdateDefault => "SecurityGroupCannotUpdateDefault",
            Self::DefaultAlreadyExists => "SecurityGroupDefaultAlreadyExists",
            Self::RuleExists(_) => "SecurityGroupRuleExists",
            Self::DuplicateRuleInPost => "DuplicateSecurityGroupRuleInPost",
            Self::DefaultRuleExists(_) => "DefaultSecurityGroupRuleExists",
            Self::NotSingleGroupRules => "SecurityGroupNotSingleGroupRules",
            Self::RulesNotSingleProject => "SecurityGroupRulesNotSingleProject",
            Self::MultipleRemoteEntities => "SecurityGroupMultipleRemoteEntites",
            Self::ProtocolRequiredWithPorts => "SecurityGroupProtocolRequiredWithPorts",
            Self::InvalidPortValue(_) => "SecurityGroupInvalidPortValue",
            Self::InvalidPortRange => "SecurityGroupInvalidPortRange",
            Self::InvalidIcmpValue { .. } => "SecurityGroupInvalidIcmpValue",
            Self::MissingIcmpType(_) => "SecurityGroupMissingIcmpType",
            Self::InvalidProtocolForPort(_) => "SecurityGroupInvalidProtocolForPort",
            Self::RuleParameterConflict { .. } => "SecurityGroupRuleParameterConflict",
            Self::EthertypeConflictWithProtocol { .. } => "SecurityGroupEthertypeConflictWithProtocol",
            Self::RuleInvalidProtocol(_) => "SecurityGroupRuleInvalidProtocol",
            Self::RuleInvalidEtherType(_) => "SecurityGroupRuleInvalidEtherType",
            Self::Conflict(_) | Self::TooManyRemoteGroups { .. } => "SecurityGroupConflict",
            Self::AddressGroupInUse(_) => "AddressGroupInUse",
            Self::AddressesAlreadyExist { .. } => "AddressesAlreadyExist",
            Self::AddressesNotFound { .. } => "AddressesNotFound",
            Self::AddressPairAndPortSecurityRequired => "AddressPairAndPortSecurityRequired",
            Self::AllowedAddressPairExhausted(_) => "AllowedAddressPairExhausted",
            Self::DuplicateAddressPairInRequest { .. } => "DuplicateAddressPairInRequest",
            Self::PortSecurityAndIpRequiredForSecurityGroups => "PortSecurityAndIPRequiredForSecurityGroups",
            Self::PortSecurityPortHasSecurityGroup(_) => "PortSecurityPortHasSecurityGroup",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::GroupNotFound(_)
            | Self::RuleNotFound(_)
            | Self::DefaultRuleNotFound(_)
            | Self::AddressGroupNotFound(_)
            | Self::DefaultStatefulnessNotFound(_)
            | Self::AddressesNotFound { .. } => 404,
            Self::GroupInUse(_)
            | Self::DefaultStatefulnessExists(_)
            | Self::CannotRemoveDefault
            | Self::CannotUpdateDefault
            | Self::DefaultAlreadyExists
            | Self::RuleExists(_)
            | Self::DuplicateRuleInPost
            | Self::DefaultRuleExists(_)
            | Self::Conflict(_)
            | Self::TooManyRemoteGroups { .. }
            | Self::AddressGroupInUse(_)
            | Self::AddressPairAndPortSecurityRequired
            | Self::PortSecurityPortHasSecurityGroup(_) => 409,
            _ => 400,
        }
    }
}

/// At most 20 prefixes.
fn list(prefixes: &[IpNet]) -> String {
    prefixes.iter().take(20).map(IpNet::to_string).collect::<Vec<_>>().join(", ")
}

//! Typed identities. An object has a UUID in the API and, where the packet path names it, a compact number.
//!
//! Numbers are 32 bits, allocated by the store in rising order, never zero and never reused; zero means "none" on the wire
//! and in the kernel's tables.

use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new random (version 4) identity.
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

macro_rules! number {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

uuid_id! {
    /// A network's UUID.
    NetworkId,
    /// A subnet's UUID.
    SubnetId,
    /// A port's UUID.
    PortId,
    /// A security group's UUID.
    SecurityGroupId,
    /// The UUID of a security group's rule, or of a template of one.
    SecurityGroupRuleId,
    /// An address group's UUID.
    AddressGroupId,
    /// An agent's UUID.
    AgentId,
    /// A router's UUID.
    RouterId,
    /// A floating IP's UUID.
    FloatingIpId,
    /// A port forwarding's UUID.
    PortForwardingId,
    /// A packet log's UUID.
    PacketLogId,
    /// The UUID of a setting of [`crate::DefaultStatefulness`].
    DefaultStatefulnessId,
    /// The UUID of a policy that shares an object.
    RbacPolicyId,
    /// An address scope's UUID.
    AddressScopeId,
    /// A subnet pool's UUID.
    SubnetPoolId,
    /// A network segment's UUID.
    SegmentId,
    /// The UUID of a range of identifiers of networks.
    SegmentRangeId,
}

number! {
    /// A network's number on the wire and in the kernel's tables.
    NetworkNumber,
    /// A subnet's number on the wire.
    SubnetNumber,
    /// A port's number on the wire and in the kernel's tables.
    PortNumber,
    /// A host's number on the wire and in the kernel's tables.
    HostNumber,
    /// The number of a set of addresses, a security group's or an address group's, on the wire and in the kernel's tables.
    SetNumber,
    /// A rule's number on the wire and in the kernel's tables.
    RuleNumber,
    /// A policy's number on the wire and in the kernel's tables.
    PolicyNumber,
    /// A router's number on the wire and in the kernel's tables.
    RouterNumber,
    /// A floating IP's number on the wire.
    FloatingIpNumber,
}

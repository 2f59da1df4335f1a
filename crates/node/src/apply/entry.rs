//! Everything that a node writes into the packet path, as one sum of keys and one of values.

use hadron_pipeline::table;
use std::cmp::Reverse;

macro_rules! entries {
    ($($(#[$doc:meta])* $name:ident: $key:ty => $value:ty;)*) => {
        /// What an entry is, with its key. The order is the order of writing: what an entry names comes before it, and the
        /// doors (what lets packets in) come last. Removal goes the other way round.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Key {
            $($(#[$doc])* $name($key),)*
        }

        /// The value of an entry. Its variant is its key's.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Value {
            $($(#[$doc])* $name($value),)*
        }

        /// The tables and programs of the packet path, in the order of writing.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Key {
            /// The table or program that the entry belongs to.
            pub fn kind(&self) -> Kind {
                match self { $(Key::$name(_) => Kind::$name,)* }
            }
        }
    };
}

entries! {
    /// This host.
    Config: () => table::Config;
    /// The way to the sockets of services.
    ServiceLink: () => table::ServiceLink;
    /// Another host.
    Host: table::HostKey => table::Host;
    /// A network, but for its flood list.
    Network: table::NetworkKey => NetworkFacts;
    /// The network of a VLAN that comes in by an interface.
    Segment: table::SegmentKey => table::Segment;
    /// A prefix in which a network's instances choose their own addresses.
    PrivacyPrefix: table::PrivacyPrefixKey => ();
    /// What the programs keep of a port: counters and rate limits.
    PortState: table::PortKey => ();
    /// An address in a set.
    Member: table::MemberKey => ();
    /// A prefix in a set.
    MemberPrefix: table::MemberPrefixKey => ();
    /// What the programs count of a rule.
    RuleCounter: table::RuleCounterKey => ();
    /// What a class or a set of a policy is allowed.
    Rule: table::RuleKey => table::Rule;
    /// The class of a remote prefix in a policy. The longest comes first: what falls out of a class that is taken away, or into
    /// one that comes, is never in a wider one of which it hasn't got the rows.
    Class: Reverse<table::ClassKey> => table::Class;
    /// A set that a policy asks.
    PolicySet: table::PolicySetKey => table::PolicySet;
    /// A policy, but for its generation.
    Policy: table::PolicyKey => PolicyFacts;
    /// A prefix of source addresses that a port may use.
    AllowedPrefix: table::AllowedPrefixKey => ();
    /// A source address that a port may use.
    Allowed: table::AllowedKey => ();
    /// A port with an interface here.
    Port: table::PortKey => table::Port;
    /// The address scope of a router's port.
    Scope: table::ScopeKey => table::Scope;
    /// A router's port.
    RouterInterface: table::RouterInterfaceKey => table::RouterInterface;
    /// Ports of a router's address that this host may use.
    NatPool: table::NatPoolKey => table::NatPool;
    /// The other host that has a block of them.
    NatOwner: table::NatOwnerKey => table::NatOwner;
    /// The instance that ports of a floating IP lead to.
    Forwarding: table::ForwardingKey => table::Forwarding;
    /// The floating IP of an instance, by router's interface.
    FloatingSource: table::FloatingSourceKey => table::FloatingSource;
    /// Where a floating IP leads.
    FloatingIp: table::FloatingIpKey => table::FloatingIp;
    /// The way from a router to a prefix.
    Route: table::RouteKey => table::Route;
    /// Where a MAC is.
    Fdb: table::FdbKey => table::FdbEntry;
    /// Who has an address.
    Neighbour: table::NeighbourKey => table::Neighbour;
    /// A member of a network's flood list.
    Flood: FloodMember => ();
    /// A host that may send into a VNI.
    Vtep: table::VtepKey => table::Vtep;
    /// The network of a VNI.
    Vni: table::VniKey => table::Vni;
    /// The program on the overlay device; the value is the device's index.
    OverlayProgram: () => u32;
    /// The program on the way back from the sockets of services; the value is the interface's index.
    ServiceProgram: () => u32;
    /// The program on an interface to a physical network, by the interface's index.
    ProviderProgram: u32 => ();
    /// The program on a port's interface, by port; the value is the interface's index.
    PortProgram: table::PortKey => u32;
    /// The port behind an interface.
    Interface: table::InterfaceKey => table::Interface;
}

/// A network's row without the length of its flood list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetworkFacts {
    /// VNI in the overlay; 0 for a network that stays on its host.
    pub vni: u32,
    /// Bits of [`table::network_flag`].
    pub flags: u32,
    /// Index of the interface to its physical network; 0 for none.
    pub provider: u32,
    /// VLAN there; 0 for untagged frames.
    pub vlan: u32,
}

/// A direction of a policy without its generation: that is the plane's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PolicyFacts {
    /// How many sets it asks, those of slots 0 up to it.
    pub set_count: u32,
}

/// A port, host or physical network that gets a network's broadcasts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FloodMember {
    /// The network's number.
    pub network: u32,
    /// Who.
    pub target: table::FloodTarget,
}

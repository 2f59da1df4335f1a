//! Everything that a node writes into the packet path, as one sum of keys and one of values.

use hadron_pipeline::table;

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
    /// This host. The key is always 0.
    Config: u32 => table::Config;
    /// Another host.
    Host: table::HostKey => table::Host;
    /// A source address that a port may use.
    Allowed: table::AllowedKey => table::Allowed;
    /// A port with an interface here.
    Port: table::PortKey => table::Port;
    /// Where a MAC is.
    Fdb: table::FdbKey => table::FdbEntry;
    /// Who has an address.
    Neighbour: table::NeighbourKey => table::Neighbour;
    /// A place in a flood list.
    Flood: table::FloodKey => table::FloodTarget;
    /// A network, with the length of its flood list.
    Network: table::NetworkKey => table::Network;
    /// A host that may send into a VNI.
    Vtep: table::VtepKey => table::Vtep;
    /// The network of a VNI.
    Vni: table::VniKey => table::Vni;
    /// The program on the overlay device of this index.
    OverlayProgram: u32 => ();
    /// The program on a port's interface of this index; the value is the port's number.
    PortProgram: u32 => u32;
    /// The port behind an interface.
    Interface: table::InterfaceKey => table::Interface;
}

impl Key {
    /// The port whose wiring the entry is part of, if its key says so.
    pub fn port(&self) -> Option<u32> {
        match self {
            Key::Allowed(key) => Some(key.port),
            Key::Port(key) => Some(key.port),
            _ => None,
        }
    }
}

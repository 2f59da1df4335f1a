//! The stages that a packet meets: number, name, and the reasons for which each may drop it.

use crate::drop::DropReason;

/// Room for stage counters in [`crate::table::Counters`].
pub const STAGE_SLOTS: usize = 16;

macro_rules! stages {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// A stage. Numbers are stable: counters and traces are kept by them.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Stage {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Stage {
            /// Every stage, by number.
            pub const ALL: &'static [Stage] = &[$(Stage::$variant),*];

            /// The name in metrics and traces.
            pub const fn name(self) -> &'static str {
                match self { $(Stage::$variant => $name,)* }
            }
        }
    };
}

stages! {
    /// Parses the packet once.
    Classify = 0, "classify";
    /// Finds the port by its interface, or the network by its VNI.
    Origin = 1, "origin";
    /// Holds a port to its own addresses.
    PortSecurity = 2, "port_security";
    /// Answers ARP and ND, hands DHCP, router solicitations, metadata and DNS to the host.
    Services = 3, "services";
    /// The sender's rules and connections.
    EgressPolicy = 4, "egress_policy";
    /// Destination MAC → port, host, everyone, or nobody.
    Switch = 5, "switch";
    /// Routers.
    Route = 6, "route";
    /// The receiver's rules and connections.
    IngressPolicy = 7, "ingress_policy";
    /// To an interface, into the tunnel, or copies to several.
    Deliver = 8, "deliver";
}

impl Stage {
    /// The reasons for which this stage drops.
    pub fn drops(self) -> impl Iterator<Item = DropReason> {
        DropReason::ALL.iter().copied().filter(move |reason| reason.stage() == self)
    }
}

const _: () = assert!(Stage::ALL.len() <= STAGE_SLOTS);

//! What happens to a packet, once, for every place that runs it: the kernel, the tests, `trace` and the simulation.
//!
//! This crate owns the stages that a packet meets ([`stage`]), the reasons for dropping it ([`drop`]), and the layouts of the
//! tables that it is judged by ([`table`]). It does no I/O and allocates nothing; who fills the tables, and how, is the loader's
//! matter. Begin reading at the doors, [`from_port`], [`from_overlay`], [`from_provider`] and [`from_services`].
//!
//! # Contract with the loader
//!
//! **Programs** (kind: `classifier`; see [`program`]):
//!
//! | name | attached to | answers |
//! |---|---|---|
//! | `from_port` | tc ingress (TCX) of the interface of an instance | `TCX_DROP`, `TCX_REDIRECT` |
//! | `from_overlay` | tc ingress (TCX) of the collect-metadata VXLAN device | `TCX_DROP`, `TCX_REDIRECT` |
//! | `from_overlay_test` | nothing; for `BPF_PROG_TEST_RUN`, whose context has no tunnel key | the same |
//! | `from_provider` | tc ingress (TCX) of an interface to a physical network | `TCX_DROP`, `TCX_REDIRECT`, `TCX_NEXT` |
//! | `from_services` | tc ingress (TCX) of the near end of the pair of interfaces to the sockets of services | `TCX_DROP`, `TCX_REDIRECT` |
//! | `from_provider_test` | nothing; for `BPF_PROG_TEST_RUN`, whose context has no VLAN tag | the same |
//!
//! What comes from instances and from the overlay is never passed on to the host's stack. Of what comes from a physical network the
//! host gets what is of no network here, and of untagged frames what is for no port, and broadcasts.
//!
//! **Maps**: [`table::TABLES`] lists name, kind, key and value size, and default size of each; every hash is
//! `BPF_F_NO_PREALLOC`. Maps of the object that are not in the list (`SCRATCH`, `JUDGEMENT`, `TRANSLATION`, `LOG_SCRATCH`, `PUNT_SCRATCH`, `FOLLOW_SCRATCH`, `QUOTE_SCRATCH`) are the programs' own, hold
//! nothing between two packets and need no pin.
//!
//! **Order of writing.** A row that names another comes after it when added, and goes before it when deleted:
//! `CONFIG`; `HOSTS`; `NETWORKS`, `SEGMENTS`, `PRIVACY_PREFIXES`; `METERS`, `PORT_COUNTERS`, `CONNECTION_COUNTS`, `PRIVACY_RINGS`, `ALLOWED`,
//! `ALLOWED_PREFIXES`; `MEMBERS`, `MEMBER_PREFIXES`, `RULE_COUNTERS`, `RULES`, `CLASSES`, `POLICY_SETS`, `POLICIES`; `NAT_COUNTS`, `PORTS`; `SCOPES`, `ROUTER_INTERFACES`, `NAT_POOLS`, `NAT_OWNERS`, `FORWARDINGS`, `FLOATING_SOURCES`, `FLOATING_IPS`, `ROUTES`; `FDB`, `NEIGHBOURS`, `FLOOD` (then the new
//! `flood_length`); `VTEPS`, `VNIS`; `INTERFACES`. Any other order is safe too: it drops more, and never leads a packet into
//! another network, since `deliver` compares the networks of packet and port.
//!
//! **`skb->cb`** (five 32-bit words, free at tc ingress): the programs write the [`Verdict`] into words 0 to 2 (kind, a, b).
//! `from_provider_test` reads the VLAN from word 0. `from_overlay_test` reads the VNI from word 0 and the outer source, 16 bytes in network order, from words 1 to 4.
//!
//! **Ring buffer** `PUNTS`: each record is a [`table::PuntHeader`] (16 bytes) and then the frame, cut at
//! [`table::PUNT_SNAPLEN`] bytes. **Ring buffer** `LOGS`: each record is a [`table::LogEvent`]. **Ring buffer** `FOLLOWED`: each record
//! is a [`table::Followed`] (64 bytes) and then the frame, cut at [`table::FOLLOWED_SNAPLEN`] bytes; [`table::Config::following`] turns it on.
//!
//! **Services.** What ends in a socket of the node (metadata, DNS) leaves by [`table::ServiceLink::ifindex`], an end of a pair of
//! interfaces whose other end is in a namespace of its own, without ARP and ND, with [`table::SOCKET_V4`] and [`table::SOCKET_V6`]. There the
//! source is what stands for the asking interface ([`table::stands_for`]).
//!
//! **Tunnel.** Frames leave by `bpf_skb_set_tunnel_key` (VNI, local and remote address; `BPF_F_TUNINFO_IPV6` when
//! [`table::Config::underlay`] is IPv6; no UDP checksum over IPv4, as RFC 7348 §4 has it, with it over IPv6) and a redirect to
//! [`table::Config::overlay_ifindex`]. That device must be `external` (collect metadata) and must not learn.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "host")]
extern crate std;

mod address;
mod announced;
mod classify;
mod deliver;
mod door;
pub mod drop;
mod env;
mod floating;
mod follow;
#[cfg(feature = "host")]
pub mod host;
mod log;
mod meter;
mod nat;
mod origin;
mod packet;
mod policy;
mod port_security;
mod privacy;
mod probe;
#[cfg(feature = "host")]
mod remedy;
mod route;
mod services;
pub mod stage;
mod switch;
pub mod table;
mod verdict;

pub use address::{Address, Mac};
pub use deliver::copy_to_slot;
pub use door::{from_overlay, from_port, from_provider, from_services};
pub use env::{Changed, Env, FollowCount, Meter, PortCounter, Tunnel};
pub use follow::find_follow;
pub use nat::{Translation, nat_enter, nat_knows, nat_leave, nat_try};
pub use packet::{Packet, Renumbered, translated};
pub use policy::{Judgement, Query, find_rule, policy_verdict};
pub use route::{complain, hop};
pub use verdict::{PuntReason, Verdict, VerdictKind};

/// Names of the kernel's programs.
pub mod program {
    /// Ingress of an instance's interface.
    pub const FROM_PORT: &str = "from_port";
    /// Ingress of the VXLAN device.
    pub const FROM_OVERLAY: &str = "from_overlay";
    /// As `from_overlay`, with the tunnel key in `skb->cb`.
    pub const FROM_OVERLAY_TEST: &str = "from_overlay_test";
    /// Ingress of an interface to a physical network.
    pub const FROM_PROVIDER: &str = "from_provider";
    /// Ingress of the near end of the pair of interfaces to the sockets of services.
    pub const FROM_SERVICES: &str = "from_services";
    /// As `from_provider`, with the VLAN in `skb->cb`.
    pub const FROM_PROVIDER_TEST: &str = "from_provider_test";
}

//! The DHCPv4 server of one port (RFC 2131, 2132, 3442, 6842).
//!
//! ```text
//! frame ─ frame::Incoming ─ request::Request ─┐
//!                                   Leases ─ answer ─ parameters ─ packing ─ frame::send ─ Reply
//! ```
//!
//! The address belongs to the port before the client asks, so there is no state: an offer is not a reservation, a release frees
//! nothing, and every answer follows from the message and the [`Lease`]s of the port, one for each of its addresses.
//!
//! Messages are read and written here and not by the crate `dhcproto`: its owned message panics on a hardware address length
//! above 16 (`chaddr`), it reads past an option that it can't decode as if the message ended there, it ignores option overload,
//! and it writes options in the order of their numbers without a bound on the message's size.

mod answer;
mod extra;
mod frame;
mod lease;
mod options;
mod packing;
mod parameters;
mod request;

pub use answer::{MessageKind, Reply, Silence, answer};
pub use extra::{Extra, Refusal};
pub use lease::Lease;

crate::counters::counters!();

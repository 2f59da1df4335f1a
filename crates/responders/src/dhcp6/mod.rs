//! The DHCPv6 server of one port (RFC 8415), stateful and stateless.
//!
//! ```text
//! frame ─ request::Request ─┐
//!                 Binding ─ answer ─ association (what each IA gets) ─ reply::Reply
//! ```
//!
//! As in [`crate::dhcp4`] the addresses belong to the port before the client asks, so there is no state: whatever DUID a client has and
//! whatever IAID it makes up, it gets the port's addresses, and nobody else gets them.
//!
//! Messages are read and written here and not by the crate `dhcproto`, which ends a message at an option that it can't decode as if
//! nothing followed.

mod answer;
mod association;
mod binding;
mod delegation;
mod extra;
mod options;
mod request;

pub use answer::{MessageKind, Reply, Silence, answer};
pub use binding::{Binding, server_identity};
pub use extra::{Extra, Refusal};

crate::counters::counters!();

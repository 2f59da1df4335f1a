//! The small servers that a node runs for the instances on it, as pure functions: a frame and the facts of the port that sent it
//! in, the frame of the answer (or the reason for silence) out.
//!
//! This room owns what DHCP says in both versions ([`dhcp4`], [`dhcp6`]) how routers advertise themselves ([`router`]), what names
//! instances have ([`dns`]), and //! what an instance reads about itself ([`metadata`]). It owns
//! no socket, no table and no clock: `hadron-node` hands frames in and out, and knows which port sent them. An instance is never
//! believed about who it is; the facts come with the port.
//!
//! Begin with [`dhcp4::answer`].
#![forbid(unsafe_code)]

mod counters;
pub mod dhcp4;
pub mod dhcp6;
pub mod dns;
mod frame6;
pub mod metadata;
mod name;
pub mod router;
mod value;

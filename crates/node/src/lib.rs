//! The agent of a host: desired rows in; interfaces, tables and answers out; status back.
//!
//! This room owns what a node does with the rows that it is sent: which entries of the packet path follow from them
//! ([`apply`]), which interfaces they are about ([`links`]), what instances are answered ([`services`]), what the server is told
//! ([`sync`]), and who the node is ([`identity`], [`mod@join`]). It owns neither the rows' meaning on the wire (`hadron-wire`), nor
//! what happens to a packet (`hadron-pipeline`), nor how tables get into the kernel (`hadron-datapath`).
//!
//! Begin with [`node`], then the module `reconcile`, the loop that everything meets in.
#![forbid(unsafe_code)]

mod announce;
pub mod applied;
pub mod apply;
mod backoff;
pub mod cache;
mod clock;
pub mod connections;
pub mod delta;
pub mod doctor;
pub mod error;
mod file;
pub mod identity;
pub mod join;
pub mod leases;
pub mod links;
pub mod node;
pub mod packet_log;
pub mod plane;
mod probe;
mod reconcile;
pub mod services;
pub mod sockets;
pub mod status;
pub mod sync;
mod trace;

pub use error::Error;
pub use hadron_responders::dns::FloatingNames;
pub use identity::Identity;
pub use join::join;
pub use node::{Config, Gauges, Node, Settings, cleanup, run};
pub use status::Status;

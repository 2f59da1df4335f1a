//! What each operation means: pure functions on a transaction of the store.
//!
//! This room owns the rules behind the API and the node's reports: which network a port may be on, which address and MAC
//! it gets, which security groups it has and what their rules may be, which VXLAN identifier a network gets, what may be
//! changed or deleted while what depends on it, quotas, and the life of hosts. It does not own who may ask for it
//! (`hadron-api`'s policy), nor how it is stored (`hadron-store`).
//!
//! Every function takes a [`Tx`](hadron_store::Tx) and either leaves a consistent change in it or returns an [`Error`],
//! whose kinds are those of Neutron's exceptions. What can't fit one transaction is done in several, each of which leaves
//! a consistent state: see [`steps`] and [`bulk`].
//!
//! Begin with [`port`] and [`ipam`]; [`network`] and [`subnet`] follow the same pattern. What filters a port's traffic is in
//! [`port_security`], [`security_group`] and [`security_group_rule`]; what joins networks in [`router`], [`floating_ip`] and
//! [`port_forwarding`].
#![forbid(unsafe_code)]

pub mod address_group;
pub mod address_scope;
pub mod agent;
pub mod binding;
pub mod bulk;
pub mod config;
pub mod default_rule;
pub mod default_statefulness;
pub mod delegation;
pub mod dhcp;
pub mod error;
pub mod floating_ip;
pub mod host;
pub mod instance;
pub mod ipam;
pub mod mac;
pub mod nat;
pub mod network;
pub mod network_segment;
pub mod packet_log;
pub(crate) mod policy;
pub mod port;
pub mod port_binding;
pub mod port_details;
pub mod port_forwarding;
pub mod port_security;
pub mod publication;
pub mod quota;
pub mod rbac;
pub mod recovery;
pub mod router;
pub mod security_group;
pub mod security_group_rule;
pub mod segment;
pub mod segment_range;
mod service_port;
pub mod slaac;
mod stamp;
pub mod steps;
pub mod subnet;
pub mod subnet_pool;
pub mod tag;
pub mod topology;

pub use config::{Config, Quotas, Underlay, VlanRange};
pub use error::{
    BindingError, Error, LogError, ObjectError, PoolError, RouterError, SecurityError, SegmentError,
    SharingError, TopologyError,
};
pub use steps::Step;

//! The control plane as a process: listeners, trust, the node streams and administration.
//!
//! This room owns how the other rooms are put together into a running server, and what stands between them and the network: TLS
//! ([`trust`]), HTTPS listeners, the streams to nodes ([`nodes`]) and the administration socket ([`admin`]). It holds no state that
//! the store has not; a server that is killed and started again loses nothing.
//!
//! ```text
//! clients ──HTTPS──▶ api ────┐                      ┌──▶ nodes ──mutual TLS──▶ agents
//! clients ──HTTPS──▶ identity┼──▶ store ────────────┘    (one file, or an etcd that several servers share)
//! operator ─socket─▶ admin ──┘
//! ```
//!
//! Begin with [`Server::start`].
#![forbid(unsafe_code)]

pub mod admin;
pub mod audit;
mod config;
mod connection;
mod error;
mod gauges;
mod listener;
mod maintenance;
pub mod nodes;
mod publisher;
mod server;
mod state_dir;
pub mod trace;
pub mod trust;

pub use config::{Config, Limits};
pub use error::ServerError;
pub use gauges::{Gauges as ServerGauges, HostReading, Reading};
pub use hadron_cloud::keystone::KeystoneConfig;
pub use hadron_cloud::name_server::{Algorithm as UpdateAlgorithm, UpdateKey};
pub use publisher::PublisherConfig;
pub use server::{Server, restore};

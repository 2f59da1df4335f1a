//! What server and node say to each other: protobuf over gRPC, its rows and its versions.
//!
//! This room owns the two `.proto` files, the code generated from them ([`proto`]), the typed form of rows and keys
//! ([`row`]), the set of rows that a node holds ([`held`]), the negotiation of versions ([`version`]) and the ticket with
//! which a machine joins ([`ticket`]). It knows neither where rows come from (`hadron-project`), nor how they are streamed
//! (`hadron-server`), nor what a node does with them (`hadron-node`).
//!
//! Begin with `proto/rows.proto`, then `proto/node.proto`.
#![forbid(unsafe_code)]

pub mod held;
pub mod row;
pub mod ticket;
pub mod version;

pub use held::{Applied, Held};
pub use row::{Row, RowChange, RowKey};

/// The code generated from `proto/*.proto`, package `hadron.node.v1`; the shapes are documented there.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    tonic::include_proto!("hadron.node.v1");
}

/// The most changes in one `Batch`.
pub const MAX_BATCH_CHANGES: usize = 1024;

/// The most reports in one `PortReports`; a longer message is refused.
pub const MAX_PORT_REPORTS: usize = 1024;

/// The longest message in bytes that either side accepts.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// How often a node sends a heartbeat, in seconds. A server takes a host for down after three of them.
pub const HEARTBEAT_SECONDS: u64 = 10;

//! What server and node say to each other: protobuf over gRPC, its rows and its versions.
//!
//! This room owns the two `.proto` files, the code generated from them ([`proto`]), the typed form of rows and keys
//! ([`row`]) and the negotiation of versions ([`version`]). It knows neither where rows come from (`hadron-project`),
//! nor how they are streamed (`hadron-server`), nor what a node does with them (`hadron-node`).
//!
//! Begin with `proto/rows.proto`, then `proto/node.proto`.
#![forbid(unsafe_code)]

pub mod ticket;

/// The code generated from `proto/*.proto`, package `hadron.node.v1`; the shapes are documented there.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    tonic::include_proto!("hadron.node.v1");
}

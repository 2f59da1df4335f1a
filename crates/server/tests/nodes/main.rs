//! The node service over real gRPC and TLS on the loopback.

mod authority;
mod cloud;
mod joining;
mod leases;
mod receipts;
mod reports;
mod servers;
mod simulation;
mod streams;
mod test_node;
mod traces;
mod trust;

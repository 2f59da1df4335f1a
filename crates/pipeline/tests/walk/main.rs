//! The packet path on the host: each stage by itself, whole clouds against a plain reference, and input that nobody likes.
//!
//! `cloud.rs` makes hosts with ports, `frames.rs` packets, `policies.rs` a port with rules; begin reading at `switching.rs`.

mod announcing;
mod asking;
mod classifying;
mod cloud;
mod connections;
mod counting;
mod crowded;
mod delivering;
mod dhcp;
mod drawing;
mod floating;
mod following;
mod forwarding;
mod fragments;
mod frames;
mod gateways;
mod hostile;
mod icmp;
mod inbound;
mod logging;
mod metering;
mod nat;
mod neighbours;
mod overlay;
mod permissions;
mod policies;
mod privacy;
mod probing;
mod provider;
mod reference;
mod routers;
mod routing;
mod routing_errors;
mod rules;
mod scoping;
mod securing;
mod securing_ipv6;
mod sharing;
mod slots;
mod sockets;
mod soliciting;
mod switching;
mod tcp;
mod tracing;

//! The packet path on the host: each stage by itself, whole clouds against a plain reference, and input that nobody likes.
//!
//! `cloud.rs` makes hosts with ports, `frames.rs` makes packets; begin reading at `switching.rs`.

mod classifying;
mod cloud;
mod counting;
mod delivering;
mod dhcp;
mod frames;
mod hostile;
mod metering;
mod neighbours;
mod overlay;
mod reference;
mod securing;
mod securing_ipv6;
mod switching;

//! What the scenarios, the demo and the benches share: a cloud on the lab and a client of its APIs.
//!
//! [`cloud`] brings hadron processes up on lab hosts; [`client`] talks to them; [`knock`] tries whether somebody gets in;
//! [`frame`] builds what no honest instance sends; [`wire`] sees what is on the wires. The scenarios themselves are in `tests/`, the demo in
//! `src/bin/demo.rs`.
#![forbid(unsafe_code)]

pub mod behind;
pub mod client;
pub mod cloud;
pub mod debian;
pub mod frame;
pub mod groups;
pub mod guarded;
pub mod guest;
pub mod knock;
pub mod knot;
pub mod machine;
pub mod metadata;
pub mod openstack;
pub mod outside;
pub mod process;
pub mod routers;
pub mod simulated_node;
pub mod wire;

//! The agent of a host: desired rows in, links, tables and answers out, status back.
//!
//! This room owns what a node does with the rows that it is sent. Begin with [`links`] (interfaces of the host) and
//! [`delta`] (desired against actual).
#![forbid(unsafe_code)]

pub mod apply;
pub mod delta;
pub mod error;
pub mod links;
pub mod plane;

pub use error::Error;

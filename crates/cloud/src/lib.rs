//! The standalone companions of the network: the services that a cloud needs beside it, where no others run; and the clients of
//! the real ones, where they do.
//!
//! This room owns the embedded [`identity`], which answers the part of Keystone v3 that clients of the network use, and
//! [`keystone`], which asks a real Keystone instead, and [`name_server`], which writes zones of a name server outside. It does not own the nouns (`hadron-model`), where they are kept
//! (`hadron-store`), nor listeners and TLS of our own (`hadron-server`).
//!
//! Begin with [`identity`].
#![forbid(unsafe_code)]

mod cache;
pub mod identity;
pub mod keystone;
pub mod name_server;

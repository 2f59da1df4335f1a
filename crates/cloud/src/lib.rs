//! The standalone companions of the network: the services that a cloud needs beside it, where no others run.
//!
//! This room owns the embedded [`identity`], which answers the part of Keystone v3 that clients of the network use. It does
//! not own the nouns (`hadron-model`), where they are kept (`hadron-store`), nor listeners and TLS (`hadron-server`).
//!
//! Begin with [`identity`].
#![forbid(unsafe_code)]

pub mod identity;

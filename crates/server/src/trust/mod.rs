//! Who is trusted: the cloud's certificate authority, what it signs, and tickets to join.
//!
//! The authority is made by the first server and lives in the store, so that all servers sign with it and none keeps a
//! private key in a file. What each party holds:
//!
//! | party | certificate | key | lifetime | renewed |
//! |---|---|---|---|---|
//! | authority | self-signed | in the store | 10 years | by [`Authority::rotate`] |
//! | server | its names and addresses, for TLS servers only | in memory | 30 days | by itself, in a running process |
//! | server, to another | for TLS clients and servers | in memory | a day | made for each question |
//! | node | common name = host name, for TLS clients only | on its host, 0600; it never leaves | 90 days | by the node, with `Renew` |
//!
//! A node is who its certificate says only if the host's record names its key: see [`crate::nodes`]. An authority that is
//! rotated signs its successor as well as itself; servers present that link, so that nodes that know only the old one
//! still recognise them, and accept the nodes of both.
//!
//! Begin with [`Authority`].

mod authority;
mod certificate;
mod ring;
mod ticket;
mod tls;

pub use authority::{Authority, TrustError};

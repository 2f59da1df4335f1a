//! Names that name servers outside are to have, made from what ports and floating IPs say (`dns-integration`, `dns-domain-ports`,
//! `subnet-dns-publish-fixed-ip`).
//!
//! ```text
//! commit ─► Book (who claims which name) ─┐
//!                                         ├─► what a name is to stand for ─► updates (the server's publisher)
//! PublishedName (what is there from us) ──┘        ▲                              │
//!                └──────────────────────── ledger ◄┴──────────────────────────────┘
//! ```
//!
//! A name belongs to the project that has it first; another one's ports do not get it before. What a name server has that did not come
//! from us is left alone: see [`ledger`].

mod book;
mod claims;
pub mod ledger;
mod zones;

pub use book::{Book, Wanted};
pub use zones::{ReverseZones, Zones};

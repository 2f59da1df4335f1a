//! The projection: from the model to the rows that each node needs, kept up commit by commit.
//!
//! This room owns which rows exist ([`derive`]), which of them a change touches ([`touch`]), who is to have them
//! ([`Interest`]), and what a node that was away has missed ([`Subscription`]). It does no I/O, knows no connections and
//! keeps nothing that can't be built again from a snapshot of the store; the rows' shapes belong to `hadron-wire`.
//!
//! ```text
//!  Commit ─▶ touch: keys (a constant number a change) ─▶ derive(key, snapshot after) ─▶ row encoded once
//!                                                                └▶ Delta: key → hosts ─▶ Subscription: dirty keys
//!  stream asks: next_batch(Subscription) ─▶ the latest rows of its dirty keys, and how far that brings the node
//! ```
//!
//! Because a row is a function of its key and the snapshot alone, the incremental result can differ from one from scratch
//! only by a key that `touch` forgot; the tests look for exactly that.
//!
//! Begin with [`Projection`].
#![forbid(unsafe_code)]

mod delta;
mod derive;
mod footprint;
mod interest;
mod projection;
mod reach;
mod subscription;
mod tombstone;
mod touch;

pub use delta::{Delta, Note};
pub use footprint::Footprint;
pub use interest::Interest;
pub use projection::{Projection, Settings};
pub use subscription::{Limits, Subscription, UnknownHost};

//! The rules of a set of groups as rows of the packet path's classifier.
//!
//! This room owns how rules become look-ups: which class a remote address has, which rows a class or a set of addresses gets,
//! and what doesn't fit. It owns neither the tables (`hadron-pipeline`), nor when and in which order they are written
//! (`hadron-node`), nor what a rule may say (`hadron-api`). It does no I/O and keeps nothing.
//!
//! A packet is allowed if one of these look-ups finds a row:
//!
//! ```text
//! class = longest prefix of classes(remote address)      rules(class, family, protocol, port)
//! for each of the sets, if the remote address is in it:  rules(set,   family, protocol, port)
//! ```
//!
//! `rules` is itself a look-up by longest prefix: a row for any protocol is shorter than one for any port, and that one is
//! shorter than one for some ports. Since every row says *allow*, one that is found may stand for all that would have matched.
//!
//! Begin with [`Compiled::of`].
#![forbid(unsafe_code)]

mod class;
mod compile;
mod traffic;

pub use class::CLASS_BIT;
pub use compile::{Allow, Compiled, MAX_ROWS, MAX_SETS, Problem, Row, Side};
pub use traffic::{PortPrefix, Traffic, without_mapped};

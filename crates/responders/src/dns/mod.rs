//! Names of a network's instances (RFC 1034, RFC 1035, RFC 6891): answered from what is known of the network, or to be asked elsewhere.
//!
//! Messages are read and written by hickory. Begin at [`answer`].

mod answer;
mod names;
mod outcome;
#[cfg(test)]
mod tests;
mod zone;

pub use answer::{Answered, Question, Transport, answer};
pub use names::{Names, PortNames};
pub use outcome::{Counters, Outcome};
pub use zone::{FloatingNames, NoTemplate, Zone};

/// Largest datagram that is sent and asked for: one that no link that instances have breaks up (RFC 9715 §3).
pub const DATAGRAM: u16 = 1232;

//! What a node subscribes to.

/// A set of rows that a node has whole or not at all.
///
/// A host's interest is itself and the networks that its bound ports are in. It comes with the first such port and goes
/// with the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Interest {
    /// The host of this number: its ports, and their locations in networks that stay within a host.
    Host(u32),
    /// The network of this number: itself, its subnets, and where its ports and hosts are.
    Network(u32),
}

//! Automatic topologies: a network of a project's that a router joins to the default external network.

use crate::{NetworkId, RouterId};

/// What was made for a project that asked for a network and nothing more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AutoTopology {
    /// Whose. It has one at most.
    pub project_id: String,
    /// Its network, if nobody has deleted that.
    pub network_id: NetworkId,
    /// The router that leads outside, if nobody has deleted that.
    pub router_id: RouterId,
}

/// The external network that automatic topologies lead to (`is_default`). There is one at most; it counts as long as the network is
/// external.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DefaultNetwork {
    /// The network.
    pub network_id: NetworkId,
}

//! What a node subscribes to.

use hadron_wire::RowKey;
use hadron_wire::proto::Batch;

/// A set of rows that a node has whole or not at all.
///
/// A host's interest is itself, the networks that its bound ports are in, the routers there, those that it stands for outside, and all
/// networks and routers that these lead to, the policies that its ports have, the rules of the groups of these policies, and the members of the sets that these
/// rules name. Each comes with the first port, policy or rule that needs it and goes with the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Interest {
    /// The host of this number: its ports, whose they are, their floating IPs, and their locations in networks that stay within a host.
    Host(u32),
    /// The network of this number: itself, its subnets, and where its ports and hosts are, and their names.
    Network(u32),
    /// The policy of this number.
    Policy(u32),
    /// The rules of the group of this number among the sets.
    Rules(u32),
    /// The members of the set of this number.
    Members(u32),
    /// The router of this number: its interfaces and routes, who may use its ports, and the floating IPs of hosts without a way outside.
    Router(u32),
}

impl Interest {
    /// The interest whose forgetting takes a node's row of this key along.
    pub(crate) fn that_forgets(key: RowKey) -> Option<Self> {
        match key {
            RowKey::Rule { group, .. } => Some(Interest::Rules(group)),
            RowKey::Member { set, .. } => Some(Interest::Members(set)),
            RowKey::RouterInterface { router, .. }
            | RowKey::Route { router, .. }
            | RowKey::FloatingRelay { router, .. }
            | RowKey::Forwarding { router, .. }
            | RowKey::PortLease { router, .. } => Some(Interest::Router(router)),
            RowKey::Policy(number) => Some(Interest::Policy(number)),
            RowKey::FloatingIp(_) | RowKey::Instance(_) | RowKey::Port(_) => None,
            RowKey::Network(_)
            | RowKey::Subnet { .. }
            | RowKey::Presence { .. }
            | RowKey::Location { .. }
            | RowKey::Name { .. } => key.network().map(Interest::Network),
        }
    }

    /// Has the node forget its rows.
    pub(crate) fn forget_in(self, batch: &mut Batch) {
        match self {
            Interest::Host(_) => {}
            Interest::Network(number) => batch.forget.push(number),
            Interest::Policy(number) => batch.forget_policies.push(number),
            Interest::Rules(number) => batch.forget_rules.push(number),
            Interest::Members(number) => batch.forget_members.push(number),
            Interest::Router(number) => batch.forget_routers.push(number),
        }
    }
}

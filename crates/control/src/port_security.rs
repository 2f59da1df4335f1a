//! What of a port filters its traffic: port security, security groups, allowed address pairs, and the policy that follows.

use hadron_model::{AddressPair, SecurityGroupId};

/// What a caller asks for; `None` is what ports get by default, or leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SecurityChange {
    /// Whether the port's traffic is filtered. A new port has what its network says; one of the network's own never.
    pub port_security_enabled: Option<bool>,
    /// Security groups in any order. A new port with port security has its project's default group. Whether the caller may use
    /// a group is for the caller to have checked.
    pub security_groups: Option<Vec<SecurityGroupId>>,
    /// Allowed address pairs. Those without a MAC get the port's.
    pub allowed_address_pairs: Option<Vec<AddressPair>>,
}

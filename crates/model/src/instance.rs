//! What an instance is to be told of itself, when no Nova tells it.

use std::collections::BTreeMap;
use std::fmt;

/// Most octets of [`Instance::user_data`], as Nova has it before encoding.
pub const MAX_USER_DATA: usize = 65_535;

/// An instance as its compute service has registered it. Ports belong to it by their `device_id`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Instance {
    /// The `device_id` of its ports; of Nova's instances the UUID.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// Its host name, with or without a domain.
    pub hostname: String,
    /// What its owner has given for it to read or run, at most [`MAX_USER_DATA`] octets; none if empty.
    pub user_data: Vec<u8>,
    /// Its owner's own pairs of a name and a value.
    pub meta: BTreeMap<String, String>,
    /// The keys that may log in.
    pub keys: Vec<InstanceKey>,
    /// Its availability zone; empty for none.
    pub availability_zone: String,
    /// Its place among those that were made by one request, from 0.
    pub launch_index: u32,
    /// Name of its flavor; empty for none.
    pub instance_type: String,
    /// Id of its image; empty for none.
    pub image_id: String,
    /// Names of its security groups.
    pub security_groups: Vec<String>,
    /// What the operator has for every instance: a JSON object; empty for none.
    pub vendor_data: String,
    /// What the operator's services have for it: a JSON object with a member for each; empty for none.
    pub vendor_data2: String,
}

/// A key pair's public part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct InstanceKey {
    /// Its name.
    pub name: String,
    /// `ssh` or `x509`.
    pub kind: String,
    /// The key as text.
    pub data: String,
}

/// User data hold secrets.
impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

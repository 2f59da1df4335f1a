//! Whose a port is, and what its instance is told of itself.

use super::decode::{MalformedRow, Reader};
use crate::proto;
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;

/// Whose a port is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct InstanceRow {
    /// The port's number.
    pub port: u32,
    /// The port's `device_id`.
    pub device: String,
    /// The port's project.
    pub project: String,
    /// Floating IPs that lead to the port.
    pub public_addresses: Vec<Ipv6Addr>,
    /// What the instance is told; `None` for one that hasn't been registered.
    pub facts: Option<InstanceFacts>,
}

/// What an instance is told of itself.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct InstanceFacts {
    /// Its display name.
    pub name: String,
    /// Its host name.
    pub hostname: String,
    /// User data; none if empty.
    pub user_data: Vec<u8>,
    /// Its owner's own pairs.
    pub meta: BTreeMap<String, String>,
    /// The keys that may log in.
    pub keys: Vec<InstanceKey>,
    /// Availability zone; empty for none.
    pub availability_zone: String,
    /// Its place among those made by one request.
    pub launch_index: u32,
    /// Name of its flavor; empty for none.
    pub instance_type: String,
    /// Id of its image; empty for none.
    pub image_id: String,
    /// Names of its security groups.
    pub security_groups: Vec<String>,
    /// A JSON object; empty for none.
    pub vendor_data: String,
    /// Likewise.
    pub vendor_data2: String,
}

/// User data hold secrets.
impl fmt::Debug for InstanceFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceFacts").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A key pair's public part.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct InstanceKey {
    /// Its name.
    pub name: String,
    /// `ssh` or `x509`.
    pub kind: String,
    /// The key as text.
    pub data: String,
}

pub(super) fn encode(row: &InstanceRow) -> proto::InstanceRow {
    proto::InstanceRow {
        port: row.port,
        device: row.device.clone(),
        project: row.project.clone(),
        public_addresses: row.public_addresses.iter().copied().map(super::encode::address).collect(),
        facts: row.facts.clone().map(encode_facts),
    }
}

fn encode_facts(facts: InstanceFacts) -> proto::InstanceFacts {
    let key = |InstanceKey { name, kind, data }| proto::InstanceKey { name, kind, data };
    proto::InstanceFacts {
        name: facts.name,
        hostname: facts.hostname,
        user_data: facts.user_data.into(),
        meta: facts.meta.into_iter().collect(),
        keys: facts.keys.into_iter().map(key).collect(),
        availability_zone: facts.availability_zone,
        launch_index: facts.launch_index,
        instance_type: facts.instance_type,
        image_id: facts.image_id,
        security_groups: facts.security_groups,
        vendor_data: facts.vendor_data,
        vendor_data2: facts.vendor_data2,
    }
}

fn decode_facts(facts: proto::InstanceFacts) -> InstanceFacts {
    let key = |proto::InstanceKey { name, kind, data }| InstanceKey { name, kind, data };
    InstanceFacts {
        name: facts.name,
        hostname: facts.hostname,
        user_data: facts.user_data.into(),
        meta: facts.meta.into_iter().collect(),
        keys: facts.keys.into_iter().map(key).collect(),
        availability_zone: facts.availability_zone,
        launch_index: facts.launch_index,
        instance_type: facts.instance_type,
        image_id: facts.image_id,
        security_groups: facts.security_groups,
        vendor_data: facts.vendor_data,
        vendor_data2: facts.vendor_data2,
    }
}

impl Reader {
    pub(super) fn instance(self, row: proto::InstanceRow) -> Result<InstanceRow, MalformedRow> {
        if row.device.is_empty() {
            return Err(self.bad("device"));
        }
        Ok(InstanceRow {
            port: row.port,
            device: row.device,
            project: row.project,
            public_addresses: self.addresses("public_addresses", &row.public_addresses)?,
            facts: row.facts.map(decode_facts),
        })
    }
}

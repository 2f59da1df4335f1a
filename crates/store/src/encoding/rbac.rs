//! Policies that share objects.

use super::Encoded;
use super::parts::{bad, uuid, uuid_bytes};
use crate::DecodeError;
use hadron_model::{
    Access, AddressGroupId, AddressScopeId, NetworkId, RbacPolicy, RbacPolicyId, SecurityGroupId, Shareable,
    SubnetPoolId, Target,
};

const NETWORK: u32 = 1;
const SUBNET_POOL: u32 = 2;
const ADDRESS_SCOPE: u32 = 3;
const ADDRESS_GROUP: u32 = 4;
const SECURITY_GROUP: u32 = 5;

const SHARED: u32 = 1;
const EXTERNAL: u32 = 2;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RbacPolicyMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, tag = "2")]
    project_id: String,
    #[prost(uint32, tag = "3")]
    object_type: u32,
    #[prost(bytes = "vec", tag = "4")]
    object_id: Vec<u8>,
    #[prost(uint32, tag = "5")]
    access: u32,
    /// Absent is everyone.
    #[prost(string, optional, tag = "6")]
    target: Option<String>,
}

impl Encoded for RbacPolicy {
    type Message = RbacPolicyMessage;
    const LAST_FIELD: u32 = 6;

    fn to_message(&self) -> RbacPolicyMessage {
        RbacPolicyMessage {
            id: uuid_bytes(self.id.0),
            project_id: self.project_id.clone(),
            object_type: match self.object {
                Shareable::Network(_) => NETWORK,
                Shareable::SubnetPool(_) => SUBNET_POOL,
                Shareable::AddressScope(_) => ADDRESS_SCOPE,
                Shareable::AddressGroup(_) => ADDRESS_GROUP,
                Shareable::SecurityGroup(_) => SECURITY_GROUP,
            },
            object_id: uuid_bytes(self.object.id()),
            access: match self.access {
                Access::Shared => SHARED,
                Access::External => EXTERNAL,
            },
            target: match &self.target {
                Target::Everyone => None,
                Target::Project(id) => Some(id.clone()),
            },
        }
    }

    fn from_message(message: RbacPolicyMessage) -> Result<Self, DecodeError> {
        let object_id = uuid(&message.object_id)?;
        Ok(RbacPolicy {
            id: RbacPolicyId(uuid(&message.id)?),
            project_id: message.project_id,
            object: match message.object_type {
                NETWORK => Shareable::Network(NetworkId(object_id)),
                SUBNET_POOL => Shareable::SubnetPool(SubnetPoolId(object_id)),
                ADDRESS_SCOPE => Shareable::AddressScope(AddressScopeId(object_id)),
                ADDRESS_GROUP => Shareable::AddressGroup(AddressGroupId(object_id)),
                SECURITY_GROUP => Shareable::SecurityGroup(SecurityGroupId(object_id)),
                _ => return Err(bad("type of a shared object")),
            },
            access: match message.access {
                SHARED => Access::Shared,
                EXTERNAL => Access::External,
                _ => return Err(bad("access")),
            },
            target: message.target.map_or(Target::Everyone, Target::Project),
        })
    }
}

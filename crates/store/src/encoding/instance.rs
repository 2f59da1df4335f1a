//! Instances.

use super::Encoded;
use crate::DecodeError;
use hadron_model::instance::{Instance, InstanceKey};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct InstanceMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    hostname: String,
    #[prost(bytes = "vec", tag = "4")]
    user_data: Vec<u8>,
    #[prost(btree_map = "string, string", tag = "5")]
    meta: BTreeMap<String, String>,
    #[prost(message, repeated, tag = "6")]
    keys: Vec<InstanceKeyMessage>,
    #[prost(string, tag = "7")]
    availability_zone: String,
    #[prost(uint32, tag = "8")]
    launch_index: u32,
    #[prost(string, tag = "9")]
    instance_type: String,
    #[prost(string, tag = "10")]
    image_id: String,
    #[prost(string, repeated, tag = "11")]
    security_groups: Vec<String>,
    #[prost(string, tag = "12")]
    vendor_data: String,
    #[prost(string, tag = "13")]
    vendor_data2: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct InstanceKeyMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    kind: String,
    #[prost(string, tag = "3")]
    data: String,
}

impl Encoded for Instance {
    type Message = InstanceMessage;
    const LAST_FIELD: u32 = 13;

    fn to_message(&self) -> InstanceMessage {
        let it = self.clone();
        let key = |InstanceKey { name, kind, data }| InstanceKeyMessage { name, kind, data };
        InstanceMessage {
            id: it.id,
            name: it.name,
            hostname: it.hostname,
            user_data: it.user_data,
            meta: it.meta,
            keys: it.keys.into_iter().map(key).collect(),
            availability_zone: it.availability_zone,
            launch_index: it.launch_index,
            instance_type: it.instance_type,
            image_id: it.image_id,
            security_groups: it.security_groups,
            vendor_data: it.vendor_data,
            vendor_data2: it.vendor_data2,
        }
    }

    fn from_message(it: InstanceMessage) -> Result<Self, DecodeError> {
        let key = |InstanceKeyMessage { name, kind, data }| InstanceKey { name, kind, data };
        Ok(Instance {
            id: it.id,
            name: it.name,
            hostname: it.hostname,
            user_data: it.user_data,
            meta: it.meta,
            keys: it.keys.into_iter().map(key).collect(),
            availability_zone: it.availability_zone,
            launch_index: it.launch_index,
            instance_type: it.instance_type,
            image_id: it.image_id,
            security_groups: it.security_groups,
            vendor_data: it.vendor_data,
            vendor_data2: it.vendor_data2,
        })
    }
}

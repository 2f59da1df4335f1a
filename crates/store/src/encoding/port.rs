//! Ports.

use super::Encoded;
use super::parts::{
    PrefixMessage, StampMessage, address, address_bytes, bad, mac, prefix, prefix_message, stamp,
    stamp_message, uuid, uuid_bytes,
};
use super::port_details::{self, PortDetailsMessage};
use crate::DecodeError;
use hadron_model::port::is_trusted;
use hadron_model::{
    AddressPair, Binding, FixedIp, NetworkId, PolicyNumber, Port, PortId, PortNumber, PortStatus,
    SecurityGroupId, SubnetId,
};

/// A port from before security groups: it had source addresses checked unless it is one of the network's own.
const SECURITY_UNSAID: u32 = 0;
const SECURITY_ON: u32 = 1;
const SECURITY_OFF: u32 = 2;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PortMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(bytes = "vec", tag = "3")]
    network_id: Vec<u8>,
    #[prost(string, tag = "4")]
    project_id: String,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(string, tag = "6")]
    description: String,
    #[prost(bytes = "vec", tag = "7")]
    mac_address: Vec<u8>,
    #[prost(message, repeated, tag = "8")]
    fixed_ips: Vec<FixedIpMessage>,
    #[prost(bool, tag = "9")]
    admin_state_up: bool,
    #[prost(string, tag = "10")]
    device_id: String,
    #[prost(string, tag = "11")]
    device_owner: String,
    #[prost(string, tag = "12")]
    host_id: String,
    #[prost(string, tag = "13")]
    vnic_type: String,
    #[prost(string, tag = "14")]
    profile: String,
    #[prost(uint32, tag = "15")]
    status: u32,
    #[prost(message, optional, tag = "16")]
    stamp: Option<StampMessage>,
    #[prost(uint32, tag = "17")]
    port_security: u32,
    #[prost(bytes = "vec", repeated, tag = "18")]
    security_groups: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "19")]
    allowed_address_pairs: Vec<AddressPairMessage>,
    /// 0 is none.
    #[prost(uint32, tag = "20")]
    policy: u32,
    #[prost(message, optional, tag = "40")]
    details: Option<PortDetailsMessage>,
    #[prost(message, repeated, tag = "41")]
    inactive_bindings: Vec<BindingMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BindingMessage {
    #[prost(string, tag = "1")]
    host_id: String,
    #[prost(string, tag = "2")]
    vnic_type: String,
    #[prost(string, tag = "3")]
    profile: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FixedIpMessage {
    #[prost(bytes = "vec", tag = "1")]
    subnet_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    ip_address: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AddressPairMessage {
    #[prost(message, optional, tag = "1")]
    ip: Option<PrefixMessage>,
    #[prost(bool, tag = "2")]
    has_length: bool,
    /// Empty is the port's.
    #[prost(bytes = "vec", tag = "3")]
    mac: Vec<u8>,
}

fn pair_message(pair: &AddressPair) -> AddressPairMessage {
    AddressPairMessage {
        ip: Some(prefix_message(pair.ip)),
        has_length: pair.has_length,
        mac: pair.mac.map_or_else(Vec::new, |mac| mac.0.to_vec()),
    }
}

fn pair(message: &AddressPairMessage) -> Result<AddressPair, DecodeError> {
    Ok(AddressPair {
        ip: prefix(message.ip.as_ref().ok_or_else(|| bad("address pair"))?)?,
        has_length: message.has_length,
        mac: if message.mac.is_empty() { None } else { Some(mac(&message.mac)?) },
    })
}

fn binding_message(binding: &Binding) -> BindingMessage {
    let Binding { host_id, vnic_type, profile } = binding.clone();
    BindingMessage { host_id, vnic_type, profile }
}

fn binding(message: BindingMessage) -> Binding {
    let BindingMessage { host_id, vnic_type, profile } = message;
    Binding { host_id, vnic_type, profile }
}

fn fixed_ip_message(fixed: &FixedIp) -> FixedIpMessage {
    FixedIpMessage { subnet_id: uuid_bytes(fixed.subnet_id.0), ip_address: address_bytes(fixed.ip_address) }
}

fn fixed_ip(message: &FixedIpMessage) -> Result<FixedIp, DecodeError> {
    Ok(FixedIp { subnet_id: SubnetId(uuid(&message.subnet_id)?), ip_address: address(&message.ip_address)? })
}

fn status_number(status: PortStatus) -> u32 {
    match status {
        PortStatus::Active => 1,
        PortStatus::Down => 2,
        PortStatus::Build => 3,
        PortStatus::Error => 4,
        PortStatus::NotApplicable => 5,
    }
}

fn status(number: u32) -> Result<PortStatus, DecodeError> {
    Ok(match number {
        1 => PortStatus::Active,
        2 => PortStatus::Down,
        3 => PortStatus::Build,
        4 => PortStatus::Error,
        5 => PortStatus::NotApplicable,
        _ => return Err(bad("port status")),
    })
}

impl Encoded for Port {
    type Message = PortMessage;
    const LAST_FIELD: u32 = 41;
    with_tags!();

    fn to_message(&self) -> PortMessage {
        PortMessage {
            id: uuid_bytes(self.id.0),
            number: self.number.0,
            network_id: uuid_bytes(self.network_id.0),
            project_id: self.project_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            mac_address: self.mac_address.0.to_vec(),
            fixed_ips: self.fixed_ips.iter().map(fixed_ip_message).collect(),
            admin_state_up: self.admin_state_up,
            device_id: self.device_id.clone(),
            device_owner: self.device_owner.clone(),
            host_id: self.binding.host_id.clone(),
            vnic_type: self.binding.vnic_type.clone(),
            profile: self.binding.profile.clone(),
            status: status_number(self.status),
            stamp: stamp_message(&self.stamp),
            port_security: if self.port_security_enabled { SECURITY_ON } else { SECURITY_OFF },
            security_groups: self.security_groups.iter().map(|id| uuid_bytes(id.0)).collect(),
            allowed_address_pairs: self.allowed_address_pairs.iter().map(pair_message).collect(),
            policy: self.policy.map_or(0, |policy| policy.0),
            details: port_details::message(&self.details),
            inactive_bindings: self.inactive_bindings.iter().map(binding_message).collect(),
        }
    }

    fn from_message(message: PortMessage) -> Result<Self, DecodeError> {
        let port_security_enabled = match message.port_security {
            SECURITY_UNSAID => !is_trusted(&message.device_owner),
            SECURITY_ON => true,
            SECURITY_OFF => false,
            _ => return Err(bad("port security")),
        };
        let groups = message.security_groups.iter().map(|id| uuid(id).map(SecurityGroupId));
        Ok(Port {
            id: PortId(uuid(&message.id)?),
            number: PortNumber(message.number),
            network_id: NetworkId(uuid(&message.network_id)?),
            project_id: message.project_id,
            name: message.name,
            description: message.description,
            mac_address: mac(&message.mac_address)?,
            fixed_ips: message.fixed_ips.iter().map(fixed_ip).collect::<Result<_, _>>()?,
            admin_state_up: message.admin_state_up,
            device_id: message.device_id,
            device_owner: message.device_owner,
            binding: Binding {
                host_id: message.host_id,
                vnic_type: message.vnic_type,
                profile: message.profile,
            },
            status: status(message.status)?,
            port_security_enabled,
            security_groups: groups.collect::<Result<_, _>>()?,
            allowed_address_pairs: message
                .allowed_address_pairs
                .iter()
                .map(pair)
                .collect::<Result<_, _>>()?,
            policy: (message.policy != 0).then_some(PolicyNumber(message.policy)),
            details: port_details::details(message.details)?,
            inactive_bindings: message.inactive_bindings.into_iter().map(binding).collect(),
            stamp: stamp(message.stamp),
        })
    }
}

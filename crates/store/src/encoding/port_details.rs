//! What ports say for others.

use super::parts::{address, address_bytes, bad, uuid, uuid_bytes};
use crate::DecodeError;
use hadron_model::{Delegation, ExtraDhcpOpt, IpNet, PortDetails, SubnetPoolId};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PortDetailsMessage {
    #[prost(string, tag = "1")]
    dns_name: String,
    #[prost(string, tag = "2")]
    dns_domain: String,
    #[prost(message, repeated, tag = "3")]
    extra_dhcp_opts: Vec<ExtraDhcpOptMessage>,
    #[prost(bool, tag = "4")]
    is_addressless: bool,
    #[prost(string, optional, tag = "5")]
    data_plane_status: Option<String>,
    #[prost(bool, tag = "6")]
    hides_uplink_status: bool,
    #[prost(string, optional, tag = "7")]
    numa_affinity_policy: Option<String>,
    #[prost(string, optional, tag = "8")]
    device_profile: Option<String>,
    #[prost(string, optional, tag = "9")]
    hints: Option<String>,
    #[prost(bool, optional, tag = "10")]
    trusted: Option<bool>,
    #[prost(bool, tag = "11")]
    is_deferred: bool,
    #[prost(string, optional, tag = "12")]
    hardware_offload_type: Option<String>,
    #[prost(message, optional, tag = "13")]
    delegation: Option<DelegationMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DelegationMessage {
    #[prost(bytes = "vec", tag = "1")]
    subnetpool_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    address: Vec<u8>,
    #[prost(uint32, tag = "3")]
    length: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ExtraDhcpOptMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bool, tag = "2")]
    is_ipv6: bool,
    #[prost(string, tag = "3")]
    value: String,
}

/// Nothing is written for a port that says nothing.
pub(super) fn message(details: &PortDetails) -> Option<PortDetailsMessage> {
    if *details == PortDetails::default() {
        return None;
    }
    let option = |option: &ExtraDhcpOpt| ExtraDhcpOptMessage {
        name: option.name.clone(),
        is_ipv6: option.is_ipv6,
        value: option.value.clone(),
    };
    Some(PortDetailsMessage {
        dns_name: details.dns_name.clone(),
        dns_domain: details.dns_domain.clone(),
        extra_dhcp_opts: details.extra_dhcp_opts.iter().map(option).collect(),
        is_addressless: details.is_addressless,
        data_plane_status: details.data_plane_status.clone(),
        hides_uplink_status: details.hides_uplink_status,
        numa_affinity_policy: details.numa_affinity_policy.clone(),
        device_profile: details.device_profile.clone(),
        hints: details.hints.clone(),
        trusted: details.trusted,
        is_deferred: details.is_deferred,
        hardware_offload_type: details.hardware_offload_type.clone(),
        delegation: details.delegation.map(|delegation| DelegationMessage {
            subnetpool_id: uuid_bytes(delegation.subnetpool_id.0),
            address: address_bytes(delegation.prefix.addr()),
            length: delegation.prefix.prefix_len().into(),
        }),
    })
}

pub(super) fn details(message: Option<PortDetailsMessage>) -> Result<PortDetails, DecodeError> {
    let message = message.unwrap_or_default();
    let option = |option: ExtraDhcpOptMessage| ExtraDhcpOpt {
        name: option.name,
        is_ipv6: option.is_ipv6,
        value: option.value,
    };
    Ok(PortDetails {
        dns_name: message.dns_name,
        dns_domain: message.dns_domain,
        extra_dhcp_opts: message.extra_dhcp_opts.into_iter().map(option).collect(),
        is_addressless: message.is_addressless,
        data_plane_status: message.data_plane_status,
        hides_uplink_status: message.hides_uplink_status,
        numa_affinity_policy: message.numa_affinity_policy,
        device_profile: message.device_profile,
        hints: message.hints,
        trusted: message.trusted,
        is_deferred: message.is_deferred,
        hardware_offload_type: message.hardware_offload_type,
        delegation: message.delegation.map(delegation).transpose()?,
    })
}

fn delegation(message: DelegationMessage) -> Result<Delegation, DecodeError> {
    let length = u8::try_from(message.length).map_err(|_| bad("prefix"))?;
    let prefix = IpNet::new(address(&message.address)?, length).map_err(|_| bad("prefix"))?;
    Ok(Delegation { subnetpool_id: SubnetPoolId(uuid(&message.subnetpool_id)?), prefix })
}

//! A router's gateways: as requests give them, and as the router shows them.

use super::Sees;
use super::port_values::fixed_ip_requests;
use crate::ApiError;
use crate::json::Writer;
use crate::validate::{parse_uuid, to_boolean};
use hadron_control::Error;
use hadron_control::router::GatewayRequest;
use hadron_model::{Gateway, NetworkId, Port, Router};
use hadron_store::Snapshot;
use serde_json::Value;

/// A checked gateway; `None` is none.
pub(super) fn read(sees: Sees<'_>, value: &Value) -> Result<Option<GatewayRequest>, ApiError> {
    let Some(network) = value.get("network_id").and_then(Value::as_str) else { return Ok(None) };
    let network = parse_uuid(network).ok_or_else(ApiError::internal)?;
    if !sees.network(network) {
        return Err(Error::NetworkNotFound(NetworkId(network)).into());
    }
    let ips = value.get("external_fixed_ips").and_then(Value::as_array);
    // Subnets of external networks are not the caller's to see, and yet to be named.
    let fixed_ips = ips.map(|ips| fixed_ip_requests(ips, &|_| true)).transpose()?;
    Ok(Some(GatewayRequest {
        network_id: NetworkId(network),
        enable_snat: value.get("enable_snat").and_then(to_boolean),
        fixed_ips: fixed_ips.unwrap_or_default(),
    }))
}

/// A router's gateways, with the addresses that their ports have.
#[derive(Clone, Copy)]
pub struct GatewaysOf<'a> {
    router: &'a Router,
    view: &'a Snapshot,
    is_list: bool,
}

impl<'a> GatewaysOf<'a> {
    /// The first alone, or null.
    pub(super) fn first(router: &'a Router, view: &'a Snapshot) -> Self {
        Self { router, view, is_list: false }
    }

    /// All of them, as a list.
    pub(super) fn all(router: &'a Router, view: &'a Snapshot) -> Self {
        Self { router, view, is_list: true }
    }

    /// Writes the list, or the one or null.
    pub(crate) fn write(&self, json: &mut Writer<'_>) {
        match self.router.primary_gateway() {
            _ if self.is_list => {
                json.list(&self.router.gateways, |json, gateway| self.write_one(gateway, json))
            }
            Some(gateway) => self.write_one(gateway, json),
            None => json.null(),
        }
    }

    fn write_one(&self, gateway: &Gateway, json: &mut Writer<'_>) {
        json.raw(b"{\"network_id\":");
        json.uuid(gateway.network_id.0);
        json.raw(b",\"external_fixed_ips\":");
        let port = self.view.get::<Port>(&gateway.port_id);
        json.fixed_ips(port.map_or(&[], |port| &port.fixed_ips));
        json.raw(b",\"enable_snat\":");
        json.boolean(gateway.enable_snat);
        json.raw(b"}");
    }
}

impl PartialEq for GatewaysOf<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.router.gateways == other.router.gateways && self.is_list == other.is_list
    }
}

impl std::fmt::Debug for GatewaysOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "gateways of {}", self.router.id)
    }
}

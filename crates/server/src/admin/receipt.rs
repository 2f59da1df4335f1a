//! `hadron receipt`: the receipt of an object that is found by its id alone.

use crate::nodes::NodeService;
use hadron_api::receipt::{Receipt, Receipts};
use hadron_model::{
    AddressGroup, AddressGroupId, FloatingIp, FloatingIpId, Network, NetworkId, PacketLog, PacketLogId, Port,
    PortForwarding, PortForwardingId, PortId, Router, RouterId, SecurityGroup, SecurityGroupId,
    SecurityGroupRule, SecurityGroupRuleId, Subnet, SubnetId,
};
use hadron_store::{Record, RecordKey, Revision, Snapshot, Store};
use serde_json::Value;
use uuid::Uuid;

/// The receipt of the object with this id, if there is one that hosts need.
pub(super) async fn of(store: &Store, nodes: &NodeService, id: Uuid) -> Option<Value> {
    let view = store.wait_current().await.unwrap_or_else(|_| store.snapshot());
    let Found { resource, key, changed } = find(&view, id)?;
    let hosts = nodes.hosts(key, changed, view).await;
    let mut told = Receipt { changed, hosts }.to_json(true);
    told["id"] = Value::String(id.to_string());
    told["resource"] = Value::String(resource.to_owned());
    Some(told)
}

struct Found {
    resource: &'static str,
    key: RecordKey,
    changed: Revision,
}

fn find(view: &Snapshot, id: Uuid) -> Option<Found> {
    fn a<T: Record>(view: &Snapshot, resource: &'static str, key: T::Key) -> Option<Found> {
        let changed = view.get::<T>(&key)?.modified;
        Some(Found { resource, key: T::among_all(key), changed })
    }
    None.or_else(|| a::<Port>(view, "port", PortId(id)))
        .or_else(|| a::<Network>(view, "network", NetworkId(id)))
        .or_else(|| a::<Subnet>(view, "subnet", SubnetId(id)))
        .or_else(|| a::<SecurityGroup>(view, "security_group", SecurityGroupId(id)))
        .or_else(|| a::<SecurityGroupRule>(view, "security_group_rule", SecurityGroupRuleId(id)))
        .or_else(|| a::<AddressGroup>(view, "address_group", AddressGroupId(id)))
        .or_else(|| a::<Router>(view, "router", RouterId(id)))
        .or_else(|| a::<FloatingIp>(view, "floatingip", FloatingIpId(id)))
        .or_else(|| a::<PortForwarding>(view, "port_forwarding", PortForwardingId(id)))
        .or_else(|| a::<PacketLog>(view, "log", PacketLogId(id)))
}

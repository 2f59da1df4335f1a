//! Whose a port is, by the words of `rows.proto`.

use crate::model::Model;
use hadron_model::Port;
use hadron_wire::Row;
use hadron_wire::row::{InstanceFacts, InstanceRow, address};

pub fn row(model: &Model, port: &Port) -> Option<Row> {
    if port.device_id.is_empty() {
        return None;
    }
    let mut public_addresses = Vec::new();
    for floating in model.floating_ips.values() {
        if floating.association.is_some_and(|association| association.port_id == port.id) {
            public_addresses.push(address(floating.floating_ip_address));
        }
    }
    public_addresses.sort();
    let registered = model.instances.values().find(|instance| instance.id == port.device_id);
    Some(Row::Instance(InstanceRow {
        port: port.number.0,
        device: port.device_id.clone(),
        project: port.project_id.clone(),
        public_addresses,
        facts: registered.map(|instance| InstanceFacts {
            name: instance.name.clone(),
            user_data: instance.user_data.clone(),
            ..InstanceFacts::default()
        }),
    }))
}

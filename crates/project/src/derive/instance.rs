//! Whose a port is, as a function of the model.

use super::Source;
use crate::Interest;
use hadron_model::{Instance, InstanceKey, PortNumber};
use hadron_wire::Row;
use hadron_wire::row::{self, InstanceFacts, InstanceRow};

impl Source<'_> {
    pub(super) fn instance(self, number: u32) -> Option<(Interest, Row)> {
        let port = self.model.port_by_number(PortNumber(number)).filter(|port| !port.device_id.is_empty())?;
        let host = self.host_of(port)?;
        let mut public: Vec<_> = self
            .model
            .floating_ips_of_port(port.id)
            .map(|floating| row::address(floating.floating_ip_address))
            .collect();
        public.sort_unstable();
        let row = InstanceRow {
            port: number,
            device: port.device_id.clone(),
            project: port.project_id.clone(),
            public_addresses: public,
            facts: self.model.get::<Instance>(&port.device_id).map(|instance| facts(instance)),
        };
        Some((Interest::Host(host.number.0), Row::Instance(row)))
    }
}

fn facts(instance: &Instance) -> InstanceFacts {
    let Instance { id: _, name, hostname, user_data, meta, keys, .. } = instance.clone();
    let key = |InstanceKey { name, kind, data }| row::InstanceKey { name, kind, data };
    InstanceFacts {
        name,
        hostname,
        user_data,
        meta,
        keys: keys.into_iter().map(key).collect(),
        availability_zone: instance.availability_zone.clone(),
        launch_index: instance.launch_index,
        instance_type: instance.instance_type.clone(),
        image_id: instance.image_id.clone(),
        security_groups: instance.security_groups.clone(),
        vendor_data: instance.vendor_data.clone(),
        vendor_data2: instance.vendor_data2.clone(),
    }
}

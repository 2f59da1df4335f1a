//! What a floating IP shows of the port that it leads to, and of its port forwardings.

use crate::json::Writer;
use hadron_model::{FloatingIp, FloatingIpId, Port, PortForwarding, PortRange};
use hadron_store::Snapshot;

/// `port_details`: some of the attributes of the port that a floating IP leads to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PortDetails<'a>(&'a Port);

impl<'a> PortDetails<'a> {
    pub(super) fn of(floating: &FloatingIp, view: &'a Snapshot) -> Option<Self> {
        view.get::<Port>(&floating.association?.port_id).map(|port| Self(&port.value))
    }

    /// Writes the object.
    pub(crate) fn write(&self, json: &mut Writer<'_>) {
        let Self(port) = self;
        json.raw(b"{\"name\":");
        json.text(&port.name);
        json.raw(b",\"network_id\":");
        json.uuid(port.network_id.0);
        json.raw(b",\"mac_address\":");
        json.mac(port.mac_address);
        json.raw(b",\"admin_state_up\":");
        json.boolean(port.admin_state_up);
        json.raw(b",\"status\":");
        json.text(port.status.as_str());
        json.raw(b",\"device_id\":");
        json.text(&port.device_id);
        json.raw(b",\"device_owner\":");
        json.text(&port.device_owner);
        json.raw(b"}");
    }
}

/// `port_forwardings` of a floating IP.
#[derive(Clone, Copy)]
pub struct ForwardingsOf<'a> {
    view: &'a Snapshot,
    floating: FloatingIpId,
}

impl<'a> ForwardingsOf<'a> {
    pub(super) fn new(view: &'a Snapshot, floating: FloatingIpId) -> Self {
        Self { view, floating }
    }

    /// Writes the list. A range of ports is shown as such, where a single one is shown as a number.
    pub(crate) fn write(&self, json: &mut Writer<'_>) {
        json.raw(b"[");
        for (index, forwarding) in self.view.forwardings_of_floating_ip(self.floating).enumerate() {
            json.raw(if index == 0 { b"" } else { b"," });
            write_forwarding(forwarding, json);
        }
        json.raw(b"]");
    }
}

fn write_forwarding(forwarding: &PortForwarding, json: &mut Writer<'_>) {
    json.raw(b"{\"id\":");
    json.uuid(forwarding.id.0);
    json.raw(b",\"protocol\":");
    json.text(forwarding.protocol.as_str());
    json.raw(b",\"internal_ip_address\":");
    json.address(forwarding.internal_ip_address);
    json.raw(b",\"internal_port_id\":");
    json.uuid(forwarding.internal_port_id.0);
    write_port("internal", forwarding.internal, json);
    write_port("external", forwarding.external, json);
    json.raw(b"}");
}

fn write_port(side: &str, ports: Option<PortRange>, json: &mut Writer<'_>) {
    let Some(ports) = ports else { return };
    json.raw(b",\"");
    json.raw(side.as_bytes());
    if ports.count() == 1 {
        json.raw(b"_port\":");
        json.integer(ports.first().into());
    } else {
        json.raw(b"_port_range\":");
        json.quoted(format_args!("{ports}"));
    }
}

impl PartialEq for ForwardingsOf<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.floating == other.floating && std::ptr::eq(self.view, other.view)
    }
}

impl std::fmt::Debug for ForwardingsOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "port forwardings of {}", self.floating)
    }
}

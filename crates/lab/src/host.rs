//! Hosts.

use crate::topology::UPLINK;
use crate::{Instance, Namespace, Result};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

/// A machine of the lab: a [`Namespace`] with a link to the underlay. Its host name is its name, `/etc/hosts` knows all hosts,
/// `/var/lib` is empty at first, and a bpf file system of its own is at `/sys/fs/bpf`; all this outlives the host's processes.
#[derive(Debug)]
pub struct Host {
    namespace: Arc<Namespace>,
    address: IpAddr,
    prefix_len: u8,
    wire: Arc<Namespace>,
    port: String,
    physical_port: Option<String>,
}

impl Deref for Host {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl Host {
    pub(crate) fn new(
        namespace: Namespace,
        address: IpAddr,
        prefix_len: u8,
        wire: Arc<Namespace>,
        port: String,
        physical_port: Option<String>,
    ) -> Self {
        Self { namespace: Arc::new(namespace), address, prefix_len, wire, port, physical_port }
    }

    /// Its address on the underlay.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The length of the underlay's prefix.
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// Its interface on the underlay.
    pub fn uplink(&self) -> &'static str {
        UPLINK
    }

    /// The namespace of the underlay's bridge.
    pub(crate) fn wire(&self) -> &Namespace {
        &self.wire
    }

    /// The bridge's port to this host.
    pub(crate) fn wire_port(&self) -> &str {
        &self.port
    }

    /// The physical network's port to this host.
    pub(crate) fn physical_port(&self) -> Option<&str> {
        self.physical_port.as_deref()
    }

    /// Puts an instance here: interface `tap` and the first 11 characters of `port_id` in the host, down as a hypervisor leaves
    /// it, and `eth0` with `mac` in the instance, up. Its name must be new in the lab.
    pub fn instance(&self, name: &str, port_id: &str, mac: &str) -> Result<Instance> {
        Instance::boot(&self.namespace, name, port_id, mac)
    }
}

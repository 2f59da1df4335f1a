//! Instances.

use crate::dhclient;
use crate::error::Attempt;
use crate::netlink::{self, VethEnd};
use crate::stage::Stage;
use crate::{LabError, Namespace, Process, Result};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// An instance's only interface.
pub(crate) const INTERFACE: &str = "eth0";
const BROADCAST: [u8; 6] = [0xff; 6];

/// A guest on a host: a [`Namespace`] behind a veth pair. Dropped, it goes as when a hypervisor ends.
#[derive(Debug)]
pub struct Instance {
    namespace: Namespace,
    host: Arc<Namespace>,
    interface: String,
    mac: [u8; 6],
}

impl Deref for Instance {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl Instance {
    pub(crate) fn boot(host: &Arc<Namespace>, name: &str, port_id: &str, mac: &str) -> Result<Self> {
        let mac = parse_mac(mac)?;
        let interface = interface_name(port_id)?;
        let dir = host.dir().with_file_name(name);
        if dir.exists() {
            return Err(LabError::Topology(format!("the name {name:?} is taken")));
        }
        let namespace = Namespace::make(host.lab(), name, dir, Stage::Guest)?;
        let tap = VethEnd { namespace: host, name: &interface, mac: None, mtu: None, is_up: false };
        let nic = VethEnd { namespace: &namespace, name: INTERFACE, mac: Some(mac), mtu: None, is_up: true };
        let made = netlink::raise_loopback(&namespace).and_then(|()| netlink::add_veth(&tap, &nic));
        if let Err(error) = made {
            // The interface may be another instance's: only what is surely ours goes.
            let _ = std::fs::remove_dir_all(namespace.dir());
            return Err(error);
        }
        Ok(Self { namespace, host: Arc::clone(host), interface, mac })
    }

    /// The name of its interface in the host.
    pub fn interface_name(&self) -> &str {
        &self.interface
    }

    /// Its hardware address.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Waits until its interface carries packets, which means that the host's end has been raised.
    pub fn wait_for_link(&self, within: Duration) -> Result<()> {
        netlink::wait_until_up(&self.namespace, INTERFACE, within)
    }

    /// Starts a DHCP client (ISC dhclient) that goes on until the handle is dropped or the lease is released.
    pub fn dhcp(&self) -> Result<Process> {
        dhclient::start(&self.namespace)
    }

    /// Starts a DHCP client and waits for its address. The client goes on as long as the returned handle.
    pub fn dhcp_lease(&self, within: Duration) -> Result<(Process, Ipv4Addr)> {
        self.wait_for_link(within)?;
        let client = self.dhcp()?;
        let address = dhclient::wait_for_lease(&self.namespace, &client, within)?;
        Ok((client, address))
    }

    /// Gives the lease back and ends the client.
    pub fn dhcp_release(&self) -> Result<()> {
        dhclient::release(&self.namespace)
    }

    /// Its addresses, link-local ones included.
    pub fn addresses(&self) -> Result<Vec<IpAddr>> {
        netlink::addresses(&self.namespace, INTERFACE)
    }

    /// The MTU of its interface, octets.
    pub fn mtu(&self) -> Result<u32> {
        netlink::mtu(&self.namespace, INTERFACE)
    }

    /// Its IPv4 routes as `ip route` shows them.
    pub fn routes(&self) -> Result<String> {
        self.command("ip").args(["-4", "route"]).succeed(Duration::from_secs(10))
    }

    /// Its `/etc/resolv.conf`, empty until DHCP fills it.
    pub fn resolv_conf(&self) -> Result<String> {
        std::fs::read_to_string(self.dir().join("resolv.conf")).attempt("read resolv.conf")
    }

    /// Gives it an address, as in `10.0.0.5/24` or `fd00::5/64`; usable at once.
    pub fn add_address(&self, address: &str) -> Result<()> {
        let (address, prefix_len) = parse_prefix(address)?;
        netlink::add_address(&self.namespace, INTERFACE, address, prefix_len)
    }

    /// Adds a route; the destination is a prefix or `default`, of the next hop's family.
    pub fn add_route(&self, destination: &str, next_hop: IpAddr) -> Result<()> {
        let default = if next_hop.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        let (network, prefix_len) =
            parse_prefix(if destination == "default" { default } else { destination })?;
        netlink::add_route(&self.namespace, network, prefix_len, next_hop)
    }

    /// Tells everybody on the network that `address` is here (RFC 5227 §3).
    pub fn gratuitous_arp(&self, address: Ipv4Addr) -> Result<()> {
        let mut frame = Vec::with_capacity(42);
        frame.extend(BROADCAST);
        frame.extend(self.mac);
        // ARP, Ethernet, IPv4, lengths, request
        frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend(self.mac);
        frame.extend(address.octets());
        frame.extend([0; 6]);
        frame.extend(address.octets());
        self.frames(INTERFACE)?.send(&frame)
    }

    /// Takes the instance away; the interface is gone from the host when this returns.
    pub fn remove(self) {}
}

impl Drop for Instance {
    fn drop(&mut self) {
        crate::marks::signal(self.lab(), Some(self.name()), nix::sys::signal::Signal::SIGKILL, None);
        // It may be gone already: a scenario can delete it.
        let _ = netlink::delete(&self.host, &self.interface);
        let _ = std::fs::remove_dir_all(self.dir());
    }
}

fn interface_name(port_id: &str) -> Result<String> {
    match port_id.get(..11) {
        Some(start) => Ok(format!("tap{start}")),
        None => Err(LabError::Topology(format!("{port_id:?} is no port id: it needs 11 characters or more"))),
    }
}

fn parse_mac(text: &str) -> Result<[u8; 6]> {
    let wrong = || LabError::Topology(format!("{text:?} is no MAC address; expected fa:16:3e:00:00:01"));
    let octets: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    octets.and_then(|octets| octets.try_into().ok()).ok_or_else(wrong)
}

fn parse_prefix(text: &str) -> Result<(IpAddr, u8)> {
    let wrong = || LabError::Topology(format!("{text:?} is no prefix; expected 10.0.0.5/24 or fd00::5/64"));
    let (address, length) = text.split_once('/').ok_or_else(wrong)?;
    Ok((address.parse().map_err(|_| wrong())?, length.parse().map_err(|_| wrong())?))
}

use super::Extra;
use hadron_model::Mac;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// What a port's client is told with one of the port's addresses: the facts of its subnet, and the options of the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The port's MAC; a message about another hardware address gets no answer.
    pub mac: Mac,
    /// The port's address.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix, 0 to 32.
    pub prefix_len: u8,
    /// The address of the network's DHCP service, source and server identifier of every reply.
    pub server_id: Ipv4Addr,
    /// The MAC of the network's DHCP service.
    pub server_mac: Mac,
    /// The subnet's gateway.
    pub router: Option<Ipv4Addr>,
    /// Name servers in order of preference.
    pub dns: Vec<Ipv4Addr>,
    /// Largest IP packet of the network, octets.
    pub mtu: u16,
    /// Seconds; `u32::MAX` means for ever.
    pub lease_seconds: u32,
    /// Domain of the instance's name, empty for none.
    pub domain: String,
    /// Destination and next hop; a next hop of 0.0.0.0 means on the link (RFC 3442).
    pub static_routes: Vec<(Ipv4Net, Ipv4Addr)>,
    /// The instance's name, empty for none.
    pub hostname: String,
    /// What the port's owner wants to be told, over all of these.
    pub extra: Extra,
}

impl Lease {
    /// The subnet of the address.
    pub fn subnet(&self) -> Ipv4Net {
        Ipv4Net::new_assert(self.address, self.prefix_len.min(32)).trunc()
    }
}

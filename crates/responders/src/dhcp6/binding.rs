use super::Extra;
use hadron_model::Mac;
use ipnet::Ipv6Net;
use std::net::Ipv6Addr;

/// What a port's client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The server's DUID, see [`server_identity`].
    pub server: Vec<u8>,
    /// The server's MAC; replies come from the link-local address that it forms.
    pub server_mac: Mac,
    /// The port's addresses in subnets whose addresses come by DHCPv6, in their order. None where hosts form their addresses.
    pub addresses: Vec<Ipv6Addr>,
    /// The prefixes of these subnets.
    pub prefixes: Vec<Ipv6Net>,
    /// Prefixes that are the port's to hand on, since the network's routers lead them to it (RFC 8415 §6.3).
    pub delegated: Vec<Ipv6Net>,
    /// Seconds that an address or a delegated prefix may be used; `u32::MAX` means for ever.
    pub lease_seconds: u32,
    /// Name servers in order of preference.
    pub dns: Vec<Ipv6Addr>,
    /// Domain to search, empty for none.
    pub domain: String,
    /// Largest IP packet of the network, octets.
    pub mtu: u32,
    /// What the port's owner wants to be told, over all of these.
    pub extra: Extra,
}

/// DUID (RFC 6355, of the network's UUID) and MAC (locally administered, of the same) of a network's DHCPv6 service: the same on
/// every host, so that a client that migrates renews what it has.
pub fn server_identity(network: [u8; 16]) -> (Vec<u8>, Mac) {
    let [a, b, c, d, e, ..] = network;
    ([&[0, 4], &network[..]].concat(), Mac([0xfe, a, b, c, d, e]))
}

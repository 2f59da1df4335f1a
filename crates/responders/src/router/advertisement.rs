//! What a router says of itself and of its network.

use super::Asker;
use crate::name;
use etherparse::PacketBuilder;
use hadron_model::Mac;
use ipnet::Ipv6Net;
use std::net::Ipv6Addr;

const ROUTER_ADVERTISEMENT: u8 = 134;
/// What hosts put into their packets (RFC 4861 §4.2; IANA's number for the Internet).
const HOP_LIMIT: u8 = 64;
const MANAGED: u8 = 0x80;
const OTHER: u8 = 0x40;
const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;

/// Seconds that hosts keep a router and its name servers after it was last heard: the longest of RFC 4861 §6.2.1, so that a node that
/// is away for an hour takes no host's default route away.
const ROUTER_LIFETIME: u16 = 9000;
/// Seconds that hosts may use an address of a prefix, and use it for new connections (RFC 4861 §6.2.1).
const VALID_LIFETIME: u32 = 2_592_000;
const PREFERRED_LIFETIME: u32 = 604_800;
/// Seconds that hosts keep an address of a prefix that went: they heed no less than two hours (RFC 4862 §5.5.3).
const DEPARTED_LIFETIME: u32 = 7200;

/// Prefixes in one advertisement, which is never longer than the least MTU of IPv6; more go into further ones (RFC 4861 §6.2.3).
const PREFIXES: usize = 24;
/// Name servers that are told; hosts use three.
const NAME_SERVERS: usize = 8;
/// An MTU below this is no IPv6 MTU (RFC 8200 §5).
const LEAST_MTU: u32 = 1280;

/// What a router says of itself and of its network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advertisement {
    /// The MAC of its interface; its link-local address is the one that follows from that.
    pub mac: Mac,
    /// Largest IP packet of the network, octets.
    pub mtu: u32,
    /// The prefixes of its subnets that are advertised.
    pub prefixes: Vec<Prefix>,
    /// Name servers in order of preference; the first eight are told.
    pub dns: Vec<Ipv6Addr>,
    /// Domain to search, empty for none.
    pub domain: String,
    /// M: addresses come by DHCPv6.
    pub is_managed: bool,
    /// O: everything but addresses comes by DHCPv6.
    pub has_other: bool,
}

/// A prefix of a subnet, always on the link (L).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Prefix {
    /// The prefix.
    pub net: Ipv6Net,
    /// A: hosts make themselves an address in it (RFC 4862).
    pub is_autonomous: bool,
}

/// What has become of a router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It routes.
    Routes,
    /// It routes, but the prefixes that are told went.
    LostPrefixes,
    /// It went.
    Gone,
}

impl Advertisement {
    /// The frames that say it, from the Ethernet header on, untagged, checksums complete. More than one when there are many prefixes.
    pub fn to(&self, asker: Asker, state: State) -> Vec<Vec<u8>> {
        let mut parts: Vec<&[Prefix]> = self.prefixes.chunks(PREFIXES).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        parts.into_iter().enumerate().map(|(at, part)| self.frame(asker, state, part, at == 0)).collect()
    }

    fn frame(&self, asker: Asker, state: State, prefixes: &[Prefix], is_first: bool) -> Vec<u8> {
        let lifetime = if state == State::Gone { 0 } else { ROUTER_LIFETIME };
        let mut options = vec![1, 1];
        options.extend(self.mac.0);
        if self.mtu >= LEAST_MTU {
            options.extend([5, 1, 0, 0]);
            options.extend(self.mtu.to_be_bytes());
        }
        prefixes.iter().for_each(|prefix| push_prefix(&mut options, prefix, state));
        if is_first && state != State::LostPrefixes {
            self.push_dns(&mut options, lifetime.into());
            self.push_domain(&mut options, lifetime.into());
        }
        let flags = if self.is_managed { MANAGED } else { 0 } | if self.has_other { OTHER } else { 0 };
        let [high, low] = lifetime.to_be_bytes();
        // Reachable time and retransmission timer are left to the hosts.
        let message = [&[0; 8], &options[..]].concat();
        let builder = PacketBuilder::ethernet2(self.mac.0, asker.mac.0)
            .ipv6(self.mac.link_local().octets(), asker.address.octets(), 255)
            .icmpv6_raw(ROUTER_ADVERTISEMENT, 0, [HOP_LIMIT, flags, high, low]);
        let mut frame = Vec::with_capacity(builder.size(message.len()));
        builder.write_to_vec(&mut frame, &message).expect("a message far below 64 KiB into memory");
        frame
    }

    /// RFC 8106 §5.1.
    fn push_dns(&self, options: &mut Vec<u8>, lifetime: u32) {
        let servers = &self.dns[..self.dns.len().min(NAME_SERVERS)];
        if !servers.is_empty() {
            options.extend([25, 1 + 2 * servers.len() as u8, 0, 0]);
            options.extend(lifetime.to_be_bytes());
            options.extend(servers.iter().flat_map(Ipv6Addr::octets));
        }
    }

    /// RFC 8106 §5.2.
    fn push_domain(&self, options: &mut Vec<u8>, lifetime: u32) {
        if let Some(mut name) = name::encode(&self.domain) {
            name.resize(name.len().next_multiple_of(8), 0);
            options.extend([31, 1 + (name.len() / 8) as u8, 0, 0]);
            options.extend(lifetime.to_be_bytes());
            options.extend(name);
        }
    }
}

/// RFC 4861 §4.6.2.
fn push_prefix(options: &mut Vec<u8>, prefix: &Prefix, state: State) {
    let (valid, preferred) = match state {
        State::Routes => (VALID_LIFETIME, PREFERRED_LIFETIME),
        State::LostPrefixes | State::Gone => (DEPARTED_LIFETIME, 0),
    };
    let autonomous = if prefix.is_autonomous { AUTONOMOUS } else { 0 };
    options.extend([3, 4, prefix.net.prefix_len(), ON_LINK | autonomous]);
    options.extend(valid.to_be_bytes());
    options.extend(preferred.to_be_bytes());
    options.extend([0; 4]);
    options.extend(prefix.net.trunc().addr().octets());
}

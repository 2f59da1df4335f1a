//! What a subnet's values must be for each other.

use super::{Gateway, NewSubnet, SubnetChange};
use crate::{Config, Error, slaac};
use hadron_model::{HostRoute, IpNet, Subnet};
use std::net::IpAddr;

/// Checks a subnet to be created; `cidr` is its prefix without host bits.
pub(super) fn new_subnet(config: &Config, new: &NewSubnet, cidr: IpNet) -> Result<(), Error> {
    let version = if new.ip_version == 6 { Version::V6 } else { Version::V4 };
    version.check(cidr.addr(), "cidr", cidr)?;
    if cidr.addr().is_ipv6() && cidr.addr().is_unspecified() {
        return Err(Error::input("the IPv6 subnet '::' is not supported"));
    }
    if new.enable_dhcp {
        dhcp(cidr)?;
    }
    if let Gateway::At(address) = new.gateway {
        gateway(version, cidr, address)?;
    }
    lists(config, version, "new subnet", &new.dns_nameservers, &new.host_routes)?;
    if cidr.prefix_len() == 0 {
        return Err(Error::input("a CIDR with prefix length 0 is not allowed"));
    }
    match version {
        Version::V4 => ipv4_without_modes(new),
        Version::V6 => ipv6_modes(new, cidr),
    }
}

/// Checks the prefix that a subnet is to have in place of its own.
pub(super) fn enlarged(subnet: &Subnet, cidr: IpNet) -> Result<(), Error> {
    let version = Version::of(subnet.cidr.addr());
    version.check(cidr.addr(), "cidr", cidr)?;
    if !cidr.contains(&subnet.cidr) {
        return Err(Error::InvalidInput(format!(
            "cidr {cidr} does not cover {}: a subnet can only be enlarged",
            subnet.cidr
        )));
    }
    if cidr.prefix_len() == 0 {
        return Err(Error::input("a CIDR with prefix length 0 is not allowed"));
    }
    if cidr.addr().is_ipv6() && cidr.addr().is_unspecified() {
        return Err(Error::input("the IPv6 subnet '::' is not supported"));
    }
    if subnet.enable_dhcp {
        dhcp(cidr)?;
    }
    subnet.gateway_ip.map_or(Ok(()), |address| gateway(version, cidr, address))
}

/// Checks changes to a subnet.
pub(super) fn change(config: &Config, old: &Subnet, change: &SubnetChange) -> Result<(), Error> {
    let version = Version::of(old.cidr.addr());
    if change.enable_dhcp == Some(true) && !old.enable_dhcp {
        dhcp(old.cidr)?;
    }
    if let Some(Some(address)) = change.gateway_ip {
        gateway(version, old.cidr, address)?;
    }
    let servers = change.dns_nameservers.as_deref().unwrap_or_default();
    let routes = change.host_routes.as_deref().unwrap_or_default();
    lists(config, version, &old.id.to_string(), servers, routes)?;
    let has_modes = old.ipv6_ra_mode.is_some() || old.ipv6_address_mode.is_some();
    if change.enable_dhcp == Some(false) && has_modes {
        return Err(Error::input("enable_dhcp can't be disabled with ipv6_ra_mode or ipv6_address_mode set"));
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V4,
    V6,
}

impl Version {
    fn of(address: IpAddr) -> Self {
        if address.is_ipv6() { Version::V6 } else { Version::V4 }
    }

    fn check(self, address: IpAddr, name: &str, shown: impl std::fmt::Display) -> Result<(), Error> {
        if Self::of(address) == self {
            return Ok(());
        }
        let version = if self == Version::V6 { 6 } else { 4 };
        Err(Error::InvalidInput(format!("{name} '{shown}' does not match the ip_version '{version}'")))
    }
}

fn dhcp(cidr: IpNet) -> Result<(), Error> {
    let longest = if cidr.addr().is_ipv6() { 126 } else { 30 };
    let problem = if cidr.prefix_len() > longest {
        "a prefix this long leaves no addresses for DHCP"
    } else if cidr.network().is_multicast() {
        "a multicast prefix is not supported"
    } else if cidr.network().is_loopback() {
        "a loopback prefix is not supported"
    } else if cidr.addr().is_ipv4() && cidr.network().is_unspecified() {
        "a prefix that begins with 0.0.0.0 is not supported"
    } else {
        return Ok(());
    };
    Err(Error::InvalidInput(format!("{problem} with enable_dhcp ({cidr})")))
}

fn gateway(version: Version, cidr: IpNet, address: IpAddr) -> Result<(), Error> {
    version.check(address, "gateway_ip", address)?;
    let is_end = address == cidr.network() || address == cidr.broadcast();
    if version == Version::V4 && is_end {
        return Err(Error::InvalidInput(format!(
            "gateway {address} is the network or broadcast address of {cidr}"
        )));
    }
    Ok(())
}

fn lists(
    config: &Config,
    version: Version,
    subnet: &str,
    servers: &[IpAddr],
    routes: &[HostRoute],
) -> Result<(), Error> {
    let limit = config.max_dns_nameservers;
    if servers.len() > limit {
        return Err(Error::DnsNameServersExhausted { subnet: subnet.to_owned(), limit });
    }
    for &server in servers {
        version.check(server, "dns_nameserver", server)?;
    }
    let limit = config.max_subnet_host_routes;
    if routes.len() > limit {
        return Err(Error::HostRoutesExhausted { subnet: subnet.to_owned(), limit });
    }
    for route in routes {
        version.check(route.nexthop, "nexthop", route.nexthop)?;
        version.check(route.destination.addr(), "destination", route.destination)?;
    }
    Ok(())
}

fn ipv4_without_modes(new: &NewSubnet) -> Result<(), Error> {
    let given = [("ipv6_ra_mode", new.ipv6_ra_mode), ("ipv6_address_mode", new.ipv6_address_mode)];
    match given.iter().find(|(_, mode)| mode.is_some()) {
        Some((name, _)) => Err(Error::InvalidInput(format!("{name} is not valid when ip_version is 4"))),
        None => Ok(()),
    }
}

fn ipv6_modes(new: &NewSubnet, cidr: IpNet) -> Result<(), Error> {
    let (ra, address) = (new.ipv6_ra_mode, new.ipv6_address_mode);
    if (ra.is_some() || address.is_some()) && !new.enable_dhcp {
        return Err(Error::input("ipv6_ra_mode and ipv6_address_mode need enable_dhcp"));
    }
    if let (Some(ra), Some(address)) = (ra, address)
        && ra != address
    {
        return Err(Error::InvalidInput(format!(
            "ipv6_ra_mode '{}' with ipv6_address_mode '{}' is not valid: set both to the same or one only",
            ra.as_str(),
            address.as_str()
        )));
    }
    if slaac::has_auto_mode(ra, address) && cidr.prefix_len() != 64 {
        return Err(Error::InvalidInput(format!(
            "CIDR {cidr} is not valid for the IPv6 address mode: hosts that form their own address need a /64"
        )));
    }
    Ok(())
}

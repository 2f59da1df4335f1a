//! `network_data.json`: what an instance that asks nobody else has to set up.

use super::{Link, LinkAddress};
use hadron_model::Ipv6Mode;
use serde_json::{Map, Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Of an interface the first address of each family, as Nova has it.
pub(super) fn of(links: &[Link]) -> Value {
    if links.is_empty() {
        return json!({});
    }
    let first = |link: &Link, is_v4: bool| {
        let own = link.addresses.iter().find(|own| own.address.is_ipv4() == is_v4).cloned();
        own.map(|own| (link.clone(), own))
    };
    let all: Vec<(Link, LinkAddress)> =
        links.iter().flat_map(|link| [first(link, true), first(link, false)]).flatten().collect();
    let networks: Vec<Value> = all.iter().enumerate().map(|(n, (link, own))| network(n, link, own)).collect();
    let mut services: Vec<Value> = Vec::new();
    for dns in all.iter().flat_map(|(_, own)| &own.dns).map(service) {
        if !services.contains(&dns) {
            services.push(dns);
        }
    }
    json!({"links": links.iter().map(self::link).collect::<Vec<_>>(), "networks": networks, "services": services})
}

fn link(link: &Link) -> Value {
    // Who asks by DHCP is told there.
    let mtu = Some(link.mtu).filter(|_| !link.addresses.iter().any(|own| own.is_dynamic));
    json!({
        "id": link.name,
        "vif_id": link.port.to_string(),
        "type": "tap",
        "mtu": mtu,
        "ethernet_mac_address": link.mac.to_string(),
    })
}

fn network(number: usize, link: &Link, own: &LinkAddress) -> Value {
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| drop(all.insert(name.to_owned(), value));
    put("id", json!(format!("network{number}")));
    put("type", json!(kind(own)));
    put("link", json!(link.name));
    put("network_id", json!(link.network.to_string()));
    if !own.is_dynamic {
        put("ip_address", json!(own.address));
        put("netmask", json!(mask(own.address, own.prefix_len)));
        put("routes", routes(own));
        put("services", own.dns.iter().map(service).collect());
    }
    Value::Object(all)
}

fn kind(own: &LinkAddress) -> &'static str {
    match (own.address, own.is_dynamic, own.mode) {
        (IpAddr::V4(_), true, _) => "ipv4_dhcp",
        (IpAddr::V4(_), false, _) => "ipv4",
        (IpAddr::V6(_), true, Some(Ipv6Mode::Slaac)) => "ipv6_slaac",
        (IpAddr::V6(_), true, Some(Ipv6Mode::Dhcpv6Stateful)) => "ipv6_dhcpv6-stateful",
        (IpAddr::V6(_), true, Some(Ipv6Mode::Dhcpv6Stateless)) => "ipv6_dhcpv6-stateless",
        (IpAddr::V6(_), true, None) => "ipv6_dhcp",
        (IpAddr::V6(_), false, _) => "ipv6",
    }
}

fn routes(own: &LinkAddress) -> Value {
    let any: IpAddr = match own.address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let default = own.gateway.map(|gateway| (any, 0, gateway));
    let all = default.into_iter().chain(own.routes.iter().copied());
    all.map(|(to, length, by)| json!({"network": to, "netmask": mask(to, length), "gateway": by})).collect()
}

fn service(address: &IpAddr) -> Value {
    json!({"type": "dns", "address": address})
}

/// The mask of a prefix, in the family of an address.
fn mask(family: IpAddr, length: u8) -> IpAddr {
    match family {
        IpAddr::V4(_) => {
            Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0)).into()
        }
        IpAddr::V6(_) => {
            Ipv6Addr::from_bits(u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0)).into()
        }
    }
}

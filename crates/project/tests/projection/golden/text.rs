//! Rows in words.

use hadron_model::Mac;
use hadron_wire::row::{self, Decoded, Place, Prefix};
use hadron_wire::{Row, RowChange, RowKey};
use std::fmt::Write as _;
use uuid::Uuid;

pub fn text(change: bytes::Bytes) -> String {
    let Ok(Decoded::Change(RowChange { key, row })) = RowChange::decode(change) else {
        panic!("malformed row")
    };
    let sign = if row.is_some() { '+' } else { '-' };
    let key = match key {
        RowKey::Network(number) => format!("net {number}"),
        RowKey::Subnet { network, subnet } => format!("net {network} subnet {subnet}"),
        RowKey::Presence { network, host } => format!("net {network} host {host}"),
        RowKey::Location { network, port } => format!("net {network} location of port {port}"),
        RowKey::Name { network, port } => format!("net {network} name of port {port}"),
        RowKey::RouterInterface { router, port } => format!("router {router} port {port}"),
        RowKey::Route { router, destination } => format!("router {router} to {}", prefix(&destination)),
        RowKey::FloatingRelay { router, floating_ip } => {
            format!("router {router} relay of floating {floating_ip}")
        }
        RowKey::Forwarding { router, floating_ip, protocol, port } => {
            format!("router {router} floating {floating_ip} protocol {protocol} from {port}")
        }
        RowKey::PortLease { router, interface, host } => {
            format!("router {router} port {interface} lease of host {host}")
        }
        RowKey::Rule { group, rule } => format!("set {group} rule {rule}"),
        RowKey::Member { set, member } => format!("set {set} member {member}"),
        RowKey::Policy(number) => format!("policy {number}"),
        RowKey::FloatingIp(number) => format!("floating {number}"),
        RowKey::Instance(port) => format!("instance of port {port}"),
        RowKey::Port(number) => format!("port {number}"),
    };
    format!("{sign} {key}{}", row.map(|row| format!(": {}", contents(&row))).unwrap_or_default())
}

fn contents(row: &Row) -> String {
    match row {
        Row::Network(row) => {
            let segment = match (&row.physical, row.vni) {
                (Some(physical), _) => {
                    let vlan = physical.vlan.map_or(String::new(), |vlan| format!(" vlan {vlan}"));
                    let vni = row.vni.map_or(String::new(), |vni| format!(", relayed by vni {vni}"));
                    format!("on {}{vlan}{vni}", physical.network)
                }
                (None, Some(vni)) => format!("vni {vni}"),
                (None, None) => "local".to_owned(),
            };
            let unlisted = if row.unlisted_addresses { ", more addresses" } else { "" };
            format!("{segment}, mtu {}, {}{unlisted}", row.mtu, up(row.admin_up))
        }
        Row::Subnet(row) => {
            let mut text = prefix(&row.cidr);
            let _ = row.gateway.map(|gateway| write!(text, ", gateway {}", row::unmapped(gateway)));
            row.dns.iter().for_each(|dns| write!(text, ", dns {}", row::unmapped(*dns)).unwrap());
            let server =
                row.dhcp.map(|dhcp| format!(" at {} {}", row::unmapped(dhcp.address), Mac(dhcp.mac)));
            let _ = row
                .enable_dhcp
                .then(|| write!(text, ", dhcp{} for {} s", server.unwrap_or_default(), row.lease_seconds));
            text
        }
        Row::Presence(row) => format!("at {}", row::unmapped(row.underlay)),
        Row::Location(row) => {
            let place = match row.place {
                Place::Host(host) => format!("on host {host}"),
                Place::Everywhere => "everywhere".to_owned(),
            };
            format!("{}{} {place}", Mac(row.mac), addresses(row.addresses.iter().copied()))
        }
        Row::Name(row) => format!("{} in {:?}", row.name, row.domain),
        Row::RouterInterface(row) => {
            let own = |own: &row::InterfaceAddress| {
                format!(" {} of {}", row::unmapped(own.address), prefix(&own.prefix()))
            };
            let gateway = row.gateway.as_ref().map_or(String::new(), |gateway| {
                let snat = if gateway.snat { " with snat" } else { "" };
                let several = if gateway.is_one_of_several { ", one of several" } else { "" };
                format!(", outside{snat} by hosts {:?}{several}", gateway.hosts)
            });
            let addresses = row.addresses.iter().map(own).collect::<String>();
            format!("net {}, {}{addresses}{gateway}", row.network, Mac(row.mac))
        }
        Row::Route(row) => {
            let path =
                |path: &row::RoutePath| format!("{} by port {}", row::unmapped(path.gateway), path.port);
            let paths = |paths: &[row::RoutePath]| paths.iter().map(path).collect::<Vec<_>>().join(", ");
            let known = if row.others.is_empty() { "" } else { "; what is known there " };
            let watched = if row.is_watched { ", watched" } else { "" };
            format!("{}{known}{}{watched}", paths(&row.paths), paths(&row.others))
        }
        Row::Rule(row) => {
            let remote = match row.remote {
                row::Remote::Any => "anywhere".to_owned(),
                row::Remote::Prefix(remote) => prefix(&remote),
                row::Remote::Set(set) => format!("set {set}"),
            };
            let ports = row.port_min.zip(row.port_max);
            let ports = ports.map(|(min, max)| format!(" {min}-{max}")).unwrap_or_default();
            let protocol = row.protocol.map_or("any".to_owned(), |protocol| protocol.to_string());
            let stateless = if row.stateless { ", stateless" } else { "" };
            format!("{:?} {:?} protocol {protocol}{ports}, {remote}{stateless}", row.direction, row.family)
        }
        Row::Member(row) => row.prefixes.iter().map(prefix).collect::<Vec<_>>().join(" "),
        Row::Policy(row) => format!("sets {:?}", row.groups),
        Row::FloatingRelay(row) => {
            let address = row::unmapped(row.address);
            format!("{address} in net {} by port {} to host {}", row.network, row.interface, row.host)
        }
        Row::Forwarding(row) => {
            let [address, inside] = [row.address, row.inside].map(row::unmapped);
            let sort = if row.single { "one" } else { "each" };
            format!(
                "{address} in net {} by port {}, up to {}, {sort} to port {} {inside} {} on host {}",
                row.network, row.interface, row.last, row.port, row.inside_port, row.host
            )
        }
        Row::PortLease(row) => {
            let address = row::unmapped(row.address);
            format!("{address} in net {}, blocks {:?}, slots {:?}", row.network, row.blocks, row.slots)
        }
        Row::Instance(row) => {
            let facts = row.facts.as_ref().map(|facts| format!(" named {}", facts.name)).unwrap_or_default();
            format!(
                "{} of {}{}{facts}",
                row.device,
                row.project,
                addresses(row.public_addresses.iter().copied())
            )
        }
        Row::FloatingIp(row) => {
            let [address, inside] = [row.address, row.inside].map(row::unmapped);
            let (router, interface) = (row.router, row.interface);
            format!(
                "{address} in net {} by router {router} port {interface} for port {} {inside}",
                row.network, row.port
            )
        }
        Row::Port(row) => {
            let addresses = addresses(row.addresses.iter().map(|address| address.address));
            let mac = Mac(row.mac);
            let mut security = row.policy.map_or(String::new(), |policy| format!(", policy {policy}"));
            row.allowed_pairs.iter().for_each(|pair| {
                write!(security, ", also {} {}", Mac(pair.mac), prefix(&pair.prefix)).unwrap();
            });
            row.log.iter().for_each(|log| security += &log_text(log));
            format!(
                "net {}, {}, {mac}{addresses}, {}{security}, as of {}",
                row.network,
                row.interface_name,
                up(row.admin_up),
                row.revision
            )
        }
    }
}

/// A log object is named by its number, as groups are.
fn log_text(log: &row::PortLog) -> String {
    let mut text = format!(", of project {:?} logged", log.project);
    for object in &log.logs {
        let events = match (object.accepted, object.dropped) {
            (true, true) => "everything",
            (true, false) => "accepted",
            (false, true) => "dropped",
            (false, false) => "nothing",
        };
        let group = object.group.map(|group| format!(" of set {group}")).unwrap_or_default();
        write!(text, " {events}{group} for {}", Uuid::from_bytes(object.uuid).as_u128() >> 96).unwrap();
    }
    text
}

fn prefix(prefix: &Prefix) -> String {
    let (address, length) = prefix.unmapped();
    format!("{address}/{length}")
}

fn addresses(addresses: impl Iterator<Item = std::net::Ipv6Addr>) -> String {
    addresses.map(|address| format!(" {}", row::unmapped(address))).collect()
}

fn up(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

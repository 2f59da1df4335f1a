//! Where a packet begins: the port that sends it, or the network outside, and the frame that would come from there.

use super::TraceError;
use super::message::Question;
use super::packet::{self, Fragment, Recipe, Transport};
use hadron_model::{
    FloatingIp, GatewayHosts, Host, HostNumber, Mac, Network, NetworkId, Port, PortId, Router,
    RouterPortRole, Subnet,
};
use hadron_store::{AddressClaim, Snapshot};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// 169.254.169.254 and fe80::a9fe:a9fe: where instances ask for their metadata; every host has them at this MAC.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
];
const METADATA_MAC: Mac = Mac([0x02, 0, 0xa9, 0xfe, 0xa9, 0xfe]);
/// Who sends from outside, unless a question says otherwise: a MAC that nobody here has.
const STRANGER: Mac = Mac([0x02, 0, 0, 0, 0, 0xfe]);

/// In a frame from a physical network the MAC of the host's own interface there, which its node fills in.
const HOSTS_OWN_MAC: Mac = Mac([0; 6]);

/// By which door of which host a frame comes in.
#[derive(Clone, Debug)]
pub(super) struct Entrance {
    pub host: String,
    pub door: Door,
    pub frame: Vec<u8>,
    pub vlan: u32,
    /// It is about a packet of the trace, as an ICMP error, and not that itself.
    pub is_return: bool,
}

/// A door of a host.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// Of a port here.
    Port(PortId),
    /// From another host.
    Overlay { vni: u32, source: IpAddr },
    /// From a physical network.
    Physical(String),
}

/// The entrance of a question's packet.
pub(super) fn entrance(view: &Snapshot, question: &Question) -> Result<Entrance, TraceError> {
    match (&question.from, &question.from_outside) {
        (Some(from), None) => of_port(view, port_called(view, from)?, question),
        (None, Some(network)) => of_outside(view, network_called(view, network)?, question),
        _ => Err(TraceError::Question("say either from which port or from which external network".into())),
    }
}

/// The entrance of what a port sends.
pub(super) fn at_port(port: &Port, frame: Vec<u8>) -> Result<Entrance, TraceError> {
    if port.is_everywhere() {
        return Err(TraceError::Everywhere(port.id));
    }
    match port.binding.host_id.as_str() {
        "" => Err(TraceError::Unbound(port.id)),
        host => Ok(Entrance {
            host: host.to_owned(),
            door: Door::Port(port.id),
            frame,
            vlan: 0,
            is_return: false,
        }),
    }
}

fn of_port(view: &Snapshot, port: &Port, question: &Question) -> Result<Entrance, TraceError> {
    // Whether it can send at all is said before anything is said about its packet.
    at_port(port, Vec::new())?;
    if let Some(frame) = &question.frame {
        return at_port(port, packet::unhex(frame).map_err(TraceError::Question)?);
    }
    let to = question.to.ok_or_else(|| TraceError::Question("say where to: --to ADDRESS[:PORT]".into()))?;
    let source = match question.source {
        Some(source) => source,
        None => {
            let mut own = port.fixed_ips.iter().map(|fixed| fixed.ip_address);
            let own = own.find(|address| address.is_ipv4() == to.is_ipv4());
            own.ok_or(TraceError::NoAddress(port.id, to))?
        }
    };
    let mac = match &question.destination_mac {
        Some(mac) => mac.parse().map_err(|error| TraceError::Question(format!("{mac}: {error}")))?,
        None => mac_towards(view, port, to)?,
    };
    let recipe = recipe(question, [port.mac_address, mac], source, to)?;
    at_port(port, recipe.bytes().map_err(TraceError::Question)?)
}

fn recipe(
    question: &Question,
    macs: [Mac; 2],
    source: IpAddr,
    destination: IpAddr,
) -> Result<Recipe, TraceError> {
    let ports = [question.source_port, question.destination_port];
    let transport = match question.protocol.as_str() {
        "tcp" => {
            let flags = packet::flags(&question.tcp_flags).map_err(TraceError::Question)?;
            Transport::Tcp { ports, flags }
        }
        "udp" => Transport::Udp { ports },
        "icmp" => Transport::Echo { id: question.source_port, is_reply: false },
        number => Transport::Other(number.parse().map_err(|_| {
            TraceError::Question(format!("{number:?} is no protocol; say tcp, udp, icmp or a number"))
        })?),
    };
    let fragment = match question.fragment.as_deref() {
        None => Fragment::Whole,
        Some("first") => Fragment::First,
        Some("later") => Fragment::Later,
        Some(other) => {
            return Err(TraceError::Question(format!("{other:?} is no fragment; say first or later")));
        }
    };
    // A first fragment's payload is cut at eight octets, as the next one's offset is counted.
    let size = match fragment {
        Fragment::First => usize::from(question.size).max(504),
        _ => question.size.into(),
    };
    let payload = vec![0; size];
    Ok(Recipe { macs, source, destination, transport, payload, hop_limit: question.hop_limit, fragment })
}

/// The MAC to which an instance sends what is for an address, as ARP and its own routes would tell it.
fn mac_towards(view: &Snapshot, port: &Port, to: IpAddr) -> Result<Mac, TraceError> {
    if METADATA.contains(&to) {
        return Ok(METADATA_MAC);
    }
    if let Some(mac) = mac_of_many(to) {
        return Ok(mac);
    }
    if let IpAddr::V6(link_local) = to
        && link_local.is_unicast_link_local()
    {
        let mut ports = view.ports_of_network(port.network_id);
        let owner = ports.find(|port| port.mac_address.link_local() == link_local);
        return owner.map(|owner| owner.mac_address).ok_or(TraceError::Nobody(to, port.network_id));
    }
    let subnets: Vec<&Subnet> = port
        .fixed_ips
        .iter()
        .filter_map(|fixed| view.get::<Subnet>(&fixed.subnet_id))
        .map(|subnet| &subnet.value)
        .filter(|subnet| subnet.cidr.addr().is_ipv4() == to.is_ipv4())
        .collect();
    if subnets.iter().any(|subnet| subnet.cidr.contains(&to)) {
        return neighbour(view, port.network_id, to).ok_or(TraceError::Nobody(to, port.network_id));
    }
    let mut routes: Vec<_> = subnets.iter().flat_map(|subnet| &subnet.host_routes).collect();
    routes.retain(|route| route.destination.contains(&to));
    let route = routes.iter().max_by_key(|route| route.destination.prefix_len()).map(|route| route.nexthop);
    let gateway = route.or_else(|| subnets.iter().find_map(|subnet| subnet.gateway_ip));
    let gateway = gateway.ok_or(TraceError::NoGateway(port.id, to))?;
    neighbour(view, port.network_id, gateway).ok_or(TraceError::NobodyAtGateway(gateway, port.network_id))
}

/// The MAC of a broadcast or multicast address (RFC 1112 §6.4, RFC 2464 §7).
fn mac_of_many(to: IpAddr) -> Option<Mac> {
    match to {
        IpAddr::V4(to) if to.is_broadcast() => Some(Mac::BROADCAST),
        IpAddr::V4(to) if to.is_multicast() => {
            let [_, b, c, d] = to.octets();
            Some(Mac([1, 0, 0x5e, b & 0x7f, c, d]))
        }
        IpAddr::V6(to) if to.is_multicast() => {
            let o = to.octets();
            Some(Mac([0x33, 0x33, o[12], o[13], o[14], o[15]]))
        }
        _ => None,
    }
}

/// Who has an address in a network: a port of its own, or one with an address pair.
fn neighbour(view: &Snapshot, network: NetworkId, address: IpAddr) -> Option<Mac> {
    if let Some(port) = owner(view, network, address) {
        return Some(port.mac_address);
    }
    view.ports_of_network(network).find_map(|port| {
        let pairs = port.allowed_address_pairs.iter();
        let pair = pairs.into_iter().find(|pair| pair.ip.contains(&address))?;
        Some(pair.mac.unwrap_or(port.mac_address))
    })
}

/// The port whose own address it is.
pub(super) fn owner(view: &Snapshot, network: NetworkId, address: IpAddr) -> Option<&Port> {
    view.subnets_of(network).find_map(|subnet| {
        let claim = view.get::<AddressClaim>(&(subnet.id, address))?;
        view.get::<Port>(&claim.port_id).map(|port| &port.value)
    })
}

/// The entrance of what comes from outside an external network, called so, to an address; without a frame.
pub(super) fn at_network(view: &Snapshot, network: &str, to: IpAddr) -> Result<Entrance, TraceError> {
    let network = network_called(view, network)?;
    let Some(physical) = network.segment.physical() else {
        return Err(TraceError::NotPhysical(network.id));
    };
    let (host, _) = answerer(view, network.id, to)?;
    let vlan = physical.vlan.map_or(0, |vlan| vlan.get().into());
    Ok(Entrance {
        host,
        door: Door::Physical(physical.network.clone()),
        frame: Vec::new(),
        vlan,
        is_return: false,
    })
}

fn of_outside(view: &Snapshot, network: &Network, question: &Question) -> Result<Entrance, TraceError> {
    let Some(physical) = network.segment.physical() else {
        return Err(TraceError::NotPhysical(network.id));
    };
    let vlan = physical.vlan.map_or(0, |vlan| vlan.get().into());
    let to = match (&question.frame, question.to) {
        (Some(frame), _) => {
            let frame = packet::unhex(frame).map_err(TraceError::Question)?;
            let to = packet::view(&frame, 0).destination;
            let to = to.ok_or_else(|| TraceError::Question("the frame from outside is no IP".into()))?;
            let (host, _) = answerer(view, network.id, to)?;
            return Ok(Entrance {
                host,
                door: Door::Physical(physical.network.clone()),
                frame,
                vlan,
                is_return: false,
            });
        }
        (None, Some(to)) => to,
        (None, None) => return Err(TraceError::Question("say where to: --to ADDRESS[:PORT]".into())),
    };
    let source = question
        .source
        .ok_or_else(|| TraceError::Question("say who sends it outside: --source ADDRESS".into()))?;
    let (host, mac) = answerer(view, network.id, to)?;
    let frame = recipe(question, [STRANGER, mac], source, to)?.bytes().map_err(TraceError::Question)?;
    Ok(Entrance { host, door: Door::Physical(physical.network.clone()), frame, vlan, is_return: false })
}

/// The host to which the outside sends what is for an address, and the MAC there that takes it: the host of an instance that has the
/// address, or the one that stands for the router that leads to it.
pub(super) fn answerer(view: &Snapshot, network: NetworkId, to: IpAddr) -> Result<(String, Mac), TraceError> {
    if let Some(port) = owner(view, network, to) {
        if let Some((_, RouterPortRole::Gateway)) = port.router() {
            return standing(view, port);
        }
        if !port.binding.host_id.is_empty() {
            return Ok((port.binding.host_id.clone(), port.mac_address));
        }
        let floating = view.floating_ips_of_network(network).find(|it| it.floating_ip_address == to);
        if let Some(floating) = floating {
            return of_floating(view, floating).ok_or(TraceError::FloatingNowhere(to))?;
        }
    }
    // Through a router that leads inside to it.
    let mut gateways = view.router_ports_on(network).filter(
        |port| matches!(port.router(), Some((router, RouterPortRole::Gateway)) if leads_to(view, router, to)),
    );
    gateways.next().ok_or(TraceError::NobodyOutside(to, network)).and_then(|gateway| standing(view, gateway))
}

/// The host that takes a floating IP from the physical network, and at which MAC: that of its instance, if it has an interface there, at
/// its own; else the one that stands for the router, which has forwarded ports at the router's. None when it leads nowhere.
fn of_floating(view: &Snapshot, floating: &FloatingIp) -> Option<Result<(String, Mac), TraceError>> {
    let gateway = view.get::<Router>(&floating.router_id?)?.gateway_on(floating.floating_network_id)?.port_id;
    let standing = || Some(standing(view, view.get::<Port>(&gateway)?));
    let Some(association) = floating.association else {
        return view.forwardings_of_floating_ip(floating.id).next().and_then(|_| standing());
    };
    let port = view.get::<Port>(&association.port_id)?;
    let network = view.get::<Network>(&floating.floating_network_id)?;
    match view.get::<Host>(&port.binding.host_id).filter(|host| host.reaches(&network.segment)) {
        Some(host) => Some(Ok((host.name.clone(), HOSTS_OWN_MAC))),
        None => Some(standing()?.map(|(host, _)| (host, HOSTS_OWN_MAC))),
    }
}

fn leads_to(view: &Snapshot, router: hadron_model::RouterId, to: IpAddr) -> bool {
    view.router_ports(router)
        .flat_map(|port| &port.fixed_ips)
        .any(|fixed| view.get::<Subnet>(&fixed.subnet_id).is_some_and(|subnet| subnet.cidr.contains(&to)))
}

/// The host that stands for a router outside, by the server's order.
fn standing(view: &Snapshot, gateway: &Port) -> Result<(String, Mac), TraceError> {
    let hosts = view.get::<GatewayHosts>(&gateway.id).map(|row| row.hosts.clone()).unwrap_or_default();
    let mut hosts = hosts.iter().filter_map(|number: &HostNumber| view.host_by_number(*number));
    let host: Option<&Host> = hosts.next().map(|host| &host.value);
    host.map(|host| (host.name.clone(), gateway.mac_address)).ok_or(TraceError::NobodyStands(gateway.id))
}

/// The port of a UUID or a name.
pub(super) fn port_called<'a>(view: &'a Snapshot, text: &str) -> Result<&'a Port, TraceError> {
    if let Ok(id) = text.parse::<PortId>() {
        return view.get::<Port>(&id).map(|port| &port.value).ok_or(TraceError::NoPort(text.to_owned()));
    }
    let called: Vec<&Port> =
        view.iter::<Port>().map(|port| &port.value).filter(|port| port.name == text).collect();
    match called[..] {
        [] => Err(TraceError::NoPort(text.to_owned())),
        [port] => Ok(port),
        _ => {
            let ids: Vec<String> = called.iter().map(|port| port.id.to_string()).collect();
            Err(TraceError::Several("ports", text.to_owned(), ids.join(", ")))
        }
    }
}

fn network_called<'a>(view: &'a Snapshot, text: &str) -> Result<&'a Network, TraceError> {
    if let Ok(id) = text.parse::<NetworkId>() {
        let network = view.get::<Network>(&id).map(|network| &network.value);
        return network.ok_or(TraceError::NoNetwork(text.to_owned()));
    }
    let called: Vec<&Network> =
        view.iter::<Network>().map(|it| &it.value).filter(|network| network.name == text).collect();
    match called[..] {
        [] => Err(TraceError::NoNetwork(text.to_owned())),
        [network] => Ok(network),
        _ => {
            let ids: Vec<String> = called.iter().map(|network| network.id.to_string()).collect();
            Err(TraceError::Several("networks", text.to_owned(), ids.join(", ")))
        }
    }
}

//! Random routers, floating IPs and port forwardings.

use super::{address, number, prefix, stamp, stored, text, uuid};
use crate::FloatingClaim;
use crate::record::AnyRecord;
use hadron_model::router::{DEVICE_OWNER_ROUTER_GATEWAY, DEVICE_OWNER_ROUTER_INTERFACE};
use hadron_model::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// `device_id` and `device_owner` of a router's port, for some of the random ports.
pub(super) fn attachment() -> impl Strategy<Value = Option<(String, String)>> {
    of((uuid(), any::<bool>()).prop_map(|(id, is_gateway)| {
        let owner = if is_gateway { DEVICE_OWNER_ROUTER_GATEWAY } else { DEVICE_OWNER_ROUTER_INTERFACE };
        (id.to_string(), owner.to_owned())
    }))
}

fn gateway() -> impl Strategy<Value = Gateway> {
    (uuid(), uuid(), any::<bool>()).prop_map(|(network, port, enable_snat)| Gateway {
        network_id: NetworkId(network),
        port_id: PortId(port),
        enable_snat,
    })
}

prop_compose! {
    fn router()(
        id in uuid(), texts in [text(), text(), text()], admin_state_up: bool, gateways in vec(gateway(), 0..3),
        routes in vec((prefix(), address()), 0..3), wishes: [Option<bool>; 4], hints in vec(text(), 0..2),
        flavor_id in of(uuid()), stamp in stamp(),
    ) -> Router {
        let [project_id, name, description] = texts;
        let [distributed, ha, default_route_ecmp, default_route_bfd] = wishes;
        let routes = routes.into_iter().map(|(destination, next_hop)| ExtraRoute { destination, next_hop });
        Router {
            id: RouterId(id), number: RouterNumber(number(id)), project_id, name, description, admin_state_up, gateways,
            routes: routes.collect(), distributed, ha, default_route_ecmp, default_route_bfd,
            availability_zone_hints: hints, flavor_id, stamp,
        }
    }
}

prop_compose! {
    fn floating_ip()(
        id in uuid(), texts in [text(), text(), text(), text()], ids in [uuid(), uuid()], floating_ip_address in address(),
        association in of((uuid(), address())), router in of(uuid()), stamp in stamp(),
    ) -> FloatingIp {
        let [project_id, description, dns_name, dns_domain] = texts;
        FloatingIp {
            id: FloatingIpId(id), number: FloatingIpNumber(number(id)), project_id, description,
            floating_network_id: NetworkId(ids[0]), floating_port_id: PortId(ids[1]), floating_ip_address,
            association: association.map(|(port, fixed_ip_address)| Association {
                port_id: PortId(port),
                fixed_ip_address,
            }),
            router_id: router.map(RouterId), dns_name, dns_domain, stamp,
        }
    }
}

fn port_range() -> impl Strategy<Value = Option<PortRange>> {
    of((1..=u16::MAX, 0..9_u16).prop_map(|(first, more)| {
        PortRange::new(first, first.saturating_add(more)).expect("it begins with 1 or more")
    }))
}

prop_compose! {
    fn port_forwarding()(
        id in uuid(), floating in uuid(), port in uuid(), description in text(),
        protocol in proptest::sample::select(&ForwardedProtocol::ALL[..]), external in port_range(),
        internal in port_range(), internal_ip_address in address(), stamp in stamp(),
    ) -> PortForwarding {
        PortForwarding {
            id: PortForwardingId(id), floating_ip_id: FloatingIpId(floating), description, protocol, external,
            internal_port_id: PortId(port), internal_ip_address, internal, stamp,
        }
    }
}

pub(super) fn record() -> impl Strategy<Value = AnyRecord> {
    prop_oneof![
        3 => router().prop_map(stored),
        4 => floating_ip().prop_map(stored),
        3 => port_forwarding().prop_map(stored),
        1 => (uuid(), vec(any::<u32>().prop_map(HostNumber), 0..3), any::<u64>())
            .prop_map(|(port, hosts, epoch)| stored(GatewayHosts { port_id: PortId(port), hosts, epoch })),
        1 => (uuid(), any::<u32>(), [(); 3].map(|()| vec(any::<u16>(), 0..4))).prop_map(|(port, host, [blocks, slots, ending])| {
            stored(PortLease { port_id: PortId(port), host: HostNumber(host), blocks, slots, ending })
        }),
        1 => (uuid(), address(), uuid(), uuid()).prop_map(|(port, address, network, id)| {
            stored(FloatingClaim {
                port_id: PortId(port),
                address,
                floating_network_id: NetworkId(network),
                floating_ip_id: FloatingIpId(id),
            })
        }),
    ]
}

use super::*;
use crate::plane::memory::Memory;
use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use hadron_model::Mac;
use hadron_responders::dhcp4::Extra;
use hadron_wire::proto::Batch;
use hadron_wire::row::{
    DhcpOption, DhcpServer, Gateway, HostRoute, InterfaceAddress, Ipv6Mode, NetworkRow, PortAddress, Prefix,
    RoutePath, RouteRow, RowChange, SubnetRow,
};
use ipnet::Ipv4Net;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0, 7];

fn mapped(a: u8, b: u8, c: u8, d: u8) -> Ipv6Addr {
    Ipv4Addr::new(a, b, c, d).to_ipv6_mapped()
}

fn port(addresses: &[(Ipv6Addr, u32)]) -> PortRow {
    PortRow {
        number: 9,
        uuid: [0; 16],
        network: 5,
        mac: MAC,
        addresses: addresses
            .iter()
            .map(|(address, subnet)| PortAddress { address: *address, subnet: *subnet })
            .collect(),
        interface_name: "tap9".into(),
        admin_up: true,
        port_security_disabled: false,
        revision: 1,
        policy: None,
        allowed_pairs: Vec::new(),
        log: None,
        dhcp_options: Vec::new(),
        dns_name: String::new(),
    }
}

fn subnet(number: u32, enable_dhcp: bool) -> SubnetRow {
    SubnetRow {
        number,
        network: 5,
        uuid: [0; 16],
        cidr: Prefix::of(IpAddr::V4(Ipv4Addr::new(10, 0, number as u8, 0)), 24),
        gateway: Some(mapped(10, 0, number as u8, 1)),
        dns: vec![mapped(9, 9, 9, 9), "2001:db8::53".parse().unwrap()],
        host_routes: vec![HostRoute {
            destination: Prefix::of(IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
            nexthop: mapped(10, 0, number as u8, 3),
        }],
        enable_dhcp,
        dhcp: Some(DhcpServer { address: mapped(10, 0, number as u8, 2), mac: [0xfa, 0x16, 0x3e, 0, 0, 2] }),
        lease_seconds: 3600,
        ra_mode: None,
        address_mode: None,
    }
}

fn rows(subnets: impl IntoIterator<Item = SubnetRow>) -> Held {
    rows_with(subnets, vec![])
}

fn rows_with(subnets: impl IntoIterator<Item = SubnetRow>, more: Vec<Row>) -> Held {
    let network = Row::Network(NetworkRow {
        number: 5,
        uuid: [0; 16],
        vni: None,
        mtu: 1442,
        admin_up: true,
        privacy_addresses: false,
        unlisted_addresses: false,
        physical: None,
    });
    let rows = subnets.into_iter().map(Row::Subnet).chain([network]).chain(more);
    let changes = rows.map(|row| RowChange::encode_set(&row)).collect();
    let mut held = Held::default();
    held.apply(Batch { complete_to: 1, changes, ..Batch::default() });
    held
}

#[test]
fn a_lease_is_of_an_address_in_a_subnet_with_dhcp() {
    let port =
        port(&[("2001:db8::7".parse().unwrap(), 3), (mapped(10, 0, 1, 7), 1), (mapped(10, 0, 2, 7), 2)]);
    let told = told(&rows([subnet(1, false), subnet(2, true)]), &[], &port, "example.org");
    let [lease] = &told.leases[..] else { panic!("{told:?}") };
    assert_eq!(lease.address, Ipv4Addr::new(10, 0, 2, 7));
    assert_eq!((lease.prefix_len, lease.mtu, lease.lease_seconds), (24, 1442, 3600));
    assert_eq!(lease.server_id, Ipv4Addr::new(10, 0, 2, 2));
    assert_eq!(lease.router, Some(Ipv4Addr::new(10, 0, 2, 1)));
    assert_eq!(lease.dns, [Ipv4Addr::new(9, 9, 9, 9)]);
    assert_eq!(lease.hostname, "host-10-0-2-7");
    let routes = [
        ("172.16.0.0/12", Ipv4Addr::new(10, 0, 2, 3)),
        ("10.0.1.0/24", Ipv4Addr::UNSPECIFIED),
        ("169.254.169.254/32", Ipv4Addr::new(10, 0, 2, 2)),
    ];
    assert_eq!(lease.static_routes, routes.map(|(to, via)| (to.parse::<Ipv4Net>().unwrap(), via)));
}

#[test]
fn each_address_has_its_lease_and_all_have_the_ports_options() {
    let option =
        |name: &str, value: &str, is_ipv6| DhcpOption { name: name.into(), value: value.into(), is_ipv6 };
    let port = PortRow {
        dhcp_options: vec![
            option("mtu", "1300", false),
            option("dns-server", "2001:db8::1", true),
            option("66", "", false),
        ],
        dns_name: "web.example.".into(),
        ..port(&[(mapped(10, 0, 1, 7), 1), (mapped(10, 0, 2, 7), 2)])
    };
    let told = told(&rows([subnet(1, true), subnet(2, true)]), &[], &port, "");
    let mut extra = Extra::default();
    extra.add("26", "1300").unwrap();
    extra.add("66", "").unwrap();
    assert_eq!(told.refused, []);
    assert_eq!(told.leases.iter().map(|lease| lease.address.octets()[2]).collect::<Vec<_>>(), [1, 2]);
    assert!(told.leases.iter().all(|lease| lease.extra == extra && lease.hostname == "web"), "{told:?}");

    let odd = PortRow { dhcp_options: vec![option("54", "10.0.0.9", false)], ..port };
    assert_eq!(
        super::told(&rows([subnet(1, true)]), &[], &odd, "").refused,
        [("54".to_owned(), Refusal::Protocol)]
    );
}

#[test]
fn a_route_of_the_subnet_beats_those_that_all_have() {
    let own = HostRoute {
        destination: Prefix::of(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 32),
        nexthop: mapped(10, 0, 1, 9),
    };
    let subnet = SubnetRow { host_routes: vec![own], ..subnet(1, true) };
    let told = told(&rows([subnet]), &[], &port(&[(mapped(10, 0, 1, 7), 1)]), "");
    assert_eq!(
        told.leases[0].static_routes,
        [("169.254.169.254/32".parse().unwrap(), Ipv4Addr::new(10, 0, 1, 9))]
    );
}

#[test]
fn without_dhcp_service_or_address_there_is_no_lease() {
    let address = [(mapped(10, 0, 1, 7), 1)];
    let unserved = SubnetRow { dhcp: None, ..subnet(1, true) };
    for subnets in [vec![], vec![subnet(1, false)], vec![unserved]] {
        assert_eq!(told(&rows(subnets), &[], &port(&address), ""), Told::default());
    }
    assert_eq!(told(&rows([subnet(1, true)]), &[], &port(&[]), ""), Told::default());
}

fn discover() -> Vec<u8> {
    let mut message = vec![1, 1, 6, 0, 1, 2, 3, 4];
    message.resize(28, 0);
    message.extend(MAC);
    message.resize(236, 0);
    message.extend([99, 130, 83, 99, 53, 1, 1, 255]);
    message.resize(300, 0);
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(MAC, [0xff; 6])
        .ipv4([0; 4], [255; 4], 64)
        .udp(68, 67)
        .write(&mut frame, &message)
        .unwrap();
    frame
}

#[tokio::test]
async fn what_is_punted_is_answered_on_its_interface() {
    let memory = Memory::default();
    let (parts, punts) = memory.parts();
    let services = Arc::new(Services::default());
    let counters = Arc::new(Counters::default());
    let row = port(&[(mapped(10, 0, 1, 7), 1), (V6, 3)]);
    let router = router(&[(ROUTER, 64)]);
    let told = told(&rows([subnet(1, true), subnet6(Some(Ipv6Mode::Slaac), None)]), &[&router], &row, "");
    services.set(9, Some(&row), Some(33), told);
    let questions = [
        (9, Some(PuntReason::Dhcp4), discover()),
        (8, Some(PuntReason::Dhcp4), discover()),
        (9, Some(PuntReason::Dhcp4), b"rubbish".to_vec()),
        (9, Some(PuntReason::RouterSolicitation), solicitation()),
        (8, Some(PuntReason::RouterSolicitation), solicitation()),
        (9, Some(PuntReason::Dhcp6), solicitation()),
        (9, None, discover()),
    ];
    for (port, reason, frame) in questions {
        punts.send(Punt { port, ifindex: 33, reason, frame }).await.unwrap();
    }
    drop(punts);
    let leases = Arc::new(Leases::new(Arc::default(), Duration::from_secs(600)));
    serve(parts.punts, parts.inject, services, Arc::clone(&counters), leases).await;

    let sent = memory.injected();
    assert_eq!(sent.iter().map(|(ifindex, _)| *ifindex).collect::<Vec<_>>(), [33, 33]);
    let packet = SlicedPacket::from_ethernet(&sent[0].1).unwrap();
    let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!() };
    assert_eq!(udp.payload()[16..20], [10, 0, 1, 7]);
    assert_eq!((&sent[1].1[..6], sent[1].1[54]), (&MAC[..], 134));
    let counted: HashMap<_, _> =
        counters.read().into_iter().map(|(protocol, name, count)| ((protocol, name), count)).collect();
    let dhcp4 = ["offer", "not_dhcp", "without_lease"].map(|name| counted[&("dhcp4", name)]);
    assert_eq!(dhcp4, [1, 1, 1]);
    assert_eq!((counted[&("router", "solicited")], counted[&("router", "refused")]), (1, 1));
    assert_eq!(counted[&("dhcp6", "without_lease")], 1);
}

const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

fn subnet6(ra_mode: Option<Ipv6Mode>, address_mode: Option<Ipv6Mode>) -> SubnetRow {
    SubnetRow {
        cidr: Prefix::of(V6.into(), 64),
        gateway: Some(ROUTER),
        dns: vec!["2001:db8::53".parse().unwrap(), mapped(9, 9, 9, 9)],
        dhcp: None,
        ra_mode,
        address_mode,
        ..subnet(3, true)
    }
}

fn router(addresses: &[(Ipv6Addr, u8)]) -> RouterInterfaceRow {
    let addresses =
        addresses.iter().map(|(address, length)| InterfaceAddress { address: *address, length: *length });
    RouterInterfaceRow {
        router: 1,
        port: 2,
        network: 5,
        mac: [2, 0, 0, 0, 0, 1],
        addresses: addresses.collect(),
        gateway: None,
        scopes: [None; 2],
    }
}

/// A router solicitation from the port's link-local address.
fn solicitation() -> Vec<u8> {
    let own = Mac(MAC).link_local();
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(MAC, [0x33, 0x33, 0, 0, 0, 2])
        .ipv6(own.octets(), "ff02::2".parse::<Ipv6Addr>().unwrap().octets(), 255)
        .icmpv6_raw(133, 0, [0; 4])
        .write(&mut frame, &[])
        .unwrap();
    frame
}

#[test]
fn each_mode_says_how_addresses_come() {
    use Ipv6Mode::{Dhcpv6Stateful, Dhcpv6Stateless, Slaac};
    let row = port(&[(V6, 3)]);
    let (stateful, stateless, slaac) = (Some(Dhcpv6Stateful), Some(Dhcpv6Stateless), Some(Slaac));
    // ra_mode, address_mode; M, O, A of the advertisement; addresses of DHCPv6.
    for (ra, address, flags, addresses) in [
        (slaac, slaac, Some((false, false, true)), None),
        (stateless, stateless, Some((false, true, true)), Some(0)),
        (stateful, stateful, Some((true, false, false)), Some(1)),
        (slaac, None, Some((false, false, true)), None),
        (stateful, None, Some((true, false, false)), None),
        (None, stateful, None, Some(1)),
        (None, stateless, None, Some(0)),
        (None, None, None, None),
    ] {
        let rows = rows([subnet6(ra, address)]);
        let told = told(&rows, &[&router(&[(ROUTER, 64)])], &row, "example.org");
        let seen =
            told.routers.first().map(|one| (one.is_managed, one.has_other, one.prefixes[0].is_autonomous));
        assert_eq!(seen, flags, "{ra:?} {address:?}");
        assert_eq!(
            told.binding.as_ref().map(|binding| binding.addresses.len()),
            addresses,
            "{ra:?} {address:?}"
        );
        for dns in told.routers.iter().map(|one| &one.dns).chain(told.binding.iter().map(|one| &one.dns)) {
            assert_eq!(*dns, ["2001:db8::53".parse::<Ipv6Addr>().unwrap()]);
        }
    }
}

#[test]
fn without_a_router_beside_the_subnet_nobody_is_advertised() {
    let rows = rows([subnet6(Some(Ipv6Mode::Slaac), Some(Ipv6Mode::Slaac))]);
    let row = port(&[(V6, 3)]);
    assert_eq!(told(&rows, &[], &row, "").routers, []);
    let elsewhere = router(&[(mapped(10, 0, 1, 1), 120), ("2001:db8:9::1".parse().unwrap(), 64)]);
    assert_eq!(told(&rows, &[&elsewhere], &row, "").routers, []);
    let beside = router(&[(ROUTER, 64)]);
    assert_eq!(told(&rows, &[&beside], &row, "").routers.len(), 1);
    let outside =
        RouterInterfaceRow { gateway: Some(Gateway { snat: true, ..Gateway::default() }), ..beside };
    assert_eq!(told(&rows, &[&outside], &row, "").routers, []);
}

#[test]
fn a_subnet_without_dhcp_gives_nothing_by_dhcpv6() {
    let off = SubnetRow { enable_dhcp: false, ..subnet6(None, Some(Ipv6Mode::Dhcpv6Stateful)) };
    assert_eq!(told(&rows([off]), &[], &port(&[(V6, 3)]), "").binding, None);
}

#[test]
fn a_prefix_is_delegated_to_the_only_port_that_it_leads_to() {
    let (router, row) = (router(&[(ROUTER, 64)]), port(&[(V6, 3)]));
    let route = |prefix: &str, paths: &[(u32, Ipv6Addr)]| {
        let net: ipnet::Ipv6Net = prefix.parse().unwrap();
        let paths =
            paths.iter().map(|(port, gateway)| RoutePath { port: *port, gateway: *gateway }).collect();
        let destination = Prefix { address: net.addr(), length: net.prefix_len() };
        Row::Route(RouteRow { router: router.router, destination, paths, others: vec![], is_watched: false })
    };
    let other: Ipv6Addr = "2001:db8::99".parse().unwrap();
    let routes = vec![
        route("2001:db8:d0::/56", &[(router.port, V6)]),
        route("2001:db8:d1::/56", &[(router.port, other)]),
        route("2001:db8:d2::/56", &[(router.port, V6), (router.port, other)]),
        route("2001:db8:d3::/56", &[(router.port + 1, V6)]),
        route("::/0", &[(router.port, V6)]),
    ];
    let subnet = subnet6(None, Some(Ipv6Mode::Dhcpv6Stateful));
    let delegated = |routers: &[&RouterInterfaceRow]| {
        let told = told(&rows_with([subnet.clone()], routes.clone()), routers, &row, "");
        told.binding.unwrap().delegated
    };
    assert_eq!(delegated(&[&router]), ["2001:db8:d0::/56".parse().unwrap()]);
    assert_eq!(delegated(&[]), []);
}

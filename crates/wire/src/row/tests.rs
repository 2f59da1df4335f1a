use super::*;
use proptest::prelude::*;

fn any_address() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| std::net::Ipv4Addr::from_bits(bits).to_ipv6_mapped()),
        any::<u128>().prop_map(Ipv6Addr::from_bits)
    ]
}

fn any_prefix() -> impl Strategy<Value = Prefix> {
    (any::<IpAddr>(), any::<u8>()).prop_map(|(address, length)| {
        let width = if address.is_ipv4() { 32 } else { 128 };
        Prefix::of(address, length % (width + 1))
    })
}

fn any_mode() -> impl Strategy<Value = Option<Ipv6Mode>> {
    prop::sample::select(vec![
        None,
        Some(Ipv6Mode::Slaac),
        Some(Ipv6Mode::Dhcpv6Stateful),
        Some(Ipv6Mode::Dhcpv6Stateless),
    ])
}

fn any_network() -> impl Strategy<Value = Row> {
    let physical = (0u16..4095)
        .prop_map(|vlan| PhysicalSegment { network: "physnet1".into(), vlan: (vlan != 0).then_some(vlan) });
    let physical = prop::option::of(physical);
    (any::<u32>(), any::<[u8; 16]>(), 0u32..1 << 24, any::<u32>(), any::<[bool; 3]>(), physical).prop_map(
        |(number, uuid, vni, mtu, [admin_up, privacy_addresses, unlisted_addresses], physical)| {
            let vni = (vni != 0).then_some(vni);
            Row::Network(NetworkRow {
                number,
                uuid,
                vni,
                mtu,
                admin_up,
                privacy_addresses,
                unlisted_addresses,
                physical,
            })
        },
    )
}

fn any_subnet() -> impl Strategy<Value = Row> {
    let dhcp = prop::option::of(
        (any_address(), any::<[u8; 6]>()).prop_map(|(address, mac)| DhcpServer { address, mac }),
    );
    let routes = prop::collection::vec(
        (any_prefix(), any_address()).prop_map(|(destination, nexthop)| HostRoute { destination, nexthop }),
        0..3,
    );
    (
        (any::<u32>(), any::<u32>(), any::<[u8; 16]>(), any_prefix(), prop::option::of(any_address())),
        (prop::collection::vec(any_address(), 0..3), routes, any::<bool>(), dhcp, any::<u32>()),
        (any_mode(), any_mode()),
    )
        .prop_map(
            |(
                (number, network, uuid, cidr, gateway),
                (dns, host_routes, enable_dhcp, dhcp, lease),
                modes,
            )| {
                Row::Subnet(SubnetRow {
                    number,
                    network,
                    uuid,
                    cidr,
                    gateway,
                    dns,
                    host_routes,
                    enable_dhcp,
                    dhcp,
                    lease_seconds: lease,
                    ra_mode: modes.0,
                    address_mode: modes.1,
                })
            },
        )
}

fn any_location() -> impl Strategy<Value = Row> {
    (any::<u32>(), any::<u32>(), any::<[u8; 6]>(), prop::collection::vec(any_address(), 0..4), any::<u32>())
        .prop_map(|(network, port, mac, addresses, host)| {
            let place = if host == 0 { Place::Everywhere } else { Place::Host(host) };
            Row::Location(LocationRow { network, port, mac, addresses, place })
        })
}

fn any_port() -> impl Strategy<Value = Row> {
    let addresses = prop::collection::vec(
        (any_address(), any::<u32>()).prop_map(|(address, subnet)| PortAddress { address, subnet }),
        0..4,
    );
    let object = (any::<[u8; 16]>(), any::<[bool; 2]>(), prop::option::of(any_number()));
    let object =
        object.prop_map(|(uuid, [accepted, dropped], group)| LogObject { uuid, accepted, dropped, group });
    let log = ("[0-9a-f]{0,32}", prop::collection::vec(object, 0..3))
        .prop_map(|(project, logs)| PortLog { project, logs });
    let pairs = prop::collection::vec(
        (any_prefix(), any::<[u8; 6]>()).prop_map(|(prefix, mac)| AllowedPair { prefix, mac }),
        0..3,
    );
    let option = ("[a-z0-9-]{0,9}", "[ -~]{0,20}", any::<bool>())
        .prop_map(|(name, value, is_ipv6)| DhcpOption { name, value, is_ipv6 });
    (
        (any::<u32>(), any::<[u8; 16]>(), any::<u32>(), any::<[u8; 6]>(), addresses),
        ("tap[0-9a-f-]{0,12}", any::<bool>(), any::<bool>(), any::<u64>()),
        (prop::option::of(any_number()), pairs, prop::option::of(log)),
        (prop::collection::vec(option, 0..3), "[a-z]{0,9}"),
    )
        .prop_map(
            |(
                (number, uuid, network, mac, addresses),
                (interface_name, admin_up, disabled, revision),
                (policy, allowed_pairs, log),
                (dhcp_options, dns_name),
            )| {
                Row::Port(PortRow {
                    number,
                    uuid,
                    network,
                    mac,
                    addresses,
                    interface_name,
                    admin_up,
                    port_security_disabled: disabled,
                    revision,
                    policy,
                    allowed_pairs,
                    log,
                    dhcp_options,
                    dns_name,
                })
            },
        )
}

fn any_number() -> impl Strategy<Value = u32> {
    1..1u32 << 31
}

fn any_policy() -> impl Strategy<Value = Row> {
    (any_number(), prop::collection::btree_set(any_number(), 0..4))
        .prop_map(|(number, groups)| Row::Policy(PolicyRow { number, groups: groups.into_iter().collect() }))
}

fn any_rule() -> impl Strategy<Value = Row> {
    let traffic = prop_oneof![
        Just((None, None, None)),
        any::<u8>().prop_map(|protocol| (Some(protocol), None, None)),
        prop::sample::select(vec![1, 58]).prop_flat_map(|protocol| {
            (any::<u8>(), any::<Option<u8>>())
                .prop_map(move |(kind, code)| (Some(protocol), Some(u16::from(kind)), code.map(u16::from)))
        }),
        (any::<u16>(), any::<u16>()).prop_map(|(a, b)| (Some(6), Some(a.min(b)), Some(a.max(b)))),
    ];
    let remote = prop_oneof![
        Just(Remote::Any),
        any_prefix().prop_map(Remote::Prefix),
        any_number().prop_map(Remote::Set)
    ];
    (any_number(), any::<(u32, [u8; 16])>(), any::<[bool; 3]>(), traffic, remote).prop_map(
        |(group, (rule, uuid), [ingress, v4, stateless], (protocol, port_min, port_max), remote)| {
            let is_v4 = match remote {
                Remote::Prefix(prefix) => prefix.unmapped().0.is_ipv4(),
                _ => v4,
            };
            Row::Rule(RuleRow {
                group,
                rule,
                uuid,
                direction: if ingress { Direction::Ingress } else { Direction::Egress },
                family: if is_v4 { Family::Ipv4 } else { Family::Ipv6 },
                protocol,
                port_min,
                port_max,
                remote,
                stateless,
            })
        },
    )
}

fn any_member() -> impl Strategy<Value = Row> {
    (any_number(), any::<u32>(), prop::collection::vec(any_prefix(), 0..4))
        .prop_map(|(set, member, prefixes)| Row::Member(MemberRow { set, member, prefixes }))
}

fn any_router_interface() -> impl Strategy<Value = Row> {
    let address = (any_address(), any::<u8>()).prop_map(|(address, length)| {
        let least = if address.to_ipv4_mapped().is_some() { 96 } else { 0 };
        InterfaceAddress { address, length: least + length % (129 - least) }
    });
    let gateway = (any::<[bool; 2]>(), prop::collection::vec(any::<u32>(), 0..3))
        .prop_map(|([snat, is_one_of_several], hosts)| Gateway { snat, hosts, is_one_of_several });
    let gateway = proptest::option::of(gateway);
    let addresses = prop::collection::vec(address, 0..4);
    (any::<[u32; 3]>(), any::<[u8; 6]>(), addresses, gateway, any::<[Option<[u8; 16]>; 2]>()).prop_map(
        |([router, port, network], mac, addresses, gateway, scopes)| {
            Row::RouterInterface(RouterInterfaceRow {
                router,
                port,
                network,
                mac,
                addresses,
                gateway,
                scopes,
            })
        },
    )
}

fn any_floating_ip() -> impl Strategy<Value = Row> {
    (any::<[u32; 5]>(), any_address(), any_address()).prop_map(
        |([number, network, router, interface, port], address, inside)| {
            Row::FloatingIp(FloatingIpRow { number, network, address, router, interface, port, inside })
        },
    )
}

fn any_floating_relay() -> impl Strategy<Value = Row> {
    (any::<[u32; 5]>(), any_address()).prop_map(
        |([router, floating_ip, network, interface, host], address)| {
            Row::FloatingRelay(FloatingRelayRow { router, floating_ip, network, address, interface, host })
        },
    )
}

fn any_forwarding() -> impl Strategy<Value = Row> {
    let ports = (any::<[u16; 2]>(), any::<u16>(), any::<bool>());
    (any::<[u32; 6]>(), any::<u8>(), any_address(), any_address(), ports).prop_map(
        |([router, floating_ip, network, interface, host, port], protocol, address, inside, ports)| {
            let (mut range, inside_port, single) = ports;
            range.sort_unstable();
            let [first, last] = range;
            let inside_port = if single { inside_port } else { inside_port.min(u16::MAX - (last - first)) };
            let row = ForwardingRow {
                router,
                floating_ip,
                protocol,
                network,
                address,
                interface,
                first,
                last,
                host,
                port,
                inside,
                inside_port,
                single,
            };
            Row::Forwarding(row)
        },
    )
}

fn any_port_lease() -> impl Strategy<Value = Row> {
    let blocks = prop::collection::vec(0..=u16::MAX / PORT_BLOCK, 0..5);
    let slots = prop::collection::vec(FIRST_SLOT..=u16::MAX, 0..5);
    (any::<[u32; 4]>(), any_address(), blocks, slots).prop_map(
        |([router, interface, host, network], address, blocks, slots)| {
            Row::PortLease(PortLeaseRow { router, interface, host, network, address, blocks, slots })
        },
    )
}

fn any_route() -> impl Strategy<Value = Row> {
    let path = || (any::<u32>(), any_address()).prop_map(|(port, gateway)| RoutePath { port, gateway });
    let others = prop::collection::vec(path(), 0..3);
    (any::<u32>(), any_prefix(), prop::collection::vec(path(), 1..4), others, any::<bool>()).prop_map(
        |(router, destination, paths, others, is_watched)| {
            Row::Route(RouteRow { router, destination, paths, others, is_watched })
        },
    )
}

fn any_instance() -> impl Strategy<Value = Row> {
    let key = ["[ -~]{0,9}", "ssh|x509", "[ -~]{0,20}"].prop_map(|[name, kind, data]| InstanceKey {
        name,
        kind,
        data,
    });
    let facts = (
        prop::array::uniform8("[ -~]{0,9}"),
        prop::collection::vec(any::<u8>(), 0..9),
        prop::collection::btree_map("[a-z]{0,5}", "[a-z]{0,5}", 0..3),
        prop::collection::vec(key, 0..3),
        any::<u32>(),
        prop::collection::vec("[a-z]{0,5}", 0..3),
    );
    let facts = facts.prop_map(|(texts, user_data, meta, keys, launch_index, security_groups)| {
        let [name, hostname, availability_zone, instance_type, image_id, vendor_data, vendor_data2, _] =
            texts;
        InstanceFacts {
            name,
            hostname,
            user_data,
            meta,
            keys,
            availability_zone,
            launch_index,
            instance_type,
            image_id,
            security_groups,
            vendor_data,
            vendor_data2,
        }
    });
    let addresses = prop::collection::vec(any_address(), 0..3);
    (any::<u32>(), "[a-z0-9-]{1,36}", "[a-z0-9]{0,32}", addresses, prop::option::of(facts)).prop_map(
        |(port, device, project, public_addresses, facts)| {
            Row::Instance(InstanceRow { port, device, project, public_addresses, facts })
        },
    )
}

fn any_name() -> impl Strategy<Value = Row> {
    (any::<u32>(), any::<u32>(), "[a-z.]{0,9}", "[a-z.]{0,9}")
        .prop_map(|(network, port, name, domain)| Row::Name(NameRow { network, port, name, domain }))
}

fn any_row() -> impl Strategy<Value = Row> {
    let presence = (any::<u32>(), any::<u32>(), any_address())
        .prop_map(|(network, host, underlay)| Row::Presence(PresenceRow { network, host, underlay }));
    prop_oneof![
        any_network(),
        any_subnet(),
        presence,
        any_location(),
        any_port(),
        any_policy(),
        any_rule(),
        any_member(),
        any_router_interface(),
        any_route(),
        any_floating_ip(),
        any_floating_relay(),
        any_forwarding(),
        any_port_lease(),
        any_instance(),
        any_name()
    ]
}

proptest! {
    #[test]
    fn every_row_and_removal_survives_the_wire(row in any_row()) {
        let key = row.key();
        let set = RowChange::decode(RowChange::encode_set(&row)).unwrap();
        prop_assert_eq!(set, Decoded::Change(RowChange { key, row: Some(row) }));
        let removal = RowChange::decode(RowChange::encode_removal(key)).unwrap();
        prop_assert_eq!(removal, Decoded::Change(RowChange { key, row: None }));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = RowChange::decode(bytes.into());
    }

    #[test]
    fn a_damaged_row_never_becomes_a_row_of_another_key(row in any_row(), at in any::<prop::sample::Index>(), to: u8) {
        let mut bytes = RowChange::encode_set(&row).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(Decoded::Change(RowChange { key, row: Some(row) })) = RowChange::decode(bytes.into()) {
            prop_assert_eq!(row.key(), key);
        }
    }

    #[test]
    fn addresses_and_prefixes_keep_their_family(address: IpAddr, length in 0u8..=32) {
        let mapped_v6 = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        prop_assume!(!mapped_v6);
        prop_assert_eq!(unmapped(super::address(address)), address);
        let (first, same_length) = Prefix::of(address, length).unmapped();
        prop_assert_eq!(first.is_ipv4(), address.is_ipv4());
        prop_assert_eq!(same_length, length);
    }
}

#[test]
fn interface_names_that_the_kernel_refuses_are_malformed() {
    for name in ["", "tap/0", "tap 0", "sixteen-octets-x"] {
        let row = PortRow {
            number: 1,
            uuid: [0; 16],
            network: 1,
            mac: [0; 6],
            addresses: vec![],
            interface_name: name.into(),
            admin_up: true,
            port_security_disabled: false,
            revision: 1,
            policy: None,
            allowed_pairs: vec![],
            log: None,
            dhcp_options: Vec::new(),
            dns_name: String::new(),
        };
        let error = RowChange::decode(RowChange::encode_set(&Row::Port(row))).unwrap_err();
        assert_eq!(error, MalformedRow::Field { key: RowKey::Port(1), field: "interface_name" });
    }
}

#[test]
fn a_prefix_with_host_bits_or_a_row_under_another_key_is_malformed() {
    use prost::Message as _;
    let cidr = Prefix { address: "::ffff:10.0.0.1".parse().unwrap(), length: 120 };
    let row = Row::Subnet(SubnetRow {
        number: 3,
        network: 1,
        uuid: [0; 16],
        cidr,
        gateway: None,
        dns: vec![],
        host_routes: vec![],
        enable_dhcp: false,
        dhcp: None,
        lease_seconds: 0,
        ra_mode: None,
        address_mode: None,
    });
    let key = row.key();
    assert_eq!(
        RowChange::decode(RowChange::encode_set(&row)).unwrap_err(),
        MalformedRow::Field { key, field: "cidr" }
    );
    let mut change = crate::proto::RowChange::decode(RowChange::encode_set(&row)).unwrap();
    change.key = crate::proto::RowChange::decode(RowChange::encode_removal(RowKey::Port(9))).unwrap().key;
    change.row.as_mut().unwrap().kind = Some(crate::proto::row::Kind::Network(crate::proto::NetworkRow {
        number: 1,
        uuid: vec![0; 16].into(),
        ..Default::default()
    }));
    assert_eq!(
        RowChange::decode(change.encode_to_vec().into()).unwrap_err(),
        MalformedRow::OtherRow { key: RowKey::Port(9) }
    );
}

#[test]
fn a_row_of_the_release_before_is_read_and_allows_nothing_new() {
    use prost::Message as _;
    let old = crate::proto::PortRow {
        number: 1,
        uuid: vec![0; 16].into(),
        network: 1,
        mac: vec![2; 6].into(),
        interface_name: "tap1".into(),
        ..Default::default()
    };
    let change = crate::proto::RowChange {
        row: Some(crate::proto::Row { kind: Some(crate::proto::row::Kind::Port(old)) }),
        ..crate::proto::RowChange::decode(RowChange::encode_removal(RowKey::Port(1))).unwrap()
    };
    let Ok(Decoded::Change(RowChange { row: Some(Row::Port(row)), .. })) =
        RowChange::decode(change.encode_to_vec().into())
    else {
        panic!("not read")
    };
    assert_eq!((row.policy, row.allowed_pairs, row.port_security_disabled), (None, vec![], false));
}

#[test]
fn a_rule_that_says_less_than_it_must_is_no_rule() {
    use crate::proto::{self, rule_row::Remote};
    use prost::Message as _;
    let whole = proto::RuleRow {
        group: 2,
        rule: 3,
        direction: proto::Direction::Ingress.into(),
        family: proto::Family::Ipv4.into(),
        protocol: Some(6),
        port_min: Some(80),
        port_max: Some(81),
        remote: Some(Remote::Any(true)),
        stateless: false,
        uuid: vec![0; 16].into(),
    };
    let v6 = proto::Prefix { address: vec![0; 16].into(), length: 0 };
    let read = |row: proto::RuleRow| {
        let key = RowKey::Rule { group: row.group, rule: row.rule };
        let change = proto::RowChange {
            row: Some(proto::Row { kind: Some(proto::row::Kind::Rule(row)) }),
            ..proto::RowChange::decode(RowChange::encode_removal(key)).unwrap()
        };
        match RowChange::decode(change.encode_to_vec().into()) {
            Ok(_) => None,
            Err(MalformedRow::Field { field, .. }) => Some(field),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(read(whole.clone()), None);
    for (row, field) in [
        (proto::RuleRow { remote: None, ..whole.clone() }, "remote"),
        (proto::RuleRow { remote: Some(Remote::Any(false)), ..whole.clone() }, "remote"),
        (proto::RuleRow { remote: Some(Remote::Set(1 << 31)), ..whole.clone() }, "set"),
        (proto::RuleRow { remote: Some(Remote::Prefix(v6)), ..whole.clone() }, "prefix"),
        (proto::RuleRow { direction: 0, ..whole.clone() }, "direction"),
        (proto::RuleRow { family: 9, ..whole.clone() }, "family"),
        (proto::RuleRow { group: 0, ..whole.clone() }, "group"),
        (proto::RuleRow { uuid: vec![0; 15].into(), ..whole.clone() }, "uuid"),
        (proto::RuleRow { protocol: None, ..whole.clone() }, "port_min"),
        (proto::RuleRow { protocol: Some(256), port_min: None, port_max: None, ..whole.clone() }, "protocol"),
        (proto::RuleRow { protocol: Some(1), port_min: Some(256), ..whole.clone() }, "port_min"),
        (proto::RuleRow { port_max: Some(79), ..whole.clone() }, "port_max"),
        (proto::RuleRow { port_max: None, ..whole.clone() }, "port_max"),
        (proto::RuleRow { port_max: Some(1 << 16), ..whole }, "port_max"),
    ] {
        assert_eq!(read(row), Some(field));
    }
}

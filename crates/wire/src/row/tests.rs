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
    (any::<u32>(), any::<[u8; 16]>(), 0u32..1 << 24, any::<u32>(), any::<bool>()).prop_map(
        |(number, uuid, vni, mtu, admin_up)| {
            Row::Network(NetworkRow { number, uuid, vni: (vni != 0).then_some(vni), mtu, admin_up })
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
    (
        (any::<u32>(), any::<[u8; 16]>(), any::<u32>(), any::<[u8; 6]>(), addresses),
        ("tap[0-9a-f-]{0,12}", any::<bool>(), any::<bool>(), any::<u64>()),
    )
        .prop_map(
            |((number, uuid, network, mac, addresses), (interface_name, admin_up, disabled, revision))| {
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
                })
            },
        )
}

fn any_row() -> impl Strategy<Value = Row> {
    let presence = (any::<u32>(), any::<u32>(), any_address())
        .prop_map(|(network, host, underlay)| Row::Presence(PresenceRow { network, host, underlay }));
    prop_oneof![any_network(), any_subnet(), presence, any_location(), any_port()]
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

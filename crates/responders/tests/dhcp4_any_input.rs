//! DHCPv4 against input of any kind, and against the inputs that a fuzzer once found.

mod client;

use client::*;
use hadron_responders::dhcp4::{Extra, Lease};
use proptest::prelude::*;
use std::net::Ipv4Addr;

/// Values of options that an owner may set.
const TEXTS: [&str; 8] = [
    "",
    "1",
    "192.0.2.1,192.0.2.2",
    "300",
    "70000",
    "10.0.0.0/8,192.0.2.1",
    "a.example",
    "some/text/of/some/length",
];

fn address() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        3 => Just(ADDRESS),
        2 => Just(Ipv4Addr::UNSPECIFIED),
        1 => Just(SERVER),
        1 => Just(Ipv4Addr::BROADCAST),
        2 => any::<u32>().prop_map(Ipv4Addr::from),
    ]
}

fn option() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let code = prop_oneof![3 => 48u8..=61, 1 => Just(82), 1 => Just(255), 2 => any::<u8>()];
    let value = prop_oneof![
        2 => address().prop_map(|address| address.octets().to_vec()),
        1 => any::<u16>().prop_map(|number| number.to_be_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    (code, value)
}

prop_compose! {
    fn message()(
        kind in prop_oneof![4 => 1u8..=8, 1 => any::<u8>()],
        op in prop_oneof![9 => Just(1u8), 1 => any::<u8>()],
        hlen in prop_oneof![9 => Just(6u8), 1 => any::<u8>()],
        flags in any::<u16>(),
        ciaddr in address(),
        giaddr in prop_oneof![3 => Just(Ipv4Addr::UNSPECIFIED), 1 => address()],
        source in address(),
        destination in prop_oneof![3 => Just(Ipv4Addr::BROADCAST), 1 => address()],
        fields in prop::collection::vec(any::<u8>(), 192),
        options in prop::collection::vec(option(), 0..6),
    ) -> Message {
        let mut message = Message { op, hlen, flags, ciaddr, giaddr, source, destination, ..Message::new(kind) };
        message.sname.copy_from_slice(&fields[..64]);
        message.file.copy_from_slice(&fields[64..]);
        options.into_iter().fold(message, |message, (code, value)| message.option(code, &value))
    }
}

prop_compose! {
    fn any_lease()(
        prefix_len in any::<u8>(),
        router in prop::option::of(address()),
        dns in prop::collection::vec(address(), 0..80),
        mtu in any::<u16>(),
        lease_seconds in any::<u32>(),
        domain in "[a-z.]{0,300}",
        hostname in "[a-z]{0,64}",
        extra in prop::collection::vec((0u8..=255, prop::sample::select(TEXTS.to_vec())), 0..12),
        routes in prop::collection::vec((any::<u32>(), 0u8..=32, address()), 0..60),
    ) -> Lease {
        let static_routes = routes
            .into_iter()
            .map(|(network, length, hop)| (ipnet::Ipv4Net::new(network.into(), length).unwrap(), hop))
            .collect();
        let mut options = Extra::default();
        for (code, text) in extra {
            let _ = options.add(&code.to_string(), text);
        }
        Lease {
            prefix_len, router, dns, mtu, lease_seconds, domain, hostname, static_routes, extra: options, ..lease()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn octets_of_any_kind_get_no_reply(frame in prop::collection::vec(any::<u8>(), 0..700)) {
        prop_assert!(check(&frame, &lease()).is_err());
    }

    #[test]
    fn any_payload_on_the_right_port_is_survived(payload in prop::collection::vec(any::<u8>(), 0..700)) {
        prop_assert!(check(&frame(ADDRESS, SERVER, &payload), &lease()).is_err());
    }

    #[test]
    fn replies_to_any_message_under_any_lease_hold(message in message(), lease in any_lease()) {
        let _ = check(&message.to_frame(), &lease);
    }

    #[test]
    fn damaged_messages_are_survived(
        message in message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut frame = message.to_frame();
        for (at, value) in damage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        let _ = check(&frame, &lease());
        let _ = check(&frame[..cut.index(frame.len())], &lease());
    }
}

/// Files of `fuzz/regressions/dhcpv4/`, each named after what was wrong.
#[test]
fn regressions_of_the_fuzzer_hold() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/regressions/dhcpv4");
    let files: Vec<_> = std::fs::read_dir(directory).expect("fuzz/regressions/dhcpv4").collect();
    assert!(!files.is_empty());
    for file in files {
        let octets = std::fs::read(file.unwrap().path()).unwrap();
        let _ = check(&octets, &lease());
        let _ = check(&frame(ADDRESS, SERVER, &octets), &lease());
    }
}

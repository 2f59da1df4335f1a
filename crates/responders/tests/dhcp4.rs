//! What the DHCPv4 server says, message by message.

mod client;

use client::*;
use hadron_responders::dhcp4::{Counters, Lease, MessageKind, Silence};
use std::net::Ipv4Addr;

const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 99);

#[test]
fn discover_is_answered_by_an_offer_of_the_ports_address() {
    let offer = Message::new(DISCOVER).answer(&lease()).unwrap();
    assert_eq!(offer.kind, MessageKind::Offer);
    assert_eq!(
        (offer.yiaddr(), offer.ciaddr(), offer.field(20)),
        (ADDRESS, Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED)
    );
    assert_eq!((offer.mac, offer.destination, offer.port), (MAC, ADDRESS, 68));
    assert_eq!(
        (offer.seconds(51), offer.seconds(58), offer.seconds(59)),
        (Some(86_400), Some(43_200), Some(75_600))
    );
    assert_eq!(offer.address(1), Ipv4Addr::new(255, 255, 255, 0));
    assert_eq!(offer.address(28), Ipv4Addr::new(10, 0, 0, 255));
    assert_eq!(offer.address(3), ROUTER);
    assert_eq!(offer.option(6), Some(vec![192, 0, 2, 53, 192, 0, 2, 54]));
    assert_eq!(offer.option(15), Some(b"cloud.example".to_vec()));
    assert_eq!(offer.option(26), Some(1450u16.to_be_bytes().to_vec()));
}

#[test]
fn an_offer_ignores_the_address_and_server_that_the_client_would_like() {
    let offer = Message::new(DISCOVER).requested(OTHER).server(OTHER).answer(&lease()).unwrap();
    assert_eq!(offer.yiaddr(), ADDRESS);
}

#[test]
fn a_client_that_takes_an_acknowledgement_at_once_gets_it() {
    let ack = Message::new(DISCOVER).empty_option(80).answer(&lease()).unwrap();
    assert_eq!((ack.kind, ack.yiaddr(), ack.option(80)), (MessageKind::Ack, ADDRESS, Some(vec![])));
    let ack = Message::new(REQUEST).empty_option(80).requested(ADDRESS).answer(&lease()).unwrap();
    assert_eq!(ack.option(80), None);
}

#[test]
fn a_selecting_client_gets_its_address_acknowledged() {
    let ack = Message::new(REQUEST).server(SERVER).requested(ADDRESS).answer(&lease()).unwrap();
    assert_eq!((ack.kind, ack.yiaddr(), ack.destination), (MessageKind::Ack, ADDRESS, ADDRESS));
}

#[test]
fn a_client_that_selects_another_server_hears_nothing() {
    let request = Message::new(REQUEST).server(OTHER).requested(ADDRESS);
    assert_eq!(request.answer(&lease()).unwrap_err(), Silence::OtherServer);
    assert_eq!(
        Message { destination: OTHER, ..Message::new(REQUEST) }.answer(&lease()).unwrap_err(),
        Silence::OtherServer
    );
}

#[test]
fn a_rebooting_client_is_acknowledged_or_refused() {
    assert_eq!(Message::new(REQUEST).requested(ADDRESS).answer(&lease()).unwrap().kind, MessageKind::Ack);
    let nak = Message::new(REQUEST).requested(OTHER).option(61, &[1, 2, 3]).answer(&lease()).unwrap();
    assert_eq!((nak.kind, nak.yiaddr(), nak.mac), (MessageKind::Nak, Ipv4Addr::UNSPECIFIED, [0xff; 6]));
    assert_eq!(nak.destination, Ipv4Addr::BROADCAST);
    assert_eq!(nak.codes(), [53, 54, 61, 56]);
}

#[test]
fn a_renewing_and_a_rebinding_client_are_answered_at_their_address() {
    for request in [
        Message::new(REQUEST).ciaddr(ADDRESS).unicast(),
        Message::new(REQUEST).ciaddr(ADDRESS).broadcast_flag(),
    ] {
        let ack = request.answer(&lease()).unwrap();
        assert_eq!((ack.kind, ack.yiaddr(), ack.ciaddr()), (MessageKind::Ack, ADDRESS, ADDRESS));
        assert_eq!((ack.mac, ack.destination), (MAC, ADDRESS));
    }
}

#[test]
fn a_port_that_has_another_address_now_makes_its_client_start_over() {
    let nak = Message::new(REQUEST).ciaddr(OTHER).unicast().answer(&lease()).unwrap();
    assert_eq!((nak.kind, nak.destination), (MessageKind::Nak, Ipv4Addr::BROADCAST));
}

#[test]
fn a_request_for_nothing_is_not_answered() {
    assert_eq!(Message::new(REQUEST).answer(&lease()).unwrap_err(), Silence::NoAddress);
}

#[test]
fn release_and_decline_are_only_noted() {
    assert_eq!(
        Message::new(RELEASE).ciaddr(ADDRESS).server(SERVER).unicast().answer(&lease()).unwrap_err(),
        Silence::Released
    );
    assert_eq!(
        Message::new(DECLINE).requested(ADDRESS).server(SERVER).answer(&lease()).unwrap_err(),
        Silence::Declined
    );
    assert_eq!(
        Message::new(DECLINE).requested(ADDRESS).server(OTHER).answer(&lease()).unwrap_err(),
        Silence::OtherServer
    );
}

#[test]
fn inform_gets_parameters_but_no_lease() {
    let ack = Message::new(INFORM).ciaddr(ADDRESS).parameters(&[6, 51]).answer(&lease()).unwrap();
    assert_eq!(
        (ack.kind, ack.yiaddr(), ack.ciaddr(), ack.destination),
        (MessageKind::Ack, Ipv4Addr::UNSPECIFIED, ADDRESS, ADDRESS)
    );
    assert_eq!(ack.codes(), [53, 54, 6, 1, 26]);
    let ack = Message { source: OTHER, ..Message::new(INFORM) }.answer(&lease()).unwrap();
    assert_eq!((ack.ciaddr(), ack.destination), (Ipv4Addr::UNSPECIFIED, OTHER));
    assert_eq!(Message::new(INFORM).answer(&lease()).unwrap_err(), Silence::NoAddress);
}

#[test]
fn a_client_that_needs_broadcast_gets_it_as_long_as_it_has_no_address() {
    let offer = Message::new(DISCOVER).broadcast_flag().answer(&lease()).unwrap();
    assert_eq!((offer.mac, offer.destination), ([0xff; 6], Ipv4Addr::BROADCAST));
    assert_eq!(offer.payload[10..12], [0x80, 0]);
}

#[test]
fn a_relay_gets_the_reply_with_its_own_information_at_the_end() {
    let relayed = Message { giaddr: ROUTER, source: ROUTER, destination: SERVER, ..Message::new(DISCOVER) };
    let offer = relayed.clone().option(82, &[1, 2, 7, 7]).answer(&lease()).unwrap();
    assert_eq!((offer.destination, offer.port, offer.field(24)), (ROUTER, 67, ROUTER));
    assert_eq!(offer.options.last(), Some(&(82, vec![1, 2, 7, 7])));
    let nak = Message { options: vec![53, 1, REQUEST], ..relayed.clone() }
        .requested(OTHER)
        .answer(&lease())
        .unwrap();
    assert_eq!((nak.kind, nak.destination, nak.payload[10]), (MessageKind::Nak, ROUTER, 0x80));
    let foreign = Message { giaddr: Ipv4Addr::new(172, 16, 0, 1), ..relayed };
    assert_eq!(foreign.answer(&lease()).unwrap_err(), Silence::OtherSubnet);
}

#[test]
fn relay_information_without_a_relay_is_not_repeated() {
    assert_eq!(Message::new(DISCOVER).option(82, &[1, 1, 7]).answer(&lease()).unwrap().option(82), None);
}

#[test]
fn the_client_identifier_is_repeated() {
    let offer = Message::new(DISCOVER).option(61, &[1, 0xfa, 0x16, 0x3e, 1, 2, 3]).answer(&lease()).unwrap();
    assert_eq!(offer.option(61), Some(vec![1, 0xfa, 0x16, 0x3e, 1, 2, 3]));
    assert_eq!(
        Message::new(DISCOVER).option(61, &[7; 256]).answer(&lease()).unwrap_err(),
        Silence::Malformed
    );
}

#[test]
fn parameters_come_in_the_order_of_the_request_and_no_others() {
    let offer = Message::new(DISCOVER).parameters(&[15, 12, 3, 42, 6, 3]).answer(&lease()).unwrap();
    assert_eq!(offer.codes(), [53, 54, 51, 58, 59, 15, 12, 3, 6, 1, 26]);
    assert_eq!(offer.option(12), Some(b"vm-1".to_vec()));
}

#[test]
fn facts_that_are_not_there_are_not_sent() {
    let bare =
        Lease { router: None, dns: Vec::new(), domain: String::new(), hostname: String::new(), ..lease() };
    let offer = Message::new(DISCOVER).parameters(&[1, 3, 6, 12, 15, 121, 249]).answer(&bare).unwrap();
    assert_eq!(offer.codes(), [53, 54, 51, 58, 59, 1, 26]);
}

#[test]
fn classless_routes_hold_the_default_route_and_replace_the_router() {
    let mut lease = lease();
    lease.static_routes = vec![
        ("169.254.169.254/32".parse().unwrap(), SERVER),
        ("172.16.0.0/12".parse().unwrap(), Ipv4Addr::new(10, 0, 0, 9)),
    ];
    let routes = vec![
        32, 169, 254, 169, 254, 10, 0, 0, 2, // to the metadata address
        12, 172, 16, 10, 0, 0, 9, // two significant octets
        0, 10, 0, 0, 1, // default
    ];
    let offer = Message::new(DISCOVER).parameters(&[1, 121, 3, 249]).answer(&lease).unwrap();
    assert_eq!(offer.option(121), Some(routes.clone()));
    assert_eq!((offer.option(249), offer.option(3)), (Some(routes.clone()), None));
    let unspecific = Message::new(DISCOVER).answer(&lease).unwrap();
    assert_eq!((unspecific.address(3), unspecific.option(121)), (ROUTER, Some(routes)));

    lease.static_routes = vec![("0.0.0.0/0".parse().unwrap(), OTHER)];
    let offer = Message::new(DISCOVER).parameters(&[121]).answer(&lease).unwrap();
    assert_eq!(offer.option(121), Some(vec![0, 10, 0, 0, 99]));
}

#[test]
fn a_router_outside_the_subnet_is_made_reachable() {
    let mut lease = lease();
    lease.prefix_len = 32;
    lease.static_routes = vec![("169.254.169.254/32".parse().unwrap(), SERVER)];
    let offer = Message::new(DISCOVER).parameters(&[121, 28]).answer(&lease).unwrap();
    assert_eq!(offer.option(121).unwrap()[9..], [32, 10, 0, 0, 1, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
    assert_eq!(offer.option(28), None);
}

#[test]
fn a_lease_for_ever_has_no_renewal() {
    let mut lease = lease();
    lease.lease_seconds = u32::MAX;
    let offer = Message::new(DISCOVER).answer(&lease).unwrap();
    assert_eq!((offer.seconds(51), offer.seconds(58), offer.seconds(59)), (Some(u32::MAX), None, None));
}

#[test]
fn what_does_not_fit_overflows_into_file_and_sname_and_then_is_left_out() {
    let mut lease = lease();
    lease.dns = (0..50).map(|i| Ipv4Addr::new(192, 0, 2, i)).collect();
    lease.domain = "d".repeat(100);
    lease.hostname = "h".repeat(50);
    let discover = Message::new(DISCOVER).parameters(&[6, 15, 12, 1, 26]).option(61, &[7; 40]);
    let offer = discover.clone().answer(&lease).unwrap();
    assert!(offer.ip_length <= 576);
    assert_eq!(offer.option(52), Some(vec![3]));
    assert_eq!(offer.codes(), [53, 54, 51, 58, 59, 61, 6, 1, 26, 52, 15, 12]);
    assert_eq!(discover.clone().option(57, &1450u16.to_be_bytes()).answer(&lease).unwrap().option(52), None);

    lease.domain = "d".repeat(200);
    let offer = discover.answer(&lease).unwrap();
    assert_eq!((offer.option(15), offer.option(12).map(|name| name.len())), (None, Some(50)));
}

#[test]
fn a_value_of_more_than_255_octets_is_split() {
    let mut lease = lease();
    lease.mtu = 1500;
    lease.static_routes = (0..40).map(|i| (format!("10.{i}.0.0/16").parse().unwrap(), ROUTER)).collect();
    let discover = Message::new(DISCOVER).parameters(&[121]).option(57, &1500u16.to_be_bytes());
    let offer = discover.answer(&lease).unwrap();
    assert_eq!(offer.codes().iter().filter(|code| **code == 121).count(), 2);
    assert_eq!(offer.option(121).unwrap().len(), 40 * 7 + 5);
}

#[test]
fn a_maximum_size_below_the_legal_least_is_taken_for_that() {
    let small = Message::new(DISCOVER).option(57, &100u16.to_be_bytes());
    assert_eq!(
        small.answer(&lease()).unwrap().payload,
        Message::new(DISCOVER).answer(&lease()).unwrap().payload
    );
}

#[test]
fn a_reply_fits_into_the_networks_mtu_or_is_not_sent() {
    let mut lease = lease();
    lease.mtu = 400;
    assert!(
        Message::new(DISCOVER).option(57, &1500u16.to_be_bytes()).answer(&lease).unwrap().ip_length <= 400
    );
    lease.mtu = 68;
    assert_eq!(Message::new(DISCOVER).option(61, &[7; 255]).answer(&lease).unwrap_err(), Silence::NoRoom);
}

#[test]
fn a_relays_information_never_displaces_what_must_be_there() {
    let relayed = Message { giaddr: ROUTER, destination: SERVER, ..Message::new(DISCOVER) };
    let offer = relayed.clone().option(82, &[7; 255]).answer(&lease()).unwrap();
    assert_eq!((offer.codes()[0], offer.option(82).unwrap().len()), (53, 255));
    assert_eq!(relayed.option(82, &[7; 300]).answer(&lease()).unwrap_err(), Silence::NoRoom);
}

#[test]
fn options_of_a_client_are_read_from_file_and_sname_too() {
    let mut message = Message::new(REQUEST).option(52, &[3]);
    message.file[..6].copy_from_slice(&[50, 4, 10, 0, 0, 5]);
    message.sname[..7].copy_from_slice(&[54, 4, 10, 0, 0, 2, 255]);
    assert_eq!(message.answer(&lease()).unwrap().kind, MessageKind::Ack);
    let twice = Message::new(REQUEST).option(50, &[10, 0]).option(50, &[0, 5]);
    assert_eq!(twice.answer(&lease()).unwrap().kind, MessageKind::Ack);
}

#[test]
fn nobody_else_is_answered() {
    let foreign = Message { chaddr: [2, 0, 0, 0, 0, 1], ..Message::new(DISCOVER) };
    assert_eq!(foreign.answer(&lease()).unwrap_err(), Silence::OtherClient);
    assert_eq!(Message { op: 2, ..Message::new(DISCOVER) }.answer(&lease()).unwrap_err(), Silence::NotDhcp);
    for length in [0, 5, 7, 16, 17, 200, 255] {
        assert_eq!(
            Message { hlen: length, ..Message::new(DISCOVER) }.answer(&lease()).unwrap_err(),
            Silence::OtherClient
        );
    }
    for kind in [0, 2, 5, 6, 9, 255] {
        assert_eq!(Message::new(kind).answer(&lease()).unwrap_err(), Silence::NotDhcp);
    }
    let bootp = Message { options: Vec::new(), ..Message::new(DISCOVER) };
    assert_eq!(bootp.answer(&lease()).unwrap_err(), Silence::NotDhcp);
}

#[test]
fn malformed_options_are_not_guessed_at() {
    let cut = Message { options: vec![53, 1, 1, 50, 200, 1], ..Message::new(DISCOVER) };
    assert_eq!(cut.answer(&lease()).unwrap_err(), Silence::Malformed);
    for (code, value) in [(50, &[1u8, 2, 3][..]), (54, &[1]), (57, &[1]), (52, &[4]), (53, &[1])] {
        assert_eq!(
            Message::new(REQUEST).option(code, value).answer(&lease()).unwrap_err(),
            Silence::Malformed
        );
    }
    let short =
        frame(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, &Message::new(DISCOVER).to_payload()[..239]);
    assert_eq!(answer(&short, &lease()), Err(Silence::Malformed));
}

#[test]
fn checksums_may_be_whole_partial_or_absent_but_not_wrong() {
    let message = Message::new(DISCOVER);
    let frame = message.to_frame();
    let checksum = |value: u16| {
        let mut frame = frame.clone();
        frame[40..42].copy_from_slice(&value.to_be_bytes());
        answer(&frame, &lease()).map(|_| ())
    };
    let length = (frame.len() - 34) as u32;
    let sum = 0xffff + 0xffff + 17 + length;
    let partial = (sum & 0xffff) + (sum >> 16);
    assert_eq!(checksum(u16::from_be_bytes([frame[40], frame[41]])), Ok(()));
    assert_eq!(checksum(partial as u16), Ok(()));
    assert_eq!(checksum(0), Ok(()));
    assert_eq!(checksum(0x1234), Err(Silence::Checksum));
}

#[test]
fn padding_after_the_packet_is_ignored() {
    let mut frame = Message::new(DISCOVER).to_frame();
    frame.extend([0xee; 40]);
    assert!(answer(&frame, &lease()).is_ok());
}

#[test]
fn tagged_fragmented_and_foreign_packets_are_no_dhcp() {
    let frame = Message::new(DISCOVER).to_frame();
    let mut tagged = frame.clone();
    tagged.splice(12..12, [0x81, 0, 0, 5]);
    let mut fragment = frame.clone();
    fragment[20] = 0x20;
    let mut port = frame.clone();
    port[37] = 68;
    for other in [tagged, fragment, port, frame[..30].to_vec(), Vec::new()] {
        assert_eq!(answer(&other, &lease()), Err(Silence::NotDhcp));
    }
}

#[test]
fn answers_and_silences_are_counted_by_name() {
    let counters = Counters::default();
    for message in [Message::new(DISCOVER), Message::new(REQUEST).requested(OTHER), Message::new(RELEASE)] {
        counters.record(&answer(&message.to_frame(), &lease()));
    }
    let counted: Vec<_> = counters.read().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [("offer", 1), ("nak", 1), ("released", 1)]);
}

fn with_extra(options: &[(&str, &str)]) -> Lease {
    let mut lease = lease();
    for (name, value) in options {
        lease.extra.add(name, value).unwrap();
    }
    lease
}

#[test]
fn options_of_the_port_beat_the_subnets_and_come_unasked() {
    let lease =
        with_extra(&[("ntp-server", "192.0.2.123"), ("15", "port.example"), ("mtu", "1400"), ("router", "")]);
    let offer = Message::new(DISCOVER).parameters(&[15, 3, 6]).answer(&lease).unwrap();
    assert_eq!(offer.codes(), [53, 54, 51, 58, 59, 15, 6, 1, 26, 42]);
    assert_eq!(offer.option(15), Some(b"port.example".to_vec()));
    assert_eq!((offer.option(26), offer.option(42)), (Some(vec![5, 120]), Some(vec![192, 0, 2, 123])));
    let inform = Message::new(INFORM).ciaddr(ADDRESS).parameters(&[42]).answer(&lease).unwrap();
    assert_eq!(inform.codes(), [53, 54, 42, 1, 26, 15]);
}

#[test]
fn the_port_may_have_a_lease_time_of_its_own() {
    let times = |lease: &Lease, message: Message| {
        let offer = message.parameters(&[51, 58, 59]).answer(lease).unwrap();
        assert_eq!(
            offer
                .codes()
                .iter()
                .filter(|code| (51..=59).contains(*code) && **code != 53 && **code != 54)
                .count(),
            3
        );
        (offer.seconds(51), offer.seconds(58), offer.seconds(59))
    };
    let set = with_extra(&[("lease-time", "800"), ("T1", "100"), ("T2", "600")]);
    assert_eq!(times(&set, Message::new(DISCOVER)), (Some(800), Some(100), Some(600)));
    // A client that wants less gets less, but not too little.
    let wants = |seconds: u32| Message::new(DISCOVER).option(51, &seconds.to_be_bytes());
    assert_eq!(times(&lease(), wants(800)), (Some(800), Some(400), Some(700)));
    assert_eq!(times(&lease(), wants(1)), (Some(120), Some(60), Some(105)));
    assert_eq!(times(&lease(), wants(u32::MAX)), (Some(86_400), Some(43_200), Some(75_600)));
    // Times that contradict each other are not passed on.
    let odd = with_extra(&[("lease-time", "800"), ("T1", "900"), ("T2", "10")]);
    assert_eq!(times(&odd, Message::new(DISCOVER)), (Some(800), Some(400), Some(700)));
}

fn text(field: &[u8]) -> &str {
    std::str::from_utf8(field.split(|octet| *octet == 0).next().unwrap()).unwrap()
}

#[test]
fn firmware_finds_its_boot_file_in_the_fields_and_in_options() {
    let lease = with_extra(&[
        ("server-ip-address", "192.0.2.7"),
        ("66", "tftp.example"),
        ("tftp-server-address", "192.0.2.8"),
        ("tag:!ipxe,67", "undionly.kpxe"),
        ("tag:ipxe,67", "http://192.0.2.7/boot.ipxe"),
    ]);
    let offer = Message::new(DISCOVER).parameters(&[66, 67]).answer(&lease).unwrap();
    assert_eq!(offer.field(20), Ipv4Addr::new(192, 0, 2, 7));
    assert_eq!(
        (text(&offer.payload[44..108]), text(&offer.payload[108..236])),
        ("tftp.example", "undionly.kpxe")
    );
    assert_eq!(
        (offer.option(67), offer.option(150)),
        (Some(b"undionly.kpxe".to_vec()), Some(vec![192, 0, 2, 8]))
    );
    assert_eq!(offer.option(255), None);
    for ipxe in [Message::new(REQUEST).option(175, &[1, 1, 1]), Message::new(REQUEST).option(77, b"iPXE")] {
        let ack = ipxe.requested(ADDRESS).answer(&lease).unwrap();
        assert_eq!(text(&ack.payload[108..236]), "http://192.0.2.7/boot.ipxe");
    }
    let nak = Message::new(REQUEST).requested(OTHER).answer(&lease).unwrap();
    assert_eq!((nak.field(20), &nak.payload[44..236]), (Ipv4Addr::UNSPECIFIED, &[0; 192][..]));
}

#[test]
fn without_a_named_server_the_first_of_tftp_is_booted_from() {
    let boot = |options| Message::new(DISCOVER).answer(&with_extra(options)).unwrap().field(20);
    assert_eq!(boot(&[("150", "192.0.2.8,192.0.2.9")]), Ipv4Addr::new(192, 0, 2, 8));
    assert_eq!(boot(&[("tftp-server", "192.0.2.9")]), Ipv4Addr::new(192, 0, 2, 9));
    assert_eq!(boot(&[("tftp-server", "tftp.example")]), Ipv4Addr::UNSPECIFIED);
}

#[test]
fn fields_that_hold_options_name_no_boot_file() {
    let mut lease = with_extra(&[("67", "pxelinux.0"), ("66", "tftp.example")]);
    lease.dns = (0..50).map(|i| Ipv4Addr::new(192, 0, 2, i)).collect();
    lease.domain = "d".repeat(100);
    lease.hostname = "h".repeat(40);
    let offer = Message::new(DISCOVER).parameters(&[6, 15, 12]).option(61, &[7; 40]).answer(&lease).unwrap();
    assert_eq!(offer.option(52), Some(vec![3]));
    assert_eq!(offer.option(67), Some(b"pxelinux.0".to_vec()));
}

#[test]
fn of_several_addresses_a_client_gets_the_one_that_it_means() {
    let second = Ipv4Addr::new(10, 1, 0, 5);
    let second_server = Ipv4Addr::new(10, 1, 0, 2);
    let leases = [lease(), Lease { address: second, server_id: second_server, ..lease() }];
    let ask = |message: Message| {
        hadron_responders::dhcp4::answer(&message.to_frame(), &leases).map(|reply| {
            let seen = Seen::read(&reply);
            (seen.kind, seen.yiaddr(), seen.source)
        })
    };
    let (offer, ack, nak) = (MessageKind::Offer, MessageKind::Ack, MessageKind::Nak);
    let none = Ipv4Addr::UNSPECIFIED;
    assert_eq!(ask(Message::new(DISCOVER)), Ok((offer, ADDRESS, SERVER)));
    assert_eq!(ask(Message::new(DISCOVER).requested(second)), Ok((offer, second, second_server)));
    assert_eq!(
        ask(Message::new(REQUEST).server(second_server).requested(second)),
        Ok((ack, second, second_server))
    );
    assert_eq!(ask(Message::new(REQUEST).ciaddr(second)), Ok((ack, second, second_server)));
    assert_eq!(
        ask(Message { destination: second_server, ..Message::new(REQUEST).ciaddr(second) }),
        Ok((ack, second, second_server))
    );
    assert_eq!(ask(Message::new(INFORM).ciaddr(second)), Ok((ack, none, second_server)));
    assert_eq!(
        ask(Message::new(REQUEST).server(second_server).requested(ADDRESS)),
        Ok((nak, none, second_server))
    );
    assert_eq!(ask(Message::new(REQUEST).requested(OTHER)), Ok((nak, none, SERVER)));
    assert_eq!(ask(Message::new(REQUEST).server(OTHER).requested(ADDRESS)), Err(Silence::OtherServer));
    assert_eq!(
        hadron_responders::dhcp4::answer(&Message::new(DISCOVER).to_frame(), &[]),
        Err(Silence::WithoutLease)
    );
}

//! What the DHCPv6 server says, message by message.

mod client6;

use client6::*;
use hadron_responders::dhcp6::{Binding, Counters, MessageKind, Silence, answer};
use proptest::prelude::*;
use std::net::Ipv6Addr;

const NO_ADDRESSES: u16 = 2;
const NO_BINDING: u16 = 3;
const NOT_ON_LINK: u16 = 4;
const NO_PREFIXES: u16 = 6;

fn none() -> Binding {
    Binding { addresses: vec![], prefixes: vec![], ..binding() }
}

fn two() -> Binding {
    Binding { addresses: vec![ADDRESS, SECOND], ..binding() }
}

#[test]
fn a_solicitation_is_answered_by_an_advertisement_of_the_ports_address() {
    let seen = Message::new(SOLICIT).association(IA_NA, 7, &[]).asking(&[23, 24]).answer(&binding()).unwrap();
    assert_eq!(seen.kind, MessageKind::Advertise);
    assert_eq!((seen.option(1), seen.option(7), seen.option(14)), (Some(DUID), Some(&[255][..]), None));
    let expected = Association {
        code: IA_NA,
        id: 7,
        times: Some((43_200, 69_120)),
        addresses: vec![(ADDRESS, 86_400)],
        prefixes: vec![],
        status: None,
    };
    assert_eq!(seen.associations, [expected]);
    assert_eq!(seen.option(23), Some(&"2001:db8::53".parse::<Ipv6Addr>().unwrap().octets()[..]));
    assert_eq!(seen.option(24), Some(&b"\x05cloud\x07example\0"[..]));
}

#[test]
fn a_rapid_solicitation_is_committed_at_once() {
    let seen = Message::new(SOLICIT).option(14, &[]).association(IA_NA, 7, &[]).answer(&binding()).unwrap();
    assert_eq!((seen.kind, seen.option(14), seen.option(7)), (MessageKind::Reply, Some(&[][..]), None));
    assert_eq!(seen.addresses(), [(ADDRESS, 86_400)]);
    let seen = Message::new(REQUEST).option(14, &[]).association(IA_NA, 7, &[]).answer(&binding()).unwrap();
    assert_eq!(seen.option(14), None);
}

#[test]
fn a_request_is_granted_and_one_for_another_link_is_not() {
    let ask = |address| Message::new(REQUEST).association(IA_NA, 7, &[address]).answer(&binding()).unwrap();
    assert_eq!(ask(ADDRESS).addresses(), [(ADDRESS, 86_400)]);
    assert_eq!(ask(STRANGER).addresses(), [(ADDRESS, 86_400)]);
    let seen = ask(ELSEWHERE);
    assert_eq!((seen.associations[0].status, seen.addresses()), (Some(NOT_ON_LINK), vec![]));
}

#[test]
fn several_addresses_go_to_the_association_that_names_them_or_has_none() {
    let ids = |seen: &Seen| -> Vec<(u32, Vec<Ipv6Addr>)> {
        let addresses = |one: &Association| one.addresses.iter().map(|(address, _)| *address).collect();
        seen.associations.iter().map(|one| (one.id, addresses(one))).collect()
    };
    let ask = |first: &[Ipv6Addr], second: Option<&[Ipv6Addr]>| {
        let mut message = Message::new(SOLICIT).association(IA_NA, 1, first);
        if let Some(second) = second {
            message = message.association(IA_NA, 2, second);
        }
        ids(&message.answer(&two()).unwrap())
    };
    assert_eq!(ask(&[], None), [(1, vec![ADDRESS, SECOND])]);
    assert_eq!(ask(&[], Some(&[])), [(1, vec![ADDRESS]), (2, vec![SECOND])]);
    assert_eq!(ask(&[SECOND], Some(&[])), [(1, vec![SECOND]), (2, vec![ADDRESS])]);
    assert_eq!(ask(&[], Some(&[ADDRESS, SECOND])), [(1, vec![]), (2, vec![ADDRESS, SECOND])]);
}

#[test]
fn a_renewal_extends_what_the_port_has_and_ends_the_rest() {
    for kind in [RENEW, REBIND] {
        let ask = |addresses: &[Ipv6Addr], binding: &Binding| {
            let seen = Message::new(kind).association(IA_NA, 7, addresses).answer(binding).unwrap();
            assert_eq!(seen.kind, MessageKind::Reply);
            (seen.addresses(), seen.associations[0].status)
        };
        assert_eq!(ask(&[ADDRESS], &binding()), (vec![(ADDRESS, 86_400)], None));
        assert_eq!(ask(&[STRANGER], &binding()), (vec![(ADDRESS, 86_400), (STRANGER, 0)], None));
        assert_eq!(ask(&[ADDRESS], &two()), (vec![(ADDRESS, 86_400), (SECOND, 86_400)], None));
        assert_eq!(ask(&[STRANGER], &none()), (vec![(STRANGER, 0)], None));
        assert_eq!(ask(&[], &none()), (vec![], Some(NO_BINDING)));
    }
}

#[test]
fn an_address_is_confirmed_as_long_as_it_is_the_ports() {
    let ask = |addresses: &[Ipv6Addr]| {
        let seen = Message::new(CONFIRM).association(IA_NA, 7, addresses).answer(&binding());
        seen.map(|seen| (seen.status(), seen.associations.len()))
    };
    assert_eq!(ask(&[ADDRESS]), Ok((Some(0), 0)));
    assert_eq!(ask(&[ADDRESS, STRANGER]), Ok((Some(NOT_ON_LINK), 0)));
    assert_eq!(ask(&[]), Err(Silence::NoAddress));
}

#[test]
fn release_and_decline_are_acknowledged_and_change_nothing() {
    for kind in [RELEASE, DECLINE] {
        let message = Message::new(kind).association(IA_NA, 1, &[ADDRESS]).association(IA_NA, 2, &[STRANGER]);
        let seen = message.asking(&[23]).answer(&binding()).unwrap();
        assert_eq!((seen.status(), seen.is_declined, seen.option(23)), (Some(0), kind == DECLINE, None));
        let unknown: Vec<_> = seen.associations.iter().map(|one| (one.id, one.status)).collect();
        assert_eq!(unknown, [(2, Some(NO_BINDING))]);
    }
    let again = Message::new(SOLICIT).association(IA_NA, 1, &[]).answer(&binding()).unwrap();
    assert_eq!(again.addresses(), [(ADDRESS, 86_400)]);
}

#[test]
fn a_host_that_forms_its_address_gets_the_rest() {
    let seen = Message::new(INFORMATION).asking(&[24, 23]).answer(&none()).unwrap();
    assert_eq!((seen.kind, seen.option(1)), (MessageKind::Reply, Some(DUID)));
    assert_eq!(seen.options.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [2, 1, 24, 23]);
    let anonymous = Message::bare(INFORMATION).answer(&none()).unwrap();
    assert_eq!(anonymous.options.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [2, 23, 24]);
    let chosen = Message::new(INFORMATION).option(2, &server()).answer(&none()).unwrap();
    assert_eq!(chosen.kind, MessageKind::Reply);
    for kind in [SOLICIT, REQUEST] {
        let seen = Message::new(kind).association(IA_NA, 7, &[]).answer(&none()).unwrap();
        assert_eq!(seen.associations[0].status, Some(NO_ADDRESSES));
    }
}

#[test]
fn temporary_addresses_and_prefixes_are_not_given() {
    let message = Message::new(SOLICIT).association(IA_TA, 1, &[]).association(IA_PD, 2, &[]);
    let seen = message.association(IA_NA, 3, &[]).answer(&binding()).unwrap();
    let statuses: Vec<_> = seen.associations.iter().map(|one| (one.code, one.status)).collect();
    assert_eq!(statuses, [(IA_TA, Some(NO_ADDRESSES)), (IA_PD, Some(NO_PREFIXES)), (IA_NA, None)]);
}

/// An association for prefixes that names some.
fn delegation(id: u32, prefixes: &[&str]) -> Vec<u8> {
    let mut value = [&id.to_be_bytes()[..], &[0; 8]].concat();
    for prefix in prefixes {
        let (address, length) = prefix.split_once('/').unwrap();
        let octets = address.parse::<Ipv6Addr>().unwrap().octets();
        value.extend(option(26, &[&[0; 8][..], &[length.parse().unwrap()], &octets].concat()));
    }
    value
}

#[test]
fn prefixes_that_lead_to_the_port_are_its_to_hand_on() {
    let net: Ipv6Addr = "2001:db8:d0::".parse().unwrap();
    let binding = Binding { delegated: vec!["2001:db8:d0::/56".parse().unwrap()], ..binding() };
    let ask = |kind: u8, held: &[&str]| {
        let message = Message::new(kind).option(IA_PD, &delegation(9, held));
        let mut seen = message.answer(&binding).unwrap().associations;
        (seen.len() == 1).then(|| seen.remove(0))
    };
    // A wish for another length changes nothing.
    let solicited = ask(SOLICIT, &["::/60"]).unwrap();
    assert_eq!((solicited.id, solicited.prefixes), (9, vec![(net, 56, 86_400)]));
    assert_eq!(solicited.times, Some((43_200, 69_120)));
    assert_eq!(ask(REQUEST, &["2001:db8:d0::/56"]).unwrap().prefixes, [(net, 56, 86_400)]);
    let other: Ipv6Addr = "2001:db8:e0::".parse().unwrap();
    assert_eq!(ask(RENEW, &["2001:db8:e0::/56"]).unwrap().prefixes, [(net, 56, 86_400), (other, 56, 0)]);
    assert!(ask(RELEASE, &["2001:db8:d0::/56"]).is_none());
    assert_eq!(ask(RELEASE, &["2001:db8:e0::/56"]).unwrap().status, Some(NO_BINDING));
    // The second association has none; addresses are given beside.
    let two = Message::new(SOLICIT).association(IA_NA, 1, &[]);
    let two = two.option(IA_PD, &delegation(2, &[])).option(IA_PD, &delegation(3, &[]));
    let seen = two.answer(&binding).unwrap();
    let given: Vec<_> = seen.associations.iter().map(|all| (all.prefixes.len(), all.status)).collect();
    assert_eq!(given, [(0, None), (1, None), (0, Some(NO_PREFIXES))]);
    // A length beyond an address's is no prefix.
    let mut odd = delegation(1, &["2001:db8:d0::/56"]);
    odd[12 + 4 + 8] = 129;
    assert_eq!(Message::new(SOLICIT).option(IA_PD, &odd).answer(&binding).unwrap_err(), Silence::Malformed);
}

#[test]
fn every_kind_of_duid_is_repeated_as_it_is() {
    for duid in [
        &[0, 1, 0, 1, 0x2a, 0, 0, 0, 0xfa, 0x16, 0x3e, 1, 2, 3][..],
        &[0, 2, 0, 0, 0xab, 0x11, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0, 3, 0, 1, 0xfa, 0x16, 0x3e, 1, 2, 3],
        &[[0, 4].to_vec(), vec![9; 16]].concat(),
        &[0xff, 0xff, 1],
        &[8; 130],
    ] {
        let seen =
            Message::bare(SOLICIT).option(1, duid).association(IA_NA, 7, &[]).answer(&binding()).unwrap();
        assert_eq!((seen.option(1), seen.addresses()), (Some(duid), vec![(ADDRESS, 86_400)]));
    }
    for duid in [&[][..], &[0, 3], &[8; 131]] {
        let message = Message::bare(SOLICIT).option(1, duid).association(IA_NA, 7, &[]);
        assert_eq!(message.answer(&binding()).unwrap_err(), Silence::Malformed);
    }
}

#[test]
fn a_lease_for_ever_is_never_renewed() {
    let binding = Binding { lease_seconds: u32::MAX, ..binding() };
    let seen = Message::new(SOLICIT).association(IA_NA, 7, &[]).answer(&binding).unwrap();
    assert_eq!(seen.associations[0].times, Some((u32::MAX, u32::MAX)));
}

#[test]
fn options_of_the_port_beat_the_networks_and_come_unasked() {
    let mut binding = binding();
    for (name, value) in [
        ("domain-search", "port.example"),
        ("23", ""),
        ("tag:ipxe6,59", "http://[2001:db8::1]/boot.ipxe"),
        ("tag:!ipxe6,bootfile-name", "tftp://[2001:db8::1]/ipxe.efi"),
    ] {
        binding.extra.add(name, value).unwrap();
    }
    let boot = |message: Message| {
        let seen = message.association(IA_NA, 7, &[]).asking(&[23, 24]).answer(&binding).unwrap();
        assert_eq!((seen.option(23), seen.option(24)), (None, Some(&b"\x04port\x07example\0"[..])));
        String::from_utf8(seen.option(59).unwrap().to_vec()).unwrap()
    };
    assert_eq!(boot(Message::new(SOLICIT)), "tftp://[2001:db8::1]/ipxe.efi");
    assert_eq!(boot(Message::new(SOLICIT).option(15, b"\0\x04iPXE")), "http://[2001:db8::1]/boot.ipxe");
}

#[test]
fn what_does_not_fit_is_left_out_and_what_must_is_not() {
    let long = Binding { dns: vec![ADDRESS; 80], mtu: 68, ..binding() };
    let seen = Message::new(SOLICIT).association(IA_NA, 7, &[]).asking(&[23, 24]).answer(&long).unwrap();
    assert_eq!((seen.option(23), seen.option(24).is_some()), (None, true));
    let many = Binding { addresses: vec![ADDRESS; 60], ..long };
    let message = Message::new(SOLICIT).association(IA_NA, 7, &[]);
    assert_eq!(message.answer(&many).unwrap_err(), Silence::NoRoom);
}

#[test]
fn messages_say_who_they_are_from_and_for_as_the_rfc_wants() {
    let answer = |message: Message| message.association(IA_NA, 7, &[ADDRESS]).answer(&binding()).map(|_| ());
    for kind in [SOLICIT, CONFIRM, REBIND] {
        assert_eq!(answer(Message::new(kind)), Ok(()));
        assert_eq!(answer(Message::bare(kind)), Err(Silence::Malformed));
        assert_eq!(answer(Message::new(kind).option(2, &server())), Err(Silence::Malformed));
    }
    for kind in [REQUEST, RENEW, RELEASE, DECLINE] {
        assert_eq!(answer(Message::new(kind)), Ok(()));
        let unnamed = Message::bare(kind).option(1, DUID);
        assert_eq!(answer(unnamed.clone()), Err(Silence::Malformed));
        assert_eq!(answer(unnamed.option(2, &[0, 4, 1])), Err(Silence::OtherServer));
        assert_eq!(answer(Message::bare(kind).option(2, &server())), Err(Silence::Malformed));
    }
    let other = Message::new(INFORMATION).option(2, &[0, 4, 1]);
    assert_eq!(other.answer(&binding()).unwrap_err(), Silence::OtherServer);
    assert_eq!(answer(Message::new(INFORMATION)), Err(Silence::Malformed));
    assert_eq!(answer(Message::new(SOLICIT).option(1, DUID)), Err(Silence::Malformed));
    for kind in [0, 2, 7, 10, 12, 13, 255] {
        assert_eq!(answer(Message::new(kind)), Err(Silence::NotDhcp));
    }
}

#[test]
fn servers_are_asked_by_multicast_and_from_an_address() {
    let message = Message::new(SOLICIT).association(IA_NA, 7, &[]);
    let single = Message { destination: binding().server_mac.link_local(), ..message.clone() };
    assert_eq!(single.answer(&binding()).unwrap_err(), Silence::NotMulticast);
    let unspecified = Message { source: Ipv6Addr::UNSPECIFIED, ..message };
    assert_eq!(unspecified.answer(&binding()).unwrap_err(), Silence::Malformed);
    assert_eq!(answer(&unspecified.to_frame(), None), Err(Silence::WithoutLease));
}

#[test]
fn malformed_options_are_not_guessed_at() {
    let solicit = || Message::new(SOLICIT);
    let ia = |options: &[u8]| solicit().option(IA_NA, &[&[0; 12], options].concat());
    for malformed in [
        solicit().option(IA_NA, &[0; 11]),
        solicit().option(IA_TA, &[0; 3]),
        solicit().option(6, &[0, 23, 0]),
        solicit().option(6, &[0, 23]).option(6, &[0, 24]),
        ia(&option(5, &[0; 23])),
        ia(&[0, 5, 0, 24, 1]),
        ia(&[0, 5, 0]),
        Message { options: [&solicit().options[..], &[0, 3, 0xff, 0xff]].concat(), ..solicit() },
        Message { options: [&solicit().options[..], &[0]].concat(), ..solicit() },
        (0..17).fold(solicit(), |message, id| message.association(IA_NA, id, &[])),
    ] {
        assert_eq!(malformed.answer(&binding()).unwrap_err(), Silence::Malformed, "{malformed:?}");
    }
    let short = frame(MAC.link_local(), SERVERS, &[1, 2, 3]);
    assert_eq!(answer(&short, Some(&binding())), Err(Silence::Malformed));
}

#[test]
fn checksums_may_be_whole_or_partial_but_not_wrong() {
    let frame = Message::new(SOLICIT).association(IA_NA, 7, &[]).to_frame();
    let with = |checksum: [u8; 2]| {
        let mut frame = frame.clone();
        frame[60..62].copy_from_slice(&checksum);
        answer(&frame, Some(&binding())).map(|_| ())
    };
    let addresses =
        frame[22..54].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum::<u32>();
    let mut partial = addresses + 17 + (frame.len() - 54) as u32;
    while partial > 0xffff {
        partial = (partial & 0xffff) + (partial >> 16);
    }
    assert_eq!(with([frame[60], frame[61]]), Ok(()));
    assert_eq!(with((partial as u16).to_be_bytes()), Ok(()));
    assert_eq!(with([0x12, 0x34]), Err(Silence::Checksum));
    assert_eq!(with([0, 0]), Err(Silence::Checksum));
}

#[test]
fn answers_and_silences_are_counted_by_name() {
    let counters = Counters::default();
    for message in [Message::new(SOLICIT), Message::new(REQUEST), Message::bare(SOLICIT)] {
        counters.record(&answer(&message.to_frame(), Some(&binding())));
    }
    let counted: Vec<_> = counters.read().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [("advertise", 1), ("reply", 1), ("malformed", 1)]);
}

fn any_address() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        Just(ADDRESS),
        Just(SECOND),
        Just(STRANGER),
        Just(ELSEWHERE),
        any::<u128>().prop_map(Ipv6Addr::from)
    ]
}

prop_compose! {
    fn message()(
        kind in prop_oneof![6 => 1u8..=11, 1 => any::<u8>()],
        associations in prop::collection::vec(
            (prop::sample::select(vec![IA_NA, IA_NA, IA_TA, IA_PD]), any::<u32>(), prop::collection::vec(any_address(), 0..4)),
            0..5,
        ),
        options in prop::collection::vec((0u16..40, prop::collection::vec(any::<u8>(), 0..80)), 0..4),
        is_rapid in any::<bool>(),
        asked in prop::option::of(prop::collection::vec(0u16..64, 0..8)),
    ) -> Message {
        let mut message = Message::new(kind);
        for (code, id, addresses) in associations {
            message = message.association(code, id, &addresses);
        }
        if is_rapid {
            message = message.option(14, &[]);
        }
        if let Some(asked) = asked {
            message = message.asking(&asked);
        }
        options.into_iter().fold(message, |message, (code, value)| message.option(code, &value))
    }
}

prop_compose! {
    fn any_binding()(
        addresses in prop::collection::vec(any_address(), 0..6),
        lease_seconds in any::<u32>(),
        servers in 0usize..100,
        domain in "[a-z.]{0,200}",
        mtu in any::<u32>(),
    ) -> Binding {
        Binding { addresses, lease_seconds, dns: vec![ADDRESS; servers], domain, mtu, ..binding() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn replies_to_any_message_under_any_binding_hold(message in message(), binding in any_binding()) {
        let _ = check(&message.to_frame(), &binding);
    }

    #[test]
    fn octets_of_any_kind_get_no_reply(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(check(&octets, &binding()).is_err());
        let _ = check(&frame(MAC.link_local(), SERVERS, &octets), &binding());
    }

    #[test]
    fn damaged_messages_are_survived(
        message in message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut payload = message.to_payload();
        for (at, value) in damage {
            let at = at.index(payload.len());
            payload[at] = value;
        }
        let _ = check(&frame(MAC.link_local(), SERVERS, &payload), &binding());
        let whole = message.to_frame();
        let _ = check(&whole[..cut.index(whole.len())], &binding());
    }
}

//! What routers say of themselves, and whom they answer.

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use hadron_model::Mac;
use hadron_responders::router::{Advertisement, Asker, Prefix, Silence, State, asker};
use proptest::prelude::*;
use std::net::Ipv6Addr;

const INSTANCE: Mac = Mac([0xfa, 0x16, 0x3e, 1, 2, 3]);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

fn advertisement() -> Advertisement {
    Advertisement {
        mac: Mac([0xfa, 0x16, 0x3e, 9, 9, 9]),
        mtu: 1442,
        prefixes: vec![Prefix { net: "2001:db8:1::/64".parse().unwrap(), is_autonomous: true }],
        dns: vec!["2001:db8::53".parse().unwrap()],
        domain: "cloud.example".into(),
        is_managed: false,
        has_other: true,
    }
}

/// An advertisement as a host reads it (RFC 4861 §6.1.2).
#[derive(Debug)]
struct Seen {
    to: ([u8; 6], Ipv6Addr),
    from: ([u8; 6], Ipv6Addr),
    flags: u8,
    lifetime: u16,
    /// Kind and content without kind and length.
    options: Vec<(u8, Vec<u8>)>,
}

impl Seen {
    fn read(frame: &[u8]) -> Self {
        let packet = SlicedPacket::from_ethernet(frame).expect("a packet");
        let Some(NetSlice::Ipv6(ip)) = &packet.net else { panic!("no IPv6") };
        let Some(TransportSlice::Icmpv6(icmp)) = &packet.transport else { panic!("no ICMPv6") };
        let (source, destination) = (ip.header().source(), ip.header().destination());
        assert!(icmp.is_checksum_valid(source, destination));
        assert_eq!((icmp.type_u8(), icmp.code_u8(), ip.header().hop_limit()), (134, 0, 255));
        assert!(frame.len() <= 14 + 1280, "{}", frame.len());
        let message = icmp.slice();
        assert_eq!((message[4], &message[8..16]), (64, &[0; 8][..]));
        let mut options = Vec::new();
        let mut rest = &message[16..];
        while let [kind, length, ..] = *rest {
            let (option, behind) = rest.split_at(usize::from(length) * 8);
            options.push((kind, option[2..].to_vec()));
            rest = behind;
        }
        assert!(rest.is_empty());
        Self {
            to: (frame[..6].try_into().unwrap(), destination.into()),
            from: (frame[6..12].try_into().unwrap(), source.into()),
            flags: message[5],
            lifetime: u16::from_be_bytes([message[6], message[7]]),
            options,
        }
    }

    fn option(&self, kind: u8) -> Option<&[u8]> {
        self.options.iter().find(|(known, _)| *known == kind).map(|(_, content)| &content[..])
    }
}

fn single(advertisement: &Advertisement, to: Asker, state: State) -> Seen {
    let frames = advertisement.to(to, state);
    assert_eq!(frames.len(), 1);
    Seen::read(&frames[0])
}

#[test]
fn an_advertisement_says_prefix_mtu_name_servers_and_domain() {
    let seen = single(&advertisement(), Asker::EVERYONE, State::Routes);
    assert_eq!(seen.to, ([0x33, 0x33, 0, 0, 0, 1], "ff02::1".parse().unwrap()));
    assert_eq!(seen.from, ([0xfa, 0x16, 0x3e, 9, 9, 9], "fe80::f816:3eff:fe09:909".parse().unwrap()));
    assert_eq!((seen.flags, seen.lifetime), (0x40, 9000));
    assert_eq!(seen.option(1), Some(&[0xfa, 0x16, 0x3e, 9, 9, 9][..]));
    assert_eq!(seen.option(5), Some(&[0, 0, 0, 0, 5, 0xa2][..]));
    let prefix = seen.option(3).unwrap();
    assert_eq!(prefix[..2], [64, 0xc0]);
    assert_eq!(prefix[2..10], [2_592_000u32.to_be_bytes(), 604_800u32.to_be_bytes()].concat());
    assert_eq!(prefix[14..], "2001:db8:1::".parse::<Ipv6Addr>().unwrap().octets());
    let dns = seen.option(25).unwrap();
    assert_eq!(dns[2..6], 9000u32.to_be_bytes());
    assert_eq!(dns[6..], "2001:db8::53".parse::<Ipv6Addr>().unwrap().octets());
    assert_eq!(seen.option(31).unwrap()[6..], *b"\x05cloud\x07example\0\0");
}

#[test]
fn flags_follow_the_modes() {
    let managed = Advertisement {
        is_managed: true,
        has_other: false,
        prefixes: vec![Prefix { net: "2001:db8:1::/64".parse().unwrap(), is_autonomous: false }],
        ..advertisement()
    };
    let seen = single(&managed, Asker::EVERYONE, State::Routes);
    assert_eq!((seen.flags, seen.option(3).unwrap()[1]), (0x80, 0x80));
}

#[test]
fn what_is_not_there_is_not_said() {
    let bare =
        Advertisement { mtu: 1279, dns: vec![], domain: String::new(), prefixes: vec![], ..advertisement() };
    let seen = single(&bare, Asker::EVERYONE, State::Routes);
    assert_eq!(seen.options.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [1]);
    let odd = Advertisement { domain: "no name..".into(), ..bare };
    assert_eq!(single(&odd, Asker::EVERYONE, State::Routes).option(31), None);
}

#[test]
fn a_router_that_goes_takes_back_itself_and_its_name_servers() {
    let seen = single(&advertisement(), Asker::EVERYONE, State::Gone);
    assert_eq!(seen.lifetime, 0);
    assert_eq!(
        (&seen.option(25).unwrap()[2..6], &seen.option(31).unwrap()[2..6]),
        (&[0; 4][..], &[0; 4][..])
    );
    let lost = single(&advertisement(), Asker::EVERYONE, State::LostPrefixes);
    assert_eq!((lost.lifetime, lost.option(25)), (9000, None));
    for seen in [seen, lost] {
        assert_eq!(seen.option(3).unwrap()[2..10], [7200u32.to_be_bytes(), [0; 4]].concat());
    }
}

#[test]
fn many_prefixes_and_name_servers_go_into_frames_that_every_network_carries() {
    let net = |at: u16| Prefix { net: format!("2001:db8:{at:x}::/64").parse().unwrap(), is_autonomous: true };
    let many = Advertisement {
        prefixes: (0..60).map(net).collect(),
        dns: vec!["2001:db8::53".parse().unwrap(); 40],
        domain: format!("{}.example", ["label"; 40].join(".")),
        ..advertisement()
    };
    let seen: Vec<Seen> =
        many.to(Asker::EVERYONE, State::Routes).iter().map(|frame| Seen::read(frame)).collect();
    assert_eq!(seen.len(), 3);
    let prefixes = seen.iter().flat_map(|one| &one.options).filter(|(kind, _)| *kind == 3);
    assert_eq!(prefixes.count(), 60);
    assert!(seen.iter().all(|one| one.lifetime == 9000 && one.flags == 0x40));
}

fn solicitation(source: Ipv6Addr, hop_limit: u8, code: u8, options: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(INSTANCE.0, [0x33, 0x33, 0, 0, 0, 2])
        .ipv6(source.octets(), ALL_ROUTERS.octets(), hop_limit)
        .icmpv6_raw(133, code, [0; 4])
        .write(&mut frame, options)
        .unwrap();
    frame
}

const LINK_LAYER: [u8; 8] = [1, 1, 0xfa, 0x16, 0x3e, 1, 2, 3];

#[test]
fn who_has_an_address_is_answered_there_and_the_others_with_everyone() {
    let own = INSTANCE.link_local();
    for options in [&LINK_LAYER[..], &[]] {
        assert_eq!(asker(&solicitation(own, 255, 0, options)), Ok(Asker { mac: INSTANCE, address: own }));
    }
    assert_eq!(asker(&solicitation(Ipv6Addr::UNSPECIFIED, 255, 0, &[])), Ok(Asker::EVERYONE));
    let seen = single(&advertisement(), asker(&solicitation(own, 255, 0, &[])).unwrap(), State::Routes);
    assert_eq!(seen.to, (INSTANCE.0, own));
}

#[test]
fn what_fails_a_check_of_the_rfc_is_not_answered() {
    let own = INSTANCE.link_local();
    for malformed in [
        solicitation(own, 254, 0, &[]),
        solicitation(own, 255, 1, &[]),
        solicitation(own, 255, 0, &[1, 0, 0, 0, 0, 0, 0, 0]),
        solicitation(own, 255, 0, &LINK_LAYER[..7]),
        solicitation(own, 255, 0, &[1, 2, 0, 0, 0, 0, 0, 0]),
        solicitation(Ipv6Addr::UNSPECIFIED, 255, 0, &LINK_LAYER),
        solicitation("ff02::1".parse().unwrap(), 255, 0, &[]),
    ] {
        assert_eq!(asker(&malformed), Err(Silence::Malformed), "{malformed:?}");
    }
    let mut damaged = solicitation(own, 255, 0, &LINK_LAYER);
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(asker(&damaged), Err(Silence::Checksum));
    let mut other = solicitation(own, 255, 0, &[]);
    other[54] = 135;
    assert_eq!(asker(&other), Err(Silence::NotSolicitation));
    assert_eq!(asker(&[]), Err(Silence::NotSolicitation));
}

proptest! {
    #[test]
    fn damaged_solicitations_are_survived(
        options in prop::collection::vec(any::<u8>(), 0..64),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut frame = solicitation(INSTANCE.link_local(), 255, 0, &options);
        for (at, value) in damage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        for frame in [&frame[..], &frame[..cut.index(frame.len())]] {
            if let Ok(asker) = asker(frame) {
                Seen::read(&advertisement().to(asker, State::Routes)[0]);
            }
        }
    }
}

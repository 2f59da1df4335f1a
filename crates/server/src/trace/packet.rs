//! Packets as bytes: made for a question, read for people, and turned into their answers.

use super::message::PacketView;
use etherparse::{
    EtherType, Icmpv4Slice, Icmpv4Type, Icmpv6Slice, Icmpv6Type, IpFragOffset, IpNumber, Ipv4Header,
    Ipv6FlowLabel, Ipv6Header, NetSlice, SlicedPacket, TcpHeader, TransportSlice, UdpHeader,
};
use hadron_model::Mac;
use std::net::IpAddr;

/// Largest frame that is traced, octets.
pub(super) const LONGEST: usize = 9216;
/// The identification of fragments that are made.
const IDENTIFICATION: u16 = 0x7ace;

/// What a packet is made of.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub macs: [Mac; 2],
    pub source: IpAddr,
    pub destination: IpAddr,
    pub transport: Transport,
    pub payload: Vec<u8>,
    pub hop_limit: u8,
    pub fragment: Fragment,
}

/// What is behind the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp { ports: [u16; 2], flags: u8 },
    Udp { ports: [u16; 2] },
    Echo { id: u16, is_reply: bool },
    Other(u8),
}

/// Whether the packet is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fragment {
    Whole,
    First,
    Later,
}

const SYN: u8 = 2;
const ACK: u8 = 16;
const FLAGS: [(char, u8); 6] = [('F', 1), ('S', SYN), ('R', 4), ('P', 8), ('A', ACK), ('U', 32)];

/// The flags of letters, as `SA`.
pub(super) fn flags(letters: &str) -> Result<u8, String> {
    letters.chars().try_fold(0, |flags, letter| {
        let known = FLAGS.iter().find(|(known, _)| *known == letter.to_ascii_uppercase());
        let flag = known.map(|(_, flag)| flag).ok_or_else(|| {
            format!(
                "{letter:?} is no TCP flag; they are S (SYN), A (ACK), F (FIN), R (RST), P (PSH), U (URG)"
            )
        })?;
        Ok(flags | flag)
    })
}

fn letters(flags: u8) -> String {
    let names = [("FIN", 1), ("SYN", SYN), ("RST", 4), ("PSH", 8), ("ACK", ACK), ("URG", 32)];
    let set: Vec<&str> = names.iter().filter(|(_, flag)| flags & flag != 0).map(|(name, _)| *name).collect();
    set.join("+")
}

impl Recipe {
    /// The frame, its checksums right.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, String> {
        let segment = self.segment()?;
        let mut frame = [&self.macs[1].0[..], &self.macs[0].0].concat();
        let ether_type = if self.source.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
        frame.extend(ether_type.0.to_be_bytes());
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let protocol = IpNumber(self.protocol());
                let mut header = Ipv4Header::new(
                    segment.len() as u16,
                    self.hop_limit,
                    protocol,
                    source.octets(),
                    destination.octets(),
                )
                .map_err(|error| error.to_string())?;
                header.dont_fragment = self.fragment == Fragment::Whole;
                if self.fragment != Fragment::Whole {
                    header.identification = IDENTIFICATION;
                    header.more_fragments = self.fragment == Fragment::First;
                }
                if self.fragment == Fragment::Later {
                    header.fragment_offset = IpFragOffset::try_new(64).map_err(|error| error.to_string())?;
                }
                header.header_checksum = header.calc_header_checksum();
                frame.extend(header.to_bytes());
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) if self.fragment == Fragment::Whole => {
                let header = Ipv6Header {
                    traffic_class: 0,
                    flow_label: Ipv6FlowLabel::ZERO,
                    payload_length: segment.len() as u16,
                    next_header: IpNumber(self.protocol()),
                    hop_limit: self.hop_limit,
                    source: source.octets(),
                    destination: destination.octets(),
                };
                frame.extend(header.to_bytes());
            }
            (IpAddr::V6(_), IpAddr::V6(_)) => {
                return Err("fragments are made of IPv4 only; give others by --hex".into());
            }
            _ => return Err("source and destination are of different families".into()),
        }
        frame.extend(segment);
        match frame.len() {
            ..=LONGEST => Ok(frame),
            length => Err(format!("a frame of {length} octets; at most {LONGEST} are traced")),
        }
    }

    fn protocol(&self) -> u8 {
        match self.transport {
            Transport::Tcp { .. } => 6,
            Transport::Udp { .. } => 17,
            Transport::Echo { .. } => {
                if self.source.is_ipv4() {
                    1
                } else {
                    58
                }
            }
            Transport::Other(number) => number,
        }
    }

    /// What is behind the IP header.
    fn segment(&self) -> Result<Vec<u8>, String> {
        let payload = &self.payload[..];
        if self.fragment == Fragment::Later {
            return Ok(payload.to_vec());
        }
        let large = |error: etherparse::err::ValueTooBigError<usize>| error.to_string();
        let header = match (self.transport, self.source, self.destination) {
            (Transport::Tcp { ports, flags }, source, destination) => {
                let mut header = TcpHeader::new(ports[0], ports[1], 1, 0xffff);
                (header.fin, header.syn) = (flags & 1 != 0, flags & SYN != 0);
                (header.rst, header.psh) = (flags & 4 != 0, flags & 8 != 0);
                (header.ack, header.urg) = (flags & ACK != 0, flags & 32 != 0);
                header.checksum = match (source, destination) {
                    (IpAddr::V4(a), IpAddr::V4(b)) => {
                        header.calc_checksum_ipv4_raw(a.octets(), b.octets(), payload).map_err(large)?
                    }
                    (IpAddr::V6(a), IpAddr::V6(b)) => {
                        header.calc_checksum_ipv6_raw(a.octets(), b.octets(), payload).map_err(large)?
                    }
                    _ => 0,
                };
                header.to_bytes().to_vec()
            }
            (Transport::Udp { ports }, IpAddr::V4(a), IpAddr::V4(b)) => {
                UdpHeader::without_ipv4_checksum(ports[0], ports[1], payload.len())
                    .and_then(|mut header| {
                        header.checksum = header.calc_checksum_ipv4_raw(a.octets(), b.octets(), payload)?;
                        Ok(header.to_bytes().to_vec())
                    })
                    .map_err(large)?
            }
            (Transport::Udp { ports }, IpAddr::V6(a), IpAddr::V6(b)) => {
                UdpHeader::without_ipv4_checksum(ports[0], ports[1], payload.len())
                    .and_then(|mut header| {
                        header.checksum = header.calc_checksum_ipv6_raw(a.octets(), b.octets(), payload)?;
                        Ok(header.to_bytes().to_vec())
                    })
                    .map_err(large)?
            }
            (Transport::Echo { id, is_reply }, IpAddr::V4(_), _) => {
                let echo = etherparse::IcmpEchoHeader { id, seq: 1 };
                let kind = if is_reply { Icmpv4Type::EchoReply(echo) } else { Icmpv4Type::EchoRequest(echo) };
                etherparse::Icmpv4Header::with_checksum(kind, payload).to_bytes().to_vec()
            }
            (Transport::Echo { id, is_reply }, IpAddr::V6(a), IpAddr::V6(b)) => {
                let echo = etherparse::IcmpEchoHeader { id, seq: 1 };
                let kind = if is_reply { Icmpv6Type::EchoReply(echo) } else { Icmpv6Type::EchoRequest(echo) };
                let header = etherparse::Icmpv6Header::with_checksum(kind, a.octets(), b.octets(), payload);
                header.map_err(large)?.to_bytes().to_vec()
            }
            _ => Vec::new(),
        };
        Ok([&header[..], payload].concat())
    }
}

/// What would answer a frame, if its kind is answered: the same ends the other way round.
pub(super) fn answer(frame: &[u8]) -> Result<Recipe, String> {
    let unanswered = |what: &str| Err(format!("{what} is not answered"));
    let sliced =
        SlicedPacket::from_ethernet(frame).map_err(|error| format!("no answer can be made: {error}"))?;
    let (source, destination) = match &sliced.net {
        Some(NetSlice::Ipv4(ip))
            if ip.header().fragments_offset().value() != 0 || ip.header().more_fragments() =>
        {
            return unanswered("a fragment");
        }
        Some(NetSlice::Ipv4(ip)) => {
            (IpAddr::V4(ip.header().source_addr()), IpAddr::V4(ip.header().destination_addr()))
        }
        Some(NetSlice::Ipv6(ip)) => {
            (IpAddr::V6(ip.header().source_addr()), IpAddr::V6(ip.header().destination_addr()))
        }
        _ => return unanswered("what is no IP"),
    };
    if destination.is_multicast() || destination == IpAddr::from([255; 4]) {
        return unanswered("what is for many");
    }
    let transport = match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) if tcp.rst() => return unanswered("a reset"),
        Some(TransportSlice::Tcp(tcp)) => {
            let flags = if tcp.syn() { SYN | ACK } else { ACK };
            Transport::Tcp { ports: [tcp.destination_port(), tcp.source_port()], flags }
        }
        Some(TransportSlice::Udp(udp)) => {
            Transport::Udp { ports: [udp.destination_port(), udp.source_port()] }
        }
        Some(TransportSlice::Icmpv4(icmp)) => match icmp.icmp_type() {
            Icmpv4Type::EchoRequest(echo) => Transport::Echo { id: echo.id, is_reply: true },
            _ => return unanswered("an ICMP message that is no echo request"),
        },
        Some(TransportSlice::Icmpv6(icmp)) => match icmp.icmp_type() {
            Icmpv6Type::EchoRequest(echo) => Transport::Echo { id: echo.id, is_reply: true },
            _ => return unanswered("an ICMPv6 message that is no echo request"),
        },
        _ => Transport::Other(protocol(&sliced).unwrap_or(255)),
    };
    Ok(Recipe {
        macs: [mac(&frame[..6]), mac(&frame[6..12])],
        source: destination,
        destination: source,
        transport,
        payload: Vec::new(),
        hop_limit: 64,
        fragment: Fragment::Whole,
    })
}

/// The frame's headers, as far as it has any.
pub(super) fn view(frame: &[u8], vlan: u32) -> PacketView {
    let mut view = PacketView { vlan, length: frame.len(), bytes: hex(frame), ..PacketView::default() };
    if frame.len() < 14 {
        view.protocol = "cut short".into();
        return view;
    }
    (view.destination_mac, view.source_mac) = (mac(&frame[..6]).to_string(), mac(&frame[6..12]).to_string());
    view.protocol = format!("EtherType {:#06x}", u16::from_be_bytes([frame[12], frame[13]]));
    let Ok(sliced) = SlicedPacket::from_ethernet(frame) else {
        view.details = "malformed".into();
        return view;
    };
    match &sliced.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            view.source = Some(header.source_addr().into());
            view.destination = Some(header.destination_addr().into());
            view.hop_limit = Some(header.ttl());
            if header.more_fragments() || header.fragments_offset().value() != 0 {
                view.details = format!("fragment at {}", header.fragments_offset().byte_offset());
            }
        }
        Some(NetSlice::Ipv6(ip)) => {
            view.source = Some(ip.header().source_addr().into());
            view.destination = Some(ip.header().destination_addr().into());
            view.hop_limit = Some(ip.header().hop_limit());
        }
        Some(NetSlice::Arp(_)) => view.protocol = "ARP".into(),
        None => {}
    }
    if let Some(number) = protocol(&sliced) {
        view.protocol = name(number);
    }
    transport(&mut view, sliced.transport.as_ref());
    view
}

fn transport(view: &mut PacketView, transport: Option<&TransportSlice<'_>>) {
    match transport {
        Some(TransportSlice::Tcp(tcp)) => {
            (view.source_port, view.destination_port) =
                (Some(tcp.source_port()), Some(tcp.destination_port()));
            let bits = [tcp.fin(), tcp.syn(), tcp.rst(), tcp.psh(), tcp.ack(), tcp.urg()];
            let set = bits.iter().enumerate().filter(|(_, is_set)| **is_set);
            view.details = letters(set.map(|(place, _)| 1 << place).sum());
        }
        Some(TransportSlice::Udp(udp)) => {
            (view.source_port, view.destination_port) =
                (Some(udp.source_port()), Some(udp.destination_port()));
        }
        Some(TransportSlice::Icmpv4(icmp)) => view.details = icmpv4(icmp),
        Some(TransportSlice::Icmpv6(icmp)) => view.details = icmpv6(icmp),
        _ => {}
    }
}

fn icmpv4(icmp: &Icmpv4Slice<'_>) -> String {
    match (icmp.type_u8(), icmp.code_u8()) {
        (8, _) => "echo request".into(),
        (0, _) => "echo reply".into(),
        (3, 4) => "fragmentation needed".into(),
        (3, code) => format!("destination unreachable, code {code}"),
        (11, _) => "time exceeded".into(),
        (kind, code) => format!("type {kind}, code {code}"),
    }
}

fn icmpv6(icmp: &Icmpv6Slice<'_>) -> String {
    match (icmp.type_u8(), icmp.code_u8()) {
        (128, _) => "echo request".into(),
        (129, _) => "echo reply".into(),
        (1, code) => format!("destination unreachable, code {code}"),
        (2, _) => "packet too big".into(),
        (3, _) => "time exceeded".into(),
        (135, _) => "neighbour solicitation".into(),
        (136, _) => "neighbour advertisement".into(),
        (kind, code) => format!("type {kind}, code {code}"),
    }
}

fn protocol(sliced: &SlicedPacket<'_>) -> Option<u8> {
    match &sliced.net {
        Some(NetSlice::Ipv4(ip)) => Some(ip.payload().ip_number.0),
        Some(NetSlice::Ipv6(ip)) => Some(ip.payload().ip_number.0),
        _ => None,
    }
}

fn name(protocol: u8) -> String {
    match protocol {
        1 => "ICMP".into(),
        6 => "TCP".into(),
        17 => "UDP".into(),
        58 => "ICMPv6".into(),
        132 => "SCTP".into(),
        number => format!("protocol {number}"),
    }
}

fn mac(octets: &[u8]) -> Mac {
    Mac(octets.try_into().unwrap_or([0; 6]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of hexadecimal digits; blanks and colons between them don't count.
pub(super) fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text.chars().filter(|it| !it.is_whitespace() && *it != ':').collect();
    let bad = || "a frame is an even number of hexadecimal digits".to_owned();
    let byte = |pair: &[char]| match pair {
        [high, low] => Some((high.to_digit(16)? * 16 + low.to_digit(16)?) as u8),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    match bytes.ok_or_else(bad)? {
        bytes if bytes.len() > LONGEST => {
            Err(format!("a frame of {} octets; at most {LONGEST} are traced", bytes.len()))
        }
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(transport: Transport, v6: bool) -> Recipe {
        let ends: [IpAddr; 2] = if v6 {
            ["fd00::1", "fd00::2"].map(|it| it.parse().expect("an address"))
        } else {
            ["10.0.0.1", "10.0.0.2"].map(|it| it.parse().expect("an address"))
        };
        let macs = [Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];
        let [source, destination] = ends;
        let payload = vec![7; 11];
        Recipe { macs, source, destination, transport, payload, hop_limit: 64, fragment: Fragment::Whole }
    }

    #[test]
    fn what_is_made_is_read_again_and_answered_the_other_way_round() {
        let kinds = [
            Transport::Tcp { ports: [1000, 443], flags: SYN },
            Transport::Udp { ports: [1000, 53] },
            Transport::Echo { id: 9, is_reply: false },
        ];
        for (kind, v6) in kinds.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
            let made = recipe(kind, v6);
            let frame = made.bytes().expect("a packet");
            let seen = view(&frame, 0);
            assert_eq!((seen.source, seen.destination), (Some(made.source), Some(made.destination)));
            let back = view(&answer(&frame).expect("an answer").bytes().expect("a packet"), 0);
            assert_eq!((back.source, back.destination), (Some(made.destination), Some(made.source)));
            assert_eq!((back.source_port, back.destination_port), (seen.destination_port, seen.source_port));
            assert_eq!(back.source_mac, made.macs[1].to_string());
        }
    }

    #[test]
    fn fragments_resets_and_broadcasts_have_no_answer() {
        let fragment =
            Recipe { fragment: Fragment::Later, ..recipe(Transport::Udp { ports: [1, 2] }, false) };
        assert!(answer(&fragment.bytes().expect("a packet")).is_err());
        let reset = recipe(Transport::Tcp { ports: [1, 2], flags: 4 }, true);
        assert!(answer(&reset.bytes().expect("a packet")).is_err());
        let all = Recipe { destination: [255; 4].into(), ..recipe(Transport::Udp { ports: [1, 2] }, false) };
        assert!(answer(&all.bytes().expect("a packet")).is_err());
        assert!(answer(&[0; 14]).is_err());
    }

    #[test]
    fn packets_that_can_not_be_are_refused_in_words() {
        let mixed = Recipe { destination: [10, 0, 0, 1].into(), ..recipe(Transport::Other(50), true) };
        assert!(mixed.bytes().expect_err("two families").contains("families"));
        let long = Recipe { payload: vec![0; 10_000], ..recipe(Transport::Other(50), true) };
        assert!(long.bytes().expect_err("too long").contains("9216"));
        assert!(unhex("0g").is_err() && unhex("012").is_err());
        assert_eq!(unhex("0a:0B 0c"), Ok(vec![10, 11, 12]));
        assert_eq!(flags("sa"), Ok(SYN | ACK));
        assert!(flags("SX").is_err());
        assert_eq!(view(&[1, 2, 3], 0).protocol, "cut short");
    }
}

//! What is on the wires: frames of the underlay, of the physical network and of instances, taken apart.

use crate::cloud::Cloud;
use crate::frame::{Mac, checksum, mac};
use anyhow::{Context, Result, ensure};
use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket};
use hadron_lab::{Capture, Captured, Instance};
use hyper::Method;
use std::net::{IpAddr, Ipv4Addr};

/// The number of ICMP as a protocol.
pub const ICMP: u8 = 1;
/// The number of TCP.
pub const TCP: u8 = 6;
/// The number of UDP.
pub const UDP: u8 = 17;
/// The number of ICMPv6.
pub const ICMPV6: u8 = 58;

/// The port of VXLAN (RFC 7348 §8.1).
const VXLAN_PORT: u16 = 4789;
/// Octets of an ICMP message before what it quotes (RFC 792, RFC 4443 §3).
const QUOTE: usize = 8;
/// Octets of the headers of UDP and VXLAN (RFC 7348 §5).
const UDP_HEADER: usize = 8;
const VXLAN_HEADER: usize = 8;

impl Cloud {
    /// The identifier of a network's segment: its VNI, if it is of VXLAN.
    pub fn vni(&self, network: &str) -> Result<u32> {
        let answer = self.call(Method::GET, &format!("/v2.0/networks/{network}"), None)?;
        let vni = answer["network"]["provider:segmentation_id"].as_u64();
        Ok(vni.context("a network without an identifier")?.try_into()?)
    }

    /// The network of a port.
    pub fn network_of(&self, port: &str) -> Result<String> {
        let answer = self.call(Method::GET, &format!("/v2.0/ports/{port}"), None)?;
        Ok(answer["port"]["network_id"].as_str().context("a port without a network")?.to_owned())
    }

    /// The MAC of the port of a network that has an address.
    pub fn mac_at(&self, network: &str, address: IpAddr) -> Result<Mac> {
        let path = format!("/v2.0/ports?network_id={network}&fixed_ips=ip_address%3D{address}");
        let answer = self.call(Method::GET, &path, None)?;
        let text = answer["ports"][0]["mac_address"].as_str();
        Ok(mac(text.with_context(|| format!("no port has {address}"))?))
    }
}

/// Who can be heard on a wire, and what they have put on it.
pub struct Wire(Vec<(String, Capture)>);

impl Wire {
    /// The underlay, from now on.
    pub fn underlay(cloud: &Cloud) -> Result<Self> {
        Self::of(cloud, "to")
    }

    /// The physical network, from now on.
    pub fn physical(cloud: &Cloud, world: &Instance) -> Result<Self> {
        let mut wire = Self::of(cloud, "physical")?;
        wire.0.push((world.name().to_owned(), cloud.lab.wire().capture(world.interface_name())?));
        Ok(wire)
    }

    /// The hosts' ports of a bridge of the lab.
    fn of(cloud: &Cloud, port: &str) -> Result<Self> {
        let hosts = cloud.lab.hosts().iter().enumerate();
        let captures = hosts.map(|(number, host)| {
            let capture = cloud.lab.wire().capture(&format!("{port}-{}", number + 1))?;
            Ok((host.name().to_owned(), capture))
        });
        Ok(Self(captures.collect::<Result<_>>()?))
    }

    /// What has been sent since the last call, each with who sent it, in the order of each.
    pub fn sent(&self) -> Result<Vec<(String, Frame)>> {
        let mut sent = Vec::new();
        for (name, capture) in &self.0 {
            // What leaves by the bridge's port has come in by another one.
            let frames = capture.frames()?.into_iter().filter(|captured| !captured.has_left);
            for frame in frames.map(Frame::read) {
                sent.push((name.clone(), frame?));
            }
        }
        Ok(sent)
    }

    /// The packets of VXLAN among what has been sent since the last call.
    pub fn tunnelled(&self) -> Result<Vec<Tunnelled>> {
        let sent = self.sent()?;
        sent.iter().filter_map(|(_, frame)| Tunnelled::read(frame).transpose()).collect()
    }
}

/// A frame, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// All of it.
    pub octets: Vec<u8>,
    /// From which MAC.
    pub source: Mac,
    /// To which.
    pub destination: Mac,
    /// The VLAN that it is tagged with.
    pub vlan: Option<u16>,
    /// What it carries.
    pub body: Body,
    /// Whether a checksum is left to hardware that a virtual wire hasn't.
    is_checksum_due: bool,
}

/// What a frame carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// A packet of either family.
    Packet(Packet),
    /// A request or reply of ARP (RFC 826).
    Arp {
        /// Whether it asks.
        is_request: bool,
        /// Who sends.
        sender: (Mac, Ipv4Addr),
        /// Who is asked or answered.
        target: Ipv4Addr,
    },
    /// Something else, by its type.
    Other(u16),
}

impl Frame {
    /// Takes a frame apart, and finds its checksums right.
    pub fn read(captured: Captured) -> Result<Self> {
        Self::parse(captured.frame, captured.is_checksum_due)
    }

    fn parse(octets: Vec<u8>, is_checksum_due: bool) -> Result<Self> {
        let (vlan, body) = Body::read(&octets)?;
        if let (Body::Packet(packet), false) = (&body, is_checksum_due) {
            packet.check().with_context(|| format!("{packet:?}"))?;
        }
        let (destination, source) = (octets[..6].try_into()?, octets[6..12].try_into()?);
        Ok(Self { source, destination, vlan, body, is_checksum_due, octets })
    }

    /// The packet that it carries.
    pub fn packet(&self) -> Option<&Packet> {
        match &self.body {
            Body::Packet(packet) => Some(packet),
            _ => None,
        }
    }
}

impl Body {
    /// What a frame carries, and the VLAN that it is tagged with.
    fn read(frame: &[u8]) -> Result<(Option<u16>, Self)> {
        let sliced = LaxSlicedPacket::from_ethernet(frame)?;
        let vlan = sliced.vlan_ids().first().map(|id| id.value());
        let kind = sliced.ether_payload().map_or(EtherType(0), |payload| payload.ether_type);
        let body = match &sliced.net {
            Some(LaxNetSlice::Arp(arp)) => {
                let address = |octets: &[u8]| <[u8; 4]>::try_from(octets).map(Ipv4Addr::from);
                Self::Arp {
                    is_request: arp.operation() == etherparse::ArpOperation::REQUEST,
                    sender: (arp.sender_hw_addr().try_into()?, address(arp.sender_protocol_addr())?),
                    target: address(arp.target_protocol_addr())?,
                }
            }
            Some(net) => Packet::of(net).map_or(Self::Other(kind.0), Self::Packet),
            None => Self::Other(kind.0),
        };
        Ok((vlan, body))
    }
}

/// An IP packet, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// From which address.
    pub source: IpAddr,
    /// To which.
    pub destination: IpAddr,
    /// Hop limit, or time to live.
    pub hop_limit: u8,
    /// What follows, by its number.
    pub protocol: u8,
    /// All that follows the headers of IP; of a quoted packet, what is quoted of it.
    pub segment: Vec<u8>,
    header: Vec<u8>,
    is_fragment: bool,
}

impl Packet {
    fn of(net: &LaxNetSlice) -> Option<Self> {
        let payload = net.ip_payload_ref()?;
        let (source, destination, hop_limit, header): (IpAddr, IpAddr, _, _) = match net {
            LaxNetSlice::Ipv4(ip) => {
                let header = ip.header();
                let (source, destination) = (header.source_addr(), header.destination_addr());
                (source.into(), destination.into(), header.ttl(), header.slice().to_vec())
            }
            LaxNetSlice::Ipv6(ip) => {
                let header = ip.header();
                let (source, destination) = (header.source_addr(), header.destination_addr());
                (source.into(), destination.into(), header.hop_limit(), Vec::new())
            }
            LaxNetSlice::Arp(_) => return None,
        };
        Some(Self {
            source,
            destination,
            hop_limit,
            protocol: payload.ip_number.0,
            segment: payload.payload.to_vec(),
            header,
            is_fragment: payload.fragmented,
        })
    }

    /// Source and destination port, if it has any.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match (self.protocol, &self.segment[..]) {
            (TCP | UDP, [a, b, c, d, ..]) => {
                Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])))
            }
            _ => None,
        }
    }

    /// Type and code of a message of ICMP of either version.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        match (self.protocol, &self.segment[..]) {
            (ICMP | ICMPV6, [kind, code, ..]) => Some((*kind, *code)),
            _ => None,
        }
    }

    /// The identifier of an echo request or reply.
    pub fn echo_id(&self) -> Option<u16> {
        self.icmp()?;
        Some(u16::from_be_bytes([*self.segment.get(4)?, *self.segment.get(5)?]))
    }

    /// The packet that an ICMP error quotes.
    pub fn quoted(&self) -> Result<Packet> {
        ensure!(self.icmp().is_some(), "no message of ICMP: {self:?}");
        let quote = self.segment.get(QUOTE..).context("nothing quoted")?;
        let sliced = LaxSlicedPacket::from_ip(quote)?;
        let packet = sliced.net.as_ref().and_then(Packet::of).context("no packet quoted")?;
        packet.check_header()?;
        Ok(packet)
    }

    /// Whether it goes from one address to another.
    pub fn is_between(&self, source: IpAddr, destination: IpAddr) -> bool {
        (self.source, self.destination) == (source, destination)
    }

    /// Finds the checksums right, as a receiver does (RFC 1071).
    fn check(&self) -> Result<()> {
        self.check_header()?;
        let is_left_out = self.protocol == UDP && self.segment.get(6..8) == Some(&[0, 0]);
        if self.is_fragment || is_left_out || ![ICMP, TCP, UDP, ICMPV6].contains(&self.protocol) {
            return Ok(());
        }
        let pseudo = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) if self.protocol != ICMP => {
                [&source.octets()[..], &destination.octets()].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                [&source.octets()[..], &destination.octets()].concat()
            }
            _ => Vec::new(),
        };
        let mut summed = pseudo;
        if !summed.is_empty() {
            summed.extend((self.segment.len() as u32).to_be_bytes());
            summed.extend([0, 0, 0, self.protocol]);
        }
        summed.extend(&self.segment);
        ensure!(checksum(&summed) == 0, "a checksum of protocol {} is wrong", self.protocol);
        Ok(())
    }

    fn check_header(&self) -> Result<()> {
        ensure!(
            self.header.is_empty() || checksum(&self.header) == 0,
            "the checksum of an IPv4 header is wrong"
        );
        Ok(())
    }
}

/// A frame between hosts, in a packet of VXLAN (RFC 7348).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tunnelled {
    /// The underlay's address of the host that sent it.
    pub from: IpAddr,
    /// That of the host it is for.
    pub to: IpAddr,
    /// The VNI.
    pub vni: u32,
    /// What is inside.
    pub inner: Frame,
}

impl Tunnelled {
    /// `None` for a frame of the underlay that is none of VXLAN.
    fn read(frame: &Frame) -> Result<Option<Self>> {
        let Some(packet) = frame.packet() else { return Ok(None) };
        if packet.protocol != UDP || packet.ports().is_none_or(|(_, to)| to != VXLAN_PORT) {
            return Ok(None);
        }
        let (header, inner) = packet.segment[UDP_HEADER..].split_at(VXLAN_HEADER);
        let [flags, _, _, _, a, b, c, _] = header.try_into()?;
        let flags: u8 = flags;
        ensure!(flags == 8, "the flags of VXLAN are {flags:#x}");
        let (from, to, vni) = (packet.source, packet.destination, u32::from_be_bytes([0, a, b, c]));
        Ok(Some(Self { from, to, vni, inner: Frame::parse(inner.to_vec(), frame.is_checksum_due)? }))
    }
}

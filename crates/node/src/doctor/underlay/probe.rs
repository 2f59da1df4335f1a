//! Echo requests of many sizes that nobody may fragment (RFC 1191, RFC 8201), to many hosts at once.
//!
//! Over IPv4 the header is our own: the kernel then holds a packet against the interface's MTU and not against what it believes of the path.

use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv6Header};
use etherparse::{Icmpv4Slice, Icmpv4Type, Icmpv6Slice, Icmpv6Type, IpNumber, Ipv4Header, Ipv4Slice};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, recvfrom, sendto,
    setsockopt, socket, sockopt,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long answers are waited for, each time.
const WAIT: Duration = Duration::from_secs(1);
/// A packet may be lost for other reasons than its size.
const ATTEMPTS: usize = 2;
/// The largest IP packet.
const LONGEST: usize = 65_535;

/// Sends each size to each address, from `own`; the sizes that each has answered.
pub(super) fn all(
    own: IpAddr,
    addresses: &BTreeSet<IpAddr>,
    sizes: &[u16],
) -> io::Result<BTreeMap<IpAddr, BTreeSet<u16>>> {
    let mut answered: BTreeMap<IpAddr, BTreeSet<u16>> = BTreeMap::new();
    if addresses.is_empty() {
        return Ok(answered);
    }
    let prober = Prober::open(own)?;
    for _ in 0..ATTEMPTS {
        for address in addresses {
            let had = answered.get(address).cloned().unwrap_or_default();
            for (number, size) in sizes.iter().enumerate().filter(|(_, size)| !had.contains(size)) {
                prober.ask(*address, number as u16, *size)?;
            }
        }
        let end = Instant::now() + WAIT;
        let is_complete = |answered: &BTreeMap<_, BTreeSet<u16>>| {
            addresses.iter().all(|address| answered.get(address).is_some_and(|had| had.len() == sizes.len()))
        };
        while !is_complete(&answered)
            && let Some((address, number)) = prober.hear(end)?
        {
            if let Some(size) = sizes.get(usize::from(number)).filter(|_| addresses.contains(&address)) {
                answered.entry(address).or_default().insert(*size);
            }
        }
        if is_complete(&answered) {
            break;
        }
    }
    Ok(answered)
}

struct Prober {
    own: IpAddr,
    sends: OwnedFd,
    hears: OwnedFd,
    id: u16,
}

impl Prober {
    fn open(own: IpAddr) -> io::Result<Self> {
        let raw = |family, protocol| socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol);
        let (sends, hears) = match own {
            IpAddr::V4(_) => {
                (raw(AddressFamily::Inet, SockProtocol::Raw)?, raw(AddressFamily::Inet, SockProtocol::Icmp)?)
            }
            IpAddr::V6(_) => {
                let one = raw(AddressFamily::Inet6, SockProtocol::IcmpV6)?;
                setsockopt(&one, sockopt::Ipv6DontFrag, &true)?;
                (one.try_clone()?, one)
            }
        };
        bind(hears.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(own, 0)))?;
        setsockopt(&hears, sockopt::RcvBuf, &(4 << 20))?;
        Ok(Self { own, sends, hears, id: std::process::id() as u16 })
    }

    /// Sends an IP packet of `size` octets. What the interface is too small for is not sent, and so not answered.
    fn ask(&self, to: IpAddr, number: u16, size: u16) -> io::Result<()> {
        let Some(packet) = packet(self.own, to, IcmpEchoHeader { id: self.id, seq: number }, size) else {
            return Ok(());
        };
        let to = SockaddrStorage::from(SocketAddr::new(to, 0));
        match sendto(self.sends.as_raw_fd(), &packet, &to, MsgFlags::empty()) {
            // No way there is an answer that does not come.
            Ok(_) | Err(Errno::EMSGSIZE | Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::ENOBUFS) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The next answer: from whom, and to which number. None at `end`.
    fn hear(&self, end: Instant) -> io::Result<Option<(IpAddr, u16)>> {
        let mut octets = vec![0; LONGEST];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let mut ready = [PollFd::new(self.hears.as_fd(), PollFlags::POLLIN)];
            if left.is_zero() || poll(&mut ready, timeout)? == 0 {
                return Ok(None);
            }
            let (length, from) = recvfrom::<SockaddrStorage>(self.hears.as_raw_fd(), &mut octets)?;
            let echo = reply(self.own, octets.get(..length).unwrap_or_default());
            let from = from.and_then(|from| {
                let of_v4 = from.as_sockaddr_in().map(|from| IpAddr::V4(from.ip()));
                of_v4.or_else(|| from.as_sockaddr_in6().map(|from| IpAddr::V6(from.ip())))
            });
            if let (Some(echo), Some(from)) = (echo.filter(|echo| echo.id == self.id), from) {
                return Ok(Some((from, echo.seq)));
            }
        }
    }
}

/// What is given to the kernel for an echo request that is an IP packet of `size` octets; none that is too small for its headers.
fn packet(own: IpAddr, to: IpAddr, echo: IcmpEchoHeader, size: u16) -> Option<Vec<u8>> {
    match (own, to) {
        (IpAddr::V4(own), IpAddr::V4(to)) => {
            let payload = vec![0; usize::from(size).checked_sub(28)?];
            let icmp = Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(echo), &payload);
            let mut header =
                Ipv4Header::new(size - 20, 64, IpNumber::ICMP, own.octets(), to.octets()).ok()?;
            header.dont_fragment = true;
            header.header_checksum = header.calc_header_checksum();
            Some([&header.to_bytes()[..], &icmp.to_bytes(), &payload].concat())
        }
        (IpAddr::V6(own), IpAddr::V6(to)) => {
            let payload = vec![0; usize::from(size).checked_sub(48)?];
            let kind = Icmpv6Type::EchoRequest(echo);
            let icmp = Icmpv6Header::with_checksum(kind, own.octets(), to.octets(), &payload).ok()?;
            Some([&icmp.to_bytes()[..], &payload].concat())
        }
        _ => None,
    }
}

/// The echo reply in what the kernel gives: over IPv4 with the IP header, over IPv6 without.
fn reply(own: IpAddr, octets: &[u8]) -> Option<IcmpEchoHeader> {
    if own.is_ipv6() {
        return match Icmpv6Slice::from_slice(octets).ok()?.icmp_type() {
            Icmpv6Type::EchoReply(echo) => Some(echo),
            _ => None,
        };
    }
    let packet = Ipv4Slice::from_slice(octets).ok()?;
    match Icmpv4Slice::from_slice(packet.payload().payload).ok()?.icmp_type() {
        Icmpv4Type::EchoReply(echo) => Some(echo),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_long_as_it_should_be_and_must_not_be_fragmented() {
        let echo = IcmpEchoHeader { id: 7, seq: 3 };
        let (own, to) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let bytes = packet(own, to, echo, 1500).unwrap();
        let header = Ipv4Slice::from_slice(&bytes).unwrap();
        assert!(bytes.len() == 1500 && header.header().dont_fragment());
        assert_eq!(reply(own, &bytes), None, "a question is no answer");
        let mut answer = bytes;
        answer[20] = 0;
        assert_eq!(reply(own, &answer), Some(echo));
        assert!(packet(own, to, echo, 20).is_none());
        let (own, to): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let mut bytes = packet(own, to, echo, 1500).unwrap();
        assert_eq!(bytes.len() + 40, 1500);
        bytes[0] = 129;
        assert_eq!(reply(own, &bytes), Some(echo));
        assert_eq!(reply(own, &[]), None);
        assert!(packet(own, IpAddr::from([192, 0, 2, 2]), echo, 1500).is_none());
    }
}

//! What leaves by the interfaces of this namespace, seen by a packet socket.
#![allow(unsafe_code)]

use hadron_datapath::Address;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket, sockopt};
use std::os::fd::{AsRawFd, OwnedFd};

const ALL: u16 = (libc::ETH_P_ALL as u16).to_be();
const VXLAN_PORT: [u8; 2] = 4789u16.to_be_bytes();

/// A frame that left.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    Interface { ifindex: u32, frame: Vec<u8> },
    Tunnel { vni: u32, local: Address, remote: Address, frame: Vec<u8> },
}

/// Sees the copies that the kernel makes, in their order.
pub struct Capture {
    socket: OwnedFd,
    underlay: u32,
    overlay: u32,
    buffer: Vec<u8>,
}

impl Capture {
    /// `underlay` is the interface that tunnel packets leave by, `overlay` the tunnel's device.
    pub fn new(underlay: u32, overlay: u32) -> Capture {
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            .expect("packet socket");
        setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20)).expect("receive buffer");
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: ALL,
            sll_ifindex: 0,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the address is a live `sockaddr_ll` of the given length.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
        Capture { socket, underlay, overlay, buffer: vec![0; 65_536] }
    }

    /// The next frame that has left; none when there is no more.
    pub fn next(&mut self) -> Option<Left> {
        loop {
            let (length, from) = self.receive()?;
            let ifindex = from.sll_ifindex as u32;
            // Each is seen again when it comes in at the far end, and tunnelled ones before they are wrapped.
            if from.sll_pkttype != libc::PACKET_OUTGOING || ifindex == self.overlay {
                continue;
            }
            let frame = &self.buffer[..length];
            if ifindex != self.underlay {
                return Some(Left::Interface { ifindex, frame: frame.to_vec() });
            }
            if let Some(left) = unwrap(frame) {
                return Some(left);
            }
        }
    }

    fn receive(&mut self) -> Option<(usize, libc::sockaddr_ll)> {
        // SAFETY: zero is a valid `sockaddr_ll`.
        let mut from: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        let mut from_length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: buffer and address are live and of the given lengths.
        let length = unsafe {
            libc::recvfrom(
                self.socket.as_raw_fd(),
                self.buffer.as_mut_ptr().cast(),
                self.buffer.len(),
                libc::MSG_DONTWAIT,
                (&raw mut from).cast(),
                &raw mut from_length,
            )
        };
        usize::try_from(length).ok().map(|length| (length, from))
    }
}

/// A tunnel packet (RFC 7348 §5) on the underlay; none for any other packet.
fn unwrap(frame: &[u8]) -> Option<Left> {
    let (udp, local, remote) = match frame.get(12..14)? {
        [0x08, 0x00] => {
            let address = |at: usize| frame.get(at..at + 4)?.try_into().ok().map(Address::v4);
            (34, address(26)?, address(30)?)
        }
        [0x86, 0xdd] => {
            let address = |at: usize| frame.get(at..at + 16)?.try_into().ok().map(Address);
            (54, address(22)?, address(38)?)
        }
        _ => return None,
    };
    if frame.get(udp + 2..udp + 4)? != VXLAN_PORT {
        return None;
    }
    let [a, b, c]: [u8; 3] = frame.get(udp + 12..udp + 15)?.try_into().ok()?;
    let vni = u32::from_be_bytes([0, a, b, c]);
    Some(Left::Tunnel { vni, local, remote, frame: frame[udp + 16..].to_vec() })
}

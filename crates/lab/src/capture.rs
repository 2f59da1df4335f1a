//! What passes an interface, both ways, as a host's neighbours would see it (packet(7)).
//!
//! The kernel keeps the frames in the socket until they are asked for, up to [`ROOM`]: there is no thread and no file, and a frame that has been
//! answered has been seen. What found no room is an error and no gap.

use crate::error::Attempt;
use crate::frames::{LARGEST, packet_socket};
use crate::{LabError, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, LinkAddr, MsgFlags, getsockopt, recvmsg, setsockopt, sockopt::RcvBufForce,
};
use nix::{cmsg_space, getsockopt_impl, setsockopt_impl, sockopt_impl};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};

/// Octets of frames, with the kernel's own notes of them, that wait to be asked for.
const ROOM: usize = 32 << 20;
/// Octets of the two MACs, behind which a VLAN's tag stands (IEEE 802.1Q §9.3).
const ADDRESSES: usize = 12;

sockopt_impl!(
    /// Whether frames come with what the kernel knows of them besides their octets.
    PacketAuxdata, SetOnly, libc::SOL_PACKET, libc::PACKET_AUXDATA, bool
);
sockopt_impl!(
    /// Frames seen and lost, counted anew from each look on.
    PacketStatistics, GetOnly, libc::SOL_PACKET, libc::PACKET_STATISTICS, libc::tpacket_stats
);

/// Sees everything that passes an interface from its making on. Dropped, it ends.
#[derive(Debug)]
pub struct Capture {
    socket: OwnedFd,
    interface: String,
}

/// A frame that has passed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Captured {
    /// From the Ethernet header on. The tag of a VLAN is where it stands on a wire, although the kernel keeps it elsewhere.
    pub frame: Vec<u8>,
    /// Whether it has left by the interface; else it came in.
    pub has_left: bool,
    /// Whether the transport's checksum is still to be filled in, as a virtual wire leaves it.
    pub is_checksum_due: bool,
}

impl Capture {
    /// Begins in the calling thread's network namespace.
    pub(crate) fn begin(interface: &str) -> Result<Self> {
        let socket = packet_socket(interface, |socket| {
            setsockopt(socket, RcvBufForce, &ROOM)?;
            setsockopt(socket, PacketAuxdata, &true)
        })?;
        Ok(Self { socket, interface: interface.to_owned() })
    }

    /// What has passed since the last call, in its order.
    pub fn frames(&self) -> Result<Vec<Captured>> {
        let mut frames = Vec::new();
        while let Some(captured) = self.next()? {
            frames.push(captured);
        }
        let statistics = getsockopt(&self.socket, PacketStatistics).attempt("count captured frames")?;
        match statistics.tp_drops {
            0 => Ok(frames),
            frames => Err(LabError::Lost { interface: self.interface.clone(), frames }),
        }
    }

    fn next(&self) -> Result<Option<Captured>> {
        let mut buffer = vec![0; LARGEST];
        let mut control = cmsg_space!(libc::tpacket_auxdata);
        loop {
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let flags = MsgFlags::MSG_DONTWAIT;
            match recvmsg::<LinkAddr>(self.socket.as_raw_fd(), &mut slices, Some(&mut control), flags) {
                Ok(message) => {
                    let length = message.bytes;
                    let has_left =
                        message.address.is_some_and(|from| from.pkttype() == libc::PACKET_OUTGOING);
                    let known = message.cmsgs().attempt("read what is known of a frame")?.find_map(auxiliary);
                    let (status, tag) = known.unwrap_or_default();
                    let is_checksum_due = status & libc::TP_STATUS_CSUMNOTREADY != 0;
                    buffer.truncate(length);
                    if status & libc::TP_STATUS_VLAN_VALID != 0 {
                        buffer.splice(ADDRESSES..ADDRESSES, tag);
                    }
                    return Ok(Some(Captured { frame: buffer, has_left, is_checksum_due }));
                }
                Err(Errno::EAGAIN) => return Ok(None),
                // The interface went down or lost its carrier; it may come back.
                Err(Errno::ENETDOWN | Errno::EINTR) => {}
                Err(error) => return Err(error).attempt("capture a frame"),
            }
        }
    }
}

/// A frame's status, and the tag that it had on the wire, from a `tpacket_auxdata`.
fn auxiliary(message: ControlMessageOwned) -> Option<(u32, [u8; 4])> {
    let ControlMessageOwned::Unknown(message) = message else { return None };
    let is_it = (message.cmsg_header.cmsg_level, message.cmsg_header.cmsg_type)
        == (libc::SOL_PACKET, libc::PACKET_AUXDATA);
    let octets: [u8; size_of::<libc::tpacket_auxdata>()] = message.data_bytes.try_into().ok()?;
    let [a, b, c, d, .., tci_0, tci_1, type_0, type_1] = octets;
    let status = u32::from_ne_bytes([a, b, c, d]);
    let tci = u16::from_ne_bytes([tci_0, tci_1]).to_be_bytes();
    let kind = match status & libc::TP_STATUS_VLAN_TPID_VALID {
        0 => libc::ETH_P_8021Q as u16,
        _ => u16::from_ne_bytes([type_0, type_1]),
    };
    let [kind_0, kind_1] = kind.to_be_bytes();
    is_it.then_some((status, [kind_0, kind_1, tci[0], tci[1]]))
}

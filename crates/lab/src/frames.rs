//! Whole frames, as an instance that means harm would send them (packet(7)).

use crate::Result;
use crate::error::Attempt;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::{setsockopt_impl, sockopt_impl};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

const ETH_P_ALL: u16 = libc::ETH_P_ALL as u16;
/// Octets of the largest frame, as large receive offloads make it.
pub(crate) const LARGEST: usize = 65_550;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

sockopt_impl!(
    /// Whether frames that this machine's side sends are kept back.
    PacketIgnoreOutgoing, SetOnly, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, bool
);

/// A socket that sends and receives frames from the Ethernet header on.
#[derive(Debug)]
pub struct FrameSocket {
    socket: File,
}

impl FrameSocket {
    /// Opens one in the calling thread's network namespace.
    pub(crate) fn open(interface: &str) -> Result<Self> {
        let socket = packet_socket(interface, |socket| setsockopt(socket, PacketIgnoreOutgoing, &true))?;
        Ok(Self { socket: socket.into() })
    }

    /// Sends one frame.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        (&self.socket).write_all(frame).attempt("send a frame")
    }

    /// The next frame that arrives, `None` if none does in time. Frames that this machine's side sends are not seen.
    pub fn receive(&self, within: Duration) -> Result<Option<Vec<u8>>> {
        let timeout = TimeVal::microseconds((within.as_micros() as i64).max(1));
        setsockopt(&self.socket, ReceiveTimeout, &timeout).attempt("set a timeout")?;
        let mut buffer = vec![0; LARGEST];
        loop {
            match (&self.socket).read(&mut buffer) {
                Ok(length) => {
                    buffer.truncate(length);
                    return Ok(Some(buffer));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                // The interface went down or lost its carrier; it may come back.
                Err(error) if error.kind() == ErrorKind::NetworkDown => {}
                Err(error) => return Err(error).attempt("receive a frame"),
            }
        }
    }

    /// The next frame that `is_wanted`, `None` if none arrives in time.
    pub fn receive_such(
        &self,
        within: Duration,
        is_wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>> {
        let begun = Instant::now();
        loop {
            match self.receive(within.saturating_sub(begun.elapsed()))? {
                Some(frame) if is_wanted(&frame) => return Ok(Some(frame)),
                Some(_) if begun.elapsed() < within => {}
                _ => return Ok(None),
            }
        }
    }
}

/// For who waits for many at a time.
impl AsFd for FrameSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for FrameSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// A packet socket on an interface of the calling thread's network namespace, with its options set before the first frame.
pub(crate) fn packet_socket(
    interface: &str,
    set_options: impl FnOnce(&OwnedFd) -> nix::Result<()>,
) -> Result<OwnedFd> {
    let index = if_nametoindex(interface).attempt(format!("find interface {interface}"))?;
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
        .attempt("open a packet socket")?;
    set_options(&socket).attempt("set a packet socket's options")?;
    bind(&socket, index).attempt(format!("bind a packet socket to {interface}"))?;
    Ok(socket)
}

#[allow(unsafe_code, reason = "the address has no safe constructor")]
fn bind(socket: &impl AsRawFd, index: u32) -> std::io::Result<()> {
    // SAFETY: `sockaddr_ll` is a struct of integers, for which all zeroes is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ETH_P_ALL.to_be();
    address.sll_ifindex = index as i32;
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the kernel reads `length` octets of `address`, which has that many and outlives the call.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

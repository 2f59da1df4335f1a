//! Frames from the responders to an instance.
#![allow(unsafe_code)]

use crate::error::{Error, Result};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

/// A packet socket that only sends, in the network namespace of the thread that made it.
pub struct Injector(OwnedFd);

impl Injector {
    /// Without a protocol it receives nothing.
    pub fn new() -> Result<Injector> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        socket(AddressFamily::Packet, SockType::Raw, flags, None)
            .map(Injector)
            .map_err(|error| Error::Inject { ifindex: 0, source: error.into() })
    }

    /// Hands a whole Ethernet frame to an interface.
    pub fn send(&self, ifindex: u32, frame: &[u8]) -> Result<()> {
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: u16::from_ne_bytes(frame.get(12..14).map_or([0, 0], |b| [b[0], b[1]])),
            sll_ifindex: ifindex as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: [0; 8],
        };
        // SAFETY: the frame and the address are valid for the given lengths during the call.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                libc::MSG_DONTWAIT,
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if sent < 0 {
            return Err(Error::Inject { ifindex, source: io::Error::last_os_error() });
        }
        Ok(())
    }
}

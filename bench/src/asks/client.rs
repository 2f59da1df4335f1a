//! DHCP clients as bare as can be, any number on one thread: DISCOVER, OFFER, REQUEST, ACK (RFC 2131 §3.1).

use anyhow::{Context, Result, ensure};
use hadron_lab::{FrameSocket, Namespace};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// A client asks again after this long, up to [`ATTEMPTS`] times.
const AGAIN: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 10;
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;

/// A client on an interface.
pub struct Client {
    mac: [u8; 6],
    socket: AsyncFd<FrameSocket>,
}

/// What became of a client's questions.
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Milliseconds until the answer to each of its two questions, from the first time that it was asked.
    pub trips: [f64; 2],
    /// How often it asked again.
    pub repeated: usize,
}

impl Client {
    #[allow(
        deprecated,
        reason = "what replaces it is unsafe; a frame socket keeps its descriptor for its whole life"
    )]
    /// On an interface in a namespace; the runtime of the calling task serves it.
    pub fn on(namespace: &Namespace, interface: &str, mac: [u8; 6]) -> Result<Self> {
        let socket = namespace.frames(interface)?;
        fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self { mac, socket: AsyncFd::new(socket)? })
    }

    /// Gets a lease.
    pub async fn lease(&self, transaction: u32) -> Result<Lease> {
        let (offer, first) = self.ask(transaction, DISCOVER, None, OFFER).await?;
        let (ack, second) = self.ask(transaction, REQUEST, Some(offer), ACK).await?;
        ensure!(offer.0 == ack.0, "offered {} and given {}", offer.0, ack.0);
        Ok(Lease { address: ack.0, trips: [first.0, second.0], repeated: first.1 + second.1 })
    }

    /// Asks until there is an answer: the address, the server, milliseconds, repetitions.
    async fn ask(
        &self,
        transaction: u32,
        kind: u8,
        wanted: Option<(Ipv4Addr, Ipv4Addr)>,
        expected: u8,
    ) -> Result<((Ipv4Addr, Ipv4Addr), (f64, usize))> {
        let frame = message(self.mac, transaction, kind, wanted);
        let begun = Instant::now();
        for repeated in 0..ATTEMPTS {
            self.send(&frame)?;
            let answer = tokio::time::timeout(AGAIN, self.answer(transaction, expected)).await;
            if let Ok(answer) = answer {
                return Ok((answer?, (begun.elapsed().as_secs_f64() * 1e3, repeated)));
            }
        }
        anyhow::bail!("nobody answers {:02x?}", self.mac)
    }

    /// Sends a frame; one for which there is no room is lost, as on any wire.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        match nix::unistd::write(self.socket.get_ref(), frame) {
            Ok(_) | Err(nix::Error::EAGAIN | nix::Error::ENOBUFS) => Ok(()),
            Err(error) => Err(error).context("send a frame"),
        }
    }

    /// A question as this client asks first.
    pub fn discovery(&self, transaction: u32) -> Vec<u8> {
        message(self.mac, transaction, DISCOVER, None)
    }

    async fn answer(&self, transaction: u32, expected: u8) -> Result<(Ipv4Addr, Ipv4Addr)> {
        let mut buffer = [0; 2048];
        loop {
            let mut ready = self.socket.readable().await?;
            match nix::unistd::read(self.socket.get_ref(), &mut buffer) {
                Ok(length) => {
                    if let Some(found) = read(&buffer[..length], transaction, expected) {
                        return Ok(found);
                    }
                }
                Err(nix::Error::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(error).context("receive a frame"),
            }
        }
    }
}

/// A frame from nobody to everybody.
fn message(mac: [u8; 6], transaction: u32, kind: u8, wanted: Option<(Ipv4Addr, Ipv4Addr)>) -> Vec<u8> {
    let mut bootp = vec![1, 1, 6, 0];
    bootp.extend(transaction.to_be_bytes());
    bootp.extend([0; 20]);
    bootp.extend(mac);
    bootp.resize(236, 0);
    bootp.extend([99, 130, 83, 99, 53, 1, kind, 55, 4, 1, 3, 6, 26]);
    if let Some((address, server)) = wanted {
        bootp.extend([&[50, 4][..], &address.octets(), &[54, 4], &server.octets()].concat());
    }
    bootp.push(255);
    bootp.resize(300, 0);
    let udp_length = bootp.len() as u16 + 8;
    let mut ip = vec![0x45, 0];
    ip.extend((udp_length + 20).to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]);
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = vec![0xff; 6];
    frame.extend(mac);
    frame.extend([8, 0]);
    frame.extend(ip);
    // No checksum of UDP, as IPv4 allows.
    frame.extend([0, 68, 0, 67]);
    frame.extend(udp_length.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(bootp);
    frame
}

/// The address and the server of an answer that is for this transaction and of this kind.
fn read(frame: &[u8], transaction: u32, expected: u8) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let ip = frame.strip_prefix(frame.get(..12)?)?.strip_prefix(&[8, 0])?;
    let header = usize::from(ip.first()? & 15) * 4;
    let bootp = ip.get(header + 8..)?;
    if ip.get(9) != Some(&17) || bootp.get(..1) != Some(&[2]) || bootp.get(4..8)? != transaction.to_be_bytes()
    {
        return None;
    }
    let address: [u8; 4] = bootp.get(16..20)?.try_into().ok()?;
    let (mut options, mut kind, mut server) = (bootp.get(240..)?, None, None);
    while let [code, rest @ ..] = options {
        match (*code, rest) {
            (0, rest) => options = rest,
            (255, _) => break,
            (code, [length, rest @ ..]) => {
                let (value, rest) = rest.split_at_checked(usize::from(*length))?;
                match code {
                    53 => kind = value.first().copied(),
                    54 => server = <[u8; 4]>::try_from(value).ok(),
                    _ => {}
                }
                options = rest;
            }
            _ => return None,
        }
    }
    (kind == Some(expected)).then_some((address.into(), server?.into()))
}

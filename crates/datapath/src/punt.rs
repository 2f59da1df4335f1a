use crate::error::{Error, Result};
use crate::row::row_of;
use aya::maps::{MapData, RingBuf};
use hadron_pipeline::PuntReason;
use hadron_pipeline::table::PuntHeader;
use std::os::fd::BorrowedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A frame that the packet path handed to the host's responders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Punt {
    /// Port that sent it; nothing in the frame can change it.
    pub port: u32,
    /// Interface that it came from, for [`crate::Datapath::inject`].
    pub ifindex: u32,
    /// What it is; none from a newer program that punts more.
    pub reason: Option<PuntReason>,
    /// Length of the whole frame; greater than `frame.len()` when it was cut.
    pub length: u32,
    /// The frame from its Ethernet header on. Its transport checksum may be partial, so it proves nothing.
    pub frame: Vec<u8>,
}

impl Punt {
    fn parse(record: &[u8]) -> Option<Punt> {
        let frame = record.get(size_of::<PuntHeader>()..)?;
        let header: PuntHeader = row_of(record);
        // Records are rounded up to 8 bytes.
        let length = frame.len().min(header.length as usize);
        Some(Punt {
            port: header.port,
            ifindex: header.ifindex,
            reason: PuntReason::from_number(header.reason),
            length: header.length,
            frame: frame[..length].to_vec(),
        })
    }
}

/// Reads punted frames in their order. The ring buffer bounds what waits: beyond it the packet path drops and counts, after
/// a limit per port. One reader per node.
pub struct Punts(AsyncFd<RingBuf<MapData>>);

impl Punts {
    pub(crate) fn new(map: BorrowedFd<'_>) -> Result<Punts> {
        ring(map, Error::Punts).map(Punts)
    }

    /// The next frame; waits for it. Cancelling loses none.
    pub async fn next(&mut self) -> Result<Punt> {
        loop {
            let mut guard = self.0.readable_mut().await.map_err(Error::Punts)?;
            if let Some(record) = guard.get_inner_mut().next() {
                match Punt::parse(&record) {
                    Some(punt) => return Ok(punt),
                    None => continue,
                }
            }
            guard.clear_ready();
        }
    }
}

/// A ring buffer that can be waited for.
pub(crate) fn ring(
    map: BorrowedFd<'_>,
    failed: fn(std::io::Error) -> Error,
) -> Result<AsyncFd<RingBuf<MapData>>> {
    let other = |error: aya::maps::MapError| failed(std::io::Error::other(error));
    let data = MapData::from_fd(map.try_clone_to_owned().map_err(failed)?).map_err(other)?;
    let ring = RingBuf::try_from(aya::maps::Map::RingBuf(data)).map_err(other)?;
    // SAFETY: `ring` owns its descriptor, returns it unchanged, and is dropped with the `AsyncFd`.
    #[allow(unsafe_code)]
    let waiting = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
    waiting.map_err(|error| failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::bytes_of;

    #[test]
    fn parses_records() {
        let header = PuntHeader { port: 7, length: 20, ifindex: 3, reason: 1 };
        let mut record = bytes_of(&header).to_vec();
        record.extend([9; 24]);
        let punt = Punt::parse(&record).unwrap();
        assert_eq!((punt.port, punt.ifindex, punt.reason), (7, 3, Some(PuntReason::Dhcp4)));
        assert_eq!(punt.frame, [9; 20], "the padding of the record is no part of the frame");
        assert_eq!(Punt::parse(&record[..15]), None);
        let cut = PuntHeader { length: 2000, reason: 99, ..header };
        let mut record = bytes_of(&cut).to_vec();
        record.extend([9; 24]);
        let punt = Punt::parse(&record).unwrap();
        assert_eq!((punt.length, punt.frame.len(), punt.reason), (2000, 24, None));
    }
}

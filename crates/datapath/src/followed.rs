use crate::error::{Error, Result};
use crate::punt::ring;
use crate::row::row_of;
use aya::maps::{MapData, RingBuf};
use hadron_pipeline::table::Followed;
use std::os::fd::BorrowedFd;
use tokio::io::unix::AsyncFd;

/// A packet that was followed, as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedPacket {
    /// What is known of it, and what became of it.
    pub header: Followed,
    /// The frame from its Ethernet header on, cut at [`hadron_pipeline::table::FOLLOWED_SNAPLEN`] bytes.
    pub frame: Vec<u8>,
}

impl FollowedPacket {
    fn parse(record: &[u8]) -> Option<Self> {
        let frame = record.get(size_of::<Followed>()..)?;
        let header: Followed = row_of(record);
        // Records are rounded up to 8 bytes.
        let length = frame.len().min(header.length as usize);
        Some(FollowedPacket { header, frame: frame[..length].to_vec() })
    }
}

/// Reads packets that are followed, in their order. What the ring buffer has no room for is counted in its row of `FOLLOWS`. One reader
/// per node.
pub struct FollowedPackets(AsyncFd<RingBuf<MapData>>);

impl FollowedPackets {
    pub(crate) fn new(map: BorrowedFd<'_>) -> Result<Self> {
        ring(map, Error::Followed).map(FollowedPackets)
    }

    /// The next packet; waits for it. Cancelling loses none.
    pub async fn next(&mut self) -> Result<FollowedPacket> {
        loop {
            let mut guard = self.0.readable_mut().await.map_err(Error::Followed)?;
            if let Some(record) = guard.get_inner_mut().next() {
                match FollowedPacket::parse(&record) {
                    Some(packet) => return Ok(packet),
                    None => continue,
                }
            }
            guard.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::bytes_of;

    #[test]
    fn parses_records() {
        let header = Followed { id: 9, length: 61, verdict: 2, ..Followed::default() };
        let record = [bytes_of(&header), &[7; 64]].concat();
        let packet = FollowedPacket::parse(&record).expect("a whole record");
        assert_eq!((packet.header, packet.frame.len()), (header, 61));
        assert_eq!(FollowedPacket::parse(&record[..63]), None);
    }
}

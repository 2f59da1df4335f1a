use crate::records::header_and_frame;
use hadron_pipeline::table::Followed;

/// A packet that was followed, as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedPacket {
    /// What is known of it, and what became of it.
    pub header: Followed,
    /// The frame from its Ethernet header on, cut at [`hadron_pipeline::table::FOLLOWED_SNAPLEN`] bytes.
    pub frame: Vec<u8>,
}

impl FollowedPacket {
    pub(crate) fn parse(record: &[u8]) -> Option<Self> {
        let (header, frame) = header_and_frame(record, |header: &Followed| header.length)?;
        Some(FollowedPacket { header, frame })
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

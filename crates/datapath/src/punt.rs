use crate::records::header_and_frame;
use hadron_pipeline::PuntReason;
use hadron_pipeline::table::PuntHeader;

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
    pub(crate) fn parse(record: &[u8]) -> Option<Punt> {
        let (header, frame) = header_and_frame(record, |header: &PuntHeader| header.length)?;
        let PuntHeader { port, length, ifindex, reason } = header;
        Some(Punt { port, ifindex, reason: PuntReason::from_number(reason), length, frame })
    }
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

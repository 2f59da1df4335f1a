//! Packets of a capture in the classic format of libpcap (draft-ietf-opsawg-pcap).

use anyhow::{Context, Result, bail, ensure};

/// Bytes of the file's and of a record's header.
const FILE: usize = 24;
const RECORD: usize = 16;
/// `LINKTYPE_ETHERNET`
const ETHERNET: u32 = 1;
/// The format that newer tools write by default.
const NEXT_GENERATION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// The packet of this number, from 1.
pub(super) fn packet(file: &[u8], number: usize) -> Result<Vec<u8>> {
    let magic = file.first_chunk::<4>().context("the file is empty")?;
    let is_little = match u32::from_le_bytes(*magic) {
        0xa1b2_c3d4 | 0xa1b2_3c4d => true,
        0xd4c3_b2a1 | 0x4d3c_b2a1 => false,
        _ if *magic == NEXT_GENERATION => bail!("a pcapng file; make a pcap of it: editcap -F pcap IN OUT"),
        _ => bail!("no pcap file"),
    };
    let word = |at: usize| -> Result<u32> {
        let bytes = file.get(at..at + 4).context("the file is cut short")?.try_into()?;
        Ok(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let link = word(20)? & 0xffff;
    ensure!(link == ETHERNET, "a capture of link type {link}; only Ethernet is traced");
    let mut at = FILE;
    for seen in 1.. {
        if at >= file.len() {
            bail!("the capture has {} packets only", seen - 1);
        }
        let (kept, length) = (word(at + 8)? as usize, word(at + 12)? as usize);
        let start = at + RECORD;
        let frame = file.get(start..start.saturating_add(kept)).context("the file is cut short")?;
        if seen == number {
            ensure!(
                kept == length,
                "packet {number} is cut to {kept} of {length} octets; capture whole packets"
            );
            return Ok(frame.to_vec());
        }
        at = start + kept;
    }
    bail!("packets are counted from 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(link: u32, packets: &[&[u8]]) -> Vec<u8> {
        let head = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65535, link];
        let mut file: Vec<u8> = head.into_iter().flat_map(u32::to_le_bytes).collect();
        for packet in packets {
            let head = [0, 0, packet.len() as u32, packet.len() as u32];
            file.extend(head.into_iter().flat_map(u32::to_le_bytes));
            file.extend(*packet);
        }
        file
    }

    #[test]
    fn packets_are_counted_from_one() {
        let file = file(1, &[b"first", b"second"]);
        assert_eq!(packet(&file, 2).expect("two packets"), b"second");
        assert!(packet(&file, 3).expect_err("two packets").to_string().contains("2 packets"));
        assert!(packet(&file, 0).is_err());
    }

    #[test]
    fn other_files_are_refused() {
        assert!(packet(b"", 1).is_err() && packet(b"hello, world, this is no capture", 1).is_err());
        assert!(packet(&file(101, &[b"ip"]), 1).expect_err("no Ethernet").to_string().contains("101"));
        assert!(packet(&NEXT_GENERATION, 1).expect_err("pcapng").to_string().contains("editcap"));
        let whole = file(1, &[b"first"]);
        assert!(packet(&whole[..whole.len() - 1], 1).is_err());
    }
}

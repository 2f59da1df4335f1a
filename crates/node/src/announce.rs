//! Who is told of an address outside that has come here, a floating IP or a router's own: everybody on its external network, by gratuitous ARP
//! (RFC 5227 §2.3) or an unsolicited advertisement (RFC 4861 §7.2.6), so that nobody goes on sending to the host where it was.
//!
//! What is at a router's own MAC is told again every minute: nothing else is sent from that, and switches forget.

use crate::apply::{Key, Value};
use etherparse::PacketBuilder;
use hadron_pipeline::Mac;
use hadron_pipeline::table::{FloatingIpKey, floating_flag};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tokio::time::Instant;

/// How often it is said, since nobody confirms it.
const TIMES: u8 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// The pause between announcements of a router's own MAC: well below the 300 s of IEEE 802.1D §7.9.2.
const REMINDER: Duration = Duration::from_secs(60);

/// What is still to be said.
#[derive(Debug, Default)]
pub(crate) struct Announcements(BTreeMap<FloatingIpKey, News>);

#[derive(Debug)]
struct News {
    at: Instant,
    /// How often it is still said soon.
    times: u8,
    /// Set when it is at a router's own MAC: that of the router's interface.
    interface: Option<u32>,
}

/// What is to be said now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Announcement {
    /// The address.
    pub(crate) key: FloatingIpKey,
    /// The router's interface at whose own MAC it is; `None` for the MAC of the host's interface.
    pub(crate) interface: Option<u32>,
}

impl Announcements {
    /// Takes note of entries that changed.
    pub(crate) fn note(&mut self, changes: &[(Key, Option<Value>)]) {
        let now = Instant::now();
        for (key, value) in changes {
            let Key::FloatingIp(key) = key else { continue };
            match value {
                Some(Value::FloatingIp(row)) if row.flags & floating_flag::ANSWERED != 0 => {
                    let interface = (row.flags & floating_flag::AT_OWN_MAC != 0).then_some(row.interface);
                    self.0.insert(*key, News { at: now, times: TIMES, interface });
                }
                _ => drop(self.0.remove(key)),
            }
        }
    }

    /// Says again where routers' own MACs are on these networks.
    pub(crate) fn repeat(&mut self, networks: &BTreeSet<u32>) {
        let own = self
            .0
            .iter_mut()
            .filter(|(key, news)| news.interface.is_some() && networks.contains(&key.network));
        own.for_each(|(_, news)| (news.at, news.times) = (Instant::now(), TIMES));
    }

    /// When there is something to say next.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.0.values().map(|news| news.at).min()
    }

    /// What is to be said now, and is in force.
    pub(crate) fn take_due(&mut self, is_in_force: impl Fn(&FloatingIpKey) -> bool) -> Vec<Announcement> {
        let now = Instant::now();
        let mut due = Vec::new();
        self.0.retain(|key, news| {
            if news.at > now {
                return true;
            }
            if is_in_force(key) {
                due.push(Announcement { key: *key, interface: news.interface });
                news.times = news.times.saturating_sub(1);
            }
            news.at = now + if news.times > 0 { PAUSE } else { REMINDER };
            news.times > 0 || news.interface.is_some()
        });
        due
    }
}

/// The announcement that `mac` has the address of the key, in a VLAN or, with 0, untagged.
pub(crate) fn frame(key: &FloatingIpKey, mac: Mac, vlan: u32) -> Vec<u8> {
    let frame = match key.address.ip() {
        IpAddr::V4(address) => gratuitous_arp(address, mac),
        IpAddr::V6(address) => advertisement(address, mac),
    };
    tagged(frame, vlan)
}

/// A frame in a VLAN or, with 0, untagged.
pub(crate) fn tagged(mut frame: Vec<u8>, vlan: u32) -> Vec<u8> {
    if vlan != 0 {
        let [high, low] = (vlan as u16).to_be_bytes();
        frame.splice(12..12, [0x81, 0x00, high, low]);
    }
    frame
}

fn gratuitous_arp(address: Ipv4Addr, mac: Mac) -> Vec<u8> {
    let address = address.octets();
    let head = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    [&Mac::BROADCAST.0[..], &mac.0, &head, &mac.0, &address, &[0; 6], &address].concat()
}

/// From the address itself, to all nodes, with the flags of a router and of one that overrides (RFC 4861 §4.4).
fn advertisement(address: Ipv6Addr, mac: Mac) -> Vec<u8> {
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    const ADVERTISEMENT: u8 = 136;
    const ROUTER_AND_OVERRIDE: u8 = 0xa0;
    const TARGET_LINK_LAYER: [u8; 2] = [2, 1];
    let builder = PacketBuilder::ethernet2(mac.0, [0x33, 0x33, 0, 0, 0, 1])
        .ipv6(address.octets(), ALL_NODES.octets(), 255)
        .icmpv6_raw(ADVERTISEMENT, 0, [ROUTER_AND_OVERRIDE, 0, 0, 0]);
    let body = [&address.octets()[..], &TARGET_LINK_LAYER, &mac.0].concat();
    let mut frame = Vec::with_capacity(builder.size(body.len()));
    builder.write_to_vec(&mut frame, &body).expect("a few octets into memory");
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadron_pipeline::Address;
    use hadron_pipeline::table::FloatingIp;

    fn key() -> FloatingIpKey {
        FloatingIpKey { network: 9, address: Ipv4Addr::new(203, 0, 113, 9).into() }
    }

    fn here() -> FloatingIp {
        FloatingIp { flags: floating_flag::ANSWERED, ..FloatingIp::default() }
    }

    #[test]
    fn what_another_host_answers_for_is_not_said() {
        let mut announcements = Announcements::default();
        announcements.note(&[(Key::FloatingIp(key()), Some(Value::FloatingIp(here())))]);
        announcements.note(&[(Key::FloatingIp(key()), Some(Value::FloatingIp(FloatingIp::default())))]);
        assert_eq!(announcements.at(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_force_is_said_three_times_and_no_more() {
        let mut announcements = Announcements::default();
        announcements.note(&[(Key::FloatingIp(key()), Some(Value::FloatingIp(here())))]);
        assert!(announcements.take_due(|_| false).is_empty(), "not in force yet");
        for _ in 0..TIMES {
            tokio::time::advance(PAUSE).await;
            assert!(announcements.at().is_some_and(|at| at <= Instant::now()));
            assert_eq!(announcements.take_due(|_| true), [Announcement { key: key(), interface: None }]);
            assert!(announcements.take_due(|_| true).is_empty(), "not at once");
        }
        assert_eq!(announcements.at(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_router_s_own_mac_is_said_again_every_minute() {
        let mut announcements = Announcements::default();
        let shared =
            FloatingIp { interface: 7, flags: floating_flag::SHARED | floating_flag::ANSWERED, ..here() };
        announcements.note(&[(Key::FloatingIp(key()), Some(Value::FloatingIp(shared)))]);
        for pause in [Duration::ZERO, PAUSE, PAUSE, REMINDER, REMINDER] {
            assert!(pause.is_zero() || announcements.take_due(|_| true).is_empty(), "too early");
            tokio::time::advance(pause).await;
            assert_eq!(announcements.take_due(|_| true), [Announcement { key: key(), interface: Some(7) }]);
        }
        announcements.repeat(&[8].into());
        assert!(announcements.take_due(|_| true).is_empty(), "another network");
        for _ in 0..TIMES {
            announcements.repeat(&[9].into());
            assert_eq!(announcements.take_due(|_| true).len(), 1);
        }
    }

    #[test]
    fn an_address_of_ipv6_is_advertised_to_all() {
        let (mac, address) = (Mac([2, 0, 0, 0, 0, 7]), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9));
        let frame = frame(&FloatingIpKey { network: 9, address: Address::from(address) }, mac, 0);
        let sliced = etherparse::SlicedPacket::from_ethernet(&frame).expect("a packet");
        let Some(etherparse::TransportSlice::Icmpv6(message)) = sliced.transport else {
            panic!("{sliced:?}")
        };
        assert_eq!((message.type_u8(), message.payload().len()), (136, 24));
        assert!(
            message.is_checksum_valid(address.octets(), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).octets())
        );
        assert_eq!((&frame[..6], &frame[6..12]), (&[0x33, 0x33, 0, 0, 0, 1][..], &mac.0[..]));
        assert_eq!(
            (frame[58], &frame[62..78], &frame[78..]),
            (0xa0, &address.octets()[..], &[2, 1, 2, 0, 0, 0, 0, 7][..])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_gone_is_not_said() {
        let mut announcements = Announcements::default();
        announcements.note(&[(Key::FloatingIp(key()), Some(Value::FloatingIp(here())))]);
        announcements.note(&[(Key::FloatingIp(key()), None)]);
        assert!(announcements.take_due(|_| true).is_empty());
    }

    #[test]
    fn the_frame_has_the_tag_of_its_vlan() {
        let mac = Mac([2, 0, 0, 0, 0, 7]);
        let plain = frame(&key(), mac, 0);
        assert_eq!(plain.len(), 42);
        assert_eq!(
            (&plain[..6], &plain[6..12], &plain[28..32]),
            (&[255; 6][..], &mac.0[..], &[203, 0, 113, 9][..])
        );
        assert_eq!(plain[28..32], plain[38..42]);
        let tagged = frame(&key(), mac, 9);
        assert_eq!(tagged[12..18], [0x81, 0, 0, 9, 8, 6]);
        assert_eq!(tagged[16..], plain[12..]);
    }
}

//! Who is told of an address outside that has come here, a floating IP or a router's own: everybody on its external network, by gratuitous ARP (RFC 5227 §2.3), so that
//! nobody goes on sending to the host where it was.

use crate::apply::{Key, Value};
use hadron_pipeline::Mac;
use hadron_pipeline::table::{FloatingIpKey, floating_flag};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is said, since nobody confirms it.
const TIMES: u8 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// What is still to be said.
#[derive(Debug, Default)]
pub(crate) struct Announcements(BTreeMap<FloatingIpKey, (Instant, u8)>);

impl Announcements {
    /// Takes note of entries that changed.
    pub(crate) fn note(&mut self, changes: &[(Key, Option<Value>)]) {
        let now = Instant::now();
        for (key, value) in changes {
            let Key::FloatingIp(key) = key else { continue };
            match value {
                Some(Value::FloatingIp(row)) if row.flags & floating_flag::ANSWERED != 0 => {
                    self.0.insert(*key, (now, TIMES));
                }
                _ => drop(self.0.remove(key)),
            }
        }
    }

    /// When there is something to say next.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.0.values().map(|(at, _)| *at).min()
    }

    /// What is to be said now, and is in force.
    pub(crate) fn take_due(&mut self, is_in_force: impl Fn(&FloatingIpKey) -> bool) -> Vec<FloatingIpKey> {
        let now = Instant::now();
        let mut due = Vec::new();
        self.0.retain(|key, (at, times)| {
            if *at > now {
                return true;
            }
            *at = now + PAUSE;
            if is_in_force(key) {
                due.push(*key);
                *times -= 1;
            }
            *times > 0
        });
        due
    }
}

/// The announcement that `mac` has the IPv4 address of the key, in a VLAN or, with 0, untagged.
pub(crate) fn frame(key: &FloatingIpKey, mac: Mac, vlan: u32) -> Vec<u8> {
    let address = key.address.tail();
    let tag = match vlan {
        0 => Vec::new(),
        vlan => [&[0x81, 0x00][..], &(vlan as u16).to_be_bytes()].concat(),
    };
    [
        &Mac::BROADCAST.0[..],
        &mac.0,
        &tag,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
        &mac.0,
        &address,
        &[0; 6],
        &address,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadron_pipeline::table::FloatingIp;
    use std::net::Ipv4Addr;

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
            assert_eq!(announcements.take_due(|_| true), [key()]);
            assert!(announcements.take_due(|_| true).is_empty(), "not at once");
        }
        assert_eq!(announcements.at(), None);
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

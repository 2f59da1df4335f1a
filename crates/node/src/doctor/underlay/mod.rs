//! Whether the underlay carries what the overlay sends, to each of the hosts that this one has networks in common with.

mod probe;

use super::Finding;
use crate::Identity;
use crate::cache::Cache;
use hadron_wire::row::Row;
use hadron_wire::{Held, row};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

const CHECK: &str = "underlay";
/// Octets beside the IP packet of an instance: Ethernet 14, VXLAN 8, UDP 8, and IPv4 20 or IPv6 40.
const AROUND: [u16; 2] = [50, 70];
/// The smallest packet that every path carries, octets: if it is not answered, size is not the matter.
const SMALL: u16 = 128;
/// What is tried beside the largest that is needed, to tell how far the path falls short.
const STEPS: [u16; 12] = [576, 1280, 1400, 1450, 1472, 1500, 1550, 1570, 4000, 8900, 9000, 9050];

/// Other hosts, and the largest IP packet that is sent to them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Course {
    hosts: BTreeMap<u32, IpAddr>,
    largest: u16,
}

pub(super) async fn examine(identity: &Identity, state: &Path) -> Vec<Finding> {
    let Some(held) = rows(identity, state) else {
        let text = "which other hosts there are is not known: the agent has kept no rows yet";
        return vec![Finding::warning(CHECK, text, "start the agent, and ask again")];
    };
    let course = course(held.iter().map(|(_, row)| row), identity);
    let addresses: BTreeSet<IpAddr> = course.hosts.values().copied().collect();
    let sizes = sizes(course.largest);
    let own = identity.underlay;
    let probed = tokio::task::spawn_blocking(move || probe::all(own, &addresses, &sizes)).await;
    match probed {
        Ok(Ok(answered)) => judge(&course, &answered),
        Ok(Err(error)) => {
            let text = format!("the underlay can't be probed: {error}");
            vec![Finding::warning(CHECK, text, "run this as root, on a host whose tunnel address is up")]
        }
        Err(_) => Vec::new(),
    }
}

/// The rows that the agent has kept.
fn rows(identity: &Identity, state: &Path) -> Option<Held> {
    let loaded = Cache::new(state, identity.host_number).load()?;
    let mut held = Held::default();
    for batch in loaded.batches {
        held.apply(batch);
    }
    Some(held)
}

fn course<'a>(rows: impl Iterator<Item = &'a Row>, identity: &Identity) -> Course {
    let mut course = Course::default();
    let around = AROUND[usize::from(identity.underlay.is_ipv6())];
    for row in rows {
        match row {
            Row::Presence(presence) if presence.host != identity.host_number => {
                course.hosts.insert(presence.host, row::unmapped(presence.underlay));
            }
            Row::Network(network) if network.vni.is_some() => {
                let mtu = u16::try_from(network.mtu).unwrap_or(u16::MAX - around);
                course.largest = course.largest.max(mtu.saturating_add(around));
            }
            _ => {}
        }
    }
    course
}

/// What is sent to each host, in rising order.
fn sizes(largest: u16) -> Vec<u16> {
    let steps = STEPS.into_iter().filter(|step| *step < largest);
    let mut sizes: Vec<u16> = [SMALL].into_iter().chain(steps).chain([largest.max(SMALL)]).collect();
    sizes.dedup();
    sizes
}

/// `answered` has the sizes that each address has answered.
fn judge(course: &Course, answered: &BTreeMap<IpAddr, BTreeSet<u16>>) -> Vec<Finding> {
    if course.hosts.is_empty() {
        return vec![Finding::fine(CHECK, "no other host has a network of this one's")];
    }
    let none = BTreeSet::new();
    let mut findings: Vec<Finding> = Vec::new();
    for (host, address) in &course.hosts {
        match answered.get(address).unwrap_or(&none).last() {
            Some(largest) if *largest >= course.largest => {}
            Some(largest) => findings.push(Finding::error(
                CHECK,
                format!(
                    "the underlay to {address} (host number {host}) carries {largest} octets, and packets of {} are sent",
                    course.largest
                ),
                "raise the MTU of the interfaces and switches between, or give the server the right --underlay-mtu and the networks a smaller one",
            )),
            None => findings.push(Finding::warning(
                CHECK,
                format!("{address} (host number {host}) does not answer an echo request"),
                "see whether the host runs, and whether ICMP is let through; its instances can't be reached if it is away",
            )),
        }
    }
    if findings.is_empty() {
        let text =
            format!("packets of {} octets reach all {} other hosts", course.largest, course.hosts.len());
        findings.push(Finding::fine(CHECK, text));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    fn course_of(hosts: &[u32]) -> Course {
        let address = |host: &u32| (*host, IpAddr::from([192, 0, 2, *host as u8]));
        Course { hosts: hosts.iter().map(address).collect(), largest: 1500 }
    }

    #[test]
    fn a_path_that_is_too_narrow_is_told_from_a_host_that_is_away() {
        let course = course_of(&[2, 3, 4]);
        let answers = [(2, &[128, 1450, 1500][..]), (3, &[128, 576, 1280])];
        let answered = answers.into_iter().map(|(host, sizes)| {
            (IpAddr::from([192, 0, 2, host]), sizes.iter().copied().collect::<BTreeSet<u16>>())
        });
        let found = judge(&course, &answered.collect());
        assert_eq!(found.len(), 2);
        assert!(found[0].level == Level::Error && found[0].text.contains("192.0.2.3"), "{found:?}");
        assert!(found[0].text.contains("carries 1280 octets, and packets of 1500"), "{found:?}");
        assert!(found[1].level == Level::Warning && found[1].text.contains("192.0.2.4"), "{found:?}");
        assert_eq!(judge(&course_of(&[]), &BTreeMap::new())[0].level, Level::Fine);
    }

    #[test]
    fn sizes_rise_to_the_largest_that_is_needed() {
        assert_eq!(sizes(1500), [128, 576, 1280, 1400, 1450, 1472, 1500]);
        assert_eq!(sizes(0), [128]);
        assert!(sizes(9050).is_sorted() && sizes(9050).last() == Some(&9050));
    }
}

//! Interfaces: those that the node needs, and those that are somebody else's.

use super::{Finding, Patient};
use futures_util::stream::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::packet_route::tc::{TcAttribute, TcMessage};
use std::collections::BTreeSet;

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Seen {
    index: u32,
    name: String,
    is_up: bool,
    /// Whether there is a signal.
    has_carrier: bool,
    /// `IFLA_INFO_KIND`
    kind: String,
}

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    match look().await {
        Ok((links, shaped)) => {
            let mut findings = mappings(&patient.mappings, &links);
            findings.push(overlay(&patient.overlay, &links));
            findings.extend(switches(&links));
            findings.extend(foreign_programs(patient, &links, &shaped));
            findings
        }
        Err(error) => {
            let text = format!("interfaces can't be listed: {error}");
            vec![Finding::error("interfaces", text, "run this as root, in the agent's network namespace")]
        }
    }
}

/// Every interface, and the indexes of those with a `clsact` or `ingress` queueing discipline, which holds programs and filters of TC.
async fn look() -> Result<(Vec<Seen>, BTreeSet<u32>), rtnetlink::Error> {
    let (connection, handle, _) =
        rtnetlink::new_connection().map_err(|error| rtnetlink::Error::InvalidNla(error.to_string()))?;
    let connection = tokio::spawn(connection);
    let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
    let disciplines: Vec<TcMessage> = handle.qdisc().get().execute().try_collect().await?;
    connection.abort();
    let is_entrance = |message: &&TcMessage| {
        let of = |attribute: &TcAttribute| matches!(attribute, TcAttribute::Kind(kind) if kind == "clsact" || kind == "ingress");
        message.attributes.iter().any(of)
    };
    let shaped = disciplines.iter().filter(is_entrance).filter_map(|it| u32::try_from(it.header.index).ok());
    let of_links = links.iter().filter(|link| link.header.interface_family == AddressFamily::Unspec);
    Ok((of_links.map(seen).collect(), shaped.collect()))
}

fn seen(message: &LinkMessage) -> Seen {
    let mut seen = Seen {
        index: message.header.index,
        is_up: message.header.flags.contains(LinkFlags::Up),
        has_carrier: message.header.flags.contains(LinkFlags::LowerUp),
        ..Seen::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => seen.name.clone_from(name),
            LinkAttribute::LinkInfo(infos) => {
                let kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(InfoKind::Other(kind)) => Some(kind.clone()),
                    LinkInfo::Kind(kind) => Some(format!("{kind:?}").to_lowercase()),
                    _ => None,
                });
                seen.kind = kind.unwrap_or_default();
            }
            _ => {}
        }
    }
    seen
}

fn mappings(mappings: &[(String, String)], links: &[Seen]) -> Vec<Finding> {
    let judge = |(network, interface): &(String, String)| {
        let what = format!("interface {interface} to physical network {network}");
        match links.iter().find(|link| link.name == *interface) {
            None => Finding::error(
                "mappings",
                format!("{what} is missing"),
                "make it, or correct the agent's --bridge-mappings; ports of the network's segments don't work here",
            ),
            Some(link) if !link.is_up => Finding::error(
                "mappings",
                format!("{what} is down"),
                format!("ip link set {interface} up; the agent raises it when it starts"),
            ),
            Some(link) if !link.has_carrier => Finding::error(
                "mappings",
                format!("{what} has no signal"),
                "see to its cable, or to what it is a part of",
            ),
            Some(_) => Finding::fine("mappings", format!("{what} is up")),
        }
    };
    mappings.iter().map(judge).collect()
}

fn overlay(name: &str, links: &[Seen]) -> Finding {
    let advice = "the agent makes it when it runs; its log says why it can't: another VXLAN device on the same UDP port, or no module vxlan";
    match links.iter().find(|link| link.name == name) {
        None => Finding::error("overlay", format!("the overlay's device {name} is missing"), advice),
        Some(link) if link.kind != "vxlan" => {
            let text = format!("{name} is no VXLAN device, but {:?}", link.kind);
            Finding::error("overlay", text, format!("remove {name}, which the agent makes itself"))
        }
        Some(link) if !link.is_up => {
            Finding::error("overlay", format!("the overlay's device {name} is down"), advice)
        }
        Some(_) => Finding::fine("overlay", format!("the overlay's device {name} is up")),
    }
}

/// What Open vSwitch and the Linux bridge agent leave behind.
fn switches(links: &[Seen]) -> Option<Finding> {
    let is_left = |link: &&Seen| {
        let is_bridge = link.kind == "openvswitch"
            || matches!(link.name.as_str(), "br-int" | "br-ex" | "br-tun" | "ovs-system");
        let of_neutron = ["qbr", "qvo", "qvb", "brq"]
            .iter()
            .any(|prefix| link.name.strip_prefix(prefix).is_some_and(|rest| rest.len() == 11));
        is_bridge || of_neutron
    };
    let names: Vec<&str> = links.iter().filter(is_left).map(|link| link.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        Finding::warning(
            "leftovers",
            format!("interfaces of another network system: {}", names.join(", ")),
            "stop its agents (neutron-openvswitch-agent, neutron-linuxbridge-agent) and ovs-vswitchd for good, then delete its bridges; reboot if in doubt",
        )
    })
}

/// TC's own filters run beside the packet path, which is attached by TCX.
fn foreign_programs(patient: &Patient, links: &[Seen], shaped: &BTreeSet<u32>) -> Vec<Finding> {
    let is_ours = |link: &&Seen| {
        link.name.starts_with("tap")
            || link.name == patient.overlay
            || patient.mappings.iter().any(|(_, interface)| *interface == link.name)
    };
    let found = links.iter().filter(is_ours).filter(|link| shaped.contains(&link.index));
    found
        .map(|link| {
            Finding::warning(
                "leftovers",
                format!("interface {} has filters of TC (clsact), which are not this node's", link.name),
                format!("see what they are (tc filter show dev {} ingress), and remove them: tc qdisc del dev {0} clsact", link.name),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, worst};

    fn link(index: u32, name: &str, kind: &str, is_up: bool) -> Seen {
        Seen { index, name: name.into(), is_up, has_carrier: is_up, kind: kind.into() }
    }

    fn patient() -> Patient {
        Patient {
            state: "/".into(),
            pins: "/".into(),
            mappings: vec![("physnet1".into(), "eth1".into())],
            overlay: "hadron0".into(),
            process: None,
        }
    }

    #[test]
    fn a_mapping_wants_an_interface_that_is_up_and_hears() {
        let silent = Seen { has_carrier: false, ..link(2, "eth1", "", true) };
        for (links, level, text) in [
            (vec![], Level::Error, "is missing"),
            (vec![link(2, "eth1", "", false)], Level::Error, "is down"),
            (vec![silent], Level::Error, "no signal"),
            (vec![link(2, "eth1", "", true)], Level::Fine, "is up"),
        ] {
            let found = mappings(&patient().mappings, &links);
            assert!(found[0].level == level && found[0].text.contains(text), "{found:?}");
            assert!(found[0].text.contains("physnet1") && found[0].text.contains("eth1"));
        }
    }

    #[test]
    fn the_overlay_is_a_vxlan_device_that_is_up() {
        for (links, level) in [
            (vec![], Level::Error),
            (vec![link(3, "hadron0", "dummy", true)], Level::Error),
            (vec![link(3, "hadron0", "vxlan", false)], Level::Error),
            (vec![link(3, "hadron0", "vxlan", true)], Level::Fine),
        ] {
            assert_eq!(overlay("hadron0", &links).level, level, "{links:?}");
        }
    }

    #[test]
    fn bridges_and_filters_of_others_are_named() {
        let links = [
            link(4, "br-int", "openvswitch", true),
            link(5, "qvo5f1b0c9e-00", "veth", true),
            link(6, "qbroken", "bridge", true),
            link(7, "tap5f1b0c9e-00", "tun", true),
            link(8, "eth0", "", true),
        ];
        let found = switches(&links).expect("bridges");
        assert!(found.text.ends_with(": br-int, qvo5f1b0c9e-00"), "{found:?}");
        assert!(switches(&links[2..]).is_none());
        let found = foreign_programs(&patient(), &links, &[7, 8].into());
        assert!(found.len() == 1 && found[0].text.contains("tap5f1b0c9e-00"), "{found:?}");
        assert_eq!(worst(&found), Level::Warning);
    }
}

//! The peer: two instances on the kernel's bridge, whose frames br_netfilter shows to nf_tables, which asks conntrack and then ten
//! rules, as the field's hybrid drivers have it.

use super::{Course, PEER};
use crate::path::peers::{bridge, guest};
use anyhow::{Context, Result};
use hadron_lab::{Instance, Lab, Topology, Underlay};
use std::net::IpAddr;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// The host and its two guests.
pub struct Filtered {
    guests: [Instance; 2],
    _lab: Lab,
}

impl Filtered {
    /// Builds them.
    pub fn up() -> Result<Self> {
        let lab = Topology::new("filtered").underlay(Underlay::V4).hosts(["one"]).up()?;
        let host = lab.host("one")?;
        let guests = [guest(host, "filtered1", 0x40)?, guest(host, "filtered2", 0x41)?];
        bridge(host, "br0", &guests.each_ref().map(|guest| guest.interface_name()))?;
        host.run(|| std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "1"))?
            .context("let nf_tables see the bridge's frames")?;
        host.command("nft").arg(rules()).succeed(PATIENCE)?;
        for (number, guest) in guests.iter().enumerate() {
            guest.add_address(&format!("10.7.0.{}/24", number + 1))?;
        }
        Ok(Self { guests, _lab: lab })
    }

    /// The path.
    pub fn course(&self) -> Result<Course<'_>> {
        let [near, far] = &self.guests;
        Ok(Course { name: PEER, near, far, address: IpAddr::from([10, 7, 0, 2]) })
    }
}

/// What is known passes, what is new passes by one of ten rules, of which the last two are used.
fn rules() -> String {
    let mut rules = vec![
        "type filter hook forward priority 0; policy drop".to_owned(),
        "ct state established,related accept".to_owned(),
        "ct state invalid drop".to_owned(),
    ];
    rules.extend((2..10).map(|port| format!("ip saddr 10.7.0.0/24 sctp dport {port} accept")));
    rules.extend(
        ["udp", "tcp"].map(|protocol| format!("ip saddr 10.7.0.0/24 meta l4proto {protocol} accept")),
    );
    format!("table ip filter {{ chain forward {{ {}; }}; }}", rules.join("; "))
}

//! Two instances on one host beside a bare veth pair and a Linux bridge; two on different hosts beside the kernel's VXLAN with
//! bridges. And packets that somebody follows beside those that nobody does.

mod cloud;
mod followed;
pub mod peers;

use crate::course::{measure, tell};
use crate::report::Report;
use anyhow::Result;

const VETH: &str = "bare veth pair";
const BRIDGE: &str = "Linux bridge";
const VXLAN: &str = "kernel VXLAN and bridges";
const HERE: &str = "hadron, one host";
const THERE: &str = "hadron, two hosts";

/// What each path of hadron is held against.
const PEERS: [(&str, &str); 3] = [(HERE, VETH), (HERE, BRIDGE), (THERE, VXLAN)];

/// Runs the benchmark and reports.
pub fn run() -> Result<()> {
    let mut report = Report::new("path")?;
    let peers = peers::Peers::up()?;
    let instances = cloud::Instances::up()?;
    let courses = [peers.courses()?.as_slice(), &instances.courses()?].concat();
    let all = measure(&courses)?;
    tell(&mut report, &all, &PEERS);
    followed::run(&mut report, &instances)?;
    report.write()
}

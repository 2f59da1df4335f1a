//! What a change takes: from the call until the last node that needs it holds it, and of the server's processors.

use super::cloud::{Cloud, Place, id};
use super::fleet::{Fleet, name_of};
use super::node::Sought;
use crate::cpu;
use crate::report::sorted;
use anyhow::{Context, Result};
use serde_json::json;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Rounds before those that count.
const WARM_UP: usize = 5;
/// Changes that reach two nodes are as many times more.
const SMALL: usize = 10;

/// A kind of change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A member of the group that has members on every node comes or goes.
    Member,
    /// A port of the network that every node has comes or goes.
    Wide,
    /// A port of a network on two nodes comes or goes.
    Narrow,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Member, Kind::Wide, Kind::Narrow];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Member => "a member of a group, on every node",
            Kind::Wide => "a port of a network, on every node",
            Kind::Narrow => "a port of a network, on two nodes",
        }
    }

    /// The nodes that it concerns.
    pub fn nodes(self, cloud: &Cloud) -> usize {
        if self == Kind::Narrow { 2 } else { cloud.nodes }
    }

    fn place(self, cloud: &Cloud) -> &Place {
        match self {
            Kind::Member => &cloud.aside,
            Kind::Wide => &cloud.wide,
            Kind::Narrow => &cloud.narrow,
        }
    }

    /// An address that no port has, another for each round.
    fn address(self, round: usize) -> Ipv4Addr {
        let network = match self {
            Kind::Wide => 0,
            Kind::Narrow => 1,
            Kind::Member => 2,
        };
        Ipv4Addr::from_bits(Ipv4Addr::new(10, network, 200, 0).to_bits() + (round % 8192) as u32)
    }

    fn rounds(self, rounds: usize) -> usize {
        if self == Kind::Narrow { SMALL * rounds } else { rounds }
    }
}

/// What changes of one kind took, milliseconds in ascending order.
pub struct Measured {
    pub kind: Kind,
    pub nodes: usize,
    /// From the call until its answer.
    pub answered: Vec<f64>,
    /// From the call until the last node held it.
    pub held: Vec<f64>,
    /// Of the server's processors, a change.
    pub cost: Duration,
}

/// Measures one kind.
pub async fn measure(cloud: &Cloud, fleet: &mut Fleet, kind: Kind, rounds: usize) -> Result<Measured> {
    let nodes = kind.nodes(cloud);
    let rounds = kind.rounds(rounds);
    let (mut answered, mut held) = (Vec::new(), Vec::new());
    let mut api = cloud.api().await?;
    let mut used = cpu::of_process(cloud.server.pid())?;
    for round in 0..WARM_UP + rounds {
        if round == WARM_UP {
            (answered, held) = Default::default();
            used = cpu::of_process(cloud.server.pid())?;
        }
        let address = kind.address(round);
        let Place { project, network } = kind.place(cloud);
        let mut port = json!({"project_id": project, "network_id": network, "device_owner": "compute:nova",
            "fixed_ips": [{"ip_address": address}]});
        if kind != Kind::Member {
            // It is a member of no group, and so concerns only its network.
            port["security_groups"] = json!([]);
            port["binding:host_id"] = name_of(round % nodes).into();
        }
        fleet.seek(Sought::Address(address.to_ipv6_mapped()));
        let begun = Instant::now();
        let port = id(&api.post("/v2.0/ports", json!({"port": port})).await?["port"])?;
        answered.push(since(begun, Instant::now()));
        let (last, key) =
            fleet.until_found(nodes).await.with_context(|| format!("{kind:?} came, {round}"))?;
        held.push(since(begun, last));

        fleet.seek(Sought::Removal(key));
        let begun = Instant::now();
        api.delete(&format!("/v2.0/ports/{port}")).await?;
        answered.push(since(begun, Instant::now()));
        let (last, _) = fleet.until_found(nodes).await.with_context(|| format!("{kind:?} went, {round}"))?;
        held.push(since(begun, last));
    }
    let cost = (cpu::of_process(cloud.server.pid())? - used) / (2 * rounds) as u32;
    Ok(Measured { kind, nodes, answered: sorted(answered), held: sorted(held), cost })
}

fn since(from: Instant, to: Instant) -> f64 {
    to.duration_since(from).as_secs_f64() * 1e3
}

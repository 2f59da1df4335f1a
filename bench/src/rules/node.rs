//! A node without a host: its rows, its reports and its tables are real, its interfaces are not.

use anyhow::{Context, Result};
use hadron_datapath::{HostConfig, Mac, Sizes};
use hadron_node::apply::{Key, Limits, Value};
use hadron_node::links::simulated::Paper;
use hadron_node::plane::kernel::Kernel;
use hadron_node::plane::{Plane, PlaneError, PlaneParts};
use hadron_node::{Node, Settings};
use hadron_pipeline::table::{PolicyKey, RuleKey};
use hadron_wire::ticket::JoinTicket;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Instant;
use tokio::sync::mpsc;

/// A rule for a port that came or went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    Put(u16),
    Removed(u16),
}

/// A change that is in force at a node.
pub struct News {
    pub node: usize,
    pub change: Change,
    pub at: Instant,
}

/// A running node.
pub struct Simulated {
    paper: Paper,
    _node: Node,
}

impl Simulated {
    /// Joins and starts a node; what it writes is told to `news`.
    pub async fn start(
        number: usize,
        ticket: &str,
        state: &Path,
        news: mpsc::UnboundedSender<News>,
    ) -> Result<Self> {
        let ticket: JoinTicket = ticket.parse().context("the ticket")?;
        let underlay = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1 + number as u8));
        let identity = hadron_node::join(&ticket, &format!("node{number}"), underlay, state).await?;
        let host = HostConfig {
            host: identity.host_number,
            underlay,
            overlay_ifindex: 0,
            overlay_mtu: 1450,
            timeouts: Limits::default().timeouts,
        };
        let pins = format!("/sys/fs/bpf/node{number}").into();
        let config = hadron_datapath::Config { pins, host, sizes: Sizes::lab() };
        let PlaneParts { plane, punts, inject, logs, followed, connections, sessions, heard, counted } =
            Kernel::open(config, false)?;
        let plane = Tables { kernel: plane, node: number, removed: Vec::new(), news };
        let parts =
            PlaneParts { plane, punts, inject, logs, followed, connections, sessions, heard, counted };
        let paper = Paper::default();
        let node = Node::with(state.to_owned(), Settings::default(), identity, parts, paper.links())?;
        Ok(Self { paper, _node: node })
    }

    /// The interface of its port appears.
    pub fn plug(&self, port: &str) {
        self.paper.plug(2, &format!("tap{}", &port[..11]));
    }
}

/// The kernel's tables, without programs on interfaces, which are not there.
struct Tables {
    kernel: Kernel,
    node: usize,
    /// Ports of rules that are gone, while connections have not been told.
    removed: Vec<u16>,
    news: mpsc::UnboundedSender<News>,
}

impl Tables {
    fn tell(&self, change: Change) {
        // Nobody listens any more when the bench has ended.
        let _ = self.news.send(News { node: self.node, change, at: Instant::now() });
    }
}

fn port_of(key: &RuleKey) -> u16 {
    u16::from_be_bytes(key.port)
}

fn is_program(key: &Key) -> bool {
    matches!(key, Key::PortProgram(_) | Key::OverlayProgram(()))
}

impl Plane for Tables {
    fn dump(&mut self) -> Result<Vec<(Key, Value)>, PlaneError> {
        self.kernel.dump()
    }

    fn attached(&mut self) -> Result<Vec<(Key, Value)>, PlaneError> {
        Ok(Vec::new())
    }

    fn put(&mut self, key: &Key, value: &Value) -> Result<(), PlaneError> {
        if is_program(key) {
            return Ok(());
        }
        self.kernel.put(key, value)?;
        if let Key::Rule(key) = key {
            self.tell(Change::Put(port_of(key)));
        }
        Ok(())
    }

    fn remove(&mut self, key: &Key) -> Result<(), PlaneError> {
        if is_program(key) {
            return Ok(());
        }
        if let Key::Rule(key) = key {
            self.removed.push(port_of(key));
        }
        self.kernel.remove(key)
    }

    fn renew(&mut self, policy: &PolicyKey) -> Result<(), PlaneError> {
        self.kernel.renew(policy)?;
        for port in std::mem::take(&mut self.removed) {
            self.tell(Change::Removed(port));
        }
        Ok(())
    }

    fn forget_announced(&mut self, sources: &BTreeSet<(u32, Mac)>) -> Result<(), PlaneError> {
        self.kernel.forget_announced(sources)
    }

    fn commit(&mut self) -> Result<(), PlaneError> {
        self.kernel.commit()
    }
}

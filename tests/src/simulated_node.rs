//! Nodes without a kernel: they join, follow their rows and report over the real wire, as the product's own do.

use crate::process::Server;
use anyhow::{Context, Result};
use hadron_node::links::simulated::Paper;
use hadron_node::plane::memory::Memory;
use hadron_node::{Identity, Node, Settings, join};
use std::net::Ipv4Addr;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A node; gone when this is dropped.
pub struct SimulatedNode {
    _node: Node,
    _state: TempDir,
    /// Held, so that the node waits for frames as on a quiet host.
    _punts: mpsc::Sender<hadron_node::plane::Punt>,
}

impl SimulatedNode {
    /// Joins `host` to the cloud of `server`, and runs its node.
    pub async fn start(server: &Server, host: &str, underlay: Ipv4Addr) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let ticket = server.admin(&["host", "ticket", "--name", host])?;
        let ticket = ticket.trim().parse().context("the ticket")?;
        join(&ticket, host, underlay.into(), state.path()).await?;
        let identity = Identity::load(state.path())?.context("joined, yet without identity")?;
        let (parts, punts) = Memory::default().parts();
        let node =
            Node::with(state.path().into(), Settings::default(), identity, parts, Paper::default().links())?;
        Ok(Self { _node: node, _state: state, _punts: punts })
    }
}

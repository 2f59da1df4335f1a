//! How large the cloud is.

use anyhow::{Context, Result, ensure};

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Size {
    /// Nodes.
    pub nodes: usize,
    /// Ports at which it is measured, rising. The first are one on each node.
    pub ports: Vec<usize>,
    /// Changes of each kind that reach all nodes; ten times as many of those that reach two.
    pub rounds: usize,
    /// Seconds of changes before the server is restarted among them, and again after it.
    pub seconds: u64,
}

impl Size {
    /// A thousand nodes, or `HADRON_SCALE_NODES` of them: each has a port at first, ten and a hundred later. `HADRON_SCALE_ROUNDS`
    /// changes of each kind.
    pub fn from_environment() -> Result<Self> {
        let nodes = number("HADRON_SCALE_NODES", 1000)?;
        let rounds = number("HADRON_SCALE_ROUNDS", 300)?;
        ensure!((20..=10_000).contains(&nodes), "HADRON_SCALE_NODES is not within 20 to 10,000");
        ensure!(rounds > 0, "HADRON_SCALE_ROUNDS is 0");
        Ok(Self { nodes, ports: vec![nodes, 10 * nodes, 100 * nodes], rounds, seconds: 5 })
    }
}

fn number(name: &str, otherwise: usize) -> Result<usize> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text}")),
        Err(_) => Ok(otherwise),
    }
}

//! `hadron up`: server and node in one process.

use crate::spans::Spans;
use crate::{agent, cli, server, shutdown};
use anyhow::{Context, Result};
use hadron_control::Underlay;
use hadron_node::Node;
use hadron_server::Server;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const TICKET_LIFETIME: Duration = Duration::from_secs(60);

pub async fn run(options: cli::Up) -> Result<()> {
    let node = local(options.node);
    let underlay = match node.underlay {
        Some(IpAddr::V6(_)) => Underlay::Ipv6,
        _ => Underlay::Ipv4,
    };
    let mut config = server::config(&options.server, underlay)?;
    let spans = Spans::start(&options.server.spans, "hadron", agent::host_name(&node)?)?;
    spans.hear_requests(&mut config);
    let node_state = config.state_dir.join("node");
    let mut running = Server::start(config).await?;
    let ticket = running.ticket(Some(agent::host_name(&node)?), TICKET_LIFETIME).await?;
    let ticket = ticket.parse().context("the server's own ticket")?;
    agent::join(&ticket, &node, &node_state).await?;
    let mut node_config = agent::config(&node, node_state)?;
    spans.hear_changes(&mut node_config.settings);
    let mut agent = Node::start(node_config).await?;
    let _server_metrics = server::metrics(&options.server, &running).await?;
    let _node_metrics = agent::metrics(&node, &agent).await?;
    server::announce(&running);
    tokio::select! {
        signalled = shutdown::signalled() => signalled?,
        error = running.failed() => return Err(error.into()),
        error = agent.ended() => return Err(error.into()),
    }
    agent.stop().await;
    running.stop().await;
    spans.stop().await;
    Ok(())
}

/// A host by itself needs no underlay; its node gets an address that nobody else sends to.
fn local(mut node: cli::Node) -> cli::Node {
    node.underlay.get_or_insert(IpAddr::V4(Ipv4Addr::LOCALHOST));
    node
}

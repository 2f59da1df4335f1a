//! `hadron agent`: the node of this host.

use crate::cli;
use crate::metrics;
use crate::shutdown;
use crate::spans::Spans;
use anyhow::{Context, Result, bail};
use hadron_datapath::Sizes;
use hadron_node::apply::Limits;
use hadron_node::apply::calculation::{per_second, rate};
use hadron_node::links::overlay::OverlayConfig;
use hadron_node::sockets::nova::NovaConfig;
use hadron_node::{Config, Identity, Node, Settings};
use hadron_wire::ticket::JoinTicket;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub async fn run(options: cli::Agent) -> Result<()> {
    let mut config = config(&options.node, options.state_dir.clone())?;
    if options.cleanup {
        return Ok(hadron_node::cleanup(config).await?);
    }
    if let Some(ticket) = &options.join {
        let ticket = ticket.parse().context("--join")?;
        join(&ticket, &options.node, &options.state_dir).await?;
    }
    let shutdown = async {
        if let Err(error) = shutdown::signalled().await {
            tracing::error!(%error, "signals can't be received");
        }
    };
    let spans = Spans::start(&options.spans, "hadron-agent", host_name(&options.node)?)?;
    spans.hear_changes(&mut config.settings);
    let mut node = Node::start(config).await?;
    let _metrics = metrics(&options.node, &node).await?;
    tokio::select! {
        () = shutdown => node.stop().await,
        error = node.ended() => return Err(error.into()),
    }
    spans.stop().await;
    Ok(())
}

/// The node's metrics, if they are asked for, until this is dropped.
pub async fn metrics(options: &cli::Node, node: &Node) -> Result<Option<metrics::Serving>> {
    let Some(address) = options.node_metrics else { return Ok(None) };
    let gauges = node.gauges();
    Ok(Some(metrics::serve(address, move || metrics::node_page(&gauges)).await?))
}

/// Joins with `ticket`, unless this machine has joined before: a unit file may keep the option.
pub async fn join(ticket: &JoinTicket, node: &cli::Node, state: &Path) -> Result<()> {
    let host = host_name(node)?;
    if let Some(identity) = Identity::load(state)? {
        if identity.host_name != host {
            bail!(
                "this machine has joined as {}, not as {host}; `hadron agent --cleanup` forgets that",
                identity.host_name
            );
        }
        tracing::info!(host, "already joined; the ticket is not used");
        return Ok(());
    }
    let Some(underlay) = node.underlay else {
        bail!("--underlay is needed to join: the address at which other hosts reach this one")
    };
    hadron_node::join(ticket, &host, underlay, state).await?;
    Ok(())
}

/// The node's configuration.
///
/// # Errors
/// The file with the secret can't be read.
pub fn config(node: &cli::Node, state: PathBuf) -> Result<Config> {
    let sizes = if node.tables == "small" { Sizes::lab() } else { Sizes::host() };
    let connections = node.connection_limit.unwrap_or(sizes.connection_limit());
    let log = rate(node.packet_log_rate, node.packet_log_burst);
    let service = per_second(node.service_rate);
    let mut limits = Limits { connections, log, service, ..Limits::default() };
    for (place, seconds) in &node.connection_timeout {
        limits.timeouts[*place] = *seconds;
    }
    let overlay = OverlayConfig { port: node.vxlan_port, ..OverlayConfig::default() };
    let packet_log = node.packet_log.clone();
    let availability_zone = node.availability_zone.clone();
    let bridge_mappings = node.bridge_mappings.iter().cloned().collect();
    let nova = nova(node)?;
    let settings = Settings {
        overlay,
        limits,
        packet_log,
        availability_zone,
        bridge_mappings,
        nova,
        dns_servers: node.dns_servers.clone(),
        floating_names: node.floating_names.clone(),
        dns_domain: node.dns_domain.clone(),
        slot_idle: Duration::from_secs(node.remote_end_idle.into()),
        ..Settings::default()
    };
    Ok(Config { state, pins: node.pin_dir.clone(), sizes, settings })
}

/// How Nova's metadata service is asked, if there is one.
fn nova(node: &cli::Node) -> Result<Option<NovaConfig>> {
    let (Some(url), Some(secret)) = (&node.nova_metadata_url, &node.metadata_secret) else { return Ok(None) };
    let secret = match secret.strip_prefix('@') {
        Some(file) => {
            let text = std::fs::read_to_string(file).context("--metadata-secret")?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        None => secret.clone(),
    };
    Ok(Some(NovaConfig {
        url: url.clone(),
        secret,
        ca_file: node.nova_metadata_ca.clone(),
        timeout: Duration::from_secs(node.nova_metadata_timeout),
    }))
}

/// The host's name: the option, or this machine's.
pub fn host_name(node: &cli::Node) -> Result<String> {
    match &node.host {
        Some(name) => Ok(name.clone()),
        None => machine_name(),
    }
}

/// This machine's name.
pub fn machine_name() -> Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").context("this machine's name")?;
    Ok(name.trim().to_owned())
}

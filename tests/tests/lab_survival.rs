//! What goes on when processes die: packets by the last state, wiring and leases without a server, and nothing lost when it is back.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Fault, Underlay};
use hadron_tests::client::Client;
use hadron_tests::cloud::{CONTROLLER, Cloud, PATIENCE};
use hadron_tests::guest::Guest;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Builder;

const PACE: Duration = Duration::from_millis(5);

/// Runs `meanwhile` under a ping and a TCP connection from `from` to `to`, both of which must lose nothing.
fn without_loss(from: &Guest, to: &Guest, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
    let address = to.port.address(false)?;
    let echo = to.instance.tcp_echo(SocketAddr::new(address, 7777))?;
    let flow = from.instance.tcp_flow(echo.address(), PACE)?;
    let ping = from.instance.ping(address).interval(PACE).start()?;
    ping.wait_for_replies(50, PATIENCE)?;
    flow.wait_for_messages(50, PATIENCE)?;
    meanwhile()?;
    ping.wait_for_replies(ping.received() + 50, PATIENCE)?;
    flow.wait_for_messages(flow.messages() + 50, PATIENCE)?;
    let (ping, flow) = (ping.stop()?, flow.stop()?);
    println!(
        "{} of {} pings answered, {} TCP messages, {:?}",
        ping.received, ping.sent, flow.messages, flow.longest_gap
    );
    ensure!(ping.lost() == 0, "lost {:?} of {} pings", ping.unanswered, ping.sent);
    ensure!(flow.error.is_none() && flow.retransmits == 0, "{flow:?}");
    Ok(())
}

fn pair(cloud: &Cloud) -> Result<(Guest, Guest, String)> {
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let near = Guest::start(cloud, &network, "compute1", "near")?;
    let far = Guest::start(cloud, &network, "compute2", "far")?;
    near.reaches(&far)?;
    Ok((near, far, network))
}

#[test]
fn an_agent_killed_and_started_again_loses_no_packet() -> Result<()> {
    let mut cloud = Cloud::up("agent", Underlay::V4, &["compute1", "compute2"])?;
    let (near, far, network) = pair(&cloud)?;
    // Starting again loads the programs anew and puts them in the place of those that run.
    without_loss(&near, &far, || {
        for host in ["compute1", "compute2"] {
            cloud.kill_agent(host);
            cloud.start_agent(host, &[])?;
        }
        cloud.wait_for_nodes()
    })?;
    let another = Guest::start(&cloud, &network, "compute1", "another")?;
    another.reaches(&far)
}

#[test]
fn without_a_server_ports_are_wired_and_leases_given() -> Result<()> {
    let mut cloud = Cloud::up("alone", Underlay::V6, &["compute1", "compute2"])?;
    let (near, far, network) = pair(&cloud)?;
    let waiting = cloud.port(&network, "compute1")?;
    // The agent has the new port's row once it has the row of a port that was created after it.
    Guest::start(&cloud, &network, "compute1", "marker")?;
    without_loss(&near, &far, || {
        cloud.kill_server();
        cloud.kill_agent("compute1");
        cloud.start_agent("compute1", &[])?;
        Ok(())
    })?;
    let late = Guest::plug(&cloud, waiting, "compute1", "late").with_context(|| cloud.logs())?;
    late.reaches(&far)?;
    cloud.start_server()?;
    cloud.wait_for_nodes()?;
    cloud.wait_for_status(&late.port.id, "ACTIVE")?;
    let after = Guest::start(&cloud, &network, "compute2", "after")?;
    after.reaches(&late)
}

#[test]
fn a_server_killed_keeps_what_it_acknowledged() -> Result<()> {
    let mut cloud = Cloud::up("kill", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/16")?;
    let mut ports = Vec::new();
    for _ in 0..20 {
        ports.push(cloud.port(&network, "compute1")?);
    }
    cloud.kill_server();
    cloud.start_server()?;
    for port in &ports {
        cloud.port_status(&port.id)?;
    }
    cloud.wait_for_nodes()?;
    let last = ports.pop().context("no port")?;
    Guest::plug(&cloud, last, "compute1", "last").map(drop)
}

#[test]
fn a_new_authority_disturbs_neither_nodes_nor_clients() -> Result<()> {
    let mut cloud = Cloud::up("authority", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let one = Guest::start(&cloud, &network, "compute1", "one")?;
    let old = std::fs::read(cloud.ca_path()?)?;
    cloud.admin(&["rotate-authority"])?;
    ensure!(std::fs::read(cloud.ca_path()?)? != old, "ca.pem has no new authority");
    cloud.kill_agent("compute1");
    cloud.start_agent("compute1", &[])?;
    cloud.kill_server();
    cloud.start_server()?;
    cloud.wait_for_nodes().with_context(|| cloud.logs())?;
    // The one client has the new file, the other doesn't.
    let two = Guest::start(&cloud, &network, "compute1", "two")?;
    one.reaches(&two)?;
    let (api, runtime) = (cloud.address(9696)?, Builder::new_current_thread().enable_all().build()?);
    cloud.host(CONTROLLER)?.run(|| runtime.block_on(Client::connect(api, &old)))??;
    Ok(())
}

#[test]
fn a_host_cut_off_catches_up_when_it_is_back() -> Result<()> {
    let cloud = Cloud::up("cut", Underlay::V4, &["compute1", "compute2"])?;
    let (near, far, network) = pair(&cloud)?;
    let host = cloud.host("compute2")?;
    host.fault(&Fault::Partition)?;
    near.does_not_reach(&far)?;
    let new = Guest::start(&cloud, &network, "compute1", "new")?;
    host.fault(&Fault::Heal)?;
    hadron_lab::until(PATIENCE, "the host knows what came meanwhile", || far.reaches(&new).is_ok())
        .with_context(|| cloud.logs())?;
    near.reaches(&far)
}

#[test]
fn a_host_that_is_removed_is_refused_and_joins_again_by_a_new_ticket() -> Result<()> {
    let cloud = Cloud::up("remove", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let guest = Guest::start(&cloud, &network, "compute1", "one")?;
    cloud.wait_for_status(&guest.port.id, "ACTIVE")?;
    let refused = cloud.admin(&["host", "remove", "compute1"]);
    ensure!(refused.is_err(), "a host with ports was removed without force");
    cloud.admin(&["host", "remove", "--force", "compute1"])?;
    hadron_lab::until(PATIENCE, "the agent says that it was removed", || {
        cloud.agent_log("compute1").contains("removed")
    })
    .with_context(|| cloud.logs())?;
    ensure!(cloud.admin(&["host", "list"])?.lines().count() == 1, "the host is still listed");
    Ok(())
}

#[test]
fn a_restored_backup_is_what_nodes_follow() -> Result<()> {
    let mut cloud = Cloud::up("backup", Underlay::V4, &["compute1", "compute2"])?;
    let (near, far, network) = pair(&cloud)?;
    let directory = cloud.host("controller")?.dir().to_owned();
    let backup = directory.join("backup.redb");
    cloud.admin(&["backup", &backup.display().to_string()])?;
    let later = Guest::start(&cloud, &network, "compute2", "later")?;
    near.reaches(&later)?;
    without_loss(&near, &far, || {
        cloud.kill_server();
        std::fs::remove_file(directory.join("server/store.redb"))?;
        cloud.admin(&["restore", &backup.display().to_string()])?;
        cloud.start_server()?;
        cloud.wait_for_nodes()
    })?;
    ensure!(cloud.port_status(&later.port.id).is_err(), "a port that the backup does not have is there");
    hadron_lab::until(PATIENCE, "the port that the backup does not have is silent", || {
        near.does_not_reach(&later).is_ok()
    })
    .with_context(|| cloud.logs())?;
    Guest::start(&cloud, &network, "compute1", "new").map(drop)
}

#[test]
fn a_locked_out_administrator_gets_a_new_password() -> Result<()> {
    let mut cloud = Cloud::up("lockout", Underlay::V4, &[])?;
    let password = cloud.admin(&["recover-admin"])?.trim().to_owned();
    ensure!(cloud.network("refused").is_err(), "the old password still works");
    cloud.password = password;
    cloud.network("net").map(drop)
}

//! Port reports into port statuses.

use crate::cloud::{Cloud, until};
use crate::test_node::{TestNode, hello, wired};
use hadron_control::binding::BindingChange;
use hadron_control::port::PortChange;
use hadron_model::agent::DOWN_AFTER_MS;
use hadron_model::{AgentRole, PortStatus, Timestamp};
use hadron_server::nodes::Counter;
use hadron_wire::Held;
use hadron_wire::proto::{Hello, PortReport};

fn bind_to(host: &str) -> PortChange {
    let binding = BindingChange { host_id: Some(host.to_owned()), ..BindingChange::default() };
    PortChange { binding, ..PortChange::default() }
}

#[tokio::test]
async fn a_wired_port_becomes_active_and_an_unwired_one_down() {
    let cloud = Cloud::start().await;
    let mut node = cloud.node("compute1").await;
    let network = cloud.network().await;
    let port = cloud.port(network, "compute1").await;
    assert_ne!(port.status, PortStatus::Active);
    node.wire(port.number.0).await;
    cloud.until_status(port.id, PortStatus::Active).await;

    // What was recorded already is not written again.
    let revision = cloud.store.snapshot().position();
    let row = node.port(port.number.0).unwrap();
    node.report([wired(port.number.0, row.revision)]).await;
    node.report([PortReport {
        wired: false,
        error: "no memory".into(),
        ..wired(port.number.0, row.revision)
    }])
    .await;
    cloud.until_status(port.id, PortStatus::Down).await;
    assert_eq!(cloud.store.snapshot().position().revision.0, revision.revision.0 + 1);
    assert_eq!(cloud.count(Counter::ReportsWithError), 1);
    assert_eq!(cloud.store.snapshot().get::<hadron_model::Port>(&port.id).unwrap().status, PortStatus::Down);
}

#[tokio::test]
async fn a_node_reports_on_its_own_ports_only() {
    let cloud = Cloud::start().await;
    let mut owner = cloud.node("compute1").await;
    let thief = cloud.node("compute2").await;
    let network = cloud.network().await;
    let port = cloud.port(network, "compute1").await;
    owner.wire(port.number.0).await;
    cloud.until_status(port.id, PortStatus::Active).await;

    let down = PortReport { wired: false, ..wired(port.number.0, u64::MAX) };
    thief.report([down, wired(4_000_000_000, 1), wired(port.number.0, 0)]).await;
    until("the reports are read", || cloud.count(Counter::ReportsStale) == 2).await;
    assert_eq!(cloud.count(Counter::ReportsRefused), 1);
    assert_eq!(cloud.status(port.id), PortStatus::Active);

    // The thief's stream goes on.
    let mut thief = thief;
    let its_own = cloud.port(network, "compute2").await;
    thief.wire(its_own.number.0).await;
    cloud.until_status(its_own.id, PortStatus::Active).await;
    assert_eq!(cloud.status(port.id), PortStatus::Active);
}

#[tokio::test]
async fn a_report_that_is_older_than_the_ports_row_counts_for_nothing() {
    let cloud = Cloud::start().await;
    let mut node = cloud.node("compute1").await;
    let network = cloud.network().await;
    let port = cloud.port(network, "compute1").await;
    let first = node.until_port(port.number.0).await;
    cloud.update_port(port.id, bind_to("elsewhere")).await;
    cloud.update_port(port.id, bind_to("compute1")).await;
    node.report([wired(port.number.0, first.revision)]).await;
    until("the report is stale", || cloud.count(Counter::ReportsStale) == 1).await;
    assert_ne!(cloud.status(port.id), PortStatus::Active);

    node.until_rows(|held| {
        matches!(held.get(&hadron_wire::RowKey::Port(port.number.0)),
            Some(hadron_wire::Row::Port(row)) if row.revision > first.revision)
    })
    .await;
    node.wire(port.number.0).await;
    cloud.until_status(port.id, PortStatus::Active).await;
}

#[tokio::test]
async fn a_port_that_is_administratively_down_stays_down() {
    let cloud = Cloud::start().await;
    let mut node = cloud.node("compute1").await;
    let network = cloud.network().await;
    let port = cloud.port(network, "compute1").await;
    cloud.update_port(port.id, PortChange { admin_state_up: Some(false), ..Default::default() }).await;
    let other = cloud.port(network, "compute1").await;
    node.wire(port.number.0).await;
    node.wire(other.number.0).await;
    cloud.until_status(other.id, PortStatus::Active).await;
    assert_eq!(cloud.status(port.id), PortStatus::Down);
}

#[tokio::test]
async fn a_burst_of_reports_is_a_few_transactions() {
    let cloud = Cloud::start().await;
    let mut node = cloud.node("compute1").await;
    let network = cloud.network().await;
    let mut ports = Vec::new();
    for _ in 0..16 {
        ports.extend(cloud.ports(network, &["compute1"; 16]).await);
    }
    for port in &ports {
        node.until_port(port.number.0).await;
    }
    let reports: Vec<_> =
        ports.iter().map(|port| wired(port.number.0, node.port(port.number.0).unwrap().revision)).collect();
    for report in reports {
        node.report([report]).await;
    }
    for port in &ports {
        cloud.until_status(port.id, PortStatus::Active).await;
    }
    assert_eq!(cloud.count(Counter::StatusChanges), 256);
    let writes = cloud.count(Counter::ReportWrites);
    println!("256 reports in as many messages: {writes} transactions");
    assert!(writes < 128, "{writes}");
}

#[tokio::test]
async fn reports_wait_while_the_store_takes_no_writes() {
    let cloud = Cloud::start().await;
    let mut node = cloud.node("compute1").await;
    let network = cloud.network().await;
    let port = cloud.port(network, "compute1").await;
    let row = node.until_port(port.number.0).await;
    cloud.memory.set_unavailable(Some("disk full"));
    node.report([wired(port.number.0, row.revision)]).await;
    node.heartbeat().await;
    until("the report was read", || cloud.count(Counter::Reports) == 1).await;
    assert_ne!(cloud.status(port.id), PortStatus::Active);
    cloud.memory.set_unavailable(None);
    cloud.until_status(port.id, PortStatus::Active).await;
}

#[tokio::test]
async fn a_node_that_goes_leaves_its_ports_as_they_are() {
    let cloud = Cloud::start().await;
    let credentials = cloud.host("compute1").await;
    let mut node = TestNode::connect(&cloud, "compute1", &credentials).await;
    let network = cloud.network().await;
    let port = cloud.port(network, "compute1").await;
    node.wire(port.number.0).await;
    cloud.until_status(port.id, PortStatus::Active).await;
    let status = cloud.service.node("compute1").unwrap();
    assert!(status.is_connected);
    let revision = cloud.store.snapshot().position();
    node.heartbeat().await;
    until("the heartbeat is heard", || {
        cloud.service.node("compute1").unwrap().last_heard >= status.last_heard
    })
    .await;

    drop(node);
    until("its absence is seen", || !cloud.service.node("compute1").unwrap().is_connected).await;
    assert_eq!(cloud.status(port.id), PortStatus::Active);
    assert_eq!(cloud.store.snapshot().position(), revision, "liveness is never written");
}

#[tokio::test]
async fn a_node_that_connects_is_an_agent_of_its_zone_as_long_as_its_host_is_on_record() {
    let cloud = Cloud::start().await;
    let credentials = cloud.host("compute1").await;
    let hello = Hello { availability_zone: "east".into(), ..hello("compute1") };
    let _node = TestNode::connect_with(&cloud, &credentials, hello, Held::default()).await;
    let agents = || {
        let view = cloud.store.snapshot();
        view.agents_of_host("compute1").map(|agent| agent.value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(agents().len(), AgentRole::ALL.len());
    assert!(
        agents().iter().all(|agent| agent.availability_zone == "east" && agent.is_alive(Timestamp::now()))
    );
    let long_after = Timestamp(Timestamp::now().0 + DOWN_AFTER_MS);
    assert!(agents().iter().all(|agent| !agent.is_alive(long_after)));
    cloud.remove_host("compute1").await;
    assert_eq!(agents(), []);
}

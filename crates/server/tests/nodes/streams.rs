//! The life of a stream.

use crate::cloud::{Cloud, until};
use crate::test_node::{TestNode, hello, refusal};
use hadron_server::nodes::{Counter, NodeConfig};
use hadron_wire::proto::goodbye::Reason;
use hadron_wire::proto::node_message::Message;
use hadron_wire::proto::welcome::Mode;
use hadron_wire::proto::{Ack, Hello};
use hadron_wire::{Row, RowKey};
use std::time::Duration;

#[tokio::test]
async fn a_node_that_comes_back_gets_the_difference() {
    let cloud = Cloud::start().await;
    let credentials = cloud.host("compute1").await;
    cloud.host("compute2").await;
    let network = cloud.network().await;
    cloud.ports(network, &["compute1", "compute2", "compute2"]).await;
    let mut node = TestNode::connect(&cloud, "compute1", &credentials).await;
    assert_eq!(node.mode(), Mode::Snapshot);
    node.take().await;
    let rows = node.held.len();

    let port = cloud.port(network, "compute2").await;
    let mut node = node.reconnect(&cloud, &credentials).await;
    assert_eq!(node.mode(), Mode::Difference);
    node.take_cost();
    node.take().await;
    assert_eq!(node.take_cost().0, 2, "the location of the new port, and it as a member of its group");
    assert_eq!(node.held.len(), rows + 2);

    // Also from a server that has just started on the same store.
    cloud.delete_port(port.id).await;
    let cloud = cloud.restart().await;
    let mut node = node.reconnect(&cloud, &credentials).await;
    assert_eq!(node.mode(), Mode::Difference);
    node.take().await;
    assert_eq!((node.take_cost().0, node.held.len()), (2, rows));

    // Nothing happened: the first batch says so.
    let mut node = node.reconnect(&cloud, &credentials).await;
    assert_eq!(node.take().await.touched.len(), 0);
}

#[tokio::test]
async fn a_node_with_another_history_gets_a_snapshot() {
    let cloud = Cloud::start().await;
    let credentials = cloud.host("compute1").await;
    let strange = Hello { history_id: vec![9; 16].into(), revision: 3, ..hello("compute1") };
    let node = TestNode::connect_with(&cloud, &credentials, strange, Default::default()).await;
    assert_eq!(node.mode(), Mode::Snapshot);
}

#[tokio::test]
async fn a_slow_node_gets_the_latest_of_each_row() {
    let cloud = Cloud::start().await;
    let mut node = cloud.node("compute1").await;
    let network = cloud.network().await;
    let port = cloud.port(network, "compute1").await;
    node.until_port(port.number.0).await;
    for round in 0..2_000 {
        cloud.set_network_up(network, round % 2 == 1).await;
    }
    let last = cloud.store.snapshot().position().revision.0;
    assert!(cloud.service.node("compute1").unwrap().waiting <= 1, "one key, however often it changed");
    node.take_cost();
    node.until(last).await;
    let (changes, _) = node.take_cost();
    println!("2,000 changes of a row while the node did not read: {changes} sent");
    let number = cloud.store.snapshot().get::<hadron_model::Network>(&network).unwrap().number.0;
    assert!(matches!(node.held.get(&RowKey::Network(number)), Some(Row::Network(row)) if row.admin_up));
}

#[tokio::test]
async fn acknowledgements_are_cumulative_and_visible() {
    let cloud = Cloud::start().await;
    let mut node = cloud.node("compute1").await;
    let network = cloud.network().await;
    let port = cloud.port(network, "compute1").await;
    node.until_port(port.number.0).await;
    let held = node.position.clone().unwrap().1;
    let acknowledged = |at_least| {
        let cloud = &cloud;
        move || cloud.service.node("compute1").unwrap().acknowledged.0 >= at_least
    };
    until("the rows are acknowledged", acknowledged(held)).await;

    // What doesn't concern the node reaches it with its next heartbeat, so that its position doesn't age.
    cloud.network().await;
    let now = cloud.store.snapshot().position().revision.0;
    node.heartbeat().await;
    node.until(now).await;
    until("the heartbeat caught it up", acknowledged(now)).await;

    node.send(Message::Ack(Ack { revision: now + 100 })).await;
    let (reason, text) = node.goodbye().await;
    assert_eq!(reason, Reason::Protocol);
    assert!(text.contains(&(now + 100).to_string()), "{text}");
}

#[tokio::test]
async fn a_node_that_breaks_the_protocol_is_told_how() {
    let cloud = Cloud::start().await;
    let credentials = cloud.host("compute1").await;
    let mut node = TestNode::connect(&cloud, "compute1", &credentials).await;
    node.send(Message::Hello(hello("compute1"))).await;
    assert_eq!(node.goodbye().await.0, Reason::Protocol);

    let mut node = TestNode::connect(&cloud, "compute1", &credentials).await;
    node.report(vec![Default::default(); hadron_wire::MAX_PORT_REPORTS + 1]).await;
    assert_eq!(node.goodbye().await.0, Reason::Protocol);

    for bad in [
        Hello { history_id: vec![1; 5].into(), ..hello("compute1") },
        Hello { underlay: vec![1; 4].into(), ..hello("compute1") },
    ] {
        assert_eq!(refusal(&cloud, &credentials, bad).await.reason(), Reason::Protocol);
    }
    TestNode::connect(&cloud, "compute1", &credentials).await;
}

#[tokio::test]
async fn a_silent_node_is_let_go() {
    let config = NodeConfig { silence: Duration::from_millis(50), ..NodeConfig::default() };
    let cloud = Cloud::start_with(config).await;
    let mut node = cloud.node("compute1").await;
    let (reason, text) = node.goodbye().await;
    assert_eq!(reason, Reason::Protocol);
    assert!(text.contains("heartbeats"), "{text}");
}

#[tokio::test]
async fn a_stopping_server_says_goodbye() {
    let mut cloud = Cloud::start().await;
    let mut nodes = [cloud.node("compute1").await, cloud.node("compute2").await];
    let goodbyes = async {
        for node in &mut nodes {
            assert_eq!(node.goodbye().await.0, Reason::Shutdown);
        }
    };
    tokio::join!(cloud.stop(), goodbyes);
    assert_eq!(cloud.count(Counter::Goodbyes), 2);
}

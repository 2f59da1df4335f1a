//! On which hosts an object is in force.

use crate::cloud::{Cloud, until};
use crate::test_node::TestNode;
use hadron_api::receipt::{HostReceipt, Receipts, Standing};
use hadron_control::port::PortChange;
use hadron_model::{NetworkId, Port, PortId};
use hadron_store::RecordKey;

async fn hosts(cloud: &Cloud, key: RecordKey) -> Vec<HostReceipt> {
    let view = cloud.store.snapshot();
    let changed = match &key {
        RecordKey::Port(id) => view.get::<Port>(id).unwrap().modified,
        RecordKey::Network(id) => view.get::<hadron_model::Network>(id).unwrap().modified,
        other => panic!("{other:?}"),
    };
    cloud.service.hosts(key, changed, view).await
}

async fn standings(cloud: &Cloud, key: RecordKey) -> Vec<(String, Standing)> {
    hosts(cloud, key).await.into_iter().map(|host| (host.host, host.standing)).collect()
}

fn told(expected: &[(&str, Standing)]) -> Vec<(String, Standing)> {
    expected.iter().map(|(host, standing)| ((*host).to_owned(), *standing)).collect()
}

/// Two hosts in a network, and one outside it.
async fn start() -> (Cloud, [TestNode; 3], NetworkId, PortId) {
    let cloud = Cloud::start().await;
    let mut nodes =
        [cloud.node("compute1").await, cloud.node("compute2").await, cloud.node("compute3").await];
    let network = cloud.network().await;
    let ports = cloud.ports(network, &["compute1", "compute2"]).await;
    for (node, port) in nodes.iter_mut().zip(&ports) {
        node.until_port(port.number.0).await;
        node.until_rows(|held| held.len() > 3).await;
    }
    (cloud, nodes, network, ports[0].id)
}

async fn until_settled(cloud: &Cloud, nodes: &mut [TestNode], key: &RecordKey) {
    let revision = cloud.store.snapshot().position().revision;
    for node in nodes {
        node.heartbeat().await;
        node.until(revision.0).await;
    }
    for _ in 0..1000 {
        if hosts(cloud, key.clone()).await.iter().all(|host| host.standing == Standing::InForce) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{:?}", hosts(cloud, key.clone()).await);
}

#[tokio::test]
async fn a_port_is_in_force_where_it_is_acknowledged_and_only_those_who_need_it_count() {
    use Standing::{Behind, InForce};
    let (cloud, mut nodes, network, port) = start().await;
    let key = RecordKey::Port(port);
    until_settled(&cloud, &mut nodes, &key).await;
    assert_eq!(standings(&cloud, key.clone()).await, told(&[("compute1", InForce), ("compute2", InForce)]));

    // A change that only its own host is told of: the others need no more than they have.
    let down = PortChange { admin_state_up: Some(false), ..PortChange::default() };
    cloud.update_port(port, down).await;
    assert_eq!(standings(&cloud, key.clone()).await[0], told(&[("compute1", Behind)])[0]);
    let needed = hosts(&cloud, key.clone()).await[0].needed;
    nodes[0].until(needed.0).await;
    let is_in_force = async || standings(&cloud, key.clone()).await[0].1 == InForce;
    for _ in 0..1000 {
        if is_in_force().await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(is_in_force().await);

    // What changes nothing on any host is in force at once, and what happens to others makes no difference.
    let renamed = PortChange { name: Some("other".into()), ..PortChange::default() };
    cloud.update_port(port, renamed).await;
    cloud.network().await;
    let settled = hosts(&cloud, key.clone()).await;
    assert_eq!(settled[0].standing, InForce, "{settled:?}");
    assert_eq!(standings(&cloud, RecordKey::Network(network)).await.len(), 2);
}

#[tokio::test]
async fn a_host_that_has_to_give_up_a_port_counts_until_it_has() {
    let (cloud, mut nodes, _, port) = start().await;
    let key = RecordKey::Port(port);
    until_settled(&cloud, &mut nodes, &key).await;
    let binding =
        hadron_control::binding::BindingChange { host_id: Some("compute3".to_owned()), ..Default::default() };
    cloud.update_port(port, PortChange { binding, ..PortChange::default() }).await;
    let behind: Vec<String> =
        standings(&cloud, key.clone()).await.into_iter().map(|(host, _)| host).collect();
    assert_eq!(behind, ["compute1", "compute2", "compute3"]);
    until_settled(&cloud, &mut nodes, &key).await;
    assert!(!standings(&cloud, key).await.iter().any(|(host, _)| host == "compute1"));
}

#[tokio::test]
async fn a_host_that_is_away_has_what_it_had() {
    use Standing::{Behind, InForce, Unknown};
    let (cloud, mut nodes, network, port) = start().await;
    let key = RecordKey::Port(port);
    until_settled(&cloud, &mut nodes, &key).await;
    let [one, two, three] = nodes;
    drop(two);
    until("the second host is away", || !cloud.service.node("compute2").unwrap().is_connected).await;
    assert_eq!(standings(&cloud, key.clone()).await, told(&[("compute1", InForce), ("compute2", InForce)]));
    cloud.set_network_up(network, false).await;
    let network = RecordKey::Network(network);
    let told_of = hosts(&cloud, network.clone()).await;
    assert_eq!((told_of[1].standing, told_of[1].is_connected), (Behind, false));
    assert!(told_of[1].acknowledged.unwrap() < told_of[1].needed);

    // A server that has just started has heard nothing yet.
    drop((one, three));
    let cloud = cloud.restart().await;
    let told_of = hosts(&cloud, network).await;
    assert!(
        told_of.iter().all(|host| host.standing == Unknown && host.acknowledged.is_none()),
        "{told_of:?}"
    );
}

#[tokio::test]
async fn the_request_of_a_change_goes_with_its_rows() {
    use hadron_store::CommitInfo;
    use hadron_wire::proto::server_message::Message as FromServer;
    let cloud = Cloud::start().await;
    let mut node = cloud.node("compute1").await;
    node.take().await;
    let network = cloud.network().await;
    let info = CommitInfo { request_id: "req-7".into(), ..CommitInfo::system() };
    let new = hadron_control::port::NewPort {
        binding: hadron_control::binding::BindingChange {
            host_id: Some("compute1".into()),
            ..Default::default()
        },
        ..hadron_control::port::NewPort::on(network, "p".into())
    };
    let make = |tx: &mut _| hadron_control::port::create(tx, &cloud.control, &new);
    cloud.store.write(info, make).await.unwrap();
    let mut requests = Vec::new();
    loop {
        match node.receive().await.expect("a batch") {
            FromServer::Batch(batch) => {
                requests.push(batch.request_id.clone());
                if batch.complete_to != 0 && !batch.changes.is_empty() {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(requests.last().map(String::as_str), Some("req-7"));
    // What no request made says none.
    cloud.set_network_up(network, false).await;
    let FromServer::Batch(batch) = node.receive().await.expect("a batch") else { panic!("no batch") };
    assert_eq!(batch.request_id, "");
}

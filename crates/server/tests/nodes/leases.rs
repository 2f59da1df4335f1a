//! Leases of routers' addresses and their end: what one host gives up is another one's once the first has acknowledged that.

use crate::authority::Credentials;
use crate::cloud::{Cloud, until};
use crate::test_node::{TestNode, hello};
use hadron_control::binding::BindingChange;
use hadron_control::port::PortChange;
use hadron_model::{Host, Port, PortId, PortLease};
use hadron_wire::proto::node_message::Message;
use hadron_wire::proto::{Hello, PortsWanted};
use hadron_wire::{Row, RowKey};

const SLOT: u16 = 2000;

/// Two hosts with an instance each behind one router.
struct Scene {
    cloud: Cloud,
    gateway: Port,
    instances: Vec<Port>,
    /// Of the first host.
    credentials: Credentials,
}

impl Scene {
    async fn start() -> (Self, TestNode, TestNode) {
        let cloud = Cloud::start().await;
        let credentials = cloud.host("compute1").await;
        let one = TestNode::connect(&cloud, "compute1", &credentials).await;
        let two = cloud.node("compute2").await;
        let network = cloud.network().await;
        let gateway = cloud.router(network).await;
        let instances = cloud.ports(network, &["compute1", "compute2"]).await;
        let scene = Self { cloud, gateway, instances, credentials };
        let mut nodes = [one, two];
        for node in &mut nodes {
            node.until_rows(|held| held.iter().any(|(key, _)| matches!(key, RowKey::RouterInterface { .. })))
                .await;
        }
        let [one, two] = nodes;
        (scene, one, two)
    }

    async fn says(&self, node: &TestNode, blocks: u32, slots: &[u16], unused: &[u16]) {
        let [slots, unused] = [slots, unused].map(|slots| slots.iter().copied().map(u32::from).collect());
        let interface = self.gateway.number.0;
        node.send(Message::PortsWanted(PortsWanted { interface, blocks, slots, unused })).await;
    }

    fn lease(&self, host: &str) -> Option<PortLease> {
        let view = self.cloud.store.snapshot();
        let number = view.get::<Host>(&host.to_owned())?.number;
        view.get::<PortLease>(&(self.gateway.id, number)).map(|lease| lease.value.clone())
    }

    fn slots(&self, host: &str) -> Vec<u16> {
        self.lease(host).map(|lease| lease.slots).unwrap_or_default()
    }

    /// Asks until it has the slot, as packets do.
    async fn gets(&self, node: &mut TestNode) {
        for _ in 0..500 {
            self.says(node, 0, &[SLOT], &[]).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            if self.slots(&node.host).contains(&SLOT) {
                return self.until_row(node, true).await;
            }
        }
        panic!("{} never has the slot", node.host);
    }

    /// Takes rows until its own says so, and acknowledges all.
    async fn until_row(&self, node: &mut TestNode, has: bool) {
        while self.has_row(node) != has {
            node.take().await;
        }
    }

    fn has_row(&self, node: &TestNode) -> bool {
        let host = node.welcome.host_number;
        let mut rows = node.held.iter();
        rows.any(
            |(_, row)| matches!(row, Row::PortLease(row) if row.host == host && row.slots.contains(&SLOT)),
        )
    }

    async fn moves(&self, port: PortId, host: &str) {
        let binding = BindingChange { host_id: Some(host.to_owned()), ..BindingChange::default() };
        self.cloud.update_port(port, PortChange { binding, ..PortChange::default() }).await;
    }
}

/// Long enough for anything that must not happen.
async fn a_while() {
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
}

#[tokio::test]
async fn what_a_host_gives_back_is_another_one_s_when_it_has_acknowledged_that() {
    let (scene, mut one, mut two) = Scene::start().await;
    scene.gets(&mut one).await;
    scene.says(&two, 0, &[SLOT], &[]).await;
    scene.says(&one, 0, &[], &[SLOT]).await;
    while scene.has_row(&one) {
        one.take_silently().await;
    }
    scene.says(&two, 0, &[SLOT], &[]).await;
    a_while().await;
    assert_eq!(
        (scene.slots("compute1"), scene.slots("compute2")),
        (vec![SLOT], vec![]),
        "not acknowledged yet"
    );
    one.acknowledge().await;
    until("it has ended", || scene.slots("compute1").is_empty()).await;
    scene.gets(&mut two).await;
}

#[tokio::test]
async fn who_asks_again_before_acknowledging_keeps_it() {
    let (scene, mut one, two) = Scene::start().await;
    scene.gets(&mut one).await;
    scene.says(&one, 0, &[], &[SLOT]).await;
    while scene.has_row(&one) {
        one.take_silently().await;
    }
    // As a node does in whose slot a session has begun meanwhile.
    scene.says(&one, 0, &[SLOT], &[]).await;
    one.acknowledge().await;
    scene.says(&two, 0, &[SLOT], &[]).await;
    scene.until_row(&mut one, true).await;
    a_while().await;
    assert_eq!((scene.slots("compute1"), scene.slots("compute2")), (vec![SLOT], vec![]));
    assert!(scene.lease("compute1").unwrap().ending.is_empty());
}

#[tokio::test]
async fn a_host_without_an_instance_loses_its_lease_with_the_rows() {
    let (scene, mut one, mut two) = Scene::start().await;
    scene.says(&one, 4, &[], &[]).await;
    scene.gets(&mut one).await;
    scene.moves(scene.instances[0].id, "compute2").await;
    let has_router =
        |node: &TestNode| node.held.iter().any(|(key, _)| matches!(key, RowKey::RouterInterface { .. }));
    while has_router(&one) {
        one.take_silently().await;
    }
    until("the lease ends", || scene.lease("compute1").is_some_and(|lease| lease.ending.len() == 5)).await;
    scene.says(&two, 0, &[SLOT], &[]).await;
    a_while().await;
    assert!(scene.slots("compute2").is_empty() && scene.lease("compute1").is_some(), "not acknowledged yet");
    one.acknowledge().await;
    until("the lease has ended", || scene.lease("compute1").is_none()).await;
    scene.gets(&mut two).await;
}

#[tokio::test]
async fn a_host_that_is_away_keeps_what_it_has_not_given_up() {
    let (scene, mut one, two) = Scene::start().await;
    scene.gets(&mut one).await;
    scene.says(&one, 0, &[], &[SLOT]).await;
    until("it ends", || scene.lease("compute1").is_some_and(|lease| !lease.ending.is_empty())).await;
    // It breaks off before it has seen that, and servers come and go.
    let (history, revision) = one.position.clone().unwrap();
    let held = std::mem::take(&mut one.held);
    drop((one, two));
    let Scene { cloud, gateway, instances, credentials } = scene;
    let scene = Scene { cloud: cloud.restart().await, gateway, instances, credentials };
    a_while().await;
    assert_eq!(scene.slots("compute1"), [SLOT]);
    let hello = Hello { history_id: history.into(), revision, ..hello("compute1") };
    let mut one = TestNode::connect_with(&scene.cloud, &scene.credentials, hello, held).await;
    assert!(scene.has_row(&one));
    scene.until_row(&mut one, false).await;
    until("it has ended", || scene.slots("compute1").is_empty()).await;
}

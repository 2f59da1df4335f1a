//! A hundred nodes and ten thousand ports on the real wire: what a change costs depends on the change, not on the cloud.

use crate::authority::Credentials;
use crate::cloud::Cloud;
use crate::test_node::{TestNode, wired};
use futures_util::future::join_all;
use hadron_control::binding::BindingChange;
use hadron_control::port::PortChange;
use hadron_model::{NetworkId, Port, PortStatus};
use hadron_server::nodes::Counter;
use hadron_wire::Applied;
use hadron_wire::proto::welcome::Mode;
use parking_lot::Mutex;
use std::time::Instant;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

const HOSTS_OF_A_NETWORK: usize = 10;
const PORTS_OF_A_NETWORK: usize = 100;
/// The network in which changes are measured is on these hosts, in a cloud of any size.
const PROBED: [&str; 5] = ["host0", "host1", "host2", "host3", "host4"];
const PROBED_PORTS: usize = 50;
const ROUNDS: usize = 10;

/// A node that follows its stream by itself and reports every port as wired.
struct Running {
    position: watch::Receiver<u64>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<TestNode>,
}

impl Running {
    fn start(mut node: TestNode) -> Self {
        let (positions, position) = watch::channel(0);
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            loop {
                let applied = tokio::select! {
                    applied = node.take() => applied,
                    _ = &mut stopped => return node,
                };
                report(&node, &applied).await;
                if let Some(revision) = applied.complete_to {
                    positions.send_replace(revision);
                }
            }
        });
        Self { position, stop, task }
    }

    async fn until(&mut self, revision: u64) {
        self.position.wait_for(|held| *held >= revision).await.unwrap();
    }

    async fn stop(self) -> TestNode {
        drop(self.stop);
        self.task.await.unwrap()
    }
}

async fn report(node: &TestNode, applied: &Applied) {
    let rows = applied.touched.iter().filter_map(|key| match key {
        hadron_wire::RowKey::Port(number) => node.port(*number),
        _ => None,
    });
    let reports: Vec<_> = rows.map(|row| wired(row.number, row.revision)).collect();
    for reports in reports.chunks(hadron_wire::MAX_PORT_REPORTS) {
        node.report(reports.to_vec()).await;
    }
}

struct Simulation {
    cloud: Cloud,
    credentials: Vec<Credentials>,
    nodes: Vec<Running>,
    probed: NetworkId,
}

/// What a kind of change cost, per change.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    change: &'static str,
    rows: usize,
    bytes: usize,
}

impl Simulation {
    async fn start(hosts: usize) -> Self {
        let began = Instant::now();
        let cloud = Cloud::start().await;
        let names: Vec<String> = (0..hosts).map(|index| format!("host{index}")).collect();
        let mut credentials = Vec::new();
        for name in &names {
            credentials.push(cloud.host(name).await);
        }
        for network in 0..hosts {
            let id = cloud.network().await;
            let on: Vec<_> = (0..PORTS_OF_A_NETWORK)
                .map(|port| &*names[(network + port % HOSTS_OF_A_NETWORK) % hosts])
                .collect();
            fill(&cloud, id, &on).await;
        }
        let probed = cloud.network().await;
        let on: Vec<_> = (0..PROBED_PORTS).map(|port| PROBED[port % PROBED.len()]).collect();
        fill(&cloud, probed, &on).await;
        let ports = hosts * PORTS_OF_A_NETWORK + PROBED_PORTS;
        println!("{hosts} hosts, {ports} ports: {:?} to create", began.elapsed());
        let mut simulation = Self { cloud, credentials, nodes: vec![], probed };
        simulation.connect(vec![]).await;
        simulation
    }

    /// All nodes connect at once, with what they hold or with nothing.
    async fn connect(&mut self, held: Vec<TestNode>) {
        let began = Instant::now();
        let rows = self.cloud.count(Counter::Rows);
        let revision = self.cloud.store.snapshot().position().revision.0;
        let cloud = &self.cloud;
        let mut held = held.into_iter();
        let connecting = self.credentials.iter().enumerate().map(|(index, credentials)| {
            let before = held.next();
            async move {
                match before {
                    Some(node) => node.reconnect(cloud, credentials).await,
                    None => TestNode::connect(cloud, &format!("host{index}"), credentials).await,
                }
            }
        });
        let nodes = join_all(connecting).await;
        let snapshots = nodes.iter().filter(|node| node.mode() == Mode::Snapshot).count();
        self.nodes = nodes.into_iter().map(Running::start).collect();
        for node in &mut self.nodes {
            node.until(revision).await;
        }
        let rows = self.cloud.count(Counter::Rows) - rows;
        let hosts = self.nodes.len();
        println!("{hosts} nodes at once, {snapshots} with a snapshot: {:?}, {rows} rows", began.elapsed());
    }

    async fn disconnect(&mut self) -> Vec<TestNode> {
        join_all(std::mem::take(&mut self.nodes).into_iter().map(Running::stop)).await
    }

    fn ports_of(&self, host: &str) -> usize {
        self.cloud.store.snapshot().ports_of_host(host).count()
    }

    async fn until_all_active(&self) {
        let began = Instant::now();
        let mut watch = self.cloud.store.watch();
        let mut model = watch.initial();
        let is_wired = |port: &Port| port.is_distributed() || port.status == PortStatus::Active;
        while !model.iter::<Port>().all(|port| is_wired(port)) {
            model = watch.next().await.after.clone();
        }
        let (reports, writes) = (self.cloud.count(Counter::Reports), self.cloud.count(Counter::ReportWrites));
        println!("{reports} reports recorded in {writes} transactions, the last {:?} later", began.elapsed());
    }

    /// Waits until every row of what has been committed is sent. What nodes report meanwhile makes no rows.
    async fn settle(&self) {
        let revision = self.cloud.store.snapshot().position().revision;
        crate::cloud::until("no row waits", || {
            // In this order: what a commit makes dirty is so once the rows follow it.
            self.cloud.service.position().revision >= revision
                && self.cloud.service.nodes().iter().all(|status| status.waiting == 0)
        })
        .await;
    }

    /// What `ROUNDS` changes of a kind cost, all nodes together.
    async fn measure(&self, change: &'static str, round: impl AsyncFn(usize)) -> Cost {
        let counted =
            || [Counter::Rows, Counter::RowBytes, Counter::Batches].map(|counter| self.cloud.count(counter));
        self.settle().await;
        let (before, began) = (counted(), Instant::now());
        for index in 0..ROUNDS {
            round(index).await;
            self.settle().await;
        }
        let after = counted();
        let [rows, bytes, batches] = [0, 1, 2].map(|index| (after[index] - before[index]) as usize);
        let time = began.elapsed() / ROUNDS as u32;
        let per_round = |count: usize| count as f64 / ROUNDS as f64;
        println!(
            "  {change}: {} rows, {} bytes, {} batches, {time:?}",
            per_round(rows),
            per_round(bytes),
            per_round(batches)
        );
        Cost { change, rows, bytes }
    }

    /// The same changes in any cloud.
    async fn changes(&self) -> Vec<Cost> {
        let (cloud, network) = (&self.cloud, self.probed);
        let (ports, rules) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let id = |round: usize| ports.lock()[round];
        let bind = |host: &str| PortChange {
            binding: BindingChange { host_id: Some(host.to_owned()), ..BindingChange::default() },
            ..PortChange::default()
        };
        vec![
            self.measure("port created", async |round| {
                let port = cloud.port(network, PROBED[round % PROBED.len()]).await;
                ports.lock().push(port.id);
            })
            .await,
            self.measure("port active", async |round| {
                cloud.until_status(id(round), PortStatus::Active).await
            })
            .await,
            self.measure("port moved", async |round| {
                cloud.update_port(id(round), bind(PROBED[(round + 1) % PROBED.len()])).await;
            })
            .await,
            self.measure("port set down", async |round| {
                let down = PortChange { admin_state_up: Some(false), ..PortChange::default() };
                cloud.update_port(id(round), down).await;
            })
            .await,
            self.measure("port renamed", async |round| {
                let renamed = PortChange { name: Some("new".into()), ..PortChange::default() };
                cloud.update_port(id(round), renamed).await;
            })
            .await,
            self.measure("network changed", async |round| {
                cloud.set_network_up(network, round % 2 == 1).await
            })
            .await,
            self.measure("first port on a host, and its end", async |_| {
                let port = cloud.port(network, "host5").await;
                self.settle().await;
                cloud.delete_port(port.id).await;
            })
            .await,
            self.measure("rule added", async |round| {
                let (rule, _) = cloud.add_rule(network, round).await;
                rules.lock().push(rule);
            })
            .await,
            self.measure("rule removed", async |round| {
                let rule = rules.lock()[round];
                cloud.remove_rule(rule).await;
            })
            .await,
            self.measure("port deleted", async |round| cloud.delete_port(id(round)).await).await,
            self.measure("network of nobody created", async |_| {
                cloud.network().await;
            })
            .await,
        ]
    }

    /// From a rule's creation until every node with a port of its group has taken it: a group on up to fifty hosts.
    async fn time_rules(&mut self) {
        let hosts: Vec<String> = (0..self.nodes.len().min(50)).map(|index| format!("host{index}")).collect();
        let wide = self.cloud.network().await;
        fill(&self.cloud, wide, &hosts.iter().map(String::as_str).collect::<Vec<_>>()).await;
        self.settle().await;
        let mut times = Vec::new();
        for round in 0..100 {
            let began = Instant::now();
            let (rule, revision) = self.cloud.add_rule(wide, round).await;
            for node in self.nodes.iter_mut().take(hosts.len()) {
                node.until(revision).await;
            }
            times.push(began.elapsed());
            self.cloud.remove_rule(rule).await;
        }
        times.sort();
        println!(
            "  rule added to taken by {} nodes: median {:?}, 99th {:?}",
            hosts.len(),
            times[50],
            times[98]
        );
    }

    /// From a port's creation until the store says that it is wired, over the wire and back.
    async fn time_wiring(&self) {
        let mut times = Vec::new();
        for round in 0..100 {
            let began = Instant::now();
            let port = self.cloud.port(self.probed, PROBED[round % PROBED.len()]).await;
            self.cloud.until_status(port.id, PortStatus::Active).await;
            times.push(began.elapsed());
            self.cloud.delete_port(port.id).await;
        }
        times.sort();
        println!("  created to active: median {:?}, 99th {:?}", times[50], times[98]);
    }
}

/// Creates ports in transactions that fit the store's limits.
async fn fill(cloud: &Cloud, network: NetworkId, hosts: &[&str]) {
    for hosts in hosts.chunks(20) {
        cloud.ports(network, hosts).await;
    }
}

/// Costs in a cloud of so many hosts, after all nodes came, wired everything, and came back twice.
async fn run(hosts: usize) -> Vec<Cost> {
    let mut simulation = Simulation::start(hosts).await;
    simulation.until_all_active().await;
    let costs = simulation.changes().await;
    simulation.time_wiring().await;
    simulation.time_rules().await;

    let held = simulation.disconnect().await;
    assert_eq!(held.iter().filter(|node| node.mode() == Mode::Snapshot).count(), hosts);
    let rows = simulation.cloud.count(Counter::Rows);
    simulation.connect(held).await;
    let returned = simulation.cloud.count(Counter::Rows) - rows;
    assert_eq!(simulation.cloud.count(Counter::Differences), hosts as u64);
    let held: usize = simulation.disconnect().await.iter().map(|node| node.held.len()).sum();
    assert!(
        returned < held as u64 / 10,
        "{returned} rows for what {hosts} nodes missed, of {held} that they hold"
    );
    simulation.connect(vec![]).await;
    for node in simulation.disconnect().await {
        assert_eq!(
            node.held.iter().filter(|(key, _)| matches!(key, hadron_wire::RowKey::Port(_))).count(),
            simulation.ports_of(&node.host)
        );
    }
    costs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cost_of_a_change_does_not_grow_with_the_cloud() {
    let small = run(10).await;
    let large = run(100).await;
    for (small, large) in small.iter().zip(&large) {
        assert_eq!((small.change, small.rows), (large.change, large.rows));
        // Numbers and revisions of a larger cloud are larger, and with them their encoding.
        assert!(
            large.bytes <= small.bytes + 8 * small.rows,
            "{}: {} and {} bytes",
            small.change,
            small.bytes,
            large.bytes
        );
    }
}

//! Nodes that lag, leave, return, forget and are moved never hold a wrong row once they are told that they are complete,
//! and are never sent one that isn't theirs.

use crate::model::{Cloud, HOSTS, Op, any_op};
use crate::reference::{Rows, rows_of, timeless};
use hadron_project::{Limits, Note, Projection, Settings, Subscription};
use hadron_store::{Commit, Position, Revision, Snapshot};
use hadron_wire::proto::{Batch, welcome::Mode};
use hadron_wire::row::Decoded;
use hadron_wire::{Held, RowChange};
use proptest::prelude::*;
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Event {
    Commit(Vec<Op>),
    /// The node takes a batch of so many changes.
    Take {
        node: u8,
        changes: usize,
    },
    Disconnect {
        node: u8,
    },
    /// It comes back, with its rows or (having been replaced) without.
    Connect {
        node: u8,
        keeps_rows: bool,
    },
    CatchUp {
        node: u8,
    },
    /// The server starts again and knows so many of the last commits.
    Restart {
        commits: usize,
    },
}

fn any_event() -> impl Strategy<Value = Event> {
    let node = 0..HOSTS;
    prop_oneof![
        8 => prop::collection::vec(any_op(), 1..4).prop_map(Event::Commit),
        10 => (node.clone(), 1usize..6).prop_map(|(node, changes)| Event::Take { node, changes }),
        1 => node.clone().prop_map(|node| Event::Disconnect { node }),
        4 => (node.clone(), prop::bool::weighted(0.9))
            .prop_map(|(node, keeps_rows)| Event::Connect { node, keeps_rows }),
        1 => node.prop_map(|node| Event::CatchUp { node }),
        1 => (0usize..20).prop_map(|commits| Event::Restart { commits }),
    ]
}

#[derive(Default)]
struct Node {
    held: Held,
    position: Option<Position>,
    subscription: Option<Subscription>,
}

struct World {
    cloud: Cloud,
    start: Arc<Snapshot>,
    commits: Vec<Arc<Commit>>,
    settings: Settings,
    projection: Projection,
    nodes: Vec<Node>,
}

impl World {
    fn new(tombstones: usize) -> Self {
        let cloud = Cloud::new();
        let start = cloud.store.snapshot();
        let settings = Settings { tombstones, ..Settings::default() };
        let projection = Projection::new(&start, settings.clone());
        let nodes = (0..HOSTS).map(|_| Node::default()).collect();
        Self { cloud, start, commits: vec![], settings, projection, nodes }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Commit(ops) => self.commit(&ops),
            Event::Take { node, changes } => drop(self.take(node, changes)),
            Event::Disconnect { node } => self.nodes[usize::from(node)].subscription = None,
            Event::Connect { node, keeps_rows } => self.connect(node, keeps_rows),
            Event::CatchUp { node } => {
                let Some(subscription) = &mut self.nodes[usize::from(node)].subscription else { return };
                if let Some(batch) = self.projection.catch_up(subscription) {
                    self.deliver(node, batch);
                }
            }
            Event::Restart { commits } => self.restart(commits),
        }
    }

    fn commit(&mut self, ops: &[Op]) {
        let Some(commit) = self.cloud.commit(ops) else { return };
        let delta = self.projection.apply(&commit);
        self.commits.push(commit);
        let (projection, nodes) = (&self.projection, &mut self.nodes);
        delta.notes(projection, |host, note| {
            for node in nodes.iter_mut() {
                let Some(subscription) = node.subscription.as_mut().filter(|own| own.host() == host) else {
                    continue;
                };
                subscription.note(note, projection);
                if note == Note::Removed {
                    node.subscription = None;
                }
            }
        });
    }

    fn connect(&mut self, node: u8, keeps_rows: bool) {
        let Some(host) = self.cloud.model.hosts.get(&node) else { return };
        let node = &mut self.nodes[usize::from(node)];
        if !keeps_rows {
            *node = Node::default();
        }
        let subscription = self.projection.subscribe(host.number.0, node.position).unwrap();
        node.held.begin(subscription.mode());
        node.subscription = Some(subscription);
    }

    fn restart(&mut self, commits: usize) {
        let known = self.commits.len() - commits.min(self.commits.len());
        let start =
            self.commits.get(known).map_or(self.cloud.store.snapshot(), |commit| commit.before.clone());
        self.projection = Projection::new(&start, self.settings.clone());
        self.commits[known..].iter().for_each(|commit| drop(self.projection.apply(commit)));
        self.nodes.iter_mut().for_each(|node| node.subscription = None);
        assert!(start.position().revision >= self.start.position().revision);
    }

    /// Returns whether there was a batch.
    fn take(&mut self, node: u8, changes: usize) -> bool {
        let Some(subscription) = &mut self.nodes[usize::from(node)].subscription else { return false };
        let limits = Limits { changes, ..Limits::default() };
        let Some(batch) = self.projection.next_batch(subscription, limits) else { return false };
        assert!(batch.changes.len() <= changes);
        self.deliver(node, batch);
        true
    }

    fn deliver(&mut self, node: u8, batch: Batch) {
        let expected = self.expected(node);
        for change in &batch.changes {
            let Ok(Decoded::Change(RowChange { key, row: Some(row) })) = RowChange::decode(change.clone())
            else {
                continue;
            };
            assert_eq!(
                Some(&timeless(&row)),
                expected.get(&key),
                "a row that isn't this host's, or not the latest"
            );
        }
        let node = &mut self.nodes[usize::from(node)];
        let applied = node.held.apply(batch);
        assert_eq!((applied.unknown, applied.malformed.len()), (0, 0));
        if let Some(revision) = applied.complete_to {
            let position = self.projection.position();
            assert_eq!(revision, position.revision.0);
            node.position = Some(Position { revision: Revision(revision), ..position });
            let held: Rows = node.held.iter().map(|(key, row)| (*key, timeless(row))).collect();
            assert_eq!(held, expected);
        }
    }

    fn expected(&self, node: u8) -> Rows {
        rows_of(&self.cloud.model, &self.cloud.model.hosts[&node])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_complete_node_holds_its_rows_and_no_others(
        events in prop::collection::vec(any_event(), 1..150),
        tombstones in prop::sample::select(vec![0, 3, 1000]),
    ) {
        let mut world = World::new(tombstones);
        events.into_iter().for_each(|event| world.event(event));
        for node in 0..HOSTS {
            if world.cloud.model.hosts.contains_key(&node) {
                world.connect(node, true);
                while world.take(node, 3) {}
                prop_assert_eq!(world.nodes[usize::from(node)].subscription.as_ref().unwrap().waiting(), 0);
                prop_assert_eq!(world.nodes[usize::from(node)].position, Some(world.projection.position()));
            }
        }
    }
}

fn port(port: u8, host: u8) -> Op {
    Op::PutPort {
        port,
        host: Some(host),
        dhcp: false,
        up: true,
        subnets: 0,
        mac: 0,
        groups: None,
        pair: false,
        router: None,
        outside: false,
    }
}

fn two_hosts_and_a_network() -> World {
    let mut world = World::new(1000);
    let network = Op::PutNetwork { network: 0, vxlan: true, up: true, mtu: 1450 };
    world.commit(&[Op::PutHost { host: 0, address: 0 }, Op::PutHost { host: 1, address: 0 }, network]);
    world.commit(&[port(0, 0), port(3, 1)]);
    world
}

#[test]
fn a_node_that_comes_back_gets_only_the_difference() {
    let mut world = two_hosts_and_a_network();
    world.connect(0, true);
    while world.take(0, 100) {}
    world.nodes[0].subscription = None;
    world.commit(&[port(6, 1)]);

    world.connect(0, true);
    let subscription = world.nodes[0].subscription.as_mut().unwrap();
    assert_eq!(subscription.mode(), Mode::Difference);
    let batch = world.projection.next_batch(subscription, Limits::default()).unwrap();
    assert_eq!(batch.changes.len(), 1, "the new port's location");
    assert!(!batch.end_of_snapshot && batch.forget.is_empty());
}

#[test]
fn a_node_of_another_history_or_from_the_future_gets_a_snapshot() {
    let mut world = two_hosts_and_a_network();
    let now = world.projection.position();
    for position in [
        None,
        Some(Position { history: hadron_store::HistoryId::random(), ..now }),
        Some(Position { revision: Revision(now.revision.0 + 1), ..now }),
    ] {
        world.nodes[0].position = position;
        world.connect(0, true);
        assert_eq!(world.nodes[0].subscription.as_ref().unwrap().mode(), Mode::Snapshot, "{position:?}");
    }
    world.nodes[0].position = Some(now);
    world.connect(0, true);
    assert_eq!(world.nodes[0].subscription.as_ref().unwrap().mode(), Mode::Difference);
}

#[test]
fn what_does_not_concern_a_node_wakes_nobody_but_can_be_caught_up() {
    let mut world = two_hosts_and_a_network();
    world.connect(0, true);
    while world.take(0, 100) {}
    world.commit(&[Op::PutNetwork { network: 1, vxlan: true, up: true, mtu: 1450 }]);
    assert!(!world.take(0, 100));
    let before = world.nodes[0].position.unwrap().revision;
    world.event(Event::CatchUp { node: 0 });
    assert!(world.nodes[0].position.unwrap().revision > before);
    let subscription = world.nodes[0].subscription.as_mut().unwrap();
    assert_eq!(world.projection.catch_up(subscription), None);
}

#[test]
fn a_status_that_the_store_records_touches_no_row() {
    let mut world = two_hosts_and_a_network();
    let revision = world.projection.port_revision(100);
    // The same port again: a new revision of the record, the same row.
    world.commit(&[port(0, 0)]);
    assert!(world.projection.position().revision > revision.unwrap());
    assert_eq!(world.projection.port_revision(100), revision);
    world.commit(&[port(0, 1)]);
    assert_eq!(world.projection.port_revision(100), Some(world.projection.position().revision));
}

/// The number of rows that a commit touches is that of its change, in a small cloud as in a large one.
#[test]
fn the_cost_of_a_change_is_its_own() {
    let mut world = two_hosts_and_a_network();
    let touched = |world: &mut World, ops: &[Op]| {
        let commit = world.cloud.commit(ops).unwrap();
        world.projection.apply(&commit).rows.len()
    };
    assert_eq!(touched(&mut world, &[port(6, 0)]), 2, "its port row and its location");
    for other in [9, 1, 2, 4, 5, 7, 8, 10, 11] {
        let _ = world.cloud.commit(&[port(other, other % 2)]).map(|commit| world.projection.apply(&commit));
    }
    assert_eq!(touched(&mut world, &[Op::DropPort { port: 6 }]), 2);
    let groups =
        [Op::PutGroup { group: 0, stateful: true }, Op::PutSubnet { subnet: 0, gateway: false, dhcp: false }];
    assert_eq!(touched(&mut world, &groups), 1, "the subnet; a group has no row of its own");
    let member = |port| Op::PutPort {
        port,
        host: Some(port % 2),
        dhcp: false,
        up: true,
        subnets: 1,
        mac: 0,
        groups: Some(1),
        pair: false,
        router: None,
        outside: false,
    };
    assert_eq!(
        touched(&mut world, &[member(0)]),
        4,
        "its port row, its location, itself as a member, the policy"
    );
    for other in [3, 6] {
        assert_eq!(touched(&mut world, &[member(other)]), 3);
    }
    assert_eq!(
        touched(&mut world, &[member(9)]),
        4,
        "and the network, whose last port without a policy it was"
    );
    let rule = Op::PutRule { rule: 0, remote: 2, port: None };
    assert_eq!(touched(&mut world, &[rule]), 1, "its own, however many members it names");
    assert_eq!(touched(&mut world, &[Op::PutNetwork { network: 0, vxlan: true, up: false, mtu: 1450 }]), 1);
}

#[test]
fn a_host_that_was_removed_and_joined_again_starts_anew() {
    let mut world = two_hosts_and_a_network();
    world.connect(0, true);
    while world.take(0, 100) {}
    world.commit(&[Op::DropHost { host: 0 }]);
    assert!(world.nodes[0].subscription.is_none(), "its stream ends at once");
    world.commit(&[Op::DropPort { port: 0 }]);
    world.commit(&[Op::PutHost { host: 0, address: 0 }]);
    world.connect(0, true);
    assert_eq!(world.nodes[0].subscription.as_ref().unwrap().mode(), Mode::Snapshot);
    while world.take(0, 100) {}
    assert!(world.nodes[0].held.is_empty());
}

#[test]
fn what_comes_and_goes_unread_costs_nothing() {
    let mut world = two_hosts_and_a_network();
    world.connect(0, true);
    while world.take(0, 100) {}
    let one_row_each = world.expected(0).len();
    for round in 0..200 {
        world.commit(&[Op::PutNetwork { network: 1, vxlan: true, up: true, mtu: 1450 }]);
        world.commit(&[port(1, 0), port(6, round % 2)]);
        world.commit(&[Op::DropPort { port: 1 }, Op::DropPort { port: 6 }]);
        world.commit(&[Op::DropNetwork { network: 1 }, Op::PutHost { host: 1, address: round % 3 }]);
        assert!(world.nodes[0].subscription.as_ref().unwrap().waiting() <= one_row_each);
    }
    assert_eq!(world.nodes[0].subscription.as_ref().unwrap().waiting(), 1, "the other host's address");
    while world.take(0, 100) {}
}

#[test]
fn an_unknown_host_is_refused() {
    let world = two_hosts_and_a_network();
    let error = world.projection.subscribe(77, None).unwrap_err();
    assert!(error.to_string().contains("77"), "{error}");
}

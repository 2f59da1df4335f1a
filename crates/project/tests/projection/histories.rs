//! Incremental equals from scratch, and the way to a state doesn't show in its rows.

use crate::model::{Cloud, Op, any_op};
use crate::reference::timeless;
use hadron_project::{Interest, Projection, Settings};
use hadron_wire::row::Decoded;
use hadron_wire::{Row, RowChange, RowKey};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn rows(projection: &Projection) -> BTreeMap<RowKey, (Interest, Row)> {
    let decoded = projection.rows().map(|(key, interest, bytes)| match RowChange::decode(bytes.clone()) {
        Ok(Decoded::Change(RowChange { key: same, row: Some(row) })) if same == key => {
            (key, (interest, timeless(&row)))
        }
        other => panic!("{key:?} is encoded as {other:?}"),
    });
    decoded.collect()
}

/// The rows after the commits, and the same from scratch.
fn follow(commits: &[Vec<Op>]) -> BTreeMap<RowKey, (Interest, Row)> {
    let mut cloud = Cloud::new();
    let mut projection = Projection::new(&cloud.store.snapshot(), Settings::default());
    for ops in commits {
        if let Some(commit) = cloud.commit(ops) {
            projection.apply(&commit);
            assert!(projection.apply(&commit).is_empty(), "a repeated commit changes nothing");
        }
    }
    let incremental = rows(&projection);
    assert_eq!(incremental, rows(&Projection::new(&cloud.store.snapshot(), Settings::default())));
    incremental
}

/// Operations that create one thing each, in an order in which all are legal; each is the last word on its thing.
fn any_state() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(any_op(), 5..60).prop_map(|ops| {
        let rank = |op: &Op| match op {
            Op::PutHost { host, .. } => Some((0, *host)),
            Op::PutNetwork { network, .. } => Some((1, *network)),
            Op::PutSubnet { subnet, .. } => Some((2, *subnet)),
            Op::PutGroup { group, .. } => Some((3, *group)),
            Op::PutAddressGroup { group, .. } => Some((4, *group)),
            Op::PutRule { rule, .. } => Some((5, *rule)),
            Op::PutPort { port, .. } => Some((6, *port)),
            Op::PutLog { log, .. } => Some((7, *log)),
            Op::PutRouter { router, .. } => Some((8, *router)),
            Op::PutFloatingIp { floating, .. } => Some((9, *floating)),
            Op::PutForwarding { forwarding, .. } => Some((10, *forwarding)),
            Op::PutPool { pool, .. } => Some((13, *pool)),
            Op::PutGatewayHosts { port, .. } => Some((11, *port)),
            Op::PutLease { port, .. } => Some((12, *port)),
            _ => None,
        };
        let last: BTreeMap<_, _> = ops.into_iter().filter_map(|op| Some((rank(&op)?, op))).collect();
        last.into_values().collect()
    })
}

fn removal(op: &Op) -> Op {
    match *op {
        Op::PutHost { host, .. } => Op::DropHost { host },
        Op::PutNetwork { network, .. } => Op::DropNetwork { network },
        Op::PutSubnet { subnet, .. } => Op::DropSubnet { subnet },
        Op::PutPort { port, .. } => Op::DropPort { port },
        Op::PutGroup { group, .. } => Op::DropGroup { group },
        Op::PutAddressGroup { group, .. } => Op::DropAddressGroup { group },
        Op::PutRule { rule, .. } => Op::DropRule { rule },
        Op::PutLog { log, .. } => Op::DropLog { log },
        Op::PutRouter { router, .. } => Op::DropRouter { router },
        Op::PutFloatingIp { floating, .. } => Op::DropFloatingIp { floating },
        Op::PutForwarding { forwarding, .. } => Op::DropForwarding { forwarding },
        Op::PutPool { pool, .. } => Op::DropPool { pool },
        Op::PutGatewayHosts { port, .. } => Op::DropGatewayHosts { port },
        Op::PutLease { port, host, .. } => Op::DropLease { port, host },
        ref other => other.clone(),
    }
}

/// Cuts `ops` into commits of one to four operations, as `cuts` says.
fn cut(ops: &[Op], cuts: &[u8]) -> Vec<Vec<Op>> {
    let mut commits = Vec::new();
    let mut rest = ops;
    for size in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (commit, later) = rest.split_at(usize::from(*size).min(rest.len()));
        commits.push(commit.to_vec());
        rest = later;
    }
    commits
}

/// A host's number tells how often it joined, so detours of hosts are left out where histories are compared.
fn is_host(op: &Op) -> bool {
    matches!(op, Op::PutHost { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_history_gives_what_a_projection_from_scratch_gives(
        ops in prop::collection::vec(any_op(), 1..80),
        cuts in prop::collection::vec(1u8..5, 1..8),
    ) {
        follow(&cut(&ops, &cuts));
    }

    #[test]
    fn order_repetition_squashing_and_detours_do_not_show(
        state in any_state(),
        shuffle in prop::collection::vec(any::<u8>(), 60),
        detours in prop::collection::vec(0u8..6, 60),
        cuts in prop::collection::vec(1u8..5, 1..8),
    ) {
        let one_by_one: Vec<_> = state.iter().map(|op| vec![op.clone()]).collect();
        let expected = follow(&one_by_one);
        prop_assert_eq!(&follow(std::slice::from_ref(&state)), &expected, "squashed into one");

        let mut detoured = Vec::new();
        for (op, detour) in state.iter().zip(&detours) {
            detoured.push(op.clone());
            match detour {
                0 => detoured.push(op.clone()),
                1 if !is_host(op) => detoured.extend([removal(op), op.clone()]),
                2 if !is_host(op) => {
                    // Everything that is there goes and comes back.
                    let so_far: Vec<_> = detoured.iter().filter(|op| !is_host(op)).cloned().collect();
                    detoured.extend(so_far.iter().rev().map(removal));
                    detoured.extend(state.iter().take_while(|other| *other != op).cloned());
                    detoured.push(op.clone());
                }
                _ => {}
            }
        }
        prop_assert_eq!(&follow(&cut(&detoured, &cuts)), &expected, "repeated and with detours");

        // Hosts and ports come in any order among themselves and with each other; what a port names comes before it.
        let mut ordered: Vec<_> = state.iter().zip(&shuffle).collect();
        ordered.sort_by_key(|(op, random)| match op {
            Op::PutNetwork { .. } | Op::PutGroup { .. } | Op::PutAddressGroup { .. } => (0, **random),
            Op::PutSubnet { .. } | Op::PutRule { .. } => (1, **random),
            Op::PutPort { .. } => (2, **random),
            // They name hosts.
            Op::PutGatewayHosts { .. } | Op::PutLease { .. } => (3, **random),
            _ => (**random % 3, **random),
        });
        let ordered: Vec<_> = ordered.into_iter().map(|(op, _)| op.clone()).collect();
        prop_assert_eq!(&follow(&cut(&ordered, &cuts)), &expected, "in another order");
    }
}

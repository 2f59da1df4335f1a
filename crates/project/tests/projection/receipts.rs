//! Whom an object concerns, and from when on it is in force there.

use crate::model::{Cloud, Op, any_op};
use hadron_project::{Footprint, Note, Projection, Settings};
use hadron_store::{RecordKey, Revision};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Of the records that a commit changed, those that the API shows and hosts need.
fn is_object(key: &&RecordKey) -> bool {
    matches!(
        key,
        RecordKey::Network(_)
            | RecordKey::Subnet(_)
            | RecordKey::Port(_)
            | RecordKey::Router(_)
            | RecordKey::FloatingIp(_)
            | RecordKey::PortForwarding(_)
            | RecordKey::SecurityGroupRule(_)
            | RecordKey::AddressGroup(_)
    )
}

/// Whether a removal of the object's commit is told to hosts that no longer need anything of it.
fn is_put(op: &Op) -> bool {
    format!("{op:?}").starts_with("Put") && !matches!(op, Op::PutHost { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// A commit of one operation is in force on a host that it changes a row of when the host has acknowledged it, and not before; what it
    /// changes nothing of needs no more than it did.
    #[test]
    fn whom_a_commit_concerns_needs_exactly_it(ops in prop::collection::vec(any_op(), 1..60)) {
        let mut cloud = Cloud::new();
        let mut projection = Projection::new(&cloud.store.snapshot(), Settings::default());
        for op in ops {
            let Some(commit) = cloud.commit(std::slice::from_ref(&op)) else { continue };
            let delta = projection.apply(&commit);
            let (mut concerned, mut left) = (BTreeSet::new(), BTreeSet::new());
            delta.notes(&projection, |host, note| {
                match note {
                    Note::Row { has: true, .. } | Note::Gained(_) => concerned.insert(host),
                    Note::Row { .. } | Note::Lost(_) | Note::Removed => left.insert(host),
                };
            });
            let mut objects = commit.changes.iter().map(|change| &change.key).filter(is_object);
            let (Some(object), None) = (objects.next(), objects.next()) else { continue };
            let revision = commit.position.revision;
            let footprint = Footprint::of(object, Some(&commit.before), &commit.after);
            let needs = projection.needs(&footprint, revision, Revision::ZERO);
            if is_put(&op) {
                for host in &concerned {
                    prop_assert_eq!(needs.get(host), Some(&revision), "{:?} by {:?} on {}", object, op, host);
                }
            }
            for (host, needed) in &needs {
                prop_assert!(*needed <= revision);
                prop_assert!(
                    *needed < revision || concerned.contains(host) || left.contains(host),
                    "{:?} by {:?} on {} which it does not concern", object, op, host
                );
            }
            // Who has everything has the object.
            prop_assert!(needs.values().all(|needed| *needed <= projection.position().revision));
        }
    }
}

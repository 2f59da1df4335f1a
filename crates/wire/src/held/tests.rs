use super::*;
use crate::row::{Direction, Family, LocationRow, MemberRow, NetworkRow, Place, PolicyRow, Remote, RuleRow};
use bytes::Bytes;

fn network(number: u32, mtu: u32) -> Row {
    Row::Network(NetworkRow {
        number,
        uuid: [number as u8; 16],
        vni: Some(number),
        mtu,
        admin_up: true,
        privacy_addresses: false,
        unlisted_addresses: false,
        physical: None,
    })
}

fn location(network: u32, port: u32) -> Row {
    Row::Location(LocationRow { network, port, mac: [2; 6], addresses: vec![], place: Place::Host(1) })
}

fn batch(rows: &[Row]) -> Batch {
    Batch { changes: rows.iter().map(RowChange::encode_set).collect(), ..Batch::default() }
}

fn keys(held: &Held) -> Vec<RowKey> {
    held.iter().map(|(key, _)| *key).collect()
}

#[test]
fn a_snapshot_removes_what_it_does_not_name_at_its_end() {
    let mut held = Held::default();
    held.begin(Mode::Difference);
    held.apply(batch(&[network(1, 1450), network(2, 1450), location(1, 7)]));

    held.begin(Mode::Snapshot);
    assert_eq!(held.apply(batch(&[network(1, 1450)])), Applied::default());
    assert_eq!(held.len(), 3, "nothing goes before the end");
    let mut last = batch(&[network(3, 1450)]);
    last.end_of_snapshot = true;
    last.complete_to = 9;
    let applied = held.apply(last);
    assert_eq!(applied.complete_to, Some(9));
    assert_eq!(
        applied.touched.into_iter().collect::<Vec<_>>(),
        [RowKey::Network(2), RowKey::Network(3), RowKey::Location { network: 1, port: 7 }]
    );
    assert_eq!(keys(&held), [RowKey::Network(1), RowKey::Network(3)]);
}

#[test]
fn forgetting_a_network_takes_its_rows_and_no_others() {
    let mut held = Held::default();
    held.begin(Mode::Difference);
    held.apply(batch(&[network(1, 1450), location(1, 7), network(2, 1450), location(2, 8)]));
    let mut again = batch(&[network(1, 9000)]);
    again.forget = vec![1];
    let applied = held.apply(again);
    assert_eq!(applied.touched.len(), 2);
    assert_eq!(
        keys(&held),
        [RowKey::Network(1), RowKey::Network(2), RowKey::Location { network: 2, port: 8 }]
    );
}

#[test]
fn a_policy_its_rules_and_its_members_are_forgotten_each_by_itself() {
    let mut held = Held::default();
    held.begin(Mode::Snapshot);
    let rule = |group, rule| {
        Row::Rule(RuleRow {
            group,
            rule,
            uuid: [0; 16],
            direction: Direction::Ingress,
            family: Family::Ipv4,
            protocol: None,
            port_min: None,
            port_max: None,
            remote: Remote::Set(3),
            stateless: false,
        })
    };
    let member = |set, member| Row::Member(MemberRow { set, member, prefixes: vec![] });
    let policy = |number| Row::Policy(PolicyRow { number, groups: vec![2, 3] });
    held.apply(batch(&[rule(2, 1), rule(3, 2), member(2, 7), member(3, 7), policy(1), policy(2)]));
    let forgotten = Batch {
        forget_policies: vec![1],
        forget_rules: vec![2],
        forget_members: vec![3],
        end_of_snapshot: true,
        ..Batch::default()
    };
    let gone = [RowKey::Rule { group: 2, rule: 1 }, RowKey::Member { set: 3, member: 7 }, RowKey::Policy(1)];
    assert_eq!(held.apply(forgotten).touched, BTreeSet::from(gone));
    let kept = [RowKey::Rule { group: 3, rule: 2 }, RowKey::Member { set: 2, member: 7 }, RowKey::Policy(2)];
    assert_eq!(keys(&held), kept);
}

#[test]
fn unknown_kinds_are_counted_and_malformed_rows_leave_the_old_ones() {
    let mut held = Held::default();
    held.begin(Mode::Difference);
    held.apply(batch(&[network(1, 1450)]));

    // Field 99 of RowKey, as a later release may have it: key { 99: 5 }.
    let unknown = Bytes::from_static(&[0x0a, 0x03, 0x98, 0x06, 0x05]);
    // A NetworkRow without its UUID.
    let malformed = Bytes::from_static(&[0x0a, 0x02, 0x08, 0x01, 0x12, 0x04, 0x0a, 0x02, 0x08, 0x01]);
    let applied = held
        .apply(Batch { changes: vec![unknown, malformed, Bytes::from_static(&[0xff])], ..Batch::default() });
    assert_eq!(applied.unknown, 1);
    assert_eq!(applied.malformed[0], MalformedRow::Field { key: RowKey::Network(1), field: "uuid" });
    assert!(matches!(applied.malformed[1], MalformedRow::Encoding(_)));
    assert_eq!(held.get(&RowKey::Network(1)), Some(&network(1, 1450)));
}

#[test]
fn removals_and_repetitions_touch_only_what_changes() {
    let mut held = Held::default();
    held.begin(Mode::Difference);
    assert_eq!(held.apply(batch(&[network(1, 1450)])).touched.len(), 1);
    assert_eq!(held.apply(batch(&[network(1, 1450)])).touched.len(), 0);
    let removal = Batch { changes: vec![RowChange::encode_removal(RowKey::Network(1))], ..Batch::default() };
    assert_eq!(held.apply(removal.clone()).touched.len(), 1);
    assert_eq!(held.apply(removal).touched.len(), 0);
    assert!(held.is_empty());
}

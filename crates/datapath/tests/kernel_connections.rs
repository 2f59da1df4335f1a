//! The tables of policies and connections over the life of several agents, and the sweep.

mod support;

use hadron_datapath::table::*;
use hadron_datapath::{Address, Config, Datapath, Error, Mac, Sizes, Slot, Tables, table};
use support::program::monotonic;

fn main() -> std::process::ExitCode {
    support::run(&[
        ("a_sweep_takes_what_has_expired", a_sweep_takes_what_has_expired),
        ("a_sweep_puts_counts_right", a_sweep_puts_counts_right),
        ("connections_of_a_port_that_is_gone_go_too", connections_of_a_port_that_is_gone_go_too),
        ("a_nearly_full_table_is_said_to_be", a_nearly_full_table_is_said_to_be),
        ("policies_and_connections_move_to_other_sizes", policies_and_connections_move_to_other_sizes),
        ("a_full_trie_refuses_one_row_and_no_other", a_full_trie_refuses_one_row_and_no_other),
        ("a_full_trie_is_not_copied_into_a_smaller_one", a_full_trie_is_not_copied_into_a_smaller_one),
        ("generations_only_rise", generations_only_rise),
        ("rules_are_counted_over_a_restart", rules_are_counted_over_a_restart),
        ("a_sweep_takes_sessions_that_are_over", a_sweep_takes_sessions_that_are_over),
        ("a_sweep_takes_sessions_that_have_no_slot", a_sweep_takes_sessions_that_have_no_slot),
    ])
}

const MINUTE: u64 = 60_000_000_000;

fn key(port: u32, remote_port: u16) -> ConnectionKey {
    ConnectionKey {
        port,
        local: Address::v4([10, 0, 0, 1]),
        remote: Address::v4([10, 0, 0, 2]),
        local_port: 1,
        remote_port,
        protocol: 17,
        asker: 0,
        pad: [0; 2],
    }
}

/// Writes connections as the programs do: `live` of a port that last, and `expired` ones.
fn connections(tables: &Tables, port: u32, live: u16, expired: u16) {
    let now = monotonic();
    for number in 0..live + expired {
        let expires = if number < live { now + MINUTE } else { now - 1 };
        let row = Connection { expires, ..Connection::default() };
        tables.connections.put(&key(port, number), &row).unwrap();
    }
}

fn a_sweep_takes_what_has_expired() {
    let datapath = support::open("expired");
    let tables = datapath.tables();
    tables.ensure_port_state(1).unwrap();
    tables.ensure_port_state(2).unwrap();
    connections(tables, 1, 5, 3);
    connections(tables, 2, 0, 2);
    let sweep = tables.sweep().unwrap();
    assert_eq!((sweep.live, sweep.expired, sweep.refused, sweep.lost), (5, 5, 0, 0));
    assert_eq!(sweep.capacity, u64::from(Sizes::lab().of(&table::CONNECTIONS)));
    let mut left: Vec<_> = tables.connections.dump().unwrap().into_iter().map(|(key, _)| key).collect();
    left.sort();
    assert_eq!(left, (0..5).map(|number| key(1, number)).collect::<Vec<_>>());
    let sweep = tables.sweep().unwrap();
    assert_eq!((sweep.live, sweep.expired, sweep.lost), (5, 0, 0));
    assert_eq!(tables.connections.status().rows, 5);
}

fn a_sweep_puts_counts_right() {
    let datapath = support::open("counts");
    let tables = datapath.tables();
    tables.ensure_port_state(1).unwrap();
    connections(tables, 1, 7, 1);
    tables.set_connection_count(1, ConnectionCount { count: 30, refused: 4, since: 0 }).unwrap();
    let before = monotonic();
    let sweep = tables.sweep().unwrap();
    assert_eq!((sweep.live, sweep.expired, sweep.refused, sweep.lost), (7, 1, 4, 22));
    let row = tables.connection_count(1).unwrap().unwrap();
    assert_eq!((row.count, row.refused), (7, 4));
    assert!(row.since >= before, "the programs see that the sweep was here");
}

fn connections_of_a_port_that_is_gone_go_too() {
    let datapath = support::open("gone");
    let tables = datapath.tables();
    tables.ensure_port_state(1).unwrap();
    connections(tables, 1, 2, 0);
    connections(tables, 9, 2, 0);
    assert_eq!(tables.sweep().unwrap().live, 2);
    tables.remove_port_state(1).unwrap();
    assert_eq!(tables.sweep().unwrap().live, 0);
    assert_eq!(tables.connections.dump().unwrap(), []);
    assert_eq!(tables.port_states().unwrap(), [0; 0], "the sweep brings no port back");
}

fn a_nearly_full_table_is_said_to_be() {
    let sizes = Sizes::lab().with(&table::CONNECTIONS, 1000);
    let datapath = Datapath::open(Config { sizes, ..support::config("nearly") }).unwrap();
    let tables = datapath.tables();
    tables.ensure_port_state(1).unwrap();
    connections(tables, 1, 790, 0);
    assert!(!tables.sweep().unwrap().is_nearly_full());
    connections(tables, 1, 800, 0);
    assert!(tables.sweep().unwrap().is_nearly_full());
}

fn class(index: u8) -> (ClassKey, Class) {
    let key = ClassKey::new(1, direction::INGRESS, Address::v4([10, 0, index, 0]), 120);
    (key, Class { class: 1 << 31 | u32::from(index) })
}

fn policies_and_connections_move_to_other_sizes() {
    let config = support::config("move");
    let datapath = Datapath::open(config.clone()).unwrap();
    let tables = datapath.tables();
    tables.ensure_port_state(1).unwrap();
    connections(tables, 1, 3, 0);
    let (class_key, class_row) = class(1);
    tables.classes.put(&class_key, &class_row).unwrap();
    tables.put_policy(&PolicyKey { policy: 1, direction: 1 }, 2).unwrap();
    let mac = FdbKey::new(1, Mac([0, 0, 0x5e, 0, 1, 1]));
    tables.learned_macs.put(&mac, &LearnedMac { kind: target::PORT, id: 1 }).unwrap();
    let policies = tables.policies.dump().unwrap();
    drop(datapath);

    let sizes = Sizes::lab().with(&table::CONNECTIONS, 20_000).with(&table::CLASSES, 9999);
    let datapath = Datapath::open(Config { sizes, ..config }).unwrap();
    let tables = datapath.tables();
    assert_eq!(tables.connections.status().capacity, 20_000);
    assert_eq!(tables.sweep().unwrap().live, 3);
    assert_eq!(tables.classes.dump().unwrap(), [(class_key, class_row)]);
    assert_eq!(tables.policies.dump().unwrap(), policies, "with its generation");
    assert!(tables.learned_macs.get(&mac).unwrap().is_some());
}

fn a_full_trie_refuses_one_row_and_no_other() {
    let sizes = Sizes::lab().with(&table::CLASSES, 3);
    let datapath = Datapath::open(Config { sizes, ..support::config("trie") }).unwrap();
    let classes = &datapath.tables().classes;
    for index in 1..=3 {
        let (key, row) = class(index);
        classes.put(&key, &row).unwrap();
    }
    let (key, row) = class(4);
    let refusal = classes.put(&key, &row).unwrap_err();
    assert!(matches!(refusal, Error::Full { table: "CLASSES", capacity: 3 }), "{refusal}");
    assert_eq!(classes.status().full, 1);
    let (first, _) = class(1);
    assert!(classes.remove(&first).unwrap());
    classes.put(&key, &row).unwrap();
    assert_eq!(classes.dump().unwrap().len(), 3);
}

fn a_full_trie_is_not_copied_into_a_smaller_one() {
    let config = support::config("smaller");
    let datapath = Datapath::open(config.clone()).unwrap();
    for index in 1..=5 {
        let (key, row) = class(index);
        datapath.tables().classes.put(&key, &row).unwrap();
    }
    drop(datapath);
    let sizes = Sizes::lab().with(&table::CLASSES, 4);
    let refusal = Datapath::open(Config { sizes, ..config }).err().expect("a refusal");
    assert!(matches!(refusal, Error::Full { table: "CLASSES", capacity: 4 }), "{refusal}");
}

fn generations_only_rise() {
    let config = support::config("generations");
    let policy = PolicyKey { policy: 1, direction: 0 };
    let generation =
        |datapath: &Datapath| datapath.tables().policies.get(&policy).unwrap().unwrap().generation;
    let datapath = Datapath::open(config.clone()).unwrap();
    datapath.tables().renew_policy(&policy).unwrap();
    assert_eq!(datapath.tables().policies.dump().unwrap(), [], "what isn't there is not renewed");
    datapath.tables().put_policy(&policy, 1).unwrap();
    let first = generation(&datapath);
    datapath.tables().put_policy(&policy, 2).unwrap();
    assert_eq!(generation(&datapath), first, "an addition has nothing judged again");
    datapath.tables().renew_policy(&policy).unwrap();
    let second = generation(&datapath);
    assert!(second > first);
    drop(datapath);
    let datapath = Datapath::open(config).unwrap();
    assert_eq!(generation(&datapath), second, "nor does a restart");
    for _ in 0..3 {
        datapath.tables().policies.remove(&policy).unwrap();
        datapath.tables().put_policy(&policy, 1).unwrap();
    }
    assert!(generation(&datapath) > second, "who comes back is not met by the connections of who went");
}

fn rules_are_counted_over_a_restart() {
    let config = support::config("rules");
    let datapath = Datapath::open(config.clone()).unwrap();
    datapath.tables().ensure_rule_state(7).unwrap();
    assert_eq!(datapath.tables().rule_allowed(7).unwrap(), Some(0));
    assert_eq!(datapath.tables().rule_allowed(8).unwrap(), None);
    drop(datapath);
    let datapath = Datapath::open(config).unwrap();
    assert_eq!(datapath.tables().rule_states().unwrap(), [7]);
    datapath.tables().remove_rule_state(7).unwrap();
    assert_eq!(datapath.tables().rule_states().unwrap(), [0; 0]);
}

const SHARED: [u8; 4] = [203, 0, 113, 9];

fn session(tables: &Tables, inside_port: u16, outside_port: u16, expires: u64) {
    session_of(tables, 6, inside_port, outside_port, expires);
}

/// Writes a session of port 1 and its way back, as the programs do.
fn session_of(tables: &Tables, protocol: u8, inside_port: u16, outside_port: u16, expires: u64) {
    let (inside, remote) = ([10, 0, 0, 1], [192, 0, 2, 1]);
    let key =
        NatSessionKey { interface: 7, inside, remote, inside_port, remote_port: 80, protocol, pad: [0; 3] };
    let row = NatSession { expires, port: 1, outside: SHARED, outside_port, ..NatSession::default() };
    tables.nat_sessions.put(&key, &row).unwrap();
    let key = NatReturnKey {
        network: 9,
        outside: SHARED,
        remote,
        outside_port,
        remote_port: 80,
        protocol,
        pad: [0; 3],
    };
    let row = NatReturn { interface: 7, inside, inside_port, pad: [0; 2] };
    tables.nat_returns.put(&key, &row).unwrap();
}

fn a_sweep_takes_sessions_that_are_over() {
    let datapath = support::open("sessions");
    let tables = datapath.tables();
    tables.ensure_port_state(1).unwrap();
    let pool = NatPool::new(SHARED, &[100]);
    tables.nat_pools.put(&NatPoolKey { interface: 7 }, &pool).unwrap();
    let (now, in_block) = (monotonic(), 100 * NAT_BLOCK);
    session(tables, 1, in_block, now + MINUTE);
    session(tables, 2, in_block + 1, now - 1);
    // Of a block that this host no longer has.
    session(tables, 3, 200 * NAT_BLOCK, now + MINUTE);
    // A way back that has been taken over: the session of instance port 4 has lost it.
    session(tables, 4, in_block + 4, now + MINUTE);
    session(tables, 5, in_block + 4, now + MINUTE);
    assert_eq!(tables.sweep().unwrap().sessions, 3);
    let left = |table: Vec<u16>| table.into_iter().collect::<std::collections::BTreeSet<_>>();
    let sessions = tables.nat_sessions.dump().unwrap().into_iter().map(|(key, _)| key.inside_port);
    assert_eq!(left(sessions.collect()), [1, 4, 5].into());
    let returns = tables.nat_returns.dump().unwrap().into_iter().map(|(_, row)| row.inside_port);
    assert_eq!(left(returns.collect()), [1, 5].into());
    // Without a pool none stays, nor without the port.
    tables.nat_pools.remove(&NatPoolKey { interface: 7 }).unwrap();
    assert_eq!(tables.sweep().unwrap().sessions, 0);
    assert!(tables.nat_returns.dump().unwrap().is_empty());
    // What is forwarded stays while its row leads to it.
    let row = Forwarding {
        port: 1,
        inside: [10, 0, 0, 1],
        outside_port: 80,
        inside_port: 20,
        ..Forwarding::default()
    };
    let range = ForwardingKey::new(9, SHARED, 6, 80, 12);
    tables.forwardings.put(&range, &row).unwrap();
    session(tables, 25, 85, now + MINUTE);
    session(tables, 26, 85, now + MINUTE);
    session(tables, 36, 96, now + MINUTE);
    assert_eq!(tables.sweep().unwrap().sessions, 1);
    tables.forwardings.put(&range, &Forwarding { host: 2, ..row }).unwrap();
    assert_eq!(tables.sweep().unwrap().sessions, 0);
    tables.nat_pools.put(&NatPoolKey { interface: 7 }, &pool).unwrap();
    session(tables, 1, in_block, now + MINUTE);
    tables.remove_port_state(1).unwrap();
    assert_eq!(tables.sweep().unwrap().sessions, 0);
    assert!(tables.nat_sessions.dump().unwrap().is_empty());
}

fn a_sweep_takes_sessions_that_have_no_slot() {
    let datapath = support::open("slots");
    let tables = datapath.tables();
    tables.ensure_port_state(1).unwrap();
    let interface = RouterInterface { network: 9, ..RouterInterface::default() };
    tables.router_interfaces.put(&RouterInterfaceKey { interface: 7 }, &interface).unwrap();
    let slot = |protocol| {
        let block = nat_slot(protocol, [192, 0, 2, 1]);
        NatOwnerKey { network: 9, address: SHARED, block, pad: [0; 2] }
    };
    let (gre, esp, sctp) = (47, 50, 132);
    for (protocol, host) in [(gre, 0), (esp, 2), (sctp, 0)] {
        tables.nat_owners.put(&slot(protocol), &NatOwner { host }).unwrap();
        session_of(tables, protocol, 4000, 4000, monotonic() + MINUTE);
    }
    let left = || {
        let sessions = tables.nat_sessions.dump().unwrap().into_iter().map(|(key, _)| key.protocol);
        sessions.collect::<std::collections::BTreeSet<_>>()
    };
    tables.nat_pools.put(&NatPoolKey { interface: 7 }, &NatPool::new(SHARED, &[])).unwrap();
    let idle = NatOwnerKey { block: 1024, ..slot(gre) };
    tables.nat_owners.put(&idle, &NatOwner { host: 0 }).unwrap();
    // TCP of the same two ends is in no slot.
    session_of(tables, 6, 4000, 100 * NAT_BLOCK, monotonic() + MINUTE);
    let sweep = tables.sweep().unwrap();
    assert_eq!(sweep.sessions, 2);
    assert_eq!(left(), [gre, sctp].into());
    let found =
        |key: NatOwnerKey, ports: &[u32]| Slot { interface: 7, slot: key.block, ports: ports.to_vec() };
    let mut expected = vec![found(slot(gre), &[1]), found(slot(sctp), &[1]), found(idle, &[])];
    expected.sort_by_key(|found| found.slot);
    assert_eq!(sweep.slots, expected);
    // In another network the slot is another one's.
    tables
        .router_interfaces
        .put(&RouterInterfaceKey { interface: 7 }, &RouterInterface { network: 8, ..interface })
        .unwrap();
    let sweep = tables.sweep().unwrap();
    assert_eq!((sweep.sessions, sweep.slots), (0, vec![]));
    assert!(tables.nat_returns.dump().unwrap().is_empty());
}

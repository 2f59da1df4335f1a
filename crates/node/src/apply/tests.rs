mod drawing;
mod gateway;
mod policy;
mod router;

use super::calculation::{Calculation, HostFacts, Limits, PortInterface, Provider};
use super::entry::NetworkFacts;
use super::{Key, Outages, Value, Writer};
use crate::plane::memory::Memory;
use hadron_pipeline::table::{self, NetworkKey, VniKey, network_flag, port_flag, target};
use hadron_pipeline::{Address, Mac};
use hadron_wire::proto::Batch;
use hadron_wire::row::{
    DhcpServer, LocationRow, NetworkRow, PhysicalSegment, Place, PortAddress, PortRow, Prefix, PresenceRow,
    Row, RowChange, RowKey, SubnetRow,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SELF: u32 = 1;

fn host() -> HostFacts {
    HostFacts {
        number: SELF,
        underlay: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        overlay: Some(77),
        overlay_mtu: 1450,
        limits: Limits::default(),
        providers: [(PHYSICAL.to_owned(), None)].into(),
        services: None,
    }
}

const PHYSICAL: &str = "physnet1";

/// The host with an interface to its physical network.
fn mapped() -> HostFacts {
    HostFacts { providers: [(PHYSICAL.to_owned(), Some(PROVIDER))].into(), ..host() }
}

const PROVIDER: Provider = Provider { index: 88, mac: Mac([2, 0, 0, 0, 0, 0x88]) };

/// A network of the physical network.
fn physical(number: u32, vlan: Option<u16>) -> Row {
    let Row::Network(row) = network(number, None) else { unreachable!("a network") };
    let segment = PhysicalSegment { network: PHYSICAL.to_owned(), vlan };
    Row::Network(NetworkRow { physical: Some(segment), unlisted_addresses: true, ..row })
}

fn v4(last: u8) -> Ipv6Addr {
    Ipv4Addr::new(10, 0, 0, last).to_ipv6_mapped()
}

fn mac(last: u8) -> [u8; 6] {
    [0xfa, 0x16, 0x3e, 0, 0, last]
}

fn network(number: u32, vni: Option<u32>) -> Row {
    Row::Network(NetworkRow {
        number,
        uuid: [0; 16],
        vni,
        mtu: 1450,
        admin_up: true,
        privacy_addresses: false,
        unlisted_addresses: false,
        physical: None,
    })
}

fn subnet(network: u32, number: u32, dhcp: bool) -> Row {
    Row::Subnet(SubnetRow {
        number,
        network,
        uuid: [0; 16],
        cidr: Prefix::of(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 24),
        gateway: Some(v4(1)),
        dns: Vec::new(),
        host_routes: Vec::new(),
        enable_dhcp: dhcp,
        dhcp: Some(DhcpServer { address: v4(2), mac: mac(2) }),
        lease_seconds: 86_400,
        ra_mode: None,
        address_mode: None,
    })
}

fn presence(network: u32, host: u32) -> Row {
    Row::Presence(PresenceRow { network, host, underlay: v4(200 + host as u8) })
}

fn location(network: u32, port: u32, last: u8, place: Place) -> Row {
    Row::Location(LocationRow { network, port, mac: mac(last), addresses: vec![v4(last)], place })
}

fn port(number: u32, network: u32, last: u8) -> PortRow {
    PortRow {
        number,
        uuid: [0; 16],
        network,
        mac: mac(last),
        addresses: vec![PortAddress { address: v4(last), subnet: 1 }],
        interface_name: format!("tap{number}"),
        admin_up: true,
        port_security_disabled: false,
        revision: 1,
        policy: None,
        allowed_pairs: Vec::new(),
        log: None,
        dhcp_options: Vec::new(),
        dns_name: String::new(),
    }
}

fn set(rows: impl IntoIterator<Item = Row>) -> Batch {
    let changes = rows.into_iter().map(|row| RowChange::encode_set(&row)).collect();
    Batch { complete_to: 1, changes, ..Batch::default() }
}

fn remove(keys: impl IntoIterator<Item = RowKey>) -> Batch {
    let changes = keys.into_iter().map(RowChange::encode_removal).collect();
    Batch { complete_to: 1, changes, ..Batch::default() }
}

type Entries = BTreeMap<Key, Value>;

fn fold(entries: &mut Entries, calculation: &mut Calculation) {
    for (key, value) in calculation.take_changes() {
        match value {
            Some(value) => drop(entries.insert(key, value)),
            None => drop(entries.remove(&key)),
        }
    }
}

fn calculated(rows: impl IntoIterator<Item = Row>, interfaces: &[(&str, u32)]) -> Entries {
    calculated_on(host(), rows, interfaces)
}

fn calculated_on(
    host: HostFacts,
    rows: impl IntoIterator<Item = Row>,
    interfaces: &[(&str, u32)],
) -> Entries {
    let mut calculation = Calculation::new(host);
    for (name, index) in interfaces {
        calculation.set_interface(name, Some((*index).into()));
    }
    calculation.apply(set(rows));
    let mut entries = Entries::new();
    fold(&mut entries, &mut calculation);
    entries
}

fn flooded(entries: &Entries, network: u32) -> Vec<(u32, u32)> {
    let members =
        entries.keys().filter_map(|key| if let Key::Flood(member) = key { Some(member) } else { None });
    members.filter(|m| m.network == network).map(|m| (m.target.kind, m.target.id)).collect()
}

fn network_facts(entries: &Entries, network: u32) -> NetworkFacts {
    match entries.get(&Key::Network(NetworkKey { network })) {
        Some(Value::Network(row)) => *row,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_port_is_whole_only_with_row_network_and_interface() {
    let rows = || [network(5, Some(500)), Row::Port(port(9, 5, 7))];
    let wired = calculated(rows(), &[("tap9", 33)]);
    let Some(Value::Port(row)) = wired.get(&Key::Port(table::PortKey { port: 9 })) else {
        panic!("{wired:?}")
    };
    assert_eq!(
        (row.network, row.ifindex, row.mac, row.flags),
        (5, 33, Mac(mac(7)), port_flag::PORT_SECURITY)
    );
    let allowed = table::AllowedKey::new(9, Mac(mac(7)), Address::v4([10, 0, 0, 7]));
    assert!(wired.contains_key(&Key::Allowed(allowed)));
    assert_eq!(wired.get(&Key::PortProgram(table::PortKey { port: 9 })), Some(&Value::PortProgram(33)));
    assert_eq!(flooded(&wired, 5), [(target::PORT, 9)]);

    for (without, interfaces) in [
        (vec![network(5, Some(500)), Row::Port(port(9, 5, 7))], [].as_slice()),
        (vec![Row::Port(port(9, 5, 7))], &[("tap9", 33)]),
    ] {
        let entries = calculated(without, interfaces);
        assert!(!entries.keys().any(|k| matches!(k, Key::Port(_) | Key::Interface(_) | Key::PortProgram(_))));
    }
}

#[test]
fn a_pair_whose_other_end_moves_changes_its_port() {
    let mut calculation = Calculation::new(host());
    let mut entries = Entries::new();
    calculation.apply(set([network(5, Some(500)), Row::Port(port(9, 5, 7))]));
    for is_pair in [false, true, false] {
        calculation.set_interface("tap9", Some(PortInterface { index: 33, is_pair }));
        fold(&mut entries, &mut calculation);
        let Some(Value::Port(row)) = entries.get(&Key::Port(table::PortKey { port: 9 })) else { panic!() };
        assert_eq!(row.flags & port_flag::PAIR != 0, is_pair);
    }
}

#[test]
fn administrative_state_of_port_or_network_disables_and_unfloods() {
    let mut down = port(9, 5, 7);
    down.admin_up = false;
    let network_down = Row::Network(NetworkRow {
        number: 5,
        uuid: [0; 16],
        vni: None,
        mtu: 1450,
        admin_up: false,
        privacy_addresses: false,
        unlisted_addresses: false,
        physical: None,
    });
    for rows in [[network(5, None), Row::Port(down)], [network_down, Row::Port(port(9, 5, 7))]] {
        let entries = calculated(rows, &[("tap9", 33)]);
        let Some(Value::Port(row)) = entries.get(&Key::Port(table::PortKey { port: 9 })) else { panic!() };
        assert_eq!(row.flags & port_flag::DISABLED, port_flag::DISABLED);
        assert_eq!(flooded(&entries, 5), []);
    }
}

#[test]
fn other_hosts_are_flooded_to_and_believed_and_this_one_is_not() {
    let entries = calculated([network(5, Some(500)), presence(5, SELF), presence(5, 2)], &[]);
    let hosts: Vec<_> = entries.keys().filter(|k| matches!(k, Key::Host(_) | Key::Vtep(_))).collect();
    assert_eq!(hosts.len(), 2, "{hosts:?}");
    assert_eq!(flooded(&entries, 5), [(target::HOST, 2)]);
    assert!(entries.contains_key(&Key::Vni(VniKey { vni: 500 })));
}

#[test]
fn locations_lead_here_elsewhere_or_to_the_service() {
    let rows = [
        network(5, Some(500)),
        location(5, 9, 7, Place::Host(SELF)),
        location(5, 10, 8, Place::Host(2)),
        location(5, 11, 2, Place::Everywhere),
    ];
    let entries = calculated(rows, &[]);
    let fdb: Vec<_> = entries
        .values()
        .filter_map(|v| if let Value::Fdb(f) = v { Some((f.kind, f.id)) } else { None })
        .collect();
    assert_eq!(fdb, [(target::SERVICE, 0), (target::PORT, 9), (target::HOST, 2)]);
}

#[test]
fn dhcp_is_flagged_where_a_subnet_serves_it() {
    for (dhcp, flags) in [(true, network_flag::DHCP4), (false, 0)] {
        let entries = calculated([network(5, None), subnet(5, 1, dhcp)], &[]);
        assert_eq!(network_facts(&entries, 5).flags, flags);
    }
}

#[test]
fn an_address_that_moves_to_a_newer_port_stays_reachable_in_any_order() {
    let (old, new) = (location(5, 9, 7, Place::Host(2)), location(5, 12, 7, Place::Host(3)));
    let gone = RowKey::Location { network: 5, port: 9 };
    let mut calculation = Calculation::new(host());
    let mut entries = Entries::new();
    calculation.apply(set([old, new.clone()]));
    fold(&mut entries, &mut calculation);
    calculation.apply(remove([gone]));
    fold(&mut entries, &mut calculation);
    assert_eq!(entries, calculated([new], &[]));
}

#[test]
fn two_ports_with_one_interface_name_leave_it_to_the_newer() {
    let mut twin = port(10, 5, 8);
    twin.interface_name = "tap9".into();
    let interface = Key::Interface(table::InterfaceKey { ifindex: 33 });
    let mut calculation = Calculation::new(host());
    let mut entries = Entries::new();
    calculation.set_interface("tap9", Some(33.into()));
    calculation.apply(set([network(5, None), Row::Port(port(9, 5, 7)), Row::Port(twin)]));
    fold(&mut entries, &mut calculation);
    assert_eq!(entries.get(&interface), Some(&Value::Interface(table::Interface { port: 10 })));
    assert_eq!(calculation.entries_of_port(9), []);
    calculation.apply(remove([RowKey::Port(10)]));
    fold(&mut entries, &mut calculation);
    assert_eq!(entries.get(&interface), Some(&Value::Interface(table::Interface { port: 9 })));
}

#[test]
fn a_restart_writes_nothing_when_nothing_changed() {
    let rows = || {
        let locals = (1..40).map(|n| Row::Port(port(n, 5, n as u8)));
        let hosts = (2..20).map(|n| presence(5, n));
        [network(5, Some(500))].into_iter().chain(hosts).chain(locals)
    };
    let memory = Memory::default();
    for attempt in 0..2 {
        let mut plane = memory.clone();
        let before = memory.writes();
        let found = crate::plane::Plane::dump(&mut plane).unwrap();
        let mut calculation = Calculation::new(host());
        let mut writer = Writer::default();
        writer.observe(found);
        for n in (1..40).rev() {
            calculation.set_interface(&format!("tap{n}"), Some((100 + n).into()));
        }
        calculation.apply(set(rows()));
        writer.desire(calculation.take_changes());
        assert!(writer.write(&mut plane, true).is_empty());
        assert_eq!(memory.writes() - before > 0, attempt == 0);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Set(Row),
    Remove(RowKey),
    Forget(Batch),
    Interface(u32, Option<u32>),
    Overlay(Option<u32>),
    Provider(bool),
    HostNumber(u32),
    Outages(Outages),
}

fn row() -> impl Strategy<Value = Row> {
    let net = 1..3u32;
    let id = 1..5u32;
    let last = 1..4u8;
    let place = prop_oneof![Just(Place::Everywhere), (1..3u32).prop_map(Place::Host)];
    prop_oneof![
        (net.clone(), proptest::option::of(1..3u32), any::<bool>()).prop_map(|(n, vni, admin_up)| {
            Row::Network(NetworkRow {
                number: n,
                uuid: [0; 16],
                vni,
                mtu: 1450,
                admin_up,
                privacy_addresses: false,
                unlisted_addresses: false,
                physical: None,
            })
        }),
        (net.clone(), 1..3u32, any::<bool>()).prop_map(|(n, s, dhcp)| subnet(n, s, dhcp)),
        (net.clone(), 1..4u32).prop_map(|(n, h)| presence(n, h)),
        (net.clone(), id.clone(), last.clone(), place).prop_map(|(n, p, l, place)| location(n, p, l, place)),
        (net, id, last, any::<bool>(), 1..4u32, proptest::option::of(1..3u32)).prop_map(
            |(n, p, l, admin_up, name, policy)| {
                let interface_name = format!("tap{name}");
                Row::Port(PortRow { admin_up, interface_name, policy, ..port(p, n, l) })
            }
        ),
    ]
}

fn forget() -> impl Strategy<Value = Batch> {
    (0..5usize, 1..4u32).prop_map(|(kind, number)| {
        let mut batch = set([]);
        let kinds = [
            &mut batch.forget,
            &mut batch.forget_policies,
            &mut batch.forget_rules,
            &mut batch.forget_members,
            &mut batch.forget_routers,
        ];
        kinds.into_iter().nth(kind).unwrap().push(number);
        batch
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop_oneof![row(), policy::row(), router::row()].prop_map(Step::Set),
        4 => prop_oneof![row(), policy::row(), router::row()].prop_map(|row| Step::Remove(row.key())),
        1 => forget().prop_map(Step::Forget),
        3 => (1..4u32, proptest::option::of(50..53u32)).prop_map(|(name, index)| Step::Interface(name, index)),
        1 => proptest::option::of(70..72u32).prop_map(Step::Overlay),
        1 => (1..3u32).prop_map(Step::HostNumber),
        2 => (proptest::collection::btree_set((1..3u32, 1..4u32), 0..3), proptest::collection::btree_set(1..3u32, 0..2))
            .prop_map(|(hosts, upstreams)| Step::Outages(Outages { hosts, upstreams })),
        2 => any::<bool>().prop_map(Step::Provider),
        1 => (1..3u32, proptest::option::of(1..3u16)).prop_map(|(number, vlan)| Step::Set(physical(number, vlan))),
    ]
}

proptest! {
    /// Whatever the history, the entries are those that follow from the last rows, interfaces and host alone.
    #[test]
    fn incremental_equals_from_scratch(steps in proptest::collection::vec(step(), 0..60), folds in any::<u64>()) {
        let mut calculation = Calculation::new(host());
        let mut entries = Entries::new();
        let mut interfaces = BTreeMap::new();
        let mut facts = host();
        let mut outages = Outages::default();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Set(row) => drop(calculation.apply(set([row]))),
                Step::Remove(key) => drop(calculation.apply(remove([key]))),
                Step::Forget(batch) => drop(calculation.apply(batch)),
                Step::Interface(name, index) => {
                    calculation.set_interface(&format!("tap{name}"), index.map(PortInterface::from));
                    interfaces.insert(name, index);
                }
                Step::HostNumber(number) => {
                    facts.number = number;
                    calculation.set_host(facts.clone());
                }
                Step::Provider(is_there) => {
                    facts.providers = if is_there { mapped() } else { host() }.providers;
                    calculation.set_host(facts.clone());
                }
                Step::Outages(news) => {
                    outages = news.clone();
                    calculation.set_outages(news);
                }
                Step::Overlay(overlay) => {
                    facts.overlay = overlay;
                    calculation.set_host(facts.clone());
                }
            }
            if folds >> (number % 64) & 1 == 1 {
                fold(&mut entries, &mut calculation);
            }
        }
        fold(&mut entries, &mut calculation);

        let mut fresh = Calculation::new(facts);
        fresh.apply(set(calculation.rows().iter().map(|(_, row)| row.clone())));
        for (name, index) in interfaces {
            fresh.set_interface(&format!("tap{name}"), index.map(PortInterface::from));
        }
        fresh.set_outages(outages);
        let mut scratch = Entries::new();
        fold(&mut scratch, &mut fresh);
        prop_assert_eq!(&entries, &scratch);
    }
}

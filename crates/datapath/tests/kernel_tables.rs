//! Tables and links over the life of several agents: taken over, resized, rebuilt, full, and gone.

mod support;

use hadron_datapath::table::{self, *};
use hadron_datapath::{
    Attachment, Config, Datapath, Door, Error, Mac, NetworkState, Sizes, Start, drop::DropReason,
};
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::Path;
use support::program::{Input, Output};

fn main() -> std::process::ExitCode {
    support::run(&[
        ("rows_outlive_the_agent", rows_outlive_the_agent),
        ("links_outlive_the_agent_and_get_the_new_program", links_outlive_the_agent_and_get_the_new_program),
        ("what_is_followed_ends_with_the_agent", what_is_followed_ends_with_the_agent),
        ("one_agent_at_a_time", one_agent_at_a_time),
        ("other_sizes_keep_all_rows", other_sizes_keep_all_rows),
        ("rows_that_no_longer_fit_are_an_error", rows_that_no_longer_fit_are_an_error),
        ("another_layout_is_rebuilt_behind_the_old_one", another_layout_is_rebuilt_behind_the_old_one),
        ("a_rebuild_that_was_cut_short_begins_anew", a_rebuild_that_was_cut_short_begins_anew),
        ("a_damaged_set_is_rebuilt", a_damaged_set_is_rebuilt),
        ("a_full_table_refuses_one_row_and_no_other", a_full_table_refuses_one_row_and_no_other),
        ("many_rows_are_dumped", many_rows_are_dumped),
        ("flood_lists_are_sets", flood_lists_are_sets),
        ("flood_lists_are_mended", flood_lists_are_mended),
        ("state_of_ports_is_kept", state_of_ports_is_kept),
        ("doors_move_with_their_interfaces", doors_move_with_their_interfaces),
        ("an_interface_that_is_gone_is_said_to_be", an_interface_that_is_gone_is_said_to_be),
        ("unload_leaves_nothing", unload_leaves_nothing),
        ("what_a_dead_agent_left_is_removed", what_a_dead_agent_left_is_removed),
        (
            "below_the_customary_place_bpffs_is_mounted_there",
            below_the_customary_place_bpffs_is_mounted_there,
        ),
    ])
}

fn fdb(network: u32, last: u8) -> FdbKey {
    FdbKey::new(network, Mac([2, 0, 0, 0, 0, last]))
}

const HERE: FdbEntry = FdbEntry { kind: target::PORT, id: 1 };
const THERE: FdbEntry = FdbEntry { kind: target::HOST, id: 2 };

fn entries(datapath: &Datapath) -> BTreeSet<(FdbKey, FdbEntry)> {
    datapath.tables().fdb.dump().unwrap().into_iter().collect()
}

/// Names in a pin directory, but for the tables and what some kernels put into every bpffs.
fn pinned(pins: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(pins)
        .into_iter()
        .flatten()
        .chain(std::fs::read_dir(pins.join("links")).into_iter().flatten())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".debug"))
        .collect();
    names.sort();
    names
}

fn rows_outlive_the_agent() {
    let datapath = support::open("outlive");
    assert_eq!(datapath.start(), Start::Fresh);
    datapath.tables().fdb.put(&fdb(1, 1), &HERE).unwrap();
    datapath.tables().fdb.put(&fdb(1, 2), &HERE).unwrap();
    datapath.tables().fdb.put(&fdb(1, 2), &THERE).unwrap();
    assert_eq!(datapath.tables().fdb.status().rows, 2);
    drop(datapath);

    let datapath = support::open("outlive");
    assert_eq!(datapath.start(), Start::Reused);
    assert_eq!(entries(&datapath), BTreeSet::from([(fdb(1, 1), HERE), (fdb(1, 2), THERE)]));
    assert_eq!(datapath.tables().fdb.status().rows, 2);
    assert!(datapath.tables().fdb.remove(&fdb(1, 1)).unwrap());
    assert!(!datapath.tables().fdb.remove(&fdb(1, 1)).unwrap());
    assert_eq!(datapath.tables().fdb.get(&fdb(1, 1)).unwrap(), None);
    assert_eq!(datapath.tables().fdb.get(&fdb(1, 2)).unwrap(), Some(THERE));
    assert_eq!(datapath.tables().fdb.status().rows, 1);
    let config = datapath.tables().config().unwrap();
    assert_eq!((config.layout_version, config.host, config.overlay_mtu), (table::LAYOUT_VERSION, 1, 1450));
}

fn what_is_followed_ends_with_the_agent() {
    let row = |id| Follow { id, until: u64::MAX, most: 9, ..Follow::default() };
    let datapath = support::open("followed");
    let tables = datapath.tables();
    let following = |tables: &hadron_datapath::Tables| tables.config().unwrap().following;
    assert_eq!(following(tables), 0);
    tables.follow(&[Some(row(1)), None, Some(row(3))]).unwrap();
    assert_eq!(following(tables), 3);
    datapath.configure(&support::config("followed").host).unwrap();
    assert_eq!(following(tables), 3, "another MTU ends nothing");
    tables.follow(&[Some(row(1))]).unwrap();
    assert_eq!(following(tables), 1);
    let rows: Vec<Follow> = (0..table::MAX_FOLLOWS).map(|slot| tables.followed_by(slot).unwrap()).collect();
    assert_eq!(rows[0], row(1));
    assert!(rows[1..].iter().all(|row| *row == Follow::default()));
    drop(datapath);

    let datapath = support::open("followed");
    assert_eq!(datapath.start(), Start::Reused);
    assert_eq!(following(datapath.tables()), 0);
    assert_eq!(datapath.tables().followed_by(0).unwrap(), Follow::default());
}

/// The ids of the programs on an interface's ingress, first to last.
fn programs(interface: &str) -> Vec<u32> {
    let attached =
        aya::programs::SchedClassifier::query_tcx(interface, aya::programs::TcAttachType::Ingress).unwrap();
    attached.1.iter().map(|program| program.id()).collect()
}

fn links_outlive_the_agent_and_get_the_new_program() {
    let ifindex = support::interface("keep0");
    let datapath = support::open("links");
    datapath.attach_port(ifindex, 7).unwrap();
    datapath.attach_port(ifindex, 7).unwrap();
    let first = programs("keep0");
    assert_eq!(first.len(), 1);
    drop(datapath);
    assert_eq!(programs("keep0"), first, "the program stays without an agent");

    let datapath = support::open("links");
    let second = programs("keep0");
    assert_eq!(second.len(), 1);
    assert_ne!(second, first, "the new agent's program took its place");
    assert_eq!(datapath.attachments().unwrap(), [Attachment { door: Door::Port(7), ifindex }]);
    assert!(datapath.detach_port(7).unwrap());
    assert!(!datapath.detach_port(7).unwrap());
    assert_eq!(programs("keep0"), []);
    assert_eq!(pinned(&support::pins("links")), ["links".to_owned(), support::set(1)]);
}

fn one_agent_at_a_time() {
    let datapath = support::open("busy");
    let second = Datapath::open(support::config("busy"));
    assert!(matches!(second, Err(Error::Busy { .. })));
    drop(datapath);
    support::open("busy");
}

fn with_sizes(test: &str, sizes: Sizes) -> Config {
    Config { sizes, ..support::config(test) }
}

fn other_sizes_keep_all_rows() {
    let ifindex = support::interface("size0");
    let datapath = support::open("sizes");
    datapath.attach_port(ifindex, 1).unwrap();
    datapath.tables().fdb.put(&fdb(1, 1), &HERE).unwrap();
    datapath.tables().networks.put(1, NetworkState { vni: 5, flags: 0, ..NetworkState::default() }).unwrap();
    datapath.tables().ensure_port_state(1).unwrap();
    // One drop is counted, for the interface is nobody's.
    send(&datapath, ifindex);
    drop(datapath);
    let first = programs("size0");

    let datapath = Datapath::open(with_sizes("sizes", Sizes::lab().with(&table::FDB, 10_000))).unwrap();
    assert_eq!(datapath.start(), Start::Reused);
    assert_eq!(entries(&datapath), BTreeSet::from([(fdb(1, 1), HERE)]));
    assert_eq!(datapath.tables().fdb.status().capacity, 10_000);
    assert_eq!(
        datapath.tables().networks.dump()[&1],
        NetworkState { vni: 5, flags: 0, ..NetworkState::default() }
    );
    assert_eq!(datapath.tables().port_states().unwrap(), [1]);
    assert_eq!(datapath.tables().totals().unwrap().drop(DropReason::UnknownInterface), 1);
    let second = programs("size0");
    assert!(second.len() == 1 && second != first, "the link leads to the new tables");
    let names = pinned(&support::pins("sizes"));
    assert_eq!(names, ["links".to_owned(), format!("port-1-{ifindex}"), support::set(2)]);
}

/// Runs a fresh copy of the program on a frame, upon the tables of `datapath`. Returns the verdict's words.
fn send(datapath: &Datapath, ifindex: u32) -> [u32; 3] {
    let program = datapath.load_program("from_port").unwrap();
    let mut output = Output::new();
    let mut frame = [0u8; 60];
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    let input = Input { frame: &frame, ifindex, cb: [0; 5], gso_size: 0 };
    support::program::run(program.as_fd(), &input, &mut output).unwrap();
    [output.cb[0], output.cb[1], output.cb[2]]
}

fn rows_that_no_longer_fit_are_an_error() {
    let datapath = support::open("shrink");
    for last in 0..10 {
        datapath.tables().fdb.put(&fdb(1, last), &HERE).unwrap();
    }
    drop(datapath);
    let small = with_sizes("shrink", Sizes::lab().with(&table::FDB, 4));
    assert!(matches!(Datapath::open(small), Err(Error::Full { table: "FDB", capacity: 4 })));
    // Nothing is lost by having tried.
    let datapath = support::open("shrink");
    assert_eq!((datapath.start(), entries(&datapath).len()), (Start::Reused, 10));
}

/// Makes a node's tables count as those of another release.
fn of_another_layout(pins: &Path) {
    std::fs::rename(pins.join(support::set(1)), pins.join("tables-999-1")).unwrap();
}

fn another_layout_is_rebuilt_behind_the_old_one() {
    let ifindex = support::interface("layout0");
    let added = support::interface("layout1");
    let datapath = support::open("layout");
    datapath.attach_port(ifindex, 1).unwrap();
    datapath.tables().fdb.put(&fdb(1, 1), &HERE).unwrap();
    drop(datapath);
    of_another_layout(&support::pins("layout"));
    let old = programs("layout0");

    let datapath = support::open("layout");
    assert_eq!(datapath.start(), Start::Rebuilding);
    assert_eq!(programs("layout0"), old, "the old program goes on");
    assert_eq!(entries(&datapath), BTreeSet::new(), "the new tables are empty");
    datapath.tables().fdb.put(&fdb(1, 2), &THERE).unwrap();
    datapath.attach_port(added, 2).unwrap();
    datapath.attach_port(ifindex, 1).unwrap();
    assert_eq!(programs("layout0"), old, "attached already: its tables are not filled before the commit");
    datapath.commit().unwrap();
    let new = programs("layout0");
    assert!(new.len() == 1 && new != old);
    assert_eq!(programs("layout1"), new, "both ports have this build's program");
    let links = [format!("port-1-{ifindex}"), format!("port-2-{added}")];
    let expected = ["links".to_owned(), links[0].clone(), links[1].clone(), support::set(2)];
    assert_eq!(pinned(&support::pins("layout")), expected);
    datapath.commit().unwrap();
    drop(datapath);

    let datapath = support::open("layout");
    assert_eq!(datapath.start(), Start::Reused);
    assert_eq!(entries(&datapath), BTreeSet::from([(fdb(1, 2), THERE)]));
}

fn a_rebuild_that_was_cut_short_begins_anew() {
    let ifindex = support::interface("cut0");
    let datapath = support::open("cut");
    datapath.attach_port(ifindex, 1).unwrap();
    drop(datapath);
    of_another_layout(&support::pins("cut"));
    let old = programs("cut0");
    let datapath = support::open("cut");
    datapath.tables().fdb.put(&fdb(1, 9), &HERE).unwrap();
    drop(datapath);
    assert_eq!(programs("cut0"), old);

    let datapath = support::open("cut");
    assert_eq!((datapath.start(), entries(&datapath).len()), (Start::Rebuilding, 0));
    assert_eq!(programs("cut0"), old);
    datapath.commit().unwrap();
    assert_ne!(programs("cut0"), old);
}

fn a_damaged_set_is_rebuilt() {
    let ifindex = support::interface("damage0");
    let pins = support::pins("damage");
    let datapath = support::open("damage");
    datapath.attach_port(ifindex, 1).unwrap();
    drop(datapath);
    std::fs::remove_file(pins.join(support::set(1)).join("FDB")).unwrap();
    let datapath = support::open("damage");
    assert_eq!(datapath.start(), Start::Rebuilding);
    datapath.commit().unwrap();
    drop(datapath);
    // As a process leaves it that ends between the rename and the removal of the old set.
    std::fs::create_dir(pins.join(support::set(1))).unwrap();
    let datapath = support::open("damage");
    assert_eq!(datapath.start(), Start::Rebuilding, "two sets: no telling which one is in force everywhere");
    datapath.commit().unwrap();
    assert_eq!(pinned(&pins), ["links".to_owned(), format!("port-1-{ifindex}"), support::set(3)]);
}

fn a_full_table_refuses_one_row_and_no_other() {
    let datapath = Datapath::open(with_sizes("full", Sizes::lab().with(&table::FDB, 4))).unwrap();
    let fdb_table = &datapath.tables().fdb;
    for last in 0..4 {
        fdb_table.put(&fdb(1, last), &HERE).unwrap();
    }
    assert!(fdb_table.status().is_nearly_full());
    let refused = fdb_table.put(&fdb(1, 4), &HERE);
    assert!(matches!(refused, Err(Error::Full { table: "FDB", capacity: 4 })), "{refused:?}");
    assert_eq!((fdb_table.status().full, fdb_table.status().rows), (1, 4));
    fdb_table.put(&fdb(1, 3), &THERE).unwrap();
    fdb_table.remove(&fdb(1, 0)).unwrap();
    fdb_table.put(&fdb(1, 4), &HERE).unwrap();
    assert_eq!(entries(&datapath).len(), 4);
    assert_eq!(fdb_table.status().full, 1);
}

fn many_rows_are_dumped() {
    let datapath = support::open("many");
    let mut wanted = BTreeSet::new();
    for network in 0..40 {
        for last in 0..100 {
            let entry = FdbEntry { kind: target::PORT, id: network * 1000 + u32::from(last) };
            datapath.tables().fdb.put(&fdb(network, last), &entry).unwrap();
            wanted.insert((fdb(network, last), entry));
        }
    }
    assert_eq!(entries(&datapath), wanted);
    for network in 0..20 {
        for last in 0..100 {
            datapath.tables().fdb.remove(&fdb(network, last)).unwrap();
        }
    }
    wanted.retain(|(key, _)| key.network >= 20);
    assert_eq!(entries(&datapath), wanted);
}

fn port_target(id: u32) -> FloodTarget {
    FloodTarget { kind: target::PORT, id }
}

/// A network's flood list as a program reads it.
fn flood_list(datapath: &Datapath, network: u32) -> BTreeSet<FloodTarget> {
    let (rows, slots) = datapath.tables().networks.tables();
    let length = rows.get(&NetworkKey { network }).unwrap().map_or(0, |row| row.flood_length);
    let read = |slot| slots.get(&FloodKey { network, slot }).unwrap().expect("no hole");
    let list: BTreeSet<_> = (0..length).map(read).collect();
    assert_eq!(list.len(), length as usize, "no member twice");
    list
}

fn flood_lists_are_sets() {
    let datapath = support::open("flood");
    let networks = &datapath.tables().networks;
    networks.add_target(1, port_target(10)).unwrap();
    assert_eq!(flood_list(&datapath, 1), BTreeSet::new(), "without a row there is no list");
    networks.put(1, NetworkState { vni: 5, flags: 1, ..NetworkState::default() }).unwrap();
    for id in [11, 12, 13, 12] {
        networks.add_target(1, port_target(id)).unwrap();
    }
    assert_eq!(flood_list(&datapath, 1), [10, 11, 12, 13].map(port_target).into());
    assert!(networks.remove_target(1, port_target(11)).unwrap());
    assert!(!networks.remove_target(1, port_target(11)).unwrap());
    networks.put(1, NetworkState { vni: 6, flags: 0, ..NetworkState::default() }).unwrap();
    assert_eq!(flood_list(&datapath, 1), [10, 12, 13].map(port_target).into());
    assert_eq!(networks.dump_targets(), [10, 12, 13].map(|id| (1, port_target(id))).into());
    assert!(networks.remove(1).unwrap());
    assert!(networks.dump().is_empty() && networks.tables().1.dump().unwrap().is_empty());

    networks.put(2, NetworkState::default()).unwrap();
    for id in 0..MAX_FLOOD {
        networks.add_target(2, port_target(id)).unwrap();
    }
    let refused = networks.add_target(2, port_target(MAX_FLOOD));
    assert!(matches!(refused, Err(Error::FloodListFull { network: 2, limit: MAX_FLOOD })));
    assert_eq!(flood_list(&datapath, 2).len(), MAX_FLOOD as usize);
}

fn flood_lists_are_mended() {
    let datapath = support::open("mend");
    let networks = &datapath.tables().networks;
    networks.put(1, NetworkState { vni: 5, flags: 0, ..NetworkState::default() }).unwrap();
    (0..5).for_each(|id| networks.add_target(1, port_target(id)).unwrap());
    networks.add_target(3, port_target(1)).unwrap();
    // As processes leave it that end while they take member 2 out, and while they put one in.
    let (rows, slots) = networks.tables();
    slots.put(&FloodKey { network: 1, slot: 2 }, &port_target(4)).unwrap();
    slots.put(&FloodKey { network: 1, slot: 7 }, &port_target(9)).unwrap();
    rows.put(&NetworkKey { network: 2 }, &Network { flood_length: 3, ..Network::default() }).unwrap();
    drop(datapath);

    let datapath = support::open("mend");
    assert_eq!(flood_list(&datapath, 1), [0, 1, 3, 4].map(port_target).into());
    assert_eq!(flood_list(&datapath, 2), BTreeSet::new());
    let slots = datapath.tables().networks.tables().1.dump().unwrap();
    assert_eq!(slots.len(), 4, "{slots:?}");
}

fn state_of_ports_is_kept() {
    let datapath = support::open("state");
    let tables = datapath.tables();
    assert_eq!(tables.port_counters(4).unwrap(), None);
    tables.ensure_port_state(4).unwrap();
    tables.ensure_port_state(4).unwrap();
    tables.ensure_port_state(2).unwrap();
    assert_eq!(tables.port_counters(4).unwrap(), Some(PortCounters::default()));
    assert_eq!(tables.port_states().unwrap(), [2, 4]);
    tables.remove_port_state(4).unwrap();
    tables.remove_port_state(4).unwrap();
    assert_eq!(tables.port_states().unwrap(), [2]);
}

fn doors_move_with_their_interfaces() {
    let (first, second) = (support::interface("move0"), support::interface("move1"));
    let pins = support::pins("move");
    let datapath = support::open("move");
    datapath.attach_port(first, 1).unwrap();
    datapath.attach_port(second, 1).unwrap();
    assert_eq!(datapath.attachments().unwrap(), [Attachment { door: Door::Port(1), ifindex: second }]);
    assert_eq!((programs("move0").len(), programs("move1").len()), (0, 1));
    datapath.attach_port(second, 2).unwrap();
    assert_eq!(datapath.attachments().unwrap(), [Attachment { door: Door::Port(2), ifindex: second }]);
    datapath.attach_overlay(first).unwrap();
    datapath.attach_overlay(second).unwrap();
    assert_eq!(datapath.attachments().unwrap(), [Attachment { door: Door::Overlay, ifindex: second }]);
    assert_eq!(pinned(&pins), ["links".to_owned(), format!("overlay-{second}"), support::set(1)]);
    support::ip("link del move1");
    assert_eq!(datapath.attachments().unwrap(), []);
    assert_eq!(pinned(&pins), ["links".to_owned(), support::set(1)]);
}

fn an_interface_that_is_gone_is_said_to_be() {
    let ifindex = support::interface("gone0");
    let datapath = support::open("gone");
    datapath.attach_port(ifindex, 1).unwrap();
    support::ip("link del gone0");
    for error in [
        datapath.attach_port(ifindex, 1).unwrap_err(),
        datapath.attach_port(ifindex, 2).unwrap_err(),
        datapath.inject(ifindex, &[0; 60]).unwrap_err(),
    ] {
        assert!(error.is_interface_gone(), "{}", support::chain(&error));
    }
    assert!(!datapath.detach_port(1).unwrap(), "nothing is left to detach");
    drop(datapath);
    let again = support::interface("gone1");
    let datapath = support::open("gone");
    datapath.attach_port(again, 1).unwrap();
    support::ip("link del gone1");
    drop(datapath);
    let datapath = support::open("gone");
    assert!(datapath.attachments().unwrap().is_empty());
    datapath.commit().unwrap();
}

fn unload_leaves_nothing() {
    let ifindex = support::interface("unload0");
    let datapath = support::open("unload");
    datapath.attach_port(ifindex, 1).unwrap();
    datapath.unload().unwrap();
    assert_eq!(programs("unload0"), []);
    assert!(!support::pins("unload").exists());
}

fn what_a_dead_agent_left_is_removed() {
    let ifindex = support::interface("remove0");
    let pins = support::pins("remove");
    hadron_datapath::remove(&pins).unwrap();
    let datapath = support::open("remove");
    datapath.attach_port(ifindex, 1).unwrap();
    assert!(matches!(hadron_datapath::remove(&pins), Err(Error::Busy { .. })));
    drop(datapath);
    of_another_layout(&pins);
    hadron_datapath::remove(&pins).unwrap();
    assert_eq!(programs("remove0"), []);
    assert!(!pins.exists());
}

fn below_the_customary_place_bpffs_is_mounted_there() {
    // A sysfs of this namespace's own, so that nothing of the machine's is under the mount.
    let none: Option<&str> = None;
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("sysfs"), "/sys", Some("sysfs"), flags, none).unwrap();
    let config = Config { pins: "/sys/fs/bpf/hadron-test/node".into(), ..support::config("customary") };
    let datapath = Datapath::open(config.clone()).unwrap();
    datapath.tables().fdb.put(&fdb(1, 1), &HERE).unwrap();
    drop(datapath);
    let datapath = Datapath::open(config).unwrap();
    assert_eq!(datapath.start(), Start::Reused);
    datapath.unload().unwrap();
    assert!(!Path::new("/sys/fs/bpf/hadron-test/node").exists());
}

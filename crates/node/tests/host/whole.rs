//! A whole node on a host: from rows of a server to a lease in an instance.

use crate::machine::{Host, Instance};
use crate::server::FakeServer;
use crate::{Test, in_namespace};
use hadron_datapath::Sizes;
use hadron_node::links::overlay::OverlayConfig;
use hadron_node::{Config, Node, Settings, cleanup, join};
use hadron_pipeline::{Address, table};
use hadron_wire::proto::welcome::Mode;
use hadron_wire::row::{
    DhcpServer, LocationRow, NetworkRow, Place, PolicyRow, PortAddress, PortRow, Prefix, Row, RowKey,
    SubnetRow,
};
use rtnetlink::LinkUnspec;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The tests of this file.
pub const TESTS: &[Test] = &[
    (
        "whole::an_instance_gets_its_lease_across_restarts_renames_and_replugging",
        an_instance_gets_its_lease_across_restarts_renames_and_replugging,
    ),
    (
        "whole::a_node_on_an_ipv6_underlay_uses_what_its_interface_leaves",
        a_node_on_an_ipv6_underlay_uses_what_its_interface_leaves,
    ),
    (
        "whole::the_overlay_device_comes_back_and_cleanup_leaves_nothing",
        the_overlay_device_comes_back_and_cleanup_leaves_nothing,
    ),
];

pub const LONG: (i64, i64) = (-60, 86_400);
const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0, 9];
const ADDRESS: [u8; 4] = [10, 0, 0, 9];

pub fn config(state: &Path) -> Config {
    let overlay = OverlayConfig { port: 14800, ..OverlayConfig::default() };
    Config {
        state: state.into(),
        pins: "/mnt/pins".into(),
        sizes: Sizes::lab(),
        settings: Settings { overlay, ..Settings::default() },
    }
}

fn v4(last: u8) -> Ipv6Addr {
    Ipv4Addr::new(10, 0, 0, last).to_ipv6_mapped()
}

fn rows() -> [Row; 5] {
    let subnet = SubnetRow {
        number: 1,
        network: 5,
        uuid: [0; 16],
        cidr: Prefix::of(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 24),
        gateway: Some(v4(1)),
        dns: Vec::new(),
        host_routes: Vec::new(),
        enable_dhcp: true,
        dhcp: Some(DhcpServer { address: v4(2), mac: [0xfa, 0x16, 0x3e, 0, 0, 2] }),
        lease_seconds: 86_400,
        ra_mode: None,
        address_mode: None,
    };
    let location =
        LocationRow { network: 5, port: 9, mac: MAC, addresses: vec![v4(9)], place: Place::Host(1) };
    [
        Row::Network(NetworkRow {
            number: 5,
            uuid: [0; 16],
            vni: Some(500),
            mtu: 1450,
            admin_up: true,
            privacy_addresses: false,
            unlisted_addresses: false,
            physical: None,
        }),
        Row::Subnet(subnet),
        Row::Location(location),
        Row::Policy(PolicyRow { number: 1, groups: Vec::new() }),
        port(20),
    ]
}

fn port(revision: u64) -> Row {
    Row::Port(PortRow {
        number: 9,
        uuid: [0; 16],
        network: 5,
        mac: MAC,
        addresses: vec![PortAddress { address: v4(9), subnet: 1 }],
        interface_name: "tap9".into(),
        admin_up: true,
        port_security_disabled: false,
        revision,
        policy: Some(1),
        allowed_pairs: Vec::new(),
        log: None,
        dhcp_options: Vec::new(),
        dns_name: String::new(),
    })
}

pub fn an_instance_gets_its_lease_across_restarts_renames_and_replugging() {
    in_namespace(|| async {
        let host = Host::new().await;
        let mut server = FakeServer::start(LONG).await;
        let state = tempfile::tempdir().unwrap();
        join(&server.ticket, "compute1", Ipv4Addr::LOCALHOST.into(), state.path()).await.unwrap();

        let node = Node::start(config(state.path())).await.unwrap();
        let mut talk = server.welcome(Mode::Snapshot).await;
        talk.rows(20, true, rows()).await;
        talk.reported(9, |report| !report.wired && report.error.is_empty()).await;
        let mut instance = Instance::new();
        host.plug("tap9", MAC, &mut instance).await;
        talk.reported(9, |report| report.wired).await;
        assert_eq!(instance.discover(MAC).await, Some(ADDRESS));
        let ipv6 = std::fs::read_to_string("/proc/sys/net/ipv6/conf/tap9/disable_ipv6").unwrap();
        assert_eq!(ipv6.trim(), "1", "the host would speak IPv6 to the instance");

        node.stop().await;
        drop(talk);
        let node = Node::start(config(state.path())).await.unwrap();
        let mut talk = server.welcome(Mode::Difference).await;
        assert_eq!(talk.hello.revision, 20);
        talk.rows(21, false, []).await;
        talk.reported(9, |report| report.wired).await;
        assert_eq!(instance.discover(MAC).await, Some(ADDRESS));

        let index = host.index("tap9").await.unwrap();
        host.set(LinkUnspec::new_with_index(index).name("other")).await;
        talk.reported(9, |report| !report.wired).await;
        host.set(LinkUnspec::new_with_index(index).name("tap9")).await;
        talk.reported(9, |report| report.wired).await;
        assert_eq!(instance.discover(MAC).await, Some(ADDRESS));

        host.set(LinkUnspec::new_with_index(index).down()).await;
        until(|| async {
            host.netlink.dump().await.unwrap().iter().any(|link| link.index == index && link.is_up)
        })
        .await;
        assert_eq!(instance.discover(MAC).await, Some(ADDRESS));

        host.delete("tap9").await;
        talk.reported(9, |report| !report.wired && report.error.is_empty()).await;
        let mut other = Instance::new();
        host.plug("tap9", MAC, &mut other).await;
        talk.reported(9, |report| report.wired).await;
        assert_eq!(other.discover(MAC).await, Some(ADDRESS));

        talk.remove(22, [RowKey::Port(9), RowKey::Location { network: 5, port: 9 }]).await;
        talk.acknowledged(22).await;
        assert_eq!(other.discover(MAC).await, None, "the port is gone");
        assert_eq!(node.status().summary.pending, 0);
        node.stop().await;
    });
}

pub fn a_node_on_an_ipv6_underlay_uses_what_its_interface_leaves() {
    in_namespace(|| async {
        let host = Host::new().await;
        let mut server = FakeServer::start(LONG).await;
        let state = tempfile::tempdir().unwrap();
        let config = config(state.path());
        for (underlay, overhead) in [(IpAddr::V6(Ipv6Addr::LOCALHOST), 70), (Ipv4Addr::LOCALHOST.into(), 50)]
        {
            let loopback = host.index("lo").await.unwrap();
            host.set(LinkUnspec::new_with_index(loopback).mtu(9000)).await;
            join(&server.ticket, "compute1", underlay, state.path()).await.unwrap();
            let node = Node::start(config.clone()).await.unwrap();
            let mut talk = server.welcome(Mode::Snapshot).await;
            talk.rows(20, true, rows()).await;
            talk.acknowledged(20).await;
            node.stop().await;
            assert_eq!(in_force(&config).overlay_mtu, 9000 - overhead);
            assert_eq!(in_force(&config).underlay.ip(), underlay);
        }
        cleanup(config).await.unwrap();
    });
}

/// The host's row as the agent left it in the kernel.
fn in_force(config: &Config) -> table::Config {
    let set = std::fs::read_dir(&config.pins).unwrap().map(|entry| entry.unwrap().path());
    let set = set.into_iter().find(|path| path.to_str().unwrap().contains("tables-")).unwrap();
    let map = aya::maps::MapData::from_pin(set.join(table::CONFIG.name)).unwrap();
    let map: aya::maps::Array<_, [u8; size_of::<table::Config>()]> =
        aya::maps::Map::Array(map).try_into().unwrap();
    let row = map.get(&0, 0).unwrap();
    let word = |at: usize| u32::from_ne_bytes(row[at..at + 4].try_into().unwrap());
    table::Config {
        layout_version: word(0),
        host: word(4),
        overlay_ifindex: word(8),
        overlay_mtu: word(12),
        underlay: Address(row[16..32].try_into().unwrap()),
        timeouts: std::array::from_fn(|slot| word(32 + 4 * slot)),
        following: word(64),
    }
}

pub fn the_overlay_device_comes_back_and_cleanup_leaves_nothing() {
    in_namespace(|| async {
        let host = Host::new().await;
        let mut server = FakeServer::start(LONG).await;
        let state = tempfile::tempdir().unwrap();
        join(&server.ticket, "compute1", Ipv4Addr::LOCALHOST.into(), state.path()).await.unwrap();
        let config = config(state.path());
        let node = Node::start(config.clone()).await.unwrap();
        let mut talk = server.welcome(Mode::Snapshot).await;
        talk.rows(20, true, rows()).await;
        talk.acknowledged(20).await;
        let device = &config.settings.overlay.name;
        until(|| async { host.index(device).await.is_some() }).await;
        host.delete(device).await;
        until(|| async { host.index(device).await.is_some() }).await;
        until(|| async {
            Path::new("/mnt/pins/links")
                .join(format!("overlay-{}", host.index(device).await.unwrap()))
                .exists()
        })
        .await;
        node.stop().await;

        assert!(host.index(device).await.is_some(), "the overlay went with the agent");
        cleanup(config.clone()).await.unwrap();
        assert_eq!(host.index(device).await, None);
        assert!(!config.pins.join("links").exists());
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
        cleanup(config).await.unwrap();
    });
}

pub async fn until<F: Future<Output = bool>>(mut wanted: impl FnMut() -> F) {
    while !wanted().await {
        tokio::task::yield_now().await;
    }
}

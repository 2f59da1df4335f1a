//! Networks, bindings, hosts, bulk creates and quotas.

use crate::support::*;
use hadron_control::binding::{self, BindingChange, BindingFailure, VifType};
use hadron_control::network::{self, NetworkChange};
use hadron_control::port::{self, NewMac, PortChange};
use hadron_control::{
    BindingError, Error, ObjectError, PoolError, SegmentError, SharingError, TopologyError, Underlay,
    VlanRange, bulk, host, recovery, segment, steps,
};
use hadron_model::{
    Host, JoinToken, Mac, Network, PhysicalSegment, Port, PortStatus, Segment, Shareable, Timestamp,
};
use hadron_store::{BulkIntent, Created};

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.expect_err("it must be refused").type_name()
}

#[tokio::test]
async fn segments_and_mtu() {
    let mut cloud = Cloud::new().await;
    assert_eq!(cloud.network().await.segment.vni().unwrap().get(), 1);
    let asked = |network_type: &str, id: Option<i64>| {
        let mut new = new_network();
        new.segments[0].network_type = Some(network_type.to_owned());
        new.segments[0].segmentation_id = id;
        new
    };
    let create = async |new| cloud.write(|tx| network::create(tx, &cloud.config, &new)).await;
    assert_eq!(create(asked("vxlan", Some(2))).await.unwrap().segment.vni().unwrap().get(), 2);
    assert_eq!(create(asked("vxlan", None)).await.unwrap().segment.vni().unwrap().get(), 3);
    assert_eq!(kind(create(asked("vxlan", Some(2))).await), "TunnelIdInUse");
    for (network_type, id) in
        [("vxlan", 0), ("vxlan", 1 << 24), ("vxlan", -1), ("vxlan", 0xf0_0000), ("vlan", 5), ("local", 5)]
    {
        assert_eq!(kind(create(asked(network_type, Some(id))).await), "InvalidInput", "{network_type} {id}");
    }
    let local = create(asked("local", None)).await.unwrap();
    assert_eq!((local.segment.vni(), local.mtu), (None, 1500));
    let mut new = new_network();
    new.segments[0].segmentation_id = Some(9);
    assert_eq!(kind(create(new).await), "InvalidInput", "a type is needed");
    let mut new = new_network();
    new.mtu = 1451;
    assert_eq!(kind(create(new.clone()).await), "InvalidInput");
    new.mtu = 1400;
    let small = create(new).await.unwrap();
    assert_eq!(small.mtu, 1400);

    let mtu = |mtu| NetworkChange { mtu: Some(mtu), ..NetworkChange::default() };
    let update = async |change: NetworkChange| {
        cloud.write(|tx| network::update(tx, &cloud.config, small.id, &change, None)).await
    };
    assert_eq!(update(mtu(0)).await.unwrap().mtu, 1450, "0 is the largest");
    cloud.subnet(&new_subnet(small.id, "fd00::/64")).await.unwrap();
    assert_eq!(kind(update(mtu(1279)).await), "NetworkMTUSubnetConflict");
    assert_eq!(update(mtu(1280)).await.unwrap().mtu, 1280);
    let mut provider = NetworkChange::default();
    provider.provider.network_type = Some("vxlan".to_owned());
    assert!(update(provider.clone()).await.is_ok(), "as it is");
    provider.provider.segmentation_id = Some(77);
    assert_eq!(kind(update(provider).await), "InvalidInput");
    cloud.check();

    cloud.config.underlay = Underlay::Ipv6;
    assert_eq!(cloud.network().await.mtu, 1430);
    assert_eq!(segment::max_mtu(&cloud.config, &local.segment), 1500);
    cloud.config.tenant_vnis = 1..=3;
    let none_left = cloud.write(|tx| network::create(tx, &cloud.config, &new_network())).await;
    assert_eq!(kind(none_left), "NoNetworkAvailable");
}

#[tokio::test]
async fn tunnels_that_hosts_do_not_speak_are_taken_and_not_plugged() {
    let mut cloud = Cloud::new().await;
    let asked = |network_type: &str, id: Option<i64>| {
        let mut new = new_network();
        new.segments[0].network_type = Some(network_type.to_owned());
        new.segments[0].segmentation_id = id;
        new
    };
    let create = async |new| cloud.write(|tx| network::create(tx, &cloud.config, &new)).await;
    let gre = create(asked("gre", Some(2))).await.unwrap();
    assert_eq!((gre.segment.network_type(), gre.segment.segmentation_id(), gre.mtu), ("gre", Some(2), 1458));
    let geneve = create(asked("geneve", Some(2))).await.unwrap();
    assert_eq!((geneve.segment.segmentation_id(), geneve.mtu), (Some(2), 1450), "they are apart");
    assert_eq!(kind(create(asked("gre", Some(2))).await), "TunnelIdInUse");
    for wanted in [1, 3, 4] {
        assert_eq!(create(asked("gre", None)).await.unwrap().segment.segmentation_id(), Some(wanted));
    }
    for (network_type, id) in [("geneve", 1 << 24), ("gre", 1 << 32), ("gre", -1)] {
        assert_eq!(kind(create(asked(network_type, Some(id))).await), "InvalidInput", "{network_type} {id}");
    }
    cloud.host("h1", "192.0.2.1").await;
    let mut new = new_port(gre.id);
    new.binding.host_id = Some("h1".to_owned());
    let port = cloud.port(&new).await.unwrap();
    assert_eq!(binding::vif_type(&cloud.view(), &port), VifType::BindingFailed);
    let failure = binding::failure(&cloud.view(), port.network_id, &port.binding).unwrap();
    assert!(failure.to_string().contains("hosts carry no gre networks"), "{failure}");
    assert_eq!(
        kind(cloud.write(|tx| binding::set_port_wired(tx, "h1", port.id, true)).await),
        "PortNotOnHost"
    );
    cloud.delete_port(port.id).await.unwrap();
    cloud.delete_network(gre.id).await.unwrap();
    cloud.check();
    assert_eq!(create(asked("gre", None)).await.unwrap().segment.segmentation_id(), Some(2), "free again");
    cloud.config.tenant_vnis = 1..=4;
    let full = cloud.write(|tx| network::create(tx, &cloud.config, &asked("gre", None))).await;
    assert_eq!(kind(full), "NoNetworkAvailable");
}

#[tokio::test]
async fn the_vlan_of_a_network_changes() {
    let cloud = Cloud::new().await;
    let make = async |physical: &str, id| {
        let mut new = new_network();
        new.segments[0].network_type = Some("vlan".to_owned());
        new.segments[0].physical_network = Some(physical.to_owned());
        new.segments[0].segmentation_id = Some(id);
        cloud.write(|tx| network::create(tx, &cloud.config, &new)).await
    };
    let network = make("one", 7).await.unwrap();
    make("one", 8).await.unwrap();
    let change = async |id| {
        let mut change = NetworkChange::default();
        change.provider.segmentation_id = Some(id);
        cloud.write(|tx| network::update(tx, &cloud.config, network.id, &change, None)).await
    };
    assert_eq!(change(7).await.unwrap().stamp.revision_number, network.stamp.revision_number, "as it is");
    assert_eq!(kind(change(8).await), "VlanIdInUse");
    assert_eq!(kind(change(4095).await), "InvalidInput");
    let changed = change(9).await.unwrap();
    assert_eq!((changed.segment.segmentation_id(), changed.segment.network_type()), (Some(9), "vlan"));
    make("one", 7).await.expect("the old one is free");
    cloud.check();
}

#[tokio::test]
async fn a_network_gets_a_vlan_that_is_kept() {
    let mut cloud = Cloud::new().await;
    let asked = |physical: Option<&str>, id| {
        let mut new = new_network();
        new.segments[0].network_type = Some("vlan".to_owned());
        new.segments[0].physical_network = physical.map(str::to_owned);
        new.segments[0].segmentation_id = id;
        new
    };
    let range = |name: &str, vlans| VlanRange { physical_network: name.to_owned(), vlans };
    cloud.config.vlan_ranges = vec![range("one", 100..=102), range("two", 7..=7), range("one", 200..=200)];
    let create = async |new| {
        let network = cloud.write(|tx| network::create(tx, &cloud.config, &new)).await?;
        Ok::<_, Error>(match network.segment {
            Segment::Physical(PhysicalSegment { network, vlan }) => (network, vlan.unwrap().get()),
            other => panic!("{other:?}"),
        })
    };
    create(asked(Some("one"), Some(101))).await.unwrap();
    for vlan in [100, 102, 200] {
        assert_eq!(create(asked(Some("one"), None)).await.unwrap(), ("one".to_owned(), vlan));
    }
    assert_eq!(kind(create(asked(Some("one"), None)).await), "NoNetworkAvailable");
    assert_eq!(create(asked(None, None)).await.unwrap(), ("two".to_owned(), 7), "of any physical network");
    assert_eq!(kind(create(asked(None, None)).await), "NoNetworkAvailable");
    assert_eq!(kind(create(asked(Some("three"), None)).await), "InvalidInput");
    assert_eq!(kind(create(asked(None, Some(5))).await), "InvalidInput");
    cloud.check();
}

#[tokio::test]
async fn a_segment_of_a_physical_network_has_one_network() {
    let cloud = Cloud::new().await;
    let asked = |network_type: &str, physical: Option<&str>, id: Option<i64>| {
        let mut new = new_network();
        new.segments[0].network_type = Some(network_type.to_owned());
        new.segments[0].physical_network = physical.map(str::to_owned);
        new.segments[0].segmentation_id = id;
        new
    };
    let create = async |new| cloud.write(|tx| network::create(tx, &cloud.config, &new)).await;
    let flat = create(asked("flat", Some("one"), None)).await.unwrap();
    assert_eq!((flat.segment.network_type(), flat.segment.segmentation_id(), flat.mtu), ("flat", None, 1500));
    assert_eq!(kind(create(asked("flat", Some("one"), None)).await), "FlatNetworkInUse");
    let vlan = create(asked("vlan", Some("one"), Some(7))).await.unwrap();
    assert_eq!((vlan.segment.network_type(), vlan.segment.segmentation_id()), ("vlan", Some(7)));
    assert_eq!(kind(create(asked("vlan", Some("one"), Some(7))).await), "VlanIdInUse");
    create(asked("vlan", Some("two"), Some(7))).await.unwrap();
    for (network_type, physical, id) in [
        ("flat", None, None),
        ("flat", Some(""), None),
        ("flat", Some("two"), Some(5)),
        ("vlan", None, Some(5)),
        ("vlan", Some("two"), None),
        ("vlan", Some("two"), Some(4095)),
        ("vlan", Some("two"), Some(0)),
    ] {
        assert_eq!(
            kind(create(asked(network_type, physical, id)).await),
            "InvalidInput",
            "{network_type} {id:?}"
        );
    }
    cloud.write(|tx| network::delete(tx, &cloud.config, flat.id, None)).await.unwrap();
    create(asked("flat", Some("one"), None)).await.unwrap();
    cloud.check();
}

#[tokio::test]
async fn a_port_of_a_physical_network_needs_a_host_with_an_interface_to_it() {
    let cloud = Cloud::new().await;
    let mut new = new_network();
    new.segments[0].network_type = Some("flat".to_owned());
    new.segments[0].physical_network = Some("one".to_owned());
    let network = cloud.write(|tx| network::create(tx, &cloud.config, &new)).await.unwrap();
    cloud.host("compute1", "192.0.2.1").await;
    let mut new = new_port(network.id);
    new.binding.host_id = Some("compute1".to_owned());
    let port = cloud.port(&new).await.unwrap();
    let vif_type = || binding::vif_type(&cloud.view(), &port);
    assert_eq!(vif_type(), VifType::BindingFailed);
    let reach = async |networks: &[&str]| {
        let networks: Vec<String> = networks.iter().map(|name| (*name).to_owned()).collect();
        cloud.write(|tx| host::set_physical_networks(tx, "compute1", &networks)).await.unwrap();
    };
    reach(&["two", "one"]).await;
    assert_eq!(vif_type(), VifType::Tap);
    reach(&["two"]).await;
    assert_eq!(vif_type(), VifType::BindingFailed);
}

#[tokio::test]
async fn a_revision_that_is_demanded_must_be_there() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await;
    let change = NetworkChange { name: Some("n".to_owned()), ..NetworkChange::default() };
    let update = async |revision| {
        cloud.write(|tx| network::update(tx, &cloud.config, network.id, &change, Some(revision))).await
    };
    assert_eq!(kind(update(7).await), "RevisionNumberConstraintFailed");
    assert_eq!(update(1).await.unwrap().stamp.revision_number, 2);
    assert_eq!(kind(update(1).await), "RevisionNumberConstraintFailed");
}

#[tokio::test]
async fn a_shared_network_that_others_use_stays_shared() {
    let cloud = Cloud::new().await;
    let mut new = new_network();
    new.shared = true;
    let network = cloud.write(|tx| network::create(tx, &cloud.config, &new)).await.unwrap().id;
    let mut foreign = new_port(network);
    foreign.project_id = "q".to_owned();
    let port = cloud.port(&foreign).await.unwrap();
    let change = NetworkChange { shared: Some(false), ..NetworkChange::default() };
    let unshare = async || cloud.write(|tx| network::update(tx, &cloud.config, network, &change, None)).await;
    assert_eq!(kind(unshare().await), "InvalidSharedSetting");
    cloud.delete_port(port.id).await.unwrap();
    unshare().await.unwrap();
    assert!(!cloud.view().is_shared_with(Shareable::Network(network), "q"));
}

#[tokio::test]
async fn a_port_is_bound_and_wired() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    cloud.subnet(&new_subnet(network, "10.0.0.0/24")).await.unwrap();
    let mut new = new_port(network);
    new.binding.host_id = Some("h1".to_owned());
    let port = cloud.port(&new).await.unwrap();
    let vif_type = |port: &Port| binding::vif_type(&cloud.view(), port);
    assert_eq!(vif_type(&port), VifType::BindingFailed, "no such host yet");
    let wired =
        async |host: &str, wired| cloud.write(|tx| binding::set_port_wired(tx, host, port.id, wired)).await;
    assert_eq!(kind(wired("h1", true).await), "HostUnknown");
    cloud.host("h1", "192.0.2.1").await;
    cloud.host("h2", "192.0.2.2").await;
    assert_eq!(vif_type(&port), VifType::Tap, "the host took it up when it came");
    assert_eq!(kind(wired("h2", true).await), "PortNotOnHost");
    assert!(wired("h1", true).await.unwrap());
    assert!(!wired("h1", true).await.unwrap(), "nothing new");
    let status = || cloud.view().get::<Port>(&port.id).unwrap().status;
    assert_eq!(status(), PortStatus::Active);

    let update = async |change: PortChange| {
        cloud.write(|tx| port::update(tx, &cloud.config, port.id, &change, None)).await
    };
    let mac =
        PortChange { mac_address: Some(NewMac::Given(Mac([2, 0, 0, 0, 0, 1]))), ..PortChange::default() };
    assert_eq!(kind(update(mac.clone()).await), "PortBound");
    let kind_of = |kind: &str| PortChange {
        binding: BindingChange { vnic_type: Some(kind.to_owned()), ..BindingChange::default() },
        ..PortChange::default()
    };
    assert_eq!(kind(update(kind_of("direct")).await), "PortInUse");
    let down = PortChange { admin_state_up: Some(false), ..PortChange::default() };
    assert_eq!(update(down).await.unwrap().status, PortStatus::Down);
    assert!(!wired("h1", true).await.unwrap(), "it is down by order");
    let up = PortChange { admin_state_up: Some(true), ..PortChange::default() };
    update(up).await.unwrap();
    assert!(wired("h1", true).await.unwrap());
    let to = |host: &str| PortChange {
        binding: BindingChange { host_id: Some(host.to_owned()), ..BindingChange::default() },
        ..PortChange::default()
    };
    assert_eq!(update(to("h2")).await.unwrap().status, PortStatus::Down, "it moved");
    assert_eq!(kind(wired("h1", true).await), "PortNotOnHost");
    let unbound = update(to("")).await.unwrap();
    assert_eq!(vif_type(&unbound), VifType::Unbound);
    assert!(update(mac).await.is_ok());
    let direct = update(kind_of("direct")).await.unwrap();
    let failed = update(to("h1")).await.unwrap();
    assert_eq!((vif_type(&direct), vif_type(&failed)), (VifType::Unbound, VifType::BindingFailed));
    let large = PortChange {
        binding: BindingChange { profile: Some("x".repeat(4096)), ..BindingChange::default() },
        ..PortChange::default()
    };
    assert_eq!(kind(update(large).await), "InvalidInput");
    let service = PortChange { device_owner: Some("network:dhcp".to_owned()), ..PortChange::default() };
    assert_eq!(kind(update(service).await), "UnsupportedPortDeviceOwner", "the network makes its own");
    let router =
        PortChange { device_owner: Some("network:router_gateway".to_owned()), ..PortChange::default() };
    update(router).await.unwrap();
    let mac = PortChange { mac_address: Some(NewMac::Random), ..PortChange::default() };
    assert_eq!(kind(update(mac).await), "UnsupportedPortDeviceOwner");
}

#[tokio::test]
async fn hosts_join_once_and_leave() {
    let cloud = Cloud::new().await;
    let redeem = async |join| cloud.write(|tx| host::redeem(tx, &join)).await;
    let make = async |token: JoinToken| cloud.write(|tx| host::create_join_token(tx, token.clone())).await;
    assert_eq!(kind(redeem(join("h1", "192.0.2.1", [7; 32])).await), "JoinTokenInvalid", "none was made");
    make(token("h1")).await.unwrap();
    assert_eq!(kind(make(token("h1")).await), "JoinTokenInvalid", "an id is used once");
    let mut wrong = join("h1", "192.0.2.1", [7; 32]);
    wrong.secret_sha256 = [9; 32];
    assert_eq!(kind(redeem(wrong).await), "JoinTokenInvalid");
    for bad in ["0.0.0.0", "224.0.0.1", "::"] {
        assert_eq!(kind(redeem(join("h1", bad, [7; 32])).await), "InvalidInput");
    }
    let first = redeem(join("h1", "192.0.2.1", [7; 32])).await.unwrap();
    assert_eq!(kind(redeem(join("h1", "192.0.2.1", [7; 32])).await), "JoinTokenInvalid", "it is used up");

    // Each token has its own id; the host's name is what the node asks for.
    let with = |id: &str, name: &str, underlay: &str, key| {
        let mut join = join(name, underlay, key);
        join.token_id = id.to_owned();
        join
    };
    make(token("t2")).await.unwrap();
    assert_eq!(kind(redeem(with("t2", "h1", "192.0.2.1", [8; 32])).await), "HostNameTaken");
    assert_eq!(kind(redeem(with("t2", "h2", "192.0.2.1", [8; 32])).await), "UnderlayInUse");
    assert_eq!(kind(redeem(with("t2", "h 2", "192.0.2.2", [8; 32])).await), "InvalidInput");
    let again = redeem(with("t2", "h1", "192.0.2.9", [7; 32])).await.unwrap();
    assert_eq!(
        (again.number, again.underlay),
        (first.number, address("192.0.2.9")),
        "the same host came back"
    );
    let mut limited = token("t3");
    limited.host = Some("h3".to_owned());
    make(limited).await.unwrap();
    assert_eq!(kind(redeem(with("t3", "h2", "192.0.2.2", [8; 32])).await), "JoinTokenInvalid");
    assert!(redeem(with("t3", "h3", "2001:db8::3", [8; 32])).await.is_ok());
    let mut old = token("t4");
    old.expires_at = Timestamp(1_000_000);
    make(old).await.unwrap();
    assert_eq!(kind(redeem(with("t4", "h4", "192.0.2.4", [8; 32])).await), "JoinTokenInvalid");
    recovery::run(&cloud.store, &cloud.config).await.unwrap();
    assert!(cloud.view().is_empty::<JoinToken>(), "what ended is removed");

    let rotate = async |old, new| cloud.write(|tx| host::rotate_key(tx, "h1", &old, new)).await;
    assert_eq!(kind(rotate([9; 32], [5; 32]).await), "HostNameTaken");
    assert_eq!(rotate([7; 32], [5; 32]).await.unwrap().key_fingerprint, [5; 32]);

    let network = cloud.network().await.id;
    for _ in 0..70 {
        let mut new = new_port(network);
        new.binding.host_id = Some("h1".to_owned());
        let port = cloud.port(&new).await.unwrap();
        cloud.write(|tx| binding::set_port_wired(tx, "h1", port.id, true)).await.unwrap();
    }
    let remove =
        async |force| steps::run(&cloud.store, &info(), |tx| host::remove(tx, "h1", force)).await.map(|_| ());
    assert_eq!(kind(remove(false).await), "HostInUse");
    remove(true).await.unwrap();
    assert_eq!(kind(remove(true).await), "HostUnknown");
    assert!(cloud.view().get::<Host>(&"h1".to_owned()).is_none());
    assert!(cloud.view().iter::<Port>().all(|port| port.status == PortStatus::Down));
}

#[tokio::test]
async fn many_ports_or_none() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    cloud.subnet(&new_subnet(network, "10.0.0.0/16")).await.unwrap();
    cloud.subnet(&slaac(network, "fd00::/64")).await.unwrap();
    let create = async |items: &[port::NewPort]| {
        bulk::create(&cloud.store, &cloud.config, &info(), items, |tx, new| {
            port::create(tx, &cloud.config, new)
        })
        .await
        .map_err(|failure| failure.error)
    };
    let named = |n: usize| port::NewPort { name: n.to_string(), ..new_port(network) };
    for count in [1, 2, 31, 40, 41, 300] {
        let items: Vec<_> = (0..count).map(named).collect();
        let (made, view) = create(&items).await.unwrap();
        let names: Vec<String> = made.iter().map(|port| port.name.clone()).collect();
        assert_eq!(names, (0..count).map(|n| n.to_string()).collect::<Vec<_>>());
        assert!(made.iter().all(|port| view.get::<Port>(&port.id).is_some()));
        cloud.check();
    }
    let before = cloud.view().len::<Port>();
    for count in [20, 200] {
        let mut items: Vec<_> = (0..count).map(named).collect();
        items[count - 1].fixed_ips = Some(vec![at("10.0.0.2")]);
        assert_eq!(kind(create(&items).await.map(|_| ())), "IpAddressAlreadyAllocated");
        assert_eq!(cloud.view().len::<Port>(), before, "all or none");
        cloud.check();
    }
    let items: Vec<_> = (0..cloud.config.max_bulk + 1).map(named).collect();
    assert_eq!(kind(create(&items).await.map(|_| ())), "InvalidInput");
}

#[tokio::test]
async fn an_interrupted_bulk_create_is_undone_at_start() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let kept = cloud.port(&new_port(network)).await.unwrap();
    let other = cloud.network().await.id;
    let subnet = cloud.subnet(&new_subnet(other, "10.0.0.0/24")).await.unwrap().id;
    let mut created = vec![Created::Network(other), Created::Subnet(subnet)];
    for _ in 0..150 {
        created.push(Created::Port(cloud.port(&new_port(other)).await.unwrap().id));
    }
    created.push(Created::Port(hadron_model::PortId::random()));
    let intent = BulkIntent { id: hadron_model::PortId::random().0, created };
    cloud
        .write(|tx| {
            tx.put(intent.clone());
            Ok(())
        })
        .await
        .unwrap();
    recovery::run(&cloud.store, &cloud.config).await.unwrap();
    cloud.check();
    assert_eq!(cloud.view().len::<Network>(), 1);
    assert_eq!(cloud.view().iter::<Port>().map(|port| port.id).collect::<Vec<_>>(), [kept.id]);
}

#[tokio::test]
async fn quotas_hold_in_a_burst() {
    let mut cloud = Cloud::new().await;
    cloud.config.quotas.port = Some(10);
    cloud.config.quotas.network = Some(2);
    let network = cloud.network().await.id;
    cloud.network().await;
    assert_eq!(kind(cloud.write(|tx| network::create(tx, &cloud.config, &new_network())).await), "OverQuota");
    let attempts = (0..30).map(|_| {
        let (store, config) = (cloud.store.clone(), cloud.config.clone());
        tokio::spawn(async move {
            store.write(info(), |tx| port::create(tx, &config, &new_port(network))).await.map(|_| ())
        })
    });
    let mut made = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(()) => made += 1,
            Err(error) => assert_eq!(error.type_name(), "OverQuota"),
        }
    }
    assert_eq!((made, cloud.view().count_ports_of_project("p")), (10, 10));
    let mut other = new_port(network);
    other.project_id = "q".to_owned();
    assert!(cloud.port(&other).await.is_ok(), "another project has its own");
}

#[test]
fn errors_are_neutron_s() {
    let facts: serde_json::Value =
        serde_json::from_str(include_str!("../../../../spec/exceptions.json")).unwrap();
    let network = hadron_model::NetworkId::random();
    let subnet = hadron_model::SubnetId::random();
    let port = hadron_model::PortId::random();
    let ip = address("10.0.0.1");
    let pool = hadron_model::AddressRange::new(ip, ip).unwrap();
    let cidr: hadron_model::IpNet = "10.0.0.0/24".parse().unwrap();
    let mac = Mac([0; 6]);
    let agent = hadron_model::AgentId::random();
    let segment_id = hadron_model::SegmentId::random();
    let range_id = hadron_model::SegmentRangeId::random();
    let text = String::new;
    let errors = [
        Error::NetworkNotFound(network),
        Error::SubnetNotFound(subnet),
        Error::PortNotFound(port),
        Error::NetworkInUse { network, ports: vec![port] },
        Error::SubnetInUse { subnet },
        Error::InvalidInput(text()),
        Error::BadRequest { resource: "subnets", reason: text() },
        Error::GatewayConflictWithAllocationPools { gateway: ip, pool },
        Error::OutOfBoundsAllocationPool { pool, cidr },
        Error::OverlappingAllocationPools { first: pool, second: pool, cidr },
        Error::InvalidAllocationPool { start: ip, end: ip },
        Error::GatewayIpInUse { gateway: ip, port },
        Error::DnsNameServersExhausted { subnet: text(), limit: 5 },
        Error::HostRoutesExhausted { subnet: text(), limit: 20 },
        Error::IpAddressGenerationFailure(network),
        Error::IpAddressAlreadyAllocated { address: ip, subnet },
        Error::InvalidIpForSubnet(ip),
        Error::InvalidIpForNetwork(ip),
        Error::AllocationOnAutoAddressSubnet { address: ip, subnet },
        Error::MacAddressInUse { network, mac },
        Error::PortBound { port, vif_type: "tap", old: mac, new: mac },
        Error::PortInUse { port, network, device: text() },
        Error::UnsupportedPortDeviceOwner { operation: "", port, device_owner: text() },
        Error::DeviceIdNotOwnedByTenant(text()),
        Error::TunnelIdInUse(1),
        Error::NoNetworkAvailable,
        Error::NetworkMtuSubnetConflict { network, minimum: 68 },
        Error::InvalidSharedSetting(text()),
        Error::OverQuota("port"),
        Error::RevisionNumberConstraintFailed { demanded: 1, current: 2 },
        ObjectError::TagNotFound(text()).into(),
        ObjectError::TagResourceNotFound { collection: "ports", id: text() }.into(),
        ObjectError::QuotaBelowUsage { kind: "port", limit: 1, used: 2 }.into(),
        ObjectError::ProjectQuotaNotFound(text()).into(),
        ObjectError::QuotaMissingProject.into(),
        ObjectError::AgentNotFound(agent).into(),
        ObjectError::InvalidDhcpAgent(agent).into(),
        ObjectError::NetworkHostedByDhcpAgent { network, agent }.into(),
        ObjectError::NetworkNotHostedByDhcpAgent { network, agent }.into(),
        ObjectError::NetworkServedWherePortsAre { network, host: text(), ports: 1 }.into(),
        ObjectError::AvailabilityZoneNotFound(text()).into(),
        ObjectError::DuplicateDhcpOpt(text()).into(),
        ObjectError::NoMatchingSubnet { network, device_owner: text() }.into(),
        ObjectError::TooManyTags { collection: "ports", id: port.0, count: 51, limit: 50 }.into(),
        BindingError::NotFound { port, host: text() }.into(),
        BindingError::AlreadyExists { port, host: text() }.into(),
        BindingError::AlreadyActive { port, host: text() }.into(),
        BindingError::Failed { port, host: text(), reason: BindingFailure::Host(text()) }.into(),
        BindingError::Unsupported(port).into(),
        BindingError::TooMany { port, limit: 1 }.into(),
        TopologyError::NoDefaultNetwork.into(),
        TopologyError::NoDefaultPools.into(),
        TopologyError::DefaultNetworkExists(network).into(),
        TopologyError::NotAuthorized(text()).into(),
        Error::Store(hadron_store::StoreError::Unavailable { reason: text() }),
        PoolError::PoolNotFound(hadron_model::SubnetPoolId::random()).into(),
        ObjectError::InvalidL3Agent(agent).into(),
        ObjectError::RouterServedWherePortsAre { router: hadron_model::RouterId::random(), host: text() }
            .into(),
        SegmentError::RangeNotFound(range_id).into(),
        SegmentError::RangeIsDefault(range_id).into(),
        SegmentError::RangeOverlaps(range_id).into(),
        SegmentError::RangeInUse(range_id).into(),
        SegmentError::RangeTypeNotSupported(text()).into(),
        SegmentError::NotFound(segment_id).into(),
        SegmentError::InUse { segment: segment_id, subnets: vec![subnet] }.into(),
        SegmentError::Duplicate.into(),
        SegmentError::WithProvider.into(),
        SegmentError::NetworkIdsDontMatch { network, segment: segment_id }.into(),
        SegmentError::SubnetsNotAllAssociated(network).into(),
        SegmentError::AssociationChange.into(),
        SegmentError::MultipleSegments(network).into(),
        SegmentError::HostNotConnected { host: text(), network }.into(),
        SegmentError::HostNotCompatible { host: text(), port }.into(),
        PoolError::ScopeNotFound(hadron_model::AddressScopeId::random()).into(),
        PoolError::ScopeInUse(hadron_model::AddressScopeId::random()).into(),
        PoolError::ScopePrefixConflict.into(),
        PoolError::ScopeAffinity.into(),
        PoolError::PoolAffinity.into(),
        PoolError::EmptyPrefixList.into(),
        PoolError::PrefixVersionMismatch.into(),
        PoolError::IllegalPrefixUpdate("").into(),
        PoolError::IllegalUpdate(text()).into(),
        PoolError::PoolDelete.into(),
        PoolError::AboveMax { length: 1, max: 0 }.into(),
        PoolError::BelowMin { length: 0, min: 1 }.into(),
        PoolError::PoolQuotaExceeded.into(),
        SharingError::PolicyNotFound(hadron_model::RbacPolicyId::random()).into(),
        SharingError::DuplicatePolicy.into(),
        SharingError::PolicyInUse { object: Shareable::Network(network), details: text() }.into(),
        SharingError::InvalidAction { action: text(), object_type: "network", valid: &[] }.into(),
        SharingError::ExternalNetworkInUse(network).into(),
    ];
    for error in errors.into_iter().chain(crate::support::routers::errors()) {
        let fact = &facts[error.type_name()];
        assert_eq!(fact.as_u64(), Some(error.status().into()), "{}: {fact}", error.type_name());
        assert!(!error.to_string().is_empty());
    }
}

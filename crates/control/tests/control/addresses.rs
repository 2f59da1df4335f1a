//! Which addresses ports get, keep and lose.

use crate::support::*;
use hadron_control::port::{self, NewMac, PortChange};
use hadron_control::subnet::{self, Gateway, SubnetChange};
use hadron_control::{Error, slaac};
use hadron_model::{Mac, Port};

#[tokio::test]
async fn the_lowest_free_address_is_taken_and_comes_back() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let subnet = cloud.subnet(&new_subnet(network, "10.0.0.0/29")).await.unwrap();
    let mut ports = vec![];
    for expected in ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"] {
        let port = cloud.port(&new_port(network)).await.unwrap();
        assert_eq!(addresses(&port), [expected]);
        ports.push(port);
    }
    let full = cloud.port(&new_port(network)).await;
    assert!(matches!(full, Err(Error::IpAddressGenerationFailure(_))), "{full:?}");
    // Nobody is given the gateway, but who asks for it gets it.
    let mut gateway = new_port(network);
    gateway.fixed_ips = Some(vec![at("10.0.0.1")]);
    assert_eq!(addresses(&cloud.port(&gateway).await.unwrap()), ["10.0.0.1"]);
    cloud.delete_port(ports[2].id).await.unwrap();
    assert_eq!(addresses(&cloud.port(&new_port(network)).await.unwrap()), ["10.0.0.4"]);
    assert_eq!(cloud.view().free_address_count(subnet.id), 0);
    cloud.check();
}

#[tokio::test]
async fn one_of_each_family_and_all_that_the_port_forms() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    cloud.subnet(&new_subnet(network, "10.0.0.0/30")).await.unwrap();
    cloud.subnet(&new_subnet(network, "10.0.1.0/24")).await.unwrap();
    cloud.subnet(&new_subnet(network, "fd00:1::/64")).await.unwrap();
    let a = cloud.subnet(&slaac(network, "fd00:2::/64")).await.unwrap();
    cloud.subnet(&slaac(network, "fd00:3::/64")).await.unwrap();
    let mut new = new_port(network);
    new.mac_address = Some(Mac([0xfa, 0x16, 0x3e, 0, 0, 1]));
    let port = cloud.port(&new).await.unwrap();
    let formed = ["fd00:2::f816:3eff:fe00:1", "fd00:3::f816:3eff:fe00:1"];
    assert_eq!(addresses(&port), ["10.0.0.2", "fd00:1::1", formed[0], formed[1]]);
    // The first subnet is full: the second takes over.
    let second = cloud.port(&new_port(network)).await.unwrap();
    assert_eq!(addresses(&second)[..2], ["10.0.1.2", "fd00:1::2"]);
    // An empty list leaves what the port forms itself; naming that changes nothing; another address there is refused.
    let mut new = new_port(network);
    new.mac_address = Some(Mac([0xfa, 0x16, 0x3e, 0, 0, 2]));
    new.fixed_ips = Some(vec![of_subnet(a.id)]);
    assert_eq!(addresses(&cloud.port(&new).await.unwrap()).len(), 2);
    new.mac_address = None;
    new.fixed_ips = Some(vec![at("fd00:2::5")]);
    assert!(matches!(cloud.port(&new).await, Err(Error::AllocationOnAutoAddressSubnet { .. })));
    cloud.check();
    consistency::check_formed_addresses(&cloud.view());
}

#[tokio::test]
async fn what_is_asked_for_is_checked() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let other = cloud.network().await.id;
    let foreign = cloud.subnet(&new_subnet(other, "10.9.0.0/24")).await.unwrap();
    let mut new = new_port(network);
    new.fixed_ips = Some(vec![at("10.0.0.9")]);
    assert!(matches!(cloud.port(&new).await, Err(Error::InvalidInput(_))), "no subnet at all");
    let subnet = cloud.subnet(&new_subnet(network, "10.0.0.0/24")).await.unwrap();
    for (text, wrong) in [("10.0.0.0", true), ("10.0.0.255", true), ("10.0.0.254", false), ("10.1.0.1", true)]
    {
        new.fixed_ips = Some(vec![at(text)]);
        assert_eq!(matches!(cloud.port(&new).await, Err(Error::InvalidIpForNetwork(_))), wrong, "{text}");
    }
    let mut both = of_subnet(subnet.id);
    both.ip_address = Some(address("10.1.0.1"));
    new.fixed_ips = Some(vec![both]);
    assert!(matches!(cloud.port(&new).await, Err(Error::InvalidIpForSubnet(_))));
    new.fixed_ips = Some(vec![of_subnet(foreign.id)]);
    assert!(matches!(cloud.port(&new).await, Err(Error::InvalidInput(_))));
    new.fixed_ips = Some(vec![at("10.0.0.254")]);
    assert!(matches!(cloud.port(&new).await, Err(Error::IpAddressAlreadyAllocated { .. })));
    // An address that is asked for is not taken before as the next free one.
    new.fixed_ips = Some(vec![of_subnet(subnet.id), at("10.0.0.2")]);
    assert_eq!(addresses(&cloud.port(&new).await.unwrap()), ["10.0.0.3", "10.0.0.2"]);
    new.fixed_ips = Some(vec![of_subnet(subnet.id); 41]);
    assert!(matches!(cloud.port(&new).await, Err(Error::InvalidInput(_))), "too many");
    cloud.check();
}

async fn change(cloud: &Cloud, port: &Port, change: PortChange) -> Result<Port, Error> {
    let updated = cloud.write(|tx| port::update(tx, &cloud.config, port.id, &change, None)).await;
    cloud.check();
    updated
}

#[tokio::test]
async fn addresses_change_by_difference() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let v4 = cloud.subnet(&new_subnet(network, "10.0.0.0/24")).await.unwrap();
    let auto = cloud.subnet(&slaac(network, "fd00::/64")).await.unwrap();
    let port = cloud.port(&new_port(network)).await.unwrap();
    let formed = addresses(&port)[1].clone();
    let fixed_ips = |list| PortChange { fixed_ips: Some(list), ..PortChange::default() };

    let same = change(&cloud, &port, fixed_ips(vec![of_subnet(v4.id)])).await.unwrap();
    assert_eq!(same, port, "the same subnet keeps the address, and nothing is counted");
    let two = change(&cloud, &port, fixed_ips(vec![at("10.0.0.2"), of_subnet(v4.id)])).await.unwrap();
    assert_eq!(addresses(&two), ["10.0.0.2", "10.0.0.3", &formed]);
    assert_eq!(two.stamp.revision_number, port.stamp.revision_number + 1);
    let moved = change(&cloud, &port, fixed_ips(vec![at("10.0.0.9")])).await.unwrap();
    assert_eq!(addresses(&moved), ["10.0.0.9", &formed]);
    let none = change(&cloud, &port, fixed_ips(vec![])).await.unwrap();
    assert_eq!(addresses(&none), [formed.as_str()], "what it forms itself stays");
    let mut give_up = of_subnet(auto.id);
    give_up.delete_subnet = true;
    let bare = change(&cloud, &port, fixed_ips(vec![give_up])).await.unwrap();
    assert_eq!(addresses(&bare), [""; 0]);
    let back = change(&cloud, &port, fixed_ips(vec![at("10.0.0.2")])).await.unwrap();
    assert_eq!(addresses(&back), ["10.0.0.2", &formed]);
}

#[tokio::test]
async fn a_new_mac_moves_what_the_port_forms() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    cloud.subnet(&new_subnet(network, "10.0.0.0/24")).await.unwrap();
    cloud.subnet(&slaac(network, "fd00::/64")).await.unwrap();
    let port = cloud.port(&new_port(network)).await.unwrap();
    let other = cloud.port(&new_port(network)).await.unwrap();
    let mac = |mac| PortChange { mac_address: Some(mac), ..PortChange::default() };
    let new = Mac([0xfa, 0x16, 0x3e, 0, 0, 9]);
    let moved = change(&cloud, &port, mac(NewMac::Given(new))).await.unwrap();
    assert_eq!(moved.mac_address, new);
    assert_eq!(addresses(&moved), ["10.0.0.2", "fd00::f816:3eff:fe00:9"]);
    let again = change(&cloud, &port, mac(NewMac::Random)).await.unwrap();
    assert_ne!(again.mac_address, new);
    let taken = change(&cloud, &port, mac(NewMac::Given(other.mac_address))).await;
    assert!(matches!(taken, Err(Error::MacAddressInUse { .. })));
}

#[tokio::test]
async fn a_late_subnet_reaches_every_port_in_steps() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    cloud.subnet(&new_subnet(network, "10.0.0.0/24")).await.unwrap();
    for _ in 0..100 {
        cloud.port(&new_port(network)).await.unwrap();
    }
    let late = cloud.subnet(&slaac(network, "fd00::/64")).await.unwrap();
    slaac::fill_all(&cloud.store, &info(), late.id).await.unwrap();
    consistency::check_formed_addresses(&cloud.view());
    cloud.check();
    cloud.delete_subnet(late.id).await.unwrap();
    cloud.check();
    assert!(cloud.view().iter::<Port>().all(|port| port.fixed_ips.len() == 1));
}

#[tokio::test]
async fn a_network_with_many_subnets_goes_in_steps() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    for third in 0..90 {
        let mut new = new_subnet(network, &format!("10.0.{third}.0/24"));
        new.enable_dhcp = true;
        cloud.subnet(&new).await.unwrap();
    }
    cloud.check();
    cloud.delete_network(network).await.unwrap();
    cloud.check();
    assert!(cloud.view().is_empty::<Port>());
}

#[tokio::test]
async fn the_dhcp_port_follows_its_subnets() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let mut new = new_subnet(network, "10.0.0.0/24");
    new.enable_dhcp = true;
    let subnet = cloud.subnet(&new).await.unwrap();
    let service = |cloud: &Cloud| cloud.view().iter::<Port>().find(|port| port.is_distributed()).cloned();
    let first = service(&cloud).unwrap();
    assert_eq!(addresses(&first), ["10.0.0.2"]);
    assert_eq!(first.project_id, "p");
    // Without it there would be no DHCP: another takes its place.
    cloud.delete_port(first.id).await.unwrap();
    let second = service(&cloud).unwrap();
    assert_ne!(second.id, first.id);
    let update = async |change: PortChange| {
        cloud.write(|tx| port::update(tx, &cloud.config, second.id, &change, None)).await
    };
    let none = PortChange { fixed_ips: Some(vec![]), ..PortChange::default() };
    assert_eq!(addresses(&update(none).await.unwrap()), ["10.0.0.2"], "it takes one again");
    let moved = PortChange { fixed_ips: Some(vec![at("10.0.0.77")]), ..PortChange::default() };
    assert_eq!(addresses(&update(moved).await.unwrap()), ["10.0.0.77"]);
    let mut binding = PortChange::default();
    binding.binding.host_id = Some("h".to_owned());
    let owner = PortChange { device_owner: Some(String::new()), ..PortChange::default() };
    let device = PortChange { device_id: Some("x".to_owned()), ..PortChange::default() };
    for change in [binding, owner, device] {
        assert!(matches!(update(change).await, Err(Error::UnsupportedPortDeviceOwner { .. })));
    }
    cloud.check();
    let enable_dhcp = |on| SubnetChange { enable_dhcp: Some(on), ..SubnetChange::default() };
    let set = async |on| {
        cloud.write(|tx| subnet::update(tx, &cloud.config, subnet.id, &enable_dhcp(on), None)).await.unwrap();
        cloud.check();
    };
    set(false).await;
    assert!(service(&cloud).is_none());
    set(true).await;
    assert!(service(&cloud).is_some());
    cloud.delete_subnet(subnet.id).await.unwrap();
    assert!(service(&cloud).is_none());
    // A subnet without pools has no address for it, and that is no fault.
    new.allocation_pools = Some(vec![]);
    cloud.subnet(&new).await.unwrap();
    assert!(service(&cloud).is_none());
    cloud.check();
}

#[tokio::test]
async fn the_dhcp_port_takes_the_first_address_that_comes_free() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let subnet = cloud.subnet(&new_subnet(network, "10.0.0.0/30")).await.unwrap();
    let port = cloud.port(&new_port(network)).await.unwrap();
    let change = SubnetChange { enable_dhcp: Some(true), ..SubnetChange::default() };
    cloud.write(|tx| subnet::update(tx, &cloud.config, subnet.id, &change, None)).await.unwrap();
    assert_eq!(cloud.view().ports_of_network(network).count(), 1, "there was none for it");
    cloud.delete_port(port.id).await.unwrap();
    let service = cloud.view().ports_of_network(network).next().unwrap().value.clone();
    assert!(service.is_distributed());
    assert_eq!(addresses(&service), ["10.0.0.2"]);
    cloud.check();
}

#[tokio::test]
async fn pools_and_gateways_of_every_size() {
    let cloud = Cloud::new().await;
    for (cidr, gateway, pools) in [
        ("10.0.0.0/24", "10.0.0.1", "10.0.0.2-10.0.0.254"),
        ("10.0.0.0/30", "10.0.0.1", "10.0.0.2-10.0.0.2"),
        ("10.0.0.0/31", "10.0.0.1", "10.0.0.0-10.0.0.0"),
        ("10.0.0.9/32", "10.0.0.10", "10.0.0.9-10.0.0.9"),
        ("fd00::/64", "fd00::", "fd00::1-fd00::ffff:ffff:ffff:ffff"),
        ("fd00::8/125", "fd00::8", "fd00::9-fd00::f"),
        ("fd00::8/127", "fd00::8", "fd00::9-fd00::9"),
        ("fd00::8/128", "fd00::8", "fd00::8-fd00::8"),
        ("fc00::/7", "fc00::", "fc00::1-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ] {
        let network = cloud.network().await.id;
        let subnet = cloud.subnet(&new_subnet(network, cidr)).await.unwrap();
        assert_eq!(subnet.gateway_ip, Some(address(gateway)), "{cidr}");
        let range = |pool: &hadron_model::AddressRange| format!("{}-{}", pool.first(), pool.last());
        assert_eq!(subnet.allocation_pools.iter().map(range).collect::<Vec<_>>().join(","), pools, "{cidr}");
        cloud.delete_network(network).await.unwrap();
    }
    let network = cloud.network().await.id;
    let mut middle = new_subnet(network, "10.0.0.0/29");
    middle.gateway = Gateway::At(address("10.0.0.4"));
    let subnet = cloud.subnet(&middle).await.unwrap();
    assert_eq!(subnet.allocation_pools.len(), 2, "around the gateway");
    let last = new_subnet(network, "255.255.255.255/32");
    assert!(matches!(cloud.subnet(&last).await, Err(Error::InvalidInput(_))), "no room for a gateway");
}

#[tokio::test]
async fn subnets_that_can_t_be() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    cloud.subnet(&new_subnet(network, "10.0.0.0/24")).await.unwrap();
    let pool = |start: &str, end: &str| (address(start), address(end));
    let refused = async |new| cloud.subnet(&new).await.expect_err("it can't be").type_name();
    let dhcp = |cidr: &str| {
        let mut new = new_subnet(network, cidr);
        new.enable_dhcp = true;
        new
    };
    for cidr in ["10.0.0.128/25", "10.0.0.0/8", "0.0.0.0/0", "::/64"] {
        assert_eq!(refused(new_subnet(network, cidr)).await, "InvalidInput", "{cidr}");
    }
    for cidr in ["10.1.0.0/31", "fd00::/127", "224.0.0.0/24", "127.0.0.0/24", "0.0.0.0/8", "ff00::/64"] {
        assert_eq!(refused(dhcp(cidr)).await, "InvalidInput", "{cidr}");
    }
    let base = new_subnet(network, "10.1.0.0/24");
    for (pools, kind) in [
        (vec![pool("10.1.0.9", "10.1.0.2")], "InvalidAllocationPool"),
        (vec![pool("10.1.0.9", "fd00::1")], "InvalidAllocationPool"),
        (vec![pool("10.1.0.0", "10.1.0.9")], "OutOfBoundsAllocationPool"),
        (vec![pool("10.1.0.9", "10.1.0.255")], "OutOfBoundsAllocationPool"),
        (vec![pool("10.1.0.5", "10.1.0.9"), pool("10.1.0.2", "10.1.0.5")], "OverlappingAllocationPools"),
        (vec![pool("10.1.0.1", "10.1.0.9")], "GatewayConflictWithAllocationPools"),
        (vec![pool("10.1.0.2", "10.1.0.2"); 300], "InvalidInput"),
    ] {
        let mut new = base.clone();
        new.allocation_pools = Some(pools);
        assert_eq!(refused(new).await, kind);
    }
    let mut new = base.clone();
    new.gateway = Gateway::At(address("10.1.0.255"));
    assert_eq!(refused(new).await, "InvalidInput");
    let mut new = base.clone();
    new.dns_nameservers = (1..=6).map(|n| address(&format!("10.9.9.{n}"))).collect();
    assert_eq!(refused(new).await, "DNSNameServersExhausted");
    let mut new = slaac(network, "fd00::/63");
    assert_eq!(refused(new.clone()).await, "InvalidInput");
    new = slaac(network, "fd00::/64");
    new.enable_dhcp = false;
    assert_eq!(refused(new.clone()).await, "InvalidInput");
    new = slaac(network, "fd00::/64");
    new.ipv6_ra_mode = Some(hadron_model::Ipv6Mode::Dhcpv6Stateful);
    assert_eq!(refused(new).await, "InvalidInput");
    let mut v4 = base;
    v4.enable_dhcp = true;
    v4.ipv6_ra_mode = Some(hadron_model::Ipv6Mode::Slaac);
    assert_eq!(refused(v4).await, "InvalidInput");
    cloud.check();
}

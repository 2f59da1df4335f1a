//! What must hold of every state, whatever was done and in whatever order.

use hadron_control::slaac;
use hadron_model::address::to_bits;
use hadron_model::security::MAX_REMOTE_SETS;
use hadron_model::{
    AddressGroup, AddressScope, DefaultGroup, Direction, FloatingIp, IpNet, Network, NetworkSegment, Policy,
    Port, Protocol, RbacPolicy, Router, RouterPortRole, SecurityGroup, SecurityGroupRule, Segment, Shareable,
    Subnet, SubnetPool,
};
use hadron_store::{
    AddressClaim, BulkIntent, FloatingClaim, MacClaim, SegmentClaim, SetId, Snapshot, TunnelClaim, VniClaim,
};
use std::collections::{BTreeSet, HashSet};

/// Panics unless the state is whole.
pub fn check(view: &Snapshot) {
    claims_and_ports_agree(view);
    networks_have_their_own_segments(view);
    subnets_are_well_formed(view);
    ports_are_in_one_place(view);
    every_network_has_the_dhcp_port_that_it_needs(view);
    ports_and_policies_agree(view);
    rules_name_what_is_there(view);
    each_project_has_at_most_one_default_group(view);
    routers_and_their_ports_agree(view);
    policies_share_what_is_there(view);
    pools_and_scopes_have_no_address_twice(view);
    assert_eq!(view.len::<BulkIntent>(), 0, "a bulk create is unfinished");
}

fn claims_and_ports_agree(view: &Snapshot) {
    let mut held = HashSet::new();
    for port in view.iter::<Port>() {
        assert!(view.get::<Network>(&port.network_id).is_some(), "port {} has no network", port.id);
        let mac = view.get::<MacClaim>(&(port.network_id, port.mac_address)).expect("a MAC is claimed");
        assert_eq!(mac.port_id, port.id);
        for ip in &port.fixed_ips {
            assert!(held.insert((ip.subnet_id, ip.ip_address)), "{} is given twice", ip.ip_address);
            let subnet = view.get::<Subnet>(&ip.subnet_id).expect("an address is of a subnet");
            assert_eq!(subnet.network_id, port.network_id);
            assert!(subnet.cidr.contains(&ip.ip_address));
            let claim =
                view.get::<AddressClaim>(&(ip.subnet_id, ip.ip_address)).expect("an address is claimed");
            assert_eq!(claim.port_id, port.id);
        }
    }
    assert_eq!(view.len::<AddressClaim>(), held.len(), "an address is claimed for nobody");
    assert_eq!(view.len::<MacClaim>(), view.len::<Port>(), "a MAC is claimed for nobody");
}

fn ports_are_in_one_place(view: &Snapshot) {
    for port in view.iter::<Port>() {
        let hosts: Vec<&str> =
            port.inactive_bindings.iter().map(|binding| binding.host_id.as_str()).collect();
        assert!(hosts.is_sorted_by(|a, b| a < b), "{}: {hosts:?}", port.id);
        assert!(hosts.iter().all(|host| !host.is_empty() && *host != port.binding.host_id), "{hosts:?}");
    }
}

fn networks_have_their_own_segments(view: &Snapshot) {
    for network in view.iter::<Network>() {
        let first = view.segments_of(network.id).next().map(|first| first.segment.clone());
        assert_eq!(network.segment, first.unwrap_or(Segment::None), "network {}", network.id);
    }
    for subnet in view.iter::<Subnet>() {
        let segment = subnet.segment_id.map(|id| view.get::<NetworkSegment>(&id).expect("a segment"));
        assert!(segment.is_none_or(|segment| segment.network_id == subnet.network_id));
    }
    let (mut vnis, mut segments, mut tunnels) = (0, 0, 0);
    for object in view.iter::<NetworkSegment>() {
        assert!(view.has::<Network>(&object.network_id), "segment {} has no network", object.id);
        let (network, segment) = (object.network_id, &object.segment);
        if let Some(vni) = segment.vni() {
            assert_eq!(view.get::<VniClaim>(&vni).expect("an identifier is claimed").network_id, network);
            vnis += 1;
        }
        if let Some(tunnel) = segment.tunnel() {
            let claim = view.get::<TunnelClaim>(&tunnel).expect("an identifier is claimed");
            assert_eq!(claim.network_id, network);
            tunnels += 1;
        }
        if let Some(physical) = segment.physical() {
            assert_eq!(view.get::<SegmentClaim>(physical).expect("a segment is claimed").network_id, network);
            segments += 1;
        }
    }
    assert_eq!(view.len::<TunnelClaim>(), tunnels, "tunnels are claimed for nobody");
    assert_eq!(view.len::<SegmentClaim>(), segments, "a segment is claimed for nobody");
    assert_eq!(view.len::<VniClaim>(), vnis, "an identifier is claimed for nobody");
}

fn subnets_are_well_formed(view: &Snapshot) {
    for subnet in view.iter::<Subnet>() {
        assert!(view.get::<Network>(&subnet.network_id).is_some(), "subnet {} has no network", subnet.id);
        assert_eq!(subnet.cidr, subnet.cidr.trunc());
        for other in view.subnets_of(subnet.network_id).filter(|other| other.id != subnet.id) {
            let overlaps = other.cidr.contains(&subnet.cidr) || subnet.cidr.contains(&other.cidr);
            assert!(!overlaps, "{} and {} overlap", subnet.cidr, other.cidr);
        }
        let mut pools = subnet.allocation_pools.clone();
        pools.sort();
        for pool in &pools {
            assert!(subnet.cidr.contains(&pool.first()) && subnet.cidr.contains(&pool.last()));
            assert!(subnet.gateway_ip.is_none_or(|gateway| !pool.contains(gateway)));
        }
        for pair in pools.windows(2) {
            assert!(to_bits(pair[0].last()) < to_bits(pair[1].first()));
        }
    }
}

fn every_network_has_the_dhcp_port_that_it_needs(view: &Snapshot) {
    for network in view.iter::<Network>() {
        let service: Vec<_> =
            view.ports_of_network(network.id).filter(|port| port.is_distributed()).collect();
        assert!(service.len() <= 1, "network {} has several DHCP ports", network.id);
        let wanted = |subnet: &Subnet| subnet.enable_dhcp && subnet.cidr.addr().is_ipv4();
        for subnet in view.subnets_of(network.id) {
            let has = service.iter().any(|port| port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet.id));
            if wanted(subnet) {
                assert!(has || view.first_free_address(subnet.id).is_none(), "{} has no DHCP", subnet.cidr);
            } else {
                assert!(!has, "{} has a DHCP address that it does not need", subnet.cidr);
            }
        }
    }
}

fn ports_and_policies_agree(view: &Snapshot) {
    let mut used = HashSet::new();
    for port in view.iter::<Port>() {
        if !port.port_security_enabled {
            assert!(port.security_groups.is_empty() && port.allowed_address_pairs.is_empty());
            assert_eq!(port.policy, None);
            continue;
        }
        let policy = view.policy_by_number(port.policy.expect("a policy")).expect("the port's policy");
        assert_eq!(policy.groups, port.security_groups);
        assert!(policy.groups.is_sorted_by(|a, b| a < b), "{:?}", policy.groups);
        used.insert(policy.number);
    }
    assert_eq!(used.len(), view.len::<Policy>(), "a policy has no port");
    for policy in view.iter::<Policy>() {
        let groups: Vec<_> =
            policy.groups.iter().map(|id| view.get::<SecurityGroup>(id).expect("a policy's group")).collect();
        assert!(groups.windows(2).all(|pair| pair[0].stateful == pair[1].stateful));
        for direction in Direction::ALL {
            let rules = groups.iter().flat_map(|group| view.rules_of_group(group.id));
            let sets =
                rules.filter(|rule| rule.direction == direction).filter_map(|rule| SetId::of(rule.remote));
            assert!(sets.collect::<BTreeSet<_>>().len() <= MAX_REMOTE_SETS);
        }
    }
}

fn rules_name_what_is_there(view: &Snapshot) {
    let mut meanings = HashSet::new();
    for rule in view.iter::<SecurityGroupRule>() {
        assert!(view.has::<SecurityGroup>(&rule.security_group_id), "a rule has no group");
        assert!(SetId::of(rule.remote).is_none_or(|set| view.set_number(set).is_some()), "{:?}", rule.remote);
        let protocol = rule.protocol.map(Protocol::number);
        let ports = (rule.port_range_min, rule.port_range_max);
        let meaning = (rule.security_group_id, rule.direction, rule.ethertype, protocol, ports, rule.remote);
        assert!(meanings.insert(meaning), "{meaning:?} is there twice");
    }
}

fn each_project_has_at_most_one_default_group(view: &Snapshot) {
    for group in view.iter::<SecurityGroup>().filter(|group| group.is_default) {
        let default = view.default_group_of_project(&group.project_id).expect("a project's default group");
        assert_eq!(default.id, group.id);
    }
    let defaults = view.iter::<SecurityGroup>().filter(|group| group.is_default).count();
    assert_eq!(view.len::<DefaultGroup>(), defaults, "a project's default group is gone");
}

fn policies_share_what_is_there(view: &Snapshot) {
    let mut seen = HashSet::new();
    for policy in view.iter::<RbacPolicy>() {
        let is_there = match policy.object {
            Shareable::Network(id) => view.has::<Network>(&id),
            Shareable::SubnetPool(id) => view.has::<SubnetPool>(&id),
            Shareable::AddressScope(id) => view.has::<AddressScope>(&id),
            Shareable::AddressGroup(id) => view.has::<AddressGroup>(&id),
            Shareable::SecurityGroup(id) => view.has::<SecurityGroup>(&id),
        };
        assert!(is_there, "{policy:?} shares nothing");
        assert!(
            seen.insert((policy.object, policy.access, policy.target.clone())),
            "{policy:?} is there twice"
        );
    }
}

fn pools_and_scopes_have_no_address_twice(view: &Snapshot) {
    let overlap = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
    for subnet in view.iter::<Subnet>() {
        let Some(id) = subnet.subnetpool_id else { continue };
        let pool = view.get::<SubnetPool>(&id).expect("a subnet's pool");
        assert!(pool.prefixes.iter().any(|prefix| prefix.contains(&subnet.cidr)), "{}", subnet.cidr);
        let others = view.subnets_of_pool(id).filter(|other| other.id != subnet.id);
        assert_eq!(others.filter(|other| overlap(&other.cidr, &subnet.cidr)).count(), 0, "{}", subnet.cidr);
    }
    for port in view.iter::<Port>() {
        let Some(own) = port.details.delegation else { continue };
        let pool = view.get::<SubnetPool>(&own.subnetpool_id).expect("a delegated prefix's pool");
        assert!(pool.prefixes.iter().any(|prefix| prefix.contains(&own.prefix)), "{}", own.prefix);
        let subnets = view.subnets_of_pool(pool.id).map(|subnet| subnet.cidr);
        let others = view.delegations_of_pool(pool.id).filter(|other| other.id != port.id);
        let others = others.filter_map(|other| Some(other.details.delegation?.prefix));
        assert_eq!(
            subnets.chain(others).filter(|other| overlap(other, &own.prefix)).count(),
            0,
            "{}",
            own.prefix
        );
    }
    for pool in view.iter::<SubnetPool>() {
        let Some(scope) = pool.address_scope_id else { continue };
        assert!(view.has::<AddressScope>(&scope), "a pool's scope is gone");
        for other in view.subnet_pools_of_scope(scope).filter(|other| other.id != pool.id) {
            let mut pairs = other.prefixes.iter().flat_map(|a| pool.prefixes.iter().map(move |b| (a, b)));
            assert!(pairs.all(|(a, b)| !overlap(a, b)), "a scope has addresses twice");
        }
    }
}

/// Panics unless every port has the addresses that hosts form themselves.
pub fn check_formed_addresses(view: &Snapshot) {
    for subnet in view.iter::<Subnet>().filter(|subnet| slaac::is_auto_address(subnet)) {
        for port in view.ports_of_network(subnet.network_id).filter(|port| !port.is_distributed()) {
            assert!(port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet.id), "port {} lacks one", port.id);
        }
    }
}

fn routers_and_their_ports_agree(view: &Snapshot) {
    for router in view.iter::<Router>() {
        let gateways: BTreeSet<_> = router.gateways.iter().map(|gateway| gateway.port_id).collect();
        let mut subnets: Vec<_> = Vec::new();
        for port in view.router_ports(router.id) {
            assert_eq!((port.policy, port.port_security_enabled), (None, false));
            let is_gateway = port.router().unwrap().1 == RouterPortRole::Gateway;
            assert_eq!(
                gateways.contains(&port.id),
                is_gateway,
                "port {} is no gateway of its router",
                port.id
            );
            if !is_gateway {
                assert!(!port.fixed_ips.is_empty(), "interface {} has no address", port.id);
                let of = port.fixed_ips.iter().map(|ip| view.get::<Subnet>(&ip.subnet_id).unwrap().cidr);
                subnets.extend(of);
            }
        }
        for (index, a) in subnets.iter().enumerate() {
            let overlaps = subnets[index + 1..].iter().any(|b| a.contains(b) || b.contains(a));
            assert!(!overlaps, "router {} has {a} twice", router.id);
        }
        assert!(router.routes.is_sorted_by(|a, b| a < b), "{:?}", router.routes);
        for gateway in &router.gateways {
            subnets.extend(view.subnets_of(gateway.network_id).map(|subnet| subnet.cidr));
        }
        for route in &router.routes {
            assert!(subnets.iter().any(|cidr| cidr.contains(&route.next_hop)), "{route:?} leads nowhere");
        }
        let ports = view.router_ports(router.id).map(|port| port.id).collect::<BTreeSet<_>>();
        assert!(gateways.is_subset(&ports), "router {} has lost a gateway", router.id);
    }
}

fn floating_ips_lead_somewhere(view: &Snapshot) {
    let mut claims = 0;
    for floating in view.iter::<FloatingIp>() {
        let holder = view.get::<Port>(&floating.floating_port_id).expect("a floating IP's address is held");
        assert_eq!(holder.device_id, floating.id.to_string());
        assert!(holder.fixed_ips.iter().any(|ip| ip.ip_address == floating.floating_ip_address));
        let forwardings: Vec<_> = view.forwardings_of_floating_ip(floating.id).collect();
        assert_eq!(floating.router_id.is_some(), floating.association.is_some() || !forwardings.is_empty());
        assert!(floating.association.is_none() || forwardings.is_empty(), "{} is shared", floating.id);
        let inside = floating.association.map(|to| (to.port_id, to.fixed_ip_address));
        let inside = inside
            .into_iter()
            .chain(forwardings.iter().map(|it| (it.internal_port_id, it.internal_ip_address)));
        for (port, address) in inside {
            let port = view.get::<Port>(&port).expect("a floating IP leads to a port");
            assert!(
                port.fixed_ips.iter().any(|ip| ip.ip_address == address),
                "{} leads nowhere",
                floating.id
            );
        }
        if let Some(router) = floating.router_id {
            let router = view.get::<Router>(&router).expect("a floating IP has a router");
            assert!(
                router.gateway_on(floating.floating_network_id).is_some(),
                "{} has no gateway",
                router.id
            );
        }
        if let Some(to) = floating.association {
            let key = (to.port_id, (to.fixed_ip_address, floating.floating_network_id));
            let claim = view.get::<FloatingClaim>(&key).expect("an association is claimed");
            assert_eq!(claim.floating_ip_id, floating.id);
            claims += 1;
        }
        for (index, a) in forwardings.iter().enumerate() {
            let rivals = forwardings[index + 1..].iter().filter(|b| b.protocol == a.protocol);
            let mut rivals = rivals.filter_map(|b| Some(b.external?.overlaps(a.external?)));
            assert!(!rivals.any(|overlaps| overlaps), "two forwardings have a port");
        }
    }
    assert_eq!(view.len::<FloatingClaim>(), claims, "an association is claimed for nobody");
}

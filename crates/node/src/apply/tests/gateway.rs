//! Who stands for a router when somebody does not answer, and who is watched.

use super::router::{ROUTER, default_route, external, flags_of, gateway, relayed};
use super::*;
use crate::apply::{Outages, Target};
use hadron_pipeline::table::{
    FloatingIpKey, HeardKey, RouteKey, RouterInterfaceKey, floating_flag, router_interface_flag,
};
use hadron_wire::row::{RoutePath, RouteRow, RouterInterfaceRow};

const NETWORK: u32 = 5;
const ANSWERED: u32 = floating_flag::ANSWERED;

fn silent(hosts: &[u32], own_upstream: bool) -> Outages {
    Outages {
        hosts: hosts.iter().map(|host| (NETWORK, *host)).collect(),
        upstreams: own_upstream.then_some(NETWORK).into_iter().collect(),
    }
}

fn is_answered(entries: &Entries, last: u8) -> bool {
    flags_of(entries, v4(last)).is_some_and(|(flags, _)| flags & ANSWERED != 0)
}

#[test]
fn the_first_that_is_a_way_outside_stands_for_a_router() {
    let own = mapped().number;
    let mut calculation = Calculation::new(mapped());
    let mut entries = Entries::new();
    calculation.apply(set([external(NETWORK), gateway(NETWORK, &[8, own, 9]), relayed(7)]));
    for (outages, stands) in [
        (silent(&[], false), false),
        (silent(&[8], false), true),
        (silent(&[8], true), false),
        (silent(&[8, 9], true), false),
        (silent(&[9], false), false),
        // Cut off itself, more likely than not.
        (silent(&[8, 9], false), false),
        (Outages::default(), false),
    ] {
        calculation.set_outages(outages.clone());
        fold(&mut entries, &mut calculation);
        assert_eq!(is_answered(&entries, 2), stands, "the shared address with {outages:?}");
        assert_eq!(is_answered(&entries, 99), stands, "a floating IP with {outages:?}");
        let key = Key::RouterInterface(RouterInterfaceKey { interface: 9 });
        let Some(Value::RouterInterface(row)) = entries.get(&key) else { panic!("no interface") };
        assert_eq!(row.flags & router_interface_flag::STANDS != 0, stands, "its own MAC with {outages:?}");
        let own = FloatingIpKey { network: NETWORK, address: row.own_mac.link_local() };
        assert_eq!(entries.contains_key(&Key::FloatingIp(own)), stands, "its own address with {outages:?}");
    }
}

#[test]
fn the_first_in_order_stands_for_it_when_nobody_is_a_way() {
    let own = mapped().number;
    let mut calculation = Calculation::new(mapped());
    let mut entries = Entries::new();
    calculation.apply(set([external(NETWORK), gateway(NETWORK, &[own, 8])]));
    for outages in [silent(&[8], true), silent(&[8], false)] {
        calculation.set_outages(outages);
        fold(&mut entries, &mut calculation);
        assert!(is_answered(&entries, 2));
    }
}

#[test]
fn a_host_tells_others_that_it_hears_nothing_from_outside() {
    let mut calculation = Calculation::new(mapped());
    let mut entries = Entries::new();
    calculation.apply(set([external(NETWORK)]));
    for lost in [true, false] {
        calculation.set_outages(silent(&[], lost));
        fold(&mut entries, &mut calculation);
        let key = Key::Network(NetworkKey { network: NETWORK });
        let Some(Value::Network(row)) = entries.get(&key) else { panic!("no network") };
        assert_eq!(row.flags & network_flag::NO_UPSTREAM != 0, lost);
        assert!(row.flags & network_flag::TRANSIT != 0);
    }
}

#[test]
fn a_host_without_a_way_sends_by_one_that_answers() {
    let mut calculation = Calculation::new(host());
    let mut entries = Entries::new();
    calculation.apply(set([external(NETWORK), gateway(NETWORK, &[8, 9])]));
    for (outages, relay) in [
        (silent(&[], false), 8),
        (silent(&[8], false), 9),
        (silent(&[8, 9], false), 8),
        (silent(&[9], false), 8),
    ] {
        calculation.set_outages(outages);
        fold(&mut entries, &mut calculation);
        let key = Key::RouterInterface(RouterInterfaceKey { interface: 9 });
        let Some(Value::RouterInterface(row)) = entries.get(&key) else { panic!("no interface") };
        assert_eq!(row.relay, relay);
    }
}

#[test]
fn a_host_that_hears_nothing_from_outside_sends_by_another_that_does() {
    let own = mapped().number;
    let mut calculation = Calculation::new(mapped());
    let mut entries = Entries::new();
    calculation.apply(set([external(NETWORK), gateway(NETWORK, &[own, 8])]));
    for (outages, relay, mac) in [
        (silent(&[], false), 0, PROVIDER.mac),
        (silent(&[], true), 8, Mac(super::mac(9))),
        (silent(&[8], true), 0, PROVIDER.mac),
        (silent(&[], false), 0, PROVIDER.mac),
    ] {
        calculation.set_outages(outages.clone());
        fold(&mut entries, &mut calculation);
        let key = Key::RouterInterface(RouterInterfaceKey { interface: 9 });
        let Some(Value::RouterInterface(row)) = entries.get(&key) else { panic!("no interface") };
        assert_eq!((row.relay, row.mac), (relay, mac), "{outages:?}");
    }
}

/// The interfaces by which a router with gateways on networks 5 and 6 sends to everywhere, and those by which leaves what is known there.
fn ways(entries: &Entries) -> (Vec<u32>, Vec<u32>) {
    let Some(Value::Route(route)) = entries.get(&Key::Route(RouteKey::everywhere(ROUTER, true))) else {
        panic!("no route")
    };
    let mut interfaces: Vec<u32> = route.paths.iter().map(|path| path.interface).collect();
    let others = interfaces.split_off(route.count as usize);
    (interfaces, others.into_iter().take_while(|interface| *interface != 0).collect())
}

#[test]
fn a_watched_gateway_that_leads_nowhere_gives_way_to_another() {
    let own = mapped().number;
    let other = |row: Row| match row {
        Row::RouterInterface(row) => Row::RouterInterface(RouterInterfaceRow { port: 10, ..row }),
        row => row,
    };
    let lost =
        |networks: &[u32]| Outages { upstreams: networks.iter().copied().collect(), ..Outages::default() };
    let path = |port: u32| RoutePath { port, gateway: v4(1) };
    for is_watched in [true, false] {
        let mut calculation = Calculation::new(mapped());
        let route = RouteRow { is_watched, others: vec![path(10)], ..default_route(vec![path(9)]) };
        let gateways = [gateway(NETWORK, &[own]), other(gateway(6, &[own]))];
        let rows = [external(NETWORK), external(6), Row::Route(route)];
        calculation.apply(set(rows.into_iter().chain(gateways)));
        let mut entries = Entries::new();
        let mut without = |calculation: &mut Calculation, networks: &[u32]| {
            calculation.set_outages(lost(networks));
            fold(&mut entries, calculation);
            ways(&entries)
        };
        for (networks, chosen, others) in [
            (&[][..], 9, &[10][..]),
            (&[NETWORK], 10, &[]),
            (&[], 9, &[10]),
            (&[6], 9, &[]),
            (&[NETWORK, 6], 9, &[10]),
            (&[NETWORK], 10, &[]),
        ] {
            let seen = without(&mut calculation, networks);
            let expected = if is_watched { (vec![chosen], others.to_vec()) } else { (vec![9], vec![10]) };
            assert_eq!(seen, expected, "without {networks:?}");
        }
        calculation.apply(set([gateway(NETWORK, &[own, 8])]));
        assert_eq!(without(&mut calculation, &[NETWORK]), (vec![9], vec![10]), "by another host");
    }
}

/// Whom a host watches for a router that hosts 8 and 9 and perhaps itself stand for.
fn watched(host: HostFacts, hosts: &[u32]) -> Vec<(HeardKey, Target)> {
    let mut calculation = Calculation::new(host);
    let upstream = RoutePath { port: 9, gateway: v4(1) };
    let inner = RoutePath { port: 4, gateway: v4(3) };
    let route = RouteRow { router: ROUTER, ..default_route(vec![upstream, inner]) };
    let rows = [external(NETWORK), gateway(NETWORK, hosts), Row::Route(route)];
    calculation.apply(set(rows.into_iter().chain([1, 8, 9].map(|host| presence(NETWORK, host)))));
    calculation.targets().into_iter().collect()
}

fn at(last: u8) -> HeardKey {
    HeardKey { network: NETWORK, address: v4(last).into() }
}

#[test]
fn those_who_stand_for_a_router_watch_each_other_and_their_next_hops() {
    let other = |number: u32| (at(200 + number as u8), Target::Host { number, vni: 7000 + NETWORK });
    let upstream = (at(1), Target::NextHop { provider: PROVIDER, vlan: 0 });
    assert_eq!(watched(mapped(), &[8, SELF]), [upstream, other(8)]);
    assert_eq!(watched(mapped(), &[8, 9]), [], "others stand for it, and this host has its own way");
    assert_eq!(watched(host(), &[8, 9]), [other(8), other(9)], "this host sends by them");
    assert_eq!(watched(host(), &[7]), [], "a host that is not in the network yet");
}

#[test]
fn whoever_sends_by_a_watched_gateway_watches_its_next_hop() {
    let mut calculation = Calculation::new(mapped());
    let route = RouteRow { is_watched: true, ..default_route(vec![RoutePath { port: 9, gateway: v4(1) }]) };
    let rows = [external(NETWORK), gateway(NETWORK, &[8]), presence(NETWORK, 8), Row::Route(route)];
    calculation.apply(set(rows));
    let keys: Vec<HeardKey> = calculation.targets().into_keys().collect();
    assert_eq!(keys, [at(1), at(208)]);
}

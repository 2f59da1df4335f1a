//! What happens in a random world: packets, most of them about earlier ones, and changes of rows.

use crate::packet::{ACK, Body, FIN, ICMP, ICMPV6, Packet, Part, Quote, RST, SYN};
use crate::random::Random;
use crate::world::{GROUPS, POLICIES, SETS, STATIONS, Station, World, log, port, stations};
use hadron_pipeline::Mac;
use hadron_wire::row::{Direction, Family, MemberRow, PortRow, Prefix, Remote, Row, RowKey, RuleRow};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const PORTS: [u16; 7] = [22, 80, 81, 443, 1023, 1024, 40_000];

fn station(random: &mut Random) -> Station {
    Station { number: 1 + random.below(STATIONS as usize) as u32 }
}

/// A packet between two stations of which one is here, or to everyone.
pub fn packet(random: &mut Random, recent: &[Packet]) -> Packet {
    if !recent.is_empty() && !random.one_in(4) {
        let earlier = recent[random.below(recent.len())];
        if let Some(packet) = about(random, &earlier) {
            return packet;
        }
    }
    let from = station(random);
    let to = loop {
        let to = station(random);
        if to.number != from.number && (to.is_here() || from.is_here()) {
            break to;
        }
    };
    let is_ipv4 = random.one_in(2);
    let ends = if is_ipv4 { (from.v4(), to.v4()) } else { (from.v6(), to.v6()) };
    let body = body(random, is_ipv4);
    let packet = Packet {
        from: from.mac(),
        to: to.mac(),
        source: ends.0,
        destination: ends.1,
        body,
        quote: None,
        part: if random.one_in(20) { part(random) } else { Part::Whole },
    };
    if random.one_in(20) { to_everyone(packet) } else { packet }
}

fn part(random: &mut Random) -> Part {
    let id = random.below(4) as u16;
    if random.one_in(2) { Part::First(id) } else { Part::Later(id) }
}

fn to_everyone(packet: Packet) -> Packet {
    let (to, destination) = match packet.source {
        IpAddr::V4(_) => (Mac::BROADCAST, IpAddr::V4(Ipv4Addr::BROADCAST)),
        IpAddr::V6(_) => {
            (Mac([0x33, 0x33, 0, 0, 0, 1]), IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)))
        }
    };
    Packet { to, destination, ..packet }
}

fn body(random: &mut Random, is_ipv4: bool) -> Body {
    let (source, destination) = (random.pick(&PORTS), random.pick(&PORTS));
    match random.below(8) {
        0..3 => Body::Tcp { source, destination, flags: flags(random) },
        3..5 => Body::Udp { source, destination },
        5..7 => {
            let kinds: &[u8] = if is_ipv4 { &[8, 0, 13, 14, 3, 11, 9] } else { &[128, 129, 1, 3, 200] };
            Body::Icmp { kind: random.pick(kinds), code: random.below(2) as u8, id: random.below(3) as u16 }
        }
        _ => Body::Other { protocol: random.pick(&[47, 112]) },
    }
}

fn flags(random: &mut Random) -> u8 {
    random.pick(&[SYN, SYN, SYN | ACK, ACK, ACK, ACK, FIN | ACK, RST])
}

/// An answer, another packet of the same talk, a fragment of it, or an error about it.
fn about(random: &mut Random, earlier: &Packet) -> Option<Packet> {
    let is_ipv4 = earlier.source.is_ipv4();
    let again = match earlier.body {
        Body::Tcp { source, destination, .. } => {
            Packet { body: Body::Tcp { source, destination, flags: flags(random) }, ..*earlier }
        }
        _ => *earlier,
    };
    let can_turn = !earlier.to.is_multicast();
    match random.below(8) {
        0..2 => Some(again),
        2 => Some(Packet { part: part(random), quote: None, ..again }),
        3 if can_turn && earlier.quote.is_none() && earlier.part == Part::Whole => {
            let kind = if is_ipv4 { random.pick(&[3, 11]) } else { random.pick(&[1, 2, 3]) };
            let body = Body::Icmp { kind, code: random.below(2) as u8, id: 0 };
            let quote =
                Quote { source: earlier.source, destination: earlier.destination, body: earlier.body };
            let error = turned(earlier, body);
            // A router on the way tells, too.
            let source = if random.one_in(3) { elsewhere(error.from, is_ipv4) } else { error.source };
            Some(Packet { quote: Some(quote), source, ..error })
        }
        _ if can_turn && earlier.quote.is_none() => {
            Some(turned(earlier, answer(random, &again.body, is_ipv4)))
        }
        _ => None,
    }
}

fn turned(packet: &Packet, body: Body) -> Packet {
    let Packet { from, to, source, destination, .. } = *packet;
    Packet {
        from: to,
        to: from,
        source: destination,
        destination: source,
        body,
        quote: None,
        part: Part::Whole,
    }
}

/// An address of nobody here; only others may send from it.
fn elsewhere(sender: Mac, is_ipv4: bool) -> IpAddr {
    let sender = stations().find(|station| station.mac() == sender).expect("a station");
    match (sender.is_here(), is_ipv4) {
        (true, true) => sender.v4(),
        (true, false) => sender.v6(),
        (false, true) => IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
        (false, false) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7)),
    }
}

fn answer(random: &mut Random, body: &Body, is_ipv4: bool) -> Body {
    match *body {
        Body::Tcp { source, destination, flags } => {
            Body::Tcp { source: destination, destination: source, flags }
        }
        Body::Udp { source, destination } => Body::Udp { source: destination, destination: source },
        Body::Icmp { kind, code, id } => {
            let pairs = if is_ipv4 { [(8, 0), (13, 14)] } else { [(128, 129), (128, 129)] };
            let pair = pairs.into_iter().find(|(question, answer)| kind == *question || kind == *answer);
            let kind = match pair {
                Some((question, answer)) if kind == question && !random.one_in(4) => answer,
                Some((question, _)) => question,
                None => kind,
            };
            Body::Icmp { kind, code, id }
        }
        other => other,
    }
}

/// A change of rows, of the agent, or of time.
pub fn change(world: &mut World) {
    match world.random.below(16) {
        0..6 => {
            let row = rule(world);
            world.set(vec![Row::Rule(row)]);
        }
        6..8 => remove_rule(world),
        8..11 => change_member(world),
        11 => change_port(world),
        12 => turn_group(world),
        13 => world.restart(),
        14 => world.sweep(),
        _ => {
            let seconds = world.random.pick(&[2, 8, 10, 30, 60, 120, 180, 600, 86_400]);
            world.wait(seconds);
        }
    }
}

fn rule(world: &mut World) -> RuleRow {
    let group = 1 + world.random.below(GROUPS as usize) as u32;
    let number = world.next_rule;
    world.next_rule += 1;
    let random = &mut world.random;
    let is_ipv4 = random.one_in(2);
    let remote = match random.below(6) {
        0..3 => Remote::Any,
        3..5 => Remote::Prefix(prefix(random, is_ipv4)),
        _ => Remote::Set(1 + random.below(SETS as usize) as u32),
    };
    let icmp = if is_ipv4 { ICMP } else { ICMPV6 };
    let protocol =
        random.pick(&[None, Some(6), Some(6), Some(17), Some(17), Some(icmp), Some(icmp), Some(47)]);
    let (port_min, port_max) = match protocol {
        Some(6 | 17) if !random.one_in(4) => {
            let (a, b) = (random.pick(&PORTS), random.pick(&PORTS));
            (Some(a.min(b)), Some(a.max(b)))
        }
        Some(1 | 58) if !random.one_in(3) => {
            let kind = random.pick(if is_ipv4 { &[8, 0, 13, 3] } else { &[128, 129, 1] });
            (Some(kind), random.one_in(2).then(|| random.below(2) as u16))
        }
        _ => (None, None),
    };
    RuleRow {
        group,
        rule: number,
        uuid: [0; 16],
        direction: if random.one_in(2) { Direction::Egress } else { Direction::Ingress },
        family: if is_ipv4 { Family::Ipv4 } else { Family::Ipv6 },
        protocol,
        port_min,
        port_max,
        remote,
        stateless: world.stateless[group as usize],
    }
}

fn prefix(random: &mut Random, is_ipv4: bool) -> Prefix {
    let station = station(random);
    if is_ipv4 {
        Prefix::of(station.v4(), random.pick(&[0, 8, 23, 24, 29, 30, 31, 32]))
    } else {
        Prefix::of(station.v6(), random.pick(&[0, 8, 63, 64, 125, 126, 127, 128]))
    }
}

fn remove_rule(world: &mut World) {
    let rules: Vec<RowKey> =
        world.model.rows.keys().filter(|key| matches!(key, RowKey::Rule { .. })).copied().collect();
    if !rules.is_empty() {
        let key = rules[world.random.below(rules.len())];
        world.remove(key);
    }
}

fn change_member(world: &mut World) {
    let random = &mut world.random;
    let (set, member) = (1 + random.below(SETS as usize) as u32, random.below(4) as u32);
    let key = RowKey::Member { set, member };
    if world.model.rows.contains_key(&key) && random.one_in(2) {
        return world.remove(key);
    }
    let count = random.below(3);
    let prefixes = (0..count).map(|_| {
        let is_ipv4 = random.one_in(2);
        if random.one_in(3) { prefix(random, is_ipv4) } else { exact(random, is_ipv4) }
    });
    let row = MemberRow { set, member, prefixes: prefixes.collect() };
    world.set(vec![Row::Member(row)]);
}

fn exact(random: &mut Random, is_ipv4: bool) -> Prefix {
    let station = station(random);
    if is_ipv4 { Prefix::of(station.v4(), 32) } else { Prefix::of(station.v6(), 128) }
}

fn change_port(world: &mut World) {
    let random = &mut world.random;
    let station = loop {
        let station = station(random);
        if station.is_here() {
            break station;
        }
    };
    let policy = (!random.one_in(8)).then(|| 1 + random.below(POLICIES as usize) as u32);
    let row = PortRow { log: log(random), ..port(station, policy, random.one_in(8)) };
    world.set(vec![Row::Port(row)]);
}

/// A stateful group becomes stateless, or the other way round.
fn turn_group(world: &mut World) {
    let group = 1 + world.random.below(GROUPS as usize) as u32;
    let stateless = &mut world.stateless[group as usize];
    *stateless = !*stateless;
    let stateless = *stateless;
    let rules =
        world.model.rows.range(RowKey::Rule { group, rule: 0 }..=RowKey::Rule { group, rule: u32::MAX });
    let turned = rules.filter_map(|(_, row)| match row {
        Row::Rule(row) => Some(Row::Rule(RuleRow { stateless, ..row.clone() })),
        _ => None,
    });
    let turned = turned.collect();
    world.set(turned);
}

//! The plain reference: what a port's rules and connections allow, by a list of rules and a map of connections.
//!
//! It knows no classes, sets, prefixes of ports, or generations: each packet of a connection has the whole list asked whether the
//! packet that began the connection would be allowed now.

use crate::packet::{ACK, Body, FIN, Packet, Part, RST, SYN, protocol};
use crate::told::Told;
use hadron_wire::row::{
    Direction, Family, MemberRow, PolicyRow, PortRow, Prefix, Remote, Row, RowKey, RuleRow,
};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Why a port refuses a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denial {
    Rules,
    Fragment,
    Connections,
}

/// Who talks about what, as a port sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Talk {
    Ports {
        protocol: u8,
        local: u16,
        remote: u16,
    },
    /// A question and its answers, and whether the instance asks.
    Query {
        protocol: u8,
        kind: u8,
        code: u8,
        id: u16,
        is_ours: bool,
    },
}

type Key = (u32, IpAddr, IpAddr, Talk);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Opening,
    Established,
    Closing,
    Closed,
    Denied,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    direction: Direction,
    state: State,
    /// Which sides have sent a FIN.
    finished: [bool; 2],
    ends: u64,
    /// [`Model::changes`] at its last packet.
    changes: u64,
}

/// How many connections a port has, counted since it was last put right.
#[derive(Clone, Copy, Default, Debug)]
struct Count {
    connections: u32,
    since: u64,
    /// Connections that there was no room for.
    refused: u32,
    /// Packets that needed none.
    untracked: u64,
}

enum Room {
    Plenty,
    /// For those only whose answers no rule allows.
    Scarce,
    None,
}

/// Whether answers are allowed with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Allowed {
    Alone,
    WithAnswers,
}

/// What is asked of the rules.
struct Question {
    way: Direction,
    remote: IpAddr,
    protocol: u8,
    /// Destination port, or type and code.
    port: u16,
}

/// Rows, connections and fragments.
#[derive(Default)]
pub struct Model {
    pub rows: BTreeMap<RowKey, Row>,
    connections: HashMap<Key, Connection>,
    fragments: HashMap<(u32, Direction, IpAddr, IpAddr, u8, u16), u64>,
    counts: BTreeMap<u32, Count>,
    /// When all counts were last put right.
    swept: u64,
    /// Most connections of a port.
    limit: u32,
    /// In seconds.
    pub now: u64,
    /// Changes of rows, ports and agents so far. An error about a connection that was not judged since may have to wait until it is.
    pub changes: u64,
    /// The ways in which it does.
    pub waits: Vec<Direction>,
    /// What the logs of ports are told of the packet in question.
    pub told: Vec<Told>,
    /// The rules that allow it by itself.
    asked: Vec<u32>,
    /// How packets were judged, for a look at what a run has covered.
    pub seen: BTreeMap<&'static str, u64>,
}

impl Model {
    /// Nothing yet, at a second.
    pub fn at(now: u64, limit: u32) -> Self {
        Self { now, limit, ..Self::default() }
    }

    /// What has expired goes, and counts are right again.
    pub fn sweep(&mut self) {
        self.connections.retain(|_, connection| connection.ends > self.now);
        self.swept = self.now;
        for (port, count) in &mut self.counts {
            count.connections = self.connections.keys().filter(|key| key.0 == *port).count() as u32;
            count.since = self.now;
        }
    }

    /// Connections of a port that were refused, and packets that passed without one for lack of room.
    pub fn crowding(&self, port: u32) -> (u32, u64) {
        self.counts.get(&port).map_or((0, 0), |count| (count.refused, count.untracked))
    }

    /// Whether the packet passes at a port.
    pub fn judge(&mut self, port: u32, way: Direction, packet: &Packet) -> Result<(), Denial> {
        let row = self.port(port);
        if row.port_security_disabled {
            return Ok(());
        }
        let (policy, log) = (row.policy, row.log.clone());
        self.asked.clear();
        let result = self.decide(port, policy, way, packet);
        let what = result.map(|()| std::mem::take(&mut self.asked));
        let is_told = log.is_some_and(|log| match &what {
            Ok(rules) => log.has_accepted() && !rules.is_empty(),
            Err(_) => log.has_dropped(),
        });
        if is_told {
            self.note(if what.is_ok() { "pass told" } else { "drop told" });
            self.told.push(Told { port, way, what });
        }
        result
    }

    fn decide(
        &mut self,
        port: u32,
        policy: Option<u32>,
        way: Direction,
        packet: &Packet,
    ) -> Result<(), Denial> {
        // An IPv6 fragment's identification stands alone (RFC 8200 §4.5).
        let protocol = if packet.source.is_ipv4() { packet.protocol() } else { 0 };
        let part = |id| (port, way, packet.source, packet.destination, protocol, id);
        if let Part::Later(id) = packet.part {
            let follows = self.fragments.get(&part(id)).is_some_and(|ends| *ends > self.now);
            self.note(if follows { "fragment passes" } else { "fragment denied" });
            return if follows { Ok(()) } else { Err(Denial::Fragment) };
        }
        if packet.to.is_multicast() || self.is_single(packet) {
            if !self.quoted_is_known(port, policy, way, packet) && !self.alone(policy, way, packet) {
                return Err(Denial::Rules);
            }
        } else {
            self.in_connection(port, policy, way, packet)?;
        }
        if let Part::First(id) = packet.part {
            self.fragments.insert(part(id), self.now + 30);
        }
        Ok(())
    }

    fn in_connection(
        &mut self,
        port: u32,
        policy: Option<u32>,
        way: Direction,
        packet: &Packet,
    ) -> Result<(), Denial> {
        let (local, remote) = ends(way, packet.source, packet.destination);
        let talk = talk(way, &packet.body, packet.source.is_ipv4()).expect("not single");
        let key = (port, local, remote, talk);
        let found = self.connections.get(&key).copied().filter(|connection| connection.ends > self.now);
        if let Some(connection) = found
            && !(connection.is_over() && opens(&packet.body))
        {
            let question = original(&key, connection.direction);
            match self.allowed(policy, &question) {
                Some(Allowed::WithAnswers) => {
                    self.note("connection goes on");
                    let next = connection.take_in(&packet.body, way);
                    if next.state == State::Closed && self.count(port).connections > self.limit / 2 {
                        self.note("connection not kept for stragglers");
                        self.forget(&key);
                    } else {
                        self.keep(key, next);
                    }
                    return Ok(());
                }
                None => {
                    self.note("connection ends");
                    let denied = Connection { state: State::Denied, ..connection };
                    if way == connection.direction {
                        self.keep(key, denied);
                    } else {
                        self.connections.insert(key, denied);
                    }
                    return Err(Denial::Rules);
                }
                Some(Allowed::Alone) => self.forget(&key),
            }
        }
        let allowed = self.ask(policy, &question(way, packet));
        if allowed == Some(Allowed::WithAnswers) && begins(&packet.body, packet.source.is_ipv4()) {
            return self.begin(key, policy, way, packet);
        }
        self.note(if allowed.is_some() { "passes without" } else { "no rule" });
        if allowed.is_some() { Ok(()) } else { Err(Denial::Rules) }
    }

    /// Keeps a connection, if there is room for it.
    fn begin(
        &mut self,
        key: Key,
        policy: Option<u32>,
        way: Direction,
        packet: &Packet,
    ) -> Result<(), Denial> {
        let answers_pass = self.allowed(policy, &answer(way, packet)).is_some();
        let is_midway = matches!(packet.body, Body::Tcp { .. }) && !opens(&packet.body);
        let waits = is_midway && way == Direction::Egress && answers_pass;
        if waits {
            self.note("midway out waits for what comes in");
        }
        let is_new = !self.connections.contains_key(&key);
        match if is_new { self.room(key.0) } else { Room::Plenty } {
            Room::Plenty if waits => return Ok(()),
            Room::Scarce | Room::None if answers_pass => {
                self.note("passes for lack of room");
                self.count(key.0).untracked += 1;
                return Ok(());
            }
            Room::None => {
                self.note("no room");
                self.count(key.0).refused += 1;
                return Err(Denial::Connections);
            }
            Room::Scarce => self.note("takes what is left"),
            Room::Plenty => {}
        }
        self.note("connection begins");
        self.count(key.0).connections += u32::from(is_new);
        let new =
            Connection { direction: way, state: State::Opening, finished: [false; 2], ends: 0, changes: 0 };
        self.keep(key, new);
        Ok(())
    }

    fn room(&mut self, port: u32) -> Room {
        let (limit, now) = (self.limit, self.now);
        let count = self.count(port);
        if count.connections >= limit - limit / 4 && now > count.since + 60 {
            (count.connections, count.since) = (0, now);
        }
        match count.connections {
            many if many >= limit => Room::None,
            many if many >= limit - limit / 4 => Room::Scarce,
            _ => Room::Plenty,
        }
    }

    fn count(&mut self, port: u32) -> &mut Count {
        let swept = self.swept;
        self.counts.entry(port).or_insert_with(|| Count { since: swept, ..Count::default() })
    }

    fn forget(&mut self, key: &Key) {
        if self.connections.remove(key).is_some() {
            let count = self.count(key.0);
            count.connections = count.connections.saturating_sub(1);
        }
    }

    fn alone(&mut self, policy: Option<u32>, way: Direction, packet: &Packet) -> bool {
        let passes = self.ask(policy, &question(way, packet)).is_some();
        self.note(if passes { "single passes" } else { "single denied" });
        passes
    }

    fn is_single(&self, packet: &Packet) -> bool {
        talk(Direction::Egress, &packet.body, packet.source.is_ipv4()).is_none()
    }

    /// An error about a packet of a connection, which was sent by who gets the error.
    fn quoted_is_known(&mut self, port: u32, policy: Option<u32>, way: Direction, packet: &Packet) -> bool {
        let Some(quote) = packet.quote else { return false };
        let back = if way == Direction::Egress { Direction::Ingress } else { Direction::Egress };
        let Some(talk) = talk(back, &quote.body, quote.source.is_ipv4()) else { return false };
        let (local, remote) = ends(back, quote.source, quote.destination);
        let key = (port, local, remote, talk);
        let found = self.connections.get(&key).copied().filter(|connection| connection.ends > self.now);
        let Some(connection) = found.filter(|_| quote.source == packet.destination) else { return false };
        let allowed = self.allowed(policy, &original(&key, connection.direction));
        let is_known = connection.state != State::Denied && allowed == Some(Allowed::WithAnswers);
        if is_known && connection.changes != self.changes {
            self.note("error in doubt");
            return !self.waits.contains(&way);
        }
        if is_known {
            self.note("error passes");
        }
        is_known
    }

    fn keep(&mut self, key: Key, connection: Connection) {
        let protocol = match key.3 {
            Talk::Ports { protocol, .. } | Talk::Query { protocol, .. } => protocol,
        };
        let ends = self.now + seconds(protocol, connection.state);
        self.connections.insert(key, Connection { ends, changes: self.changes, ..connection });
    }

    /// Asks about the packet in question.
    fn ask(&mut self, policy: Option<u32>, question: &Question) -> Option<Allowed> {
        let matching = self.matching(policy, question);
        let best = matching.iter().map(|(_, allowed)| *allowed).max();
        self.asked =
            matching.iter().filter(|(_, allowed)| Some(*allowed) == best).map(|(rule, _)| *rule).collect();
        best
    }

    fn allowed(&self, policy: Option<u32>, question: &Question) -> Option<Allowed> {
        self.matching(policy, question).into_iter().map(|(_, allowed)| allowed).max()
    }

    /// The rules that allow it.
    fn matching(&self, policy: Option<u32>, question: &Question) -> Vec<(u32, Allowed)> {
        let policy = policy.and_then(|policy| self.rows.get(&RowKey::Policy(policy)));
        let Some(Row::Policy(PolicyRow { groups, .. })) = policy else { return Vec::new() };
        let rules = groups.iter().flat_map(|&group| {
            self.rows.range(RowKey::Rule { group, rule: 0 }..=RowKey::Rule { group, rule: u32::MAX })
        });
        let matching = rules.filter_map(|(_, row)| match row {
            Row::Rule(rule) if self.matches(rule, question) => Some(rule),
            _ => None,
        });
        let allowed = |rule: &RuleRow| if rule.stateless { Allowed::Alone } else { Allowed::WithAnswers };
        matching.map(|rule| (rule.rule, allowed(rule))).collect()
    }

    fn matches(&self, rule: &RuleRow, question: &Question) -> bool {
        let [kind, code] = question.port.to_be_bytes().map(u16::from);
        let ports = match (rule.protocol, rule.port_min, rule.port_max) {
            (_, None, _) => true,
            (Some(1 | 58), Some(min), max) => kind == min && max.is_none_or(|max| max == code),
            (_, Some(min), Some(max)) => (min..=max).contains(&question.port),
            (_, Some(_), None) => false,
        };
        rule.direction == question.way
            && (rule.family == Family::Ipv4) == question.remote.is_ipv4()
            && rule.protocol.is_none_or(|protocol| protocol == question.protocol)
            && ports
            && match rule.remote {
                Remote::Any => true,
                Remote::Prefix(prefix) => is_in(prefix, question.remote),
                Remote::Set(set) => self.is_member(set, question.remote),
            }
    }

    fn is_member(&self, set: u32, address: IpAddr) -> bool {
        let all = RowKey::Member { set, member: 0 }..=RowKey::Member { set, member: u32::MAX };
        self.rows.range(all).any(|(_, row)| match row {
            Row::Member(MemberRow { prefixes, .. }) => prefixes.iter().any(|prefix| is_in(*prefix, address)),
            _ => false,
        })
    }

    pub fn port(&self, number: u32) -> &PortRow {
        match &self.rows[&RowKey::Port(number)] {
            Row::Port(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }
}

impl Connection {
    fn is_over(&self) -> bool {
        matches!(self.state, State::Closing | State::Closed | State::Denied)
    }

    fn take_in(mut self, body: &Body, way: Direction) -> Self {
        if self.state == State::Denied {
            self.state = State::Opening;
        }
        let is_answer = way != self.direction;
        let Body::Tcp { flags, .. } = *body else {
            if is_answer && self.state == State::Opening {
                self.state = State::Established;
            }
            return self;
        };
        if flags & RST != 0 {
            self.state = State::Closed;
        } else if flags & FIN != 0 && self.finished != [true, true] {
            self.finished[usize::from(way == Direction::Ingress)] = true;
            self.state = State::Closing;
        } else {
            self.state = match (self.state, self.finished) {
                (_, [true, true]) => State::Closed,
                // Whoever goes on talking was not reset.
                (State::Closed, [false, false]) => State::Established,
                (State::Closed, _) => State::Closing,
                (State::Opening, _) if is_answer => State::Established,
                (state, _) => state,
            };
        }
        self
    }
}

/// The timeouts that operators get who set nothing.
fn seconds(protocol: u8, state: State) -> u64 {
    match (protocol, state) {
        (6, State::Opening) => 120,
        (6, State::Established) => 86_400,
        (6, State::Closed) => 10,
        (6, _) => 120,
        (17, State::Opening) => 30,
        (17, _) => 180,
        (1 | 58, _) => 30,
        _ => 600,
    }
}

fn is_in(prefix: Prefix, address: IpAddr) -> bool {
    match (prefix.unmapped(), address) {
        ((IpAddr::V4(first), length), IpAddr::V4(address)) => {
            (first.to_bits() ^ address.to_bits()).checked_shr(32 - u32::from(length)).unwrap_or(0) == 0
        }
        ((IpAddr::V6(first), length), IpAddr::V6(address)) => {
            (first.to_bits() ^ address.to_bits()).checked_shr(128 - u32::from(length)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// The instance's address and the other one.
fn ends(way: Direction, source: IpAddr, destination: IpAddr) -> (IpAddr, IpAddr) {
    if way == Direction::Egress { (source, destination) } else { (destination, source) }
}

/// `None` for an ICMP message that nobody answers.
fn talk(way: Direction, body: &Body, is_ipv4: bool) -> Option<Talk> {
    let protocol = protocol(body, is_ipv4);
    let (source, destination) = match *body {
        Body::Tcp { source, destination, .. } | Body::Udp { source, destination } => (source, destination),
        Body::Other { .. } => (0, 0),
        Body::Icmp { kind, code, id } => {
            let (question, answers) = question_of(kind, is_ipv4)?;
            let is_ours = answers != (way == Direction::Egress);
            return Some(Talk::Query { protocol, kind: question, code, id, is_ours });
        }
    };
    let (local, remote) =
        if way == Direction::Egress { (source, destination) } else { (destination, source) };
    Some(Talk::Ports { protocol, local, remote })
}

/// The type of the question, and whether this one is an answer (RFC 792, RFC 950, RFC 4443).
fn question_of(kind: u8, is_ipv4: bool) -> Option<(u8, bool)> {
    const V4: [(u8, u8); 4] = [(8, 0), (13, 14), (15, 16), (17, 18)];
    const V6: [(u8, u8); 1] = [(128, 129)];
    let pairs = if is_ipv4 { &V4[..] } else { &V6[..] };
    let (question, answer) = pairs.iter().find(|(question, answer)| kind == *question || kind == *answer)?;
    Some((*question, kind == *answer))
}

/// What the rules are asked about a packet by itself.
fn question(way: Direction, packet: &Packet) -> Question {
    let port = match packet.body {
        Body::Tcp { destination, .. } | Body::Udp { destination, .. } => destination,
        Body::Icmp { kind, code, .. } => u16::from_be_bytes([kind, code]),
        Body::Other { .. } => 0,
    };
    let remote = ends(way, packet.source, packet.destination).1;
    Question { way, remote, protocol: packet.protocol(), port }
}

/// What they are asked about an answer to a packet.
fn answer(way: Direction, packet: &Packet) -> Question {
    let port = match packet.body {
        Body::Tcp { source, .. } | Body::Udp { source, .. } => source,
        Body::Icmp { kind, code, .. } => {
            let kind = [(8, 0), (13, 14), (15, 16), (17, 18), (128, 129)]
                .into_iter()
                .find_map(|(question, answer)| (question == kind).then_some(answer));
            u16::from_be_bytes([kind.expect("a question"), code])
        }
        Body::Other { .. } => 0,
    };
    let back = if way == Direction::Egress { Direction::Ingress } else { Direction::Egress };
    Question { way: back, port, ..question(way, packet) }
}

/// What they were asked about the packet that began a connection.
fn original(key: &Key, way: Direction) -> Question {
    let (protocol, port) = match key.3 {
        Talk::Ports { protocol, local, remote } => {
            (protocol, if way == Direction::Egress { remote } else { local })
        }
        Talk::Query { protocol, kind, code, .. } => (protocol, u16::from_be_bytes([kind, code])),
    };
    Question { way, remote: key.2, protocol, port }
}

/// A packet that begins a connection, whatever was there before.
fn opens(body: &Body) -> bool {
    matches!(body, Body::Tcp { flags, .. } if flags & (SYN | ACK | RST | FIN) == SYN)
}

/// A packet that a connection may be kept for: TCP in its middle, but not at its end; and no answer that nobody asked for.
fn begins(body: &Body, is_ipv4: bool) -> bool {
    match *body {
        Body::Tcp { flags, .. } => flags & (RST | FIN) == 0,
        Body::Icmp { kind, .. } => question_of(kind, is_ipv4).is_some_and(|(_, is_answer)| !is_answer),
        _ => true,
    }
}

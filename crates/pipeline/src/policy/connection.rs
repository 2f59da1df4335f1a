//! Connections that were allowed: finding one, judging it again, keeping a new one.

use super::key::Subject;
use super::tcp::Progress;
use super::{Denial, Judgement, Query, rules, tcp};
use crate::env::{Env, PortCounter};
use crate::packet::{Packet, proto};
use crate::table::{Connection, PolicyKey, SWEEP_OVERDUE, connection_state, direction, timeout};

/// [`follow`]: no connection in force; the rules are asked.
pub(super) const UNKNOWN: u32 = 0;
/// [`follow`]: the packet belongs to a connection.
pub(super) const PASSES: u32 = 1;
/// [`follow`]: it belongs to one whose permission was taken away.
pub(super) const DENIED: u32 = 2;

const SECOND: u64 = 1_000_000_000;

/// Finds the packet's connection and takes the packet in.
#[inline(always)]
pub(super) fn follow<E: Env>(env: &mut E, packet: &Packet, scratch: &mut Judgement) -> u32 {
    let Judgement { connection, subject, query, .. } = scratch;
    if !find(env, packet, subject, connection) {
        return UNKNOWN;
    }
    let is_over = connection.state >= connection_state::CLOSING;
    if is_over && tcp::is_opening(packet) {
        return UNKNOWN;
    }
    if !is_current(env, packet.policy, connection) {
        connection.policy = packet.policy;
        let verdict = judge_again(env, subject, connection, query);
        if verdict != PASSES {
            return verdict;
        }
    }
    take_in(env, packet, subject, connection);
    PASSES
}

/// Copies the connection in force; notes whether there is a row at all.
#[inline(always)]
pub(super) fn find<E: Env>(env: &E, packet: &Packet, subject: &mut Subject, into: &mut Connection) -> bool {
    let Some(row) = env.connection(&subject.key) else { return false };
    *into = *row;
    subject.has_row = 1;
    into.expires > packet.now
}

/// Whether the connection was allowed by the policy as it is.
#[inline(always)]
pub(super) fn is_current<E: Env>(env: &E, policy: u32, connection: &Connection) -> bool {
    connection.policy == policy
        && connection.state != connection_state::DENIED
        && connection.generation == generation(env, policy, connection.direction)
}

#[inline(always)]
fn generation<E: Env>(env: &E, policy: u32, direction: u8) -> u32 {
    match env.policy(&PolicyKey { policy, direction: u32::from(direction) }) {
        Some(policy) => policy.generation,
        None => 0,
    }
}

/// Judges a connection by the policy as it is. One that isn't allowed any more stays as denied as long as it tries: else the
/// answers to it would begin a new one the other way. One that is now allowed without state ends, and the packet speaks for itself.
#[inline(always)]
fn judge_again<E: Env>(
    env: &mut E,
    subject: &mut Subject,
    connection: &mut Connection,
    query: &mut Query,
) -> u32 {
    subject.original_query(connection, query);
    let found = rules::find(env, query, &mut connection.generation);
    if found.rule != 0 && found.is_stateless() {
        forget(env, subject);
        subject.has_row = 0;
        return UNKNOWN;
    }
    if found.rule == 0 {
        connection.state = connection_state::DENIED;
        if subject.way == u32::from(connection.direction) {
            connection.expires = env.now() + lifetime(env, subject.key.protocol, connection.state);
        }
    } else {
        connection.rule = found.rule;
        if connection.state == connection_state::DENIED {
            connection.state = connection_state::OPENING;
        }
    }
    env.set_connection(&subject.key, connection);
    if found.rule == 0 { DENIED } else { PASSES }
}

#[inline(always)]
fn take_in<E: Env>(env: &mut E, packet: &Packet, subject: &Subject, connection: &mut Connection) {
    let before = (connection.state, connection.finished, connection.expires);
    if packet.protocol == proto::TCP {
        let progress = Progress { state: connection.state, finished: connection.finished };
        let after = tcp::advance(progress, connection.direction, packet, subject.way);
        (connection.state, connection.finished) = (after.state, after.finished);
    } else if connection.state == connection_state::OPENING && subject.way != u32::from(connection.direction)
    {
        connection.state = connection_state::ESTABLISHED;
    }
    if connection.state == connection_state::CLOSED && is_crowded(env, subject.key.port) {
        forget(env, subject);
        return;
    }
    let lifetime = lifetime(env, packet.protocol, connection.state);
    connection.expires = packet.now + lifetime;
    // A row is written by all CPUs that the connection uses: not for each packet.
    let is_same = (connection.state, connection.finished) == (before.0, before.1);
    if !is_same || connection.expires > before.2 + (lifetime / 16).min(SECOND) {
        env.set_connection(&subject.key, connection);
    }
}

/// Nanoseconds.
#[inline(never)]
pub(crate) fn lifetime<E: Env>(env: &E, protocol: u8, state: u8) -> u64 {
    let slot = match (protocol, state) {
        (proto::TCP, connection_state::OPENING) => timeout::TCP_OPENING,
        (proto::TCP, connection_state::ESTABLISHED) => timeout::TCP_ESTABLISHED,
        (proto::TCP, connection_state::CLOSED) => timeout::TCP_CLOSED,
        (proto::TCP, _) => timeout::TCP_CLOSING,
        (proto::UDP, connection_state::OPENING) => timeout::UDP_OPENING,
        (proto::UDP, _) => timeout::UDP_ESTABLISHED,
        (proto::ICMP | proto::ICMPV6, _) => timeout::ICMP,
        _ => timeout::OTHER,
    };
    u64::from(env.timeout(slot)) * SECOND
}

/// [`room`]: the port has room for any connection.
const PLENTY: u32 = 0;
/// [`room`]: what is left is for connections whose answers no rule allows.
const SCARCE: u32 = 1;
/// [`room`]: the port has as many as it may have.
const NONE: u32 = 2;

/// Keeps a connection that the rules allow, of the generation that [`Judgement::connection`] has.
///
/// Where room is scarce or there is none, a packet passes without one if the rules of the other direction allow its answers: they
/// are then all that it needs. So whoever fills a port's connections from outside keeps nobody else out, and not the instance in.
///
/// TCP that is picked up midway counts as come in if rules let it in, else taking these away would not end it: what goes out waits for
/// what comes in.
#[inline(always)]
pub(super) fn keep<E: Env>(
    env: &mut E,
    packet: &Packet,
    scratch: &mut Judgement,
    rule: u32,
) -> Result<(), Denial> {
    let port = scratch.subject.key.port;
    let waits = scratch.subject.way == direction::EGRESS && tcp::is_midway(packet);
    let room = if scratch.subject.has_row == 0 { room(env, port) } else { PLENTY };
    if room == PLENTY && !waits && insert(env, packet, scratch, rule) {
        return Ok(());
    }
    if answers_pass(env, packet, scratch) {
        if room != PLENTY {
            env.count_port(port, PortCounter::Untracked, 0);
        }
        return Ok(());
    }
    if room != NONE && insert(env, packet, scratch, rule) {
        return Ok(());
    }
    env.count_refused(port);
    Err(Denial::Connections)
}

/// Room for one more connection. A port of which nothing is counted has none.
#[inline(never)]
fn room<E: Env>(env: &mut E, port: u32) -> u32 {
    let Some(row) = env.port(port) else { return NONE };
    let limit = row.connection_limit;
    let Some(row) = env.connection_count(port) else { return NONE };
    let (count, since) = (row.count, row.since);
    if count < limit - limit / 4 {
        return PLENTY;
    }
    if limit != 0 && env.now() > since + SWEEP_OVERDUE {
        env.restart_connection_count(port, 0);
        return PLENTY;
    }
    if count < limit { SCARCE } else { NONE }
}

/// Writes the row, and charges a new one to the port; false if the table takes none.
#[inline(never)]
fn insert<E: Env>(env: &mut E, packet: &Packet, scratch: &mut Judgement, rule: u32) -> bool {
    let Judgement { connection, subject, .. } = scratch;
    connection.began = packet.now;
    connection.state = connection_state::OPENING;
    connection.expires = connection.began + lifetime(env, packet.protocol, connection.state);
    connection.rule = rule;
    connection.policy = packet.policy;
    connection.direction = (subject.way & 1) as u8;
    connection.finished = 0;
    connection.pad = 0;
    let is_kept = env.insert_connection(&subject.key, connection);
    if is_kept && subject.has_row == 0 {
        let count = match env.connection_count(subject.key.port) {
            Some(row) => row.count,
            None => 0,
        };
        env.set_connection_count(subject.key.port, count.saturating_add(1));
    }
    is_kept
}

/// Whether rules allow what the other side would answer.
#[inline(always)]
fn answers_pass<E: Env>(env: &mut E, packet: &Packet, scratch: &mut Judgement) -> bool {
    let Judgement { subject, query, .. } = scratch;
    subject.answer_query(packet, query);
    let mut generation = 0;
    rules::find(env, query, &mut generation).rule != 0
}

/// Whether the port uses more than half of what it may: then what is over is not kept for stragglers.
#[inline(always)]
fn is_crowded<E: Env>(env: &E, port: u32) -> bool {
    let Some(row) = env.port(port) else { return true };
    let limit = row.connection_limit;
    match env.connection_count(port) {
        Some(row) => row.count > limit / 2,
        None => true,
    }
}

#[inline(always)]
fn forget<E: Env>(env: &mut E, subject: &Subject) {
    if !env.remove_connection(&subject.key) {
        return;
    }
    if let Some(row) = env.connection_count(subject.key.port) {
        let count = row.count;
        env.set_connection_count(subject.key.port, count.saturating_sub(1));
    }
}

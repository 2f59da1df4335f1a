//! What a commit has changed of an object, by the table of its attributes.

use super::{
    Object, Resource, address_group, address_scope, agent, default_rule, floating_ip, network, packet_log,
    port, port_forwarding, rbac_policy, router, security_group, security_group_rule, segment, segment_range,
    subnet, subnet_pool,
};
use crate::attribute::Attribute;
use crate::audit::{ChangedObject, Happened};
use crate::json::Writer;
use crate::view::View;
use hadron_store::{Commit, Kind, Record, RecordKey};
use uuid::Uuid;

/// The object under `key`; `None` for what nobody has asked to change.
pub(crate) fn object(key: &RecordKey, commit: &Commit) -> Option<ChangedObject> {
    match key {
        RecordKey::Network(id) => shown::<network::Networks>(id.0, commit),
        RecordKey::Subnet(id) => shown::<subnet::Subnets>(id.0, commit),
        RecordKey::Port(id) => shown::<port::Ports>(id.0, commit),
        RecordKey::SecurityGroup(id) => shown::<security_group::SecurityGroups>(id.0, commit),
        RecordKey::SecurityGroupRule(id) => shown::<security_group_rule::SecurityGroupRules>(id.0, commit),
        RecordKey::AddressGroup(id) => shown::<address_group::AddressGroups>(id.0, commit),
        RecordKey::DefaultRule(id) => shown::<default_rule::DefaultRules>(id.0, commit),
        RecordKey::PacketLog(id) => shown::<packet_log::PacketLogs>(id.0, commit),
        RecordKey::Router(id) => shown::<router::Routers>(id.0, commit),
        RecordKey::RbacPolicy(id) => shown::<rbac_policy::RbacPolicies>(id.0, commit),
        RecordKey::FloatingIp(id) => shown::<floating_ip::FloatingIps>(id.0, commit),
        RecordKey::PortForwarding(id) => shown::<port_forwarding::PortForwardings>(id.0, commit),
        RecordKey::SubnetPool(id) => shown::<subnet_pool::SubnetPools>(id.0, commit),
        RecordKey::AddressScope(id) => shown::<address_scope::AddressScopes>(id.0, commit),
        RecordKey::NetworkSegment(id) => shown::<segment::Segments>(id.0, commit),
        RecordKey::SegmentRange(id) => shown::<segment_range::SegmentRanges>(id.0, commit),
        RecordKey::Agent(id) => shown::<agent::Agents>(id.0, commit).filter(|agent| !is_heartbeat(agent)),
        key if is_bookkeeping(key.kind()) => None,
        key => Some(unshown(key, commit)),
    }
}

/// A node was heard, and nothing else.
fn is_heartbeat(agent: &ChangedObject) -> bool {
    let is_sign = |name: &&str| matches!(*name, "heartbeat_timestamp" | "alive" | "started_at");
    agent.happened == Happened::Updated && agent.attributes.iter().all(is_sign)
}

/// What the store keeps beside what was asked for.
fn is_bookkeeping(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::AddressClaim
            | Kind::MacClaim
            | Kind::VniClaim
            | Kind::SegmentClaim
            | Kind::FloatingClaim
            | Kind::TunnelClaim
            | Kind::CounterRecord
            | Kind::BulkIntent
            | Kind::Milestone
            | Kind::Turn
            | Kind::Duty
            | Kind::Policy
    )
}

fn happened(was: bool, is: bool) -> Option<Happened> {
    match (was, is) {
        (false, true) => Some(Happened::Created),
        (true, true) => Some(Happened::Updated),
        (true, false) => Some(Happened::Deleted),
        (false, false) => None,
    }
}

fn shown<R: Resource>(id: Uuid, commit: &Commit) -> Option<ChangedObject> {
    let key = R::Record::key_of(id);
    let [before, after] = [&commit.before, &commit.after].map(|side| View::new(side, ""));
    let (old, new) = (before.get::<R::Record>(&key), after.get::<R::Record>(&key));
    let attributes = match (old, new) {
        (Some(old), Some(new)) => R::ATTRIBUTES
            .iter()
            .filter(|attribute| {
                attribute.visible && text(attribute, old, &before) != text(attribute, new, &after)
            })
            .map(|attribute| attribute.name)
            .collect(),
        _ => Vec::new(),
    };
    let happened = happened(old.is_some(), new.is_some())?;
    Some(ChangedObject { resource: R::MEMBER.to_owned(), id: id.to_string(), happened, attributes })
}

fn text<R: Record>(attribute: &Attribute<R>, record: &R, view: &View<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    (attribute.read)(record, view)?.write(&mut Writer::new(&mut out));
    Some(out)
}

/// `ProjectQuota("5f1b…")` is the quota of project 5f1b….
fn unshown(key: &RecordKey, commit: &Commit) -> ChangedObject {
    let told = format!("{key:?}");
    let (_, id) = told.split_once('(').unwrap_or(("", &told));
    let id = id.strip_suffix(')').unwrap_or(id);
    ChangedObject {
        resource: format!("{:?}", key.kind()),
        id: id.trim_matches('"').to_owned(),
        happened: happened(commit.before.record(key).is_some(), commit.after.record(key).is_some())
            .unwrap_or(Happened::Deleted),
        attributes: Vec::new(),
    }
}

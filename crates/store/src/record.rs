//! Typed records: what kinds there are, how each is keyed, encoded and held in a snapshot.

use crate::encoding::Unknown;
use crate::index::Indexes;
use crate::key::{KeyBytes, end_of_prefix};
use crate::{
    AddressClaim, BulkIntent, Counter, CounterRecord, DecodeError, Duty, FloatingClaim, MacClaim, Milestone,
    Revision, SegmentClaim, TunnelClaim, Turn, VniClaim,
};
use hadron_model::identity::{
    ApplicationCredential, Assignment, Domain, Group, GroupAssignment, Membership, Project, Role, Secret,
    User,
};
use hadron_model::{
    AddressGroup, AddressGroupId, AddressScope, AddressScopeId, AutoTopology, DefaultGroup, DefaultNetwork,
    DefaultRule, DefaultStatefulness, DefaultStatefulnessId, FloatingIp, FloatingIpId, GatewayHosts, Host,
    HostNumber, Instance, JoinToken, Mac, Network, NetworkId, NetworkSegment, PacketLog, PacketLogId,
    PhysicalSegment, Policy, Port, PortForwarding, PortForwardingId, PortId, PortLease, ProjectQuota,
    PublishedName, RbacPolicy, RbacPolicyId, Router, RouterId, SecurityGroup, SecurityGroupId,
    SecurityGroupRule, SecurityGroupRuleId, SegmentId, SegmentRange, SegmentRangeId, Subnet, SubnetId,
    SubnetPool, SubnetPoolId, Tunnel, Vni,
};
use hadron_model::{Agent, AgentId};
use imbl::OrdMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use uuid::Uuid;

/// A record with the commits that made it what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored<T> {
    /// The record.
    pub value: T,
    /// The commit that inserted it.
    pub created: Revision,
    /// The commit that last wrote it.
    pub modified: Revision,
    /// Encoded fields that only a newer release knows; they are kept when this one rewrites the record.
    pub(crate) unknown: Unknown,
}

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Something that the store keeps under a key.
pub trait Record: held::Held + Clone + PartialEq + Debug + Send + Sync + 'static {
    /// What it is found by.
    type Key: KeyBytes + Ord + Clone + Debug + Send + Sync + 'static;
    /// The leading part of the key by which a range of records can be guarded; `()` for all of the kind.
    type Prefix: KeyBytes;
    /// Which kind it is.
    const KIND: Kind;

    /// Its key.
    fn key(&self) -> Self::Key;

    /// A key of the kind among those of all kinds.
    fn among_all(key: Self::Key) -> RecordKey {
        Self::record_key(key)
    }
}

/// A persistent table of one kind.
pub(crate) type Table<T> = OrdMap<<T as Record>::Key, Arc<Stored<T>>>;

pub(crate) mod held {
    use super::*;

    /// How the store holds a kind; nobody else implements it.
    pub trait Held: Sized {
        /// Its table.
        fn table(tables: &Tables) -> &Table<Self>
        where
            Self: Record;
        /// Its table, to change.
        fn table_mut(tables: &mut Tables) -> &mut Table<Self>
        where
            Self: Record;
        /// Its key among all kinds.
        fn record_key(key: <Self as Record>::Key) -> RecordKey
        where
            Self: Record;
        /// The record among all kinds.
        fn any(stored: Arc<Stored<Self>>) -> AnyRecord;
        /// Brings the indexes from `old` to `new`; the table holds `new` already.
        fn index(indexes: &mut Indexes, tables: &Tables, old: Option<&Self>, new: Option<&Self>);
        /// Appends the encoding.
        fn encode_to(&self, out: &mut Vec<u8>);
        /// Reads the encoding, and the fields behind those that this release knows.
        fn decode_from(bytes: &[u8]) -> Result<(Self, Unknown), DecodeError>;
    }
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident = $byte:literal in $table:ident, $key:ty, by $prefix:ty, |$it:ident| $of:expr;)+) => {
        /// The kinds of records. The number is the first byte of the kind's keys and is never reused.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name = $byte,)+
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &[Kind] = &[$(Kind::$name),+];
        }

        /// The key of a record of any kind.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum RecordKey {
            $($(#[$doc])* $name($key),)+
        }

        impl RecordKey {
            /// The kind.
            pub fn kind(&self) -> Kind {
                match self {
                    $(RecordKey::$name(_) => Kind::$name,)+
                }
            }

            /// The key as the engines keep it: the kind's byte, then the key.
            pub fn to_bytes(&self) -> Vec<u8> {
                let mut out = Vec::with_capacity(48);
                out.push(self.kind() as u8);
                match self {
                    $(RecordKey::$name(key) => key.write(&mut out),)+
                }
                out
            }

            /// The inverse of [`RecordKey::to_bytes`].
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
                let bad = || DecodeError(format!("no key of this release: {bytes:02x?}"));
                let (kind, mut rest) = bytes.split_first().ok_or_else(bad)?;
                let key = match kind {
                    $($byte => <$key>::read(&mut rest).map(RecordKey::$name),)+
                    _ => None,
                };
                key.filter(|_| rest.is_empty()).ok_or_else(bad)
            }
        }

        /// A record of any kind.
        #[derive(Clone, PartialEq, Debug)]
        pub enum AnyRecord {
            $($(#[$doc])* $name(Arc<Stored<$name>>),)+
        }

        impl AnyRecord {
            /// Its key.
            pub fn key(&self) -> RecordKey {
                match self {
                    $(AnyRecord::$name(stored) => RecordKey::$name(stored.value.key()),)+
                }
            }

            /// The commits that inserted and last wrote it.
            pub fn revisions(&self) -> (Revision, Revision) {
                match self {
                    $(AnyRecord::$name(stored) => (stored.created, stored.modified),)+
                }
            }

            pub(crate) fn encode(&self) -> Vec<u8> {
                let mut out = Vec::with_capacity(160);
                match self {
                    $(AnyRecord::$name(stored) => {
                        held::Held::encode_to(&stored.value, &mut out);
                        out.extend_from_slice(stored.unknown.as_deref().unwrap_or_default());
                    })+
                }
                out
            }

            pub(crate) fn decode(
                kind: Kind,
                bytes: &[u8],
                created: Revision,
                modified: Revision,
            ) -> Result<Self, DecodeError> {
                Ok(match kind {
                    $(Kind::$name => {
                        let (value, unknown) = <$name as held::Held>::decode_from(bytes)?;
                        AnyRecord::$name(Arc::new(Stored { value, created, modified, unknown }))
                    })+
                })
            }
        }

        /// The tables of a snapshot.
        #[derive(Clone, Default, PartialEq, Debug)]
        pub struct Tables {
            $(pub(crate) $table: OrdMap<$key, Arc<Stored<$name>>>,)+
        }

        impl Tables {
            /// The record under `key`.
            pub(crate) fn record(&self, key: &RecordKey) -> Option<AnyRecord> {
                match key {
                    $(RecordKey::$name(key) => self.$table.get(key).cloned().map(AnyRecord::$name),)+
                }
            }

            /// Every record, by kind and key.
            pub(crate) fn records(&self) -> impl Iterator<Item = AnyRecord> + '_ {
                std::iter::empty()$(.chain(self.$table.values().cloned().map(AnyRecord::$name)))+
            }

            /// Puts `new` under `key`, or removes what is there.
            pub(crate) fn set(&mut self, indexes: &mut Indexes, key: &RecordKey, new: Option<AnyRecord>) {
                match (key, new) {
                    $(
                        (RecordKey::$name(key), Some(AnyRecord::$name(stored))) => {
                            self.set_record::<$name>(indexes, key, Some(stored));
                        }
                        (RecordKey::$name(key), None) => self.set_record::<$name>(indexes, key, None),
                    )+
                    (key, Some(new)) => unreachable!("{key:?} can't hold {new:?}"),
                }
            }

            /// The keys whose records differ between the two.
            pub(crate) fn changed_keys(&self, new: &Tables) -> Vec<RecordKey> {
                let mut keys = Vec::new();
                $(keys.extend(self.$table.diff(&new.$table).map(|item| RecordKey::$name(changed_key(item))));)+
                keys
            }
        }

        $(
            impl Record for $name {
                type Key = $key;
                type Prefix = $prefix;
                const KIND: Kind = Kind::$name;

                fn key(&self) -> $key {
                    let $it = self;
                    $of
                }
            }

            impl held::Held for $name {
                fn table(tables: &Tables) -> &Table<Self> {
                    &tables.$table
                }

                fn table_mut(tables: &mut Tables) -> &mut Table<Self> {
                    &mut tables.$table
                }

                fn record_key(key: $key) -> RecordKey {
                    RecordKey::$name(key)
                }

                fn any(stored: Arc<Stored<Self>>) -> AnyRecord {
                    AnyRecord::$name(stored)
                }

                fn index(indexes: &mut Indexes, tables: &Tables, old: Option<&Self>, new: Option<&Self>) {
                    crate::index::Indexed::index(indexes, tables, old, new);
                }

                fn encode_to(&self, out: &mut Vec<u8>) {
                    crate::encoding::encode(self, out);
                }

                fn decode_from(bytes: &[u8]) -> Result<(Self, Unknown), DecodeError> {
                    crate::encoding::decode(bytes)
                }
            }
        )+
    };
}

records! {
    /// A network.
    Network = 0x10 in networks, NetworkId, by (), |it| it.id;
    /// A subnet.
    Subnet = 0x11 in subnets, SubnetId, by (), |it| it.id;
    /// A port.
    Port = 0x12 in ports, PortId, by (), |it| it.id;
    /// A security group.
    SecurityGroup = 0x13 in security_groups, SecurityGroupId, by (), |it| it.id;
    /// A security group's rule.
    SecurityGroupRule = 0x14 in security_group_rules, SecurityGroupRuleId, by (), |it| it.id;
    /// An address group.
    AddressGroup = 0x15 in address_groups, AddressGroupId, by (), |it| it.id;
    /// A template of rules.
    DefaultRule = 0x16 in default_rules, SecurityGroupRuleId, by (), |it| it.id;
    /// An address in use.
    AddressClaim = 0x18 in address_claims, (SubnetId, IpAddr), by SubnetId, |it| (it.subnet_id, it.address);
    /// A MAC in use.
    MacClaim = 0x19 in mac_claims, (NetworkId, Mac), by NetworkId, |it| (it.network_id, it.mac);
    /// A VXLAN identifier in use.
    VniClaim = 0x1a in vni_claims, Vni, by (), |it| it.vni;
    /// A set of security groups in use.
    Policy = 0x1b in policies, Vec<SecurityGroupId>, by (), |it| it.groups.clone();
    /// A project's default group.
    DefaultGroup = 0x1c in default_groups, String, by (), |it| it.project_id.clone();
    /// A packet log.
    PacketLog = 0x1d in packet_logs, PacketLogId, by (), |it| it.id;
    /// Whether groups begin stateful.
    DefaultStatefulness = 0x1e in default_statefulness, DefaultStatefulnessId, by (), |it| it.id;
    /// A segment of a physical network in use.
    SegmentClaim = 0x1f in segment_claims, PhysicalSegment, by (), |it| it.segment.clone();
    /// A host, by name.
    Host = 0x20 in hosts, String, by (), |it| it.name.clone();
    /// A permission to join, by id.
    JoinToken = 0x21 in join_tokens, String, by (), |it| it.id.clone();
    /// A project's own limits.
    ProjectQuota = 0x22 in project_quotas, String, by (), |it| it.project_id.clone();
    /// An instance, by the `device_id` of its ports.
    Instance = 0x2f in instances, String, by (), |it| it.id.clone();
    /// A role of a host's node.
    Agent = 0x24 in agents, AgentId, by (), |it| it.id;
    /// A project, by id.
    Project = 0x30 in projects, String, by (), |it| it.id.clone();
    /// A user, by id.
    User = 0x31 in users, String, by (), |it| it.id.clone();
    /// A role, by id.
    Role = 0x32 in roles, String, by (), |it| it.id.clone();
    /// A user's role on a scope.
    Assignment = 0x33 in assignments, Assignment, by String, |it| it.clone();
    /// A secret, by name.
    Secret = 0x34 in secrets, String, by (), |it| it.name.clone();
    /// A domain, by id.
    Domain = 0x35 in domains, String, by (), |it| it.id.clone();
    /// A group of users, by id.
    Group = 0x36 in groups, String, by (), |it| it.id.clone();
    /// A user's belonging to a group.
    Membership = 0x37 in memberships, Membership, by String, |it| it.clone();
    /// A group's role on a scope.
    GroupAssignment = 0x38 in group_assignments, GroupAssignment, by String, |it| it.clone();
    /// An application credential, by id.
    ApplicationCredential = 0x39 in application_credentials, String, by (), |it| it.id.clone();
    /// A bulk create under way.
    BulkIntent = 0x40 in bulk_intents, Uuid, by (), |it| it.id;
    /// How far numbers have been leased.
    CounterRecord = 0x41 in counters, Counter, by (), |it| it.counter;
    /// Something done once.
    Milestone = 0x42 in milestones, String, by (), |it| it.name.clone();
    /// Something that one writer does at a time.
    Turn = 0x43 in turns, String, by (), |it| it.name.clone();
    /// What one of the servers does for all.
    Duty = 0x44 in duties, String, by (), |it| it.name.clone();
    /// What a name server outside has from us.
    PublishedName = 0x45 in published_names, String, by (), |it| it.name.clone();
    /// A router.
    Router = 0x50 in routers, RouterId, by (), |it| it.id;
    /// A floating IP.
    FloatingIp = 0x51 in floating_ips, FloatingIpId, by (), |it| it.id;
    /// A port forwarding.
    PortForwarding = 0x52 in port_forwardings, PortForwardingId, by (), |it| it.id;
    /// An address of a port that a floating IP of a network leads to.
    FloatingClaim = 0x53 in floating_claims, (PortId, (IpAddr, NetworkId)), by PortId, |it| it.key();
    /// The hosts that stand for a router outside, by its port there.
    GatewayHosts = 0x54 in gateway_hosts, PortId, by (), |it| it.port_id;
    /// Ports of a router's address that a host may use.
    PortLease = 0x55 in port_leases, (PortId, HostNumber), by PortId, |it| (it.port_id, it.host);
    /// A policy that shares an object.
    RbacPolicy = 0x60 in rbac_policies, RbacPolicyId, by (), |it| it.id;
    /// An address scope.
    AddressScope = 0x61 in address_scopes, AddressScopeId, by (), |it| it.id;
    /// A subnet pool.
    SubnetPool = 0x62 in subnet_pools, SubnetPoolId, by (), |it| it.id;
    /// A project's automatic topology.
    AutoTopology = 0x63 in auto_topologies, String, by (), |it| it.project_id.clone();
    /// The default external network.
    DefaultNetwork = 0x64 in default_networks, NetworkId, by (), |it| it.network_id;
    /// An identifier of tunnels that hosts don't speak in use.
    TunnelClaim = 0x65 in tunnel_claims, Tunnel, by (), |it| it.tunnel;
    /// A segment of a network.
    NetworkSegment = 0x66 in network_segments, SegmentId, by (), |it| it.id;
    /// A range of identifiers of networks.
    SegmentRange = 0x67 in segment_ranges, SegmentRangeId, by (), |it| it.id;
}

impl Tables {
    /// Puts `new` under `key`, or removes what is there, and brings the indexes along.
    pub(crate) fn set_record<T: Record>(
        &mut self,
        indexes: &mut Indexes,
        key: &T::Key,
        new: Option<Arc<Stored<T>>>,
    ) {
        let table = T::table_mut(self);
        let old = match &new {
            Some(stored) => table.insert(key.clone(), stored.clone()),
            None => table.remove(key),
        };
        T::index(indexes, self, old.as_deref().map(Deref::deref), new.as_deref().map(Deref::deref));
    }
}

fn changed_key<K: Clone, V>(item: imbl::ordmap::DiffItem<'_, '_, K, V>) -> K {
    use imbl::ordmap::DiffItem::{Add, Remove, Update};
    match item {
        Add(key, _) | Remove(key, _) | Update { new: (key, _), .. } => key.clone(),
    }
}

/// The byte range `[start, end)` of the records of kind `T` whose keys begin with `prefix`.
pub(crate) fn prefix_range<T: Record>(prefix: &T::Prefix) -> (Vec<u8>, Vec<u8>) {
    let mut start = vec![T::KIND as u8];
    prefix.write(&mut start);
    let end = end_of_prefix(&start);
    (start, end)
}

//! The rows that the pipeline may ask for, one kind for each table.

use std::any::Any;
use std::convert::Infallible;

use super::super::prefixes::PrefixKey;
use super::{Source, Tables};
use crate::table::{self, *};

macro_rules! questions {
    (
        rows { $($row:ident($key:ty) -> $value:ty = $field:ident, $table:ident;)* }
        prefixes { $($prefix:ident($prefix_key:ty) -> $prefix_value:ty = $prefix_field:ident, $prefix_table:ident;)* }
    ) => {
        /// A row that was asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Question {
            $($row($key),)*
            $($prefix($prefix_key),)*
        }

        impl Question {
            /// The table that was asked.
            pub(super) fn table(&self) -> &'static Table {
                match self {
                    $(Question::$row(_) => &table::$table,)*
                    $(Question::$prefix(_) => &table::$prefix_table,)*
                }
            }

            /// The key, of a trie cut to the prefix that was found.
            pub(super) fn cells(&self, matched: Option<u32>) -> Cells {
                match self {
                    $(Question::$row(key) => key.cells(),)*
                    $(Question::$prefix(key) => key.cut(matched.unwrap_or(key.prefix_len())).said(),)*
                }
            }

            /// Reads the row, and the length of the prefix that it has in a trie.
            pub(super) fn fetch<S: Source>(&self, source: &S, tables: &mut Tables) -> Result<Option<u32>, S::Error> {
                match self {
                    $(Question::$row(key) => {
                        let row: Option<$value> = source.get(&table::$table, key)?;
                        if let Some(row) = row {
                            tables.$field.insert(*key, row);
                        }
                        Ok(None)
                    })*
                    $(Question::$prefix(key) => {
                        let row: Option<$prefix_value> = source.get(&table::$prefix_table, key)?;
                        let Some(row) = row else { return Ok(None) };
                        let length = matched(source, &table::$prefix_table, key, &row)?;
                        tables.$prefix_field.insert(key.cut(length), row);
                        Ok(Some(length))
                    })*
                }
            }
        }

        /// Tables in memory, as those of a simulated host.
        impl Source for Tables {
            type Error = Infallible;

            fn get<K: Row, V: Row>(&self, table: &'static Table, key: &K) -> Result<Option<V>, Infallible> {
                let key: &dyn Any = key;
                $(if table.name == table::$table.name {
                    return Ok(key.downcast_ref::<$key>().and_then(|key| same(self.$field.get(key))));
                })*
                $(if table.name == table::$prefix_table.name {
                    let find = |key: &$prefix_key| same(self.$prefix_field.find(key.prefix_len, key));
                    return Ok(key.downcast_ref::<$prefix_key>().and_then(find));
                })*
                Ok(None)
            }
        }
    };
}

/// A row as the type that it is known to be.
fn same<T: Row, V: Row>(row: Option<&T>) -> Option<V> {
    let row: &dyn Any = row?;
    row.downcast_ref::<V>().copied()
}

questions! {
    rows {
        Interface(InterfaceKey) -> table::Interface = interfaces, INTERFACES;
        Port(PortKey) -> table::Port = ports, PORTS;
        Allowed(AllowedKey) -> table::Allowed = allowed, ALLOWED;
        Network(NetworkKey) -> table::Network = networks, NETWORKS;
        Fdb(FdbKey) -> FdbEntry = fdb, FDB;
        Neighbour(NeighbourKey) -> table::Neighbour = neighbours, NEIGHBOURS;
        Flood(FloodKey) -> FloodTarget = flood, FLOOD;
        Host(HostKey) -> table::Host = hosts, HOSTS;
        Vni(VniKey) -> table::Vni = vnis, VNIS;
        Vtep(VtepKey) -> table::Vtep = vteps, VTEPS;
        Segment(SegmentKey) -> table::Segment = segments, SEGMENTS;
        Meters(PortKey) -> table::Meters = meters, METERS;
        Policy(PolicyKey) -> table::Policy = policies, POLICIES;
        PolicySet(PolicySetKey) -> table::PolicySet = policy_sets, POLICY_SETS;
        Member(MemberKey) -> table::Member = members, MEMBERS;
        Connection(ConnectionKey) -> table::Connection = connections, CONNECTIONS;
        ConnectionCount(PortKey) -> table::ConnectionCount = connection_counts, CONNECTION_COUNTS;
        Fragment(FragmentKey) -> table::Fragment = fragments, FRAGMENTS;
        RouterInterface(RouterInterfaceKey) -> table::RouterInterface = router_interfaces, ROUTER_INTERFACES;
        Scope(ScopeKey) -> table::Scope = scopes, SCOPES;
        FloatingIp(FloatingIpKey) -> table::FloatingIp = floating_ips, FLOATING_IPS;
        FloatingSource(FloatingSourceKey) -> table::FloatingSource = floating_sources, FLOATING_SOURCES;
        NatPool(NatPoolKey) -> table::NatPool = nat_pools, NAT_POOLS;
        NatOwner(NatOwnerKey) -> table::NatOwner = nat_owners, NAT_OWNERS;
        NatSession(NatSessionKey) -> table::NatSession = nat_sessions, NAT_SESSIONS;
        NatReturn(NatReturnKey) -> table::NatReturn = nat_returns, NAT_RETURNS;
        NatCount(PortKey) -> table::NatCount = nat_counts, NAT_COUNTS;
        NatFragment(NatFragmentKey) -> table::NatFragment = nat_fragments, NAT_FRAGMENTS;
        ServiceSession(ServiceSessionKey) -> table::ServiceSession = service_sessions, SERVICE_SESSIONS;
        LearnedMac(LearnedMacKey) -> table::LearnedMac = learned_macs, LEARNED_MACS;
        LearnedNeighbour(LearnedNeighbourKey) -> table::LearnedNeighbour = learned_neighbours, LEARNED_NEIGHBOURS;
        PrivacyAddress(PrivacyAddressKey) -> table::PrivacyAddress = privacy_addresses, PRIVACY_ADDRESSES;
        PrivacyRing(PrivacyRingKey) -> table::PrivacyRing = privacy_rings, PRIVACY_RINGS;
    }
    prefixes {
        AllowedPrefix(AllowedPrefixKey) -> table::Allowed = allowed_prefixes, ALLOWED_PREFIXES;
        Class(ClassKey) -> table::Class = classes, CLASSES;
        MemberPrefix(MemberPrefixKey) -> table::Member = member_prefixes, MEMBER_PREFIXES;
        Rule(RuleKey) -> table::Rule = rules, RULES;
        Route(RouteKey) -> table::Route = routes, ROUTES;
        Forwarding(ForwardingKey) -> table::Forwarding = forwardings, FORWARDINGS;
        PrivacyPrefix(PrivacyPrefixKey) -> table::PrivacyPrefix = privacy_prefixes, PRIVACY_PREFIXES;
    }
}

/// The length of the prefix whose row a trie found. A trie tells the row alone: with ever shorter keys it finds the same until they are
/// shorter than its prefix. Of two prefixes, one in the other, whose rows say the same, it is the shorter one's.
fn matched<S: Source, K: Row + PrefixKey, V: Row + PartialEq>(
    source: &S,
    table: &'static Table,
    key: &K,
    row: &V,
) -> Result<u32, S::Error> {
    let mut length = key.prefix_len();
    while length > K::FIXED {
        let shorter: Option<V> = source.get(table, &key.cut(length - 1))?;
        if shorter.as_ref() != Some(row) {
            break;
        }
        length -= 1;
    }
    Ok(length)
}

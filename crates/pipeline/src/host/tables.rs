//! The tables as hash maps.

use std::collections::HashMap;
use std::vec::Vec;

use super::prefixes::Prefixes;
use crate::table::*;

/// Every table of [`crate::table`], by the same keys and values as in the kernel.
#[derive(Clone, Debug, Default)]
#[expect(
    missing_docs,
    reason = "each field is the table of its name in upper case, documented in `crate::table`"
)]
pub struct Tables {
    pub config: Config,
    pub interfaces: HashMap<InterfaceKey, Interface>,
    pub ports: HashMap<PortKey, Port>,
    pub allowed: HashMap<AllowedKey, Allowed>,
    pub networks: HashMap<NetworkKey, Network>,
    pub fdb: HashMap<FdbKey, FdbEntry>,
    pub neighbours: HashMap<NeighbourKey, Neighbour>,
    pub flood: HashMap<FloodKey, FloodTarget>,
    pub hosts: HashMap<HostKey, Host>,
    pub vnis: HashMap<VniKey, Vni>,
    pub vteps: HashMap<VtepKey, Vtep>,
    pub segments: HashMap<SegmentKey, Segment>,
    pub meters: HashMap<PortKey, Meters>,
    pub port_counters: HashMap<PortKey, PortCounters>,
    pub allowed_prefixes: Prefixes<AllowedPrefixKey, Allowed>,
    pub policies: HashMap<PolicyKey, Policy>,
    pub policy_sets: HashMap<PolicySetKey, PolicySet>,
    pub classes: Prefixes<ClassKey, Class>,
    pub members: HashMap<MemberKey, Member>,
    pub member_prefixes: Prefixes<MemberPrefixKey, Member>,
    pub rules: Prefixes<RuleKey, Rule>,
    pub connections: HashMap<ConnectionKey, Connection>,
    pub connection_counts: HashMap<PortKey, ConnectionCount>,
    pub fragments: HashMap<FragmentKey, Fragment>,
    pub rule_counters: HashMap<RuleCounterKey, RuleCounters>,
    pub router_interfaces: HashMap<RouterInterfaceKey, RouterInterface>,
    pub floating_ips: HashMap<FloatingIpKey, FloatingIp>,
    pub floating_sources: HashMap<FloatingSourceKey, FloatingSource>,
    pub nat_pools: HashMap<NatPoolKey, NatPool>,
    pub nat_owners: HashMap<NatOwnerKey, NatOwner>,
    pub forwardings: Prefixes<ForwardingKey, Forwarding>,
    pub nat_sessions: HashMap<NatSessionKey, NatSession>,
    pub nat_returns: HashMap<NatReturnKey, NatReturn>,
    pub nat_counts: HashMap<PortKey, NatCount>,
    pub nat_fragments: HashMap<NatFragmentKey, NatFragment>,
    pub scopes: HashMap<ScopeKey, Scope>,
    pub routes: Prefixes<RouteKey, Route>,
    pub service_link: ServiceLink,
    pub service_sessions: HashMap<ServiceSessionKey, ServiceSession>,
    pub heard: HashMap<HeardKey, Heard>,
    pub follows: Vec<Follow>,
    pub learned_macs: HashMap<LearnedMacKey, LearnedMac>,
    pub learned_neighbours: HashMap<LearnedNeighbourKey, LearnedNeighbour>,
    pub privacy_prefixes: Prefixes<PrivacyPrefixKey, PrivacyPrefix>,
    pub privacy_addresses: HashMap<PrivacyAddressKey, PrivacyAddress>,
    pub privacy_rings: HashMap<PrivacyRingKey, PrivacyRing>,
}

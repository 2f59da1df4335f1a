//! Random records for the tests of this crate: ids from a small range, so that records meet.

mod instance;
mod packet_log;
mod router;
mod security;
mod sharing;

use crate::record::AnyRecord;
use crate::*;
use hadron_model::identity::{
    ApplicationCredential, Assignment, Domain, Group, GroupAssignment, Membership, Project, Role, Scope,
    Secret, User,
};
use hadron_model::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// How many ids of a kind there are.
const IDS: u128 = 12;

pub(crate) fn uuid() -> impl Strategy<Value = Uuid> {
    (0..IDS).prop_map(Uuid::from_u128)
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-c]{1,2}",
        any::<String>(),
        Just("a\0".to_owned()),
        Just("a\0b\u{1}".to_owned())
    ]
}

pub(crate) fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0..40_u8).prop_map(|last| IpAddr::from([10, 0, 0, last])),
        (0..40_u16).prop_map(|last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last])),
    ]
}

fn prefix() -> impl Strategy<Value = IpNet> {
    (address(), 0..=128_u8).prop_map(|(address, length)| {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, length.min(longest)).unwrap()
    })
}

fn mac() -> impl Strategy<Value = Mac> {
    (0..20_u8).prop_map(|last| Mac([0xfa, 0x16, 0x3e, 0, 0, last]))
}

fn vni() -> impl Strategy<Value = Vni> {
    (1..30_u32).prop_map(|vni| Vni::new(vni).unwrap())
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp)
}

fn stamp() -> impl Strategy<Value = Stamp> {
    let tags = vec(text(), 0..3).prop_map(|tags| tags.into_iter().collect());
    (time(), time(), any::<u64>(), tags).prop_map(|(created_at, updated_at, revision_number, tags)| Stamp {
        created_at,
        updated_at,
        revision_number,
        tags,
    })
}

/// An untagged one or a VLAN of one of a few physical networks.
fn physical_segment(vni: Vni) -> PhysicalSegment {
    let network = format!("physnet{}", vni.get() % 3);
    PhysicalSegment { network, vlan: VlanId::new((vni.get() / 3) as u16) }
}

/// Numbers are unique, as the store gives them out: derived from the id.
fn number(id: Uuid) -> u32 {
    id.as_u128() as u32 + 1
}

prop_compose! {
    fn network()(
        id in uuid(), texts in [text(), text(), text()], admin_state_up: bool, was_shared: bool, mtu: u32, vni in of(vni()),
        stamp in stamp(),
    ) -> Network {
        let [project_id, name, description] = texts;
        let segment = match vni {
            None if mtu % 3 == 0 => Segment::Tunnel(hadron_model::Tunnel { kind: hadron_model::TunnelKind::Gre, id: mtu }),
            None if mtu % 3 == 1 => Segment::None,
            None => Segment::Local,
            Some(vni) if was_shared => Segment::Physical(physical_segment(vni)),
            Some(vni) => Segment::Vxlan(vni),
        };
        let number = NetworkNumber(number(id));
        Network {
            id: NetworkId(id), number, project_id, name, description, admin_state_up, was_shared, mtu, segment,
            port_security_enabled: was_shared || admin_state_up, privacy_addresses: was_shared,
            dns_domain: if was_shared { "example.org.".to_owned() } else { String::new() },
            availability_zone_hints: if was_shared { vec!["a".to_owned(), String::new()] } else { vec![] }, stamp,
        }
    }
}

prop_compose! {
    /// Its place is derived from its id: no two of a network have the same.
    fn network_segment()(
        id in uuid(), network in uuid(), texts in [of(text()), of(text())], vni in of(vni()), stamp in stamp(),
    ) -> NetworkSegment {
        let [name, description] = texts;
        let segment = vni.map_or(Segment::Local, |vni| Segment::Physical(physical_segment(vni)));
        NetworkSegment {
            id: SegmentId(id), network_id: NetworkId(network), name, description, index: number(id), segment, stamp,
        }
    }
}

prop_compose! {
    fn segment_range()(
        id in uuid(), texts in [text(), text(), text()], description in of(text()), is_default: bool, kind in 0..4_u8,
        ends: (u32, u32), stamp in stamp(),
    ) -> SegmentRange {
        let [project_id, name, physical] = texts;
        let pool = match kind {
            0 => SegmentPool::Vlan(physical),
            1 => SegmentPool::Vxlan,
            2 => SegmentPool::Tunnel(hadron_model::TunnelKind::Gre),
            _ => SegmentPool::Tunnel(hadron_model::TunnelKind::Geneve),
        };
        SegmentRange {
            id: SegmentRangeId(id), project_id, name, description, is_default, pool, first: ends.0, last: ends.1, stamp,
        }
    }
}

fn pools(is_v4: bool) -> impl Strategy<Value = Vec<AddressRange>> {
    let at = move |last: u16| {
        if is_v4 {
            IpAddr::from([10, 0, 0, last as u8])
        } else {
            IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last])
        }
    };
    let ranges = vec((0..12_u16, 0..4_u16), 0..4);
    ranges.prop_map(move |ranges| {
        let mut next = 0;
        let mut pools = Vec::new();
        for (gap, length) in ranges {
            pools.extend(AddressRange::new(at(next + gap), at(next + gap + length)));
            next += gap + length + 1;
        }
        pools
    })
}

fn mode() -> impl Strategy<Value = Option<Ipv6Mode>> {
    of(proptest::sample::select(&Ipv6Mode::ALL[..]))
}

pub(crate) fn subnet() -> impl Strategy<Value = Subnet> {
    any::<bool>().prop_flat_map(subnet_of)
}

prop_compose! {
    fn subnet_of(is_v4: bool)(
        pools in pools(is_v4), id in uuid(), network in uuid(), texts in [text(), text(), text()],
        gateway_ip in of(address()), dns in vec(address(), 0..3), nexthops in vec(address(), 0..3),
        enable_dhcp: bool, modes in (mode(), mode()), pool in of(uuid()), stamp in stamp(),
    ) -> Subnet {
        let [project_id, name, description] = texts;
        let cidr: IpNet = if is_v4 { "10.0.0.0/24" } else { "2001:db8::/64" }.parse().unwrap();
        // Those of a pool have a prefix of their own.
        let cidr = if pool.is_some() { sharing::own_prefix(id, is_v4) } else { cidr };
        Subnet {
            id: SubnetId(id), number: SubnetNumber(number(id)), network_id: NetworkId(network), project_id, name,
            description, subnetpool_id: pool.map(SubnetPoolId), cidr, gateway_ip, allocation_pools: pools, dns_nameservers: dns,
            host_routes: nexthops.into_iter().map(|nexthop| HostRoute { destination: cidr, nexthop }).collect(),
            enable_dhcp, ipv6_ra_mode: modes.0, ipv6_address_mode: modes.1,
            service_types: if enable_dhcp { vec!["compute:".to_owned()] } else { vec![] }, dns_publish_fixed_ip: enable_dhcp,
            segment_id: enable_dhcp.then_some(SegmentId(id)), stamp,
        }
    }
}

#[derive(Clone, Debug)]
struct PortSecurity {
    groups: Vec<SecurityGroupId>,
    pairs: Vec<AddressPair>,
    policy: Option<PolicyNumber>,
}

fn security() -> impl Strategy<Value = PortSecurity> {
    let pair = (prefix(), any::<bool>(), of(mac())).prop_map(|(ip, has_length, mac)| {
        let has_length = has_length || ip.prefix_len() != ip.max_prefix_len();
        AddressPair { ip, has_length, mac }
    });
    (vec(uuid(), 0..3), vec(pair, 0..3), of(1..4_u32)).prop_map(|(groups, pairs, policy)| PortSecurity {
        groups: groups.into_iter().map(SecurityGroupId).collect(),
        pairs,
        policy: policy.map(PolicyNumber),
    })
}

prop_compose! {
    fn port_details()(
        texts in [text(), text()], options in vec((text(), any::<bool>(), text()), 0..3), is_addressless: bool,
        words in [of(text()), of(text()), of(text()), of(text()), of(text())], hides_uplink_status: bool, trusted in of(any::<bool>()),
        delegated in of((IDS..2 * IDS, any::<u128>(), 40..=64_u8)),
    ) -> PortDetails {
        let [dns_name, dns_domain] = texts;
        let [data_plane_status, numa_affinity_policy, device_profile, hardware_offload_type, hints] = words;
        let option = |(name, is_ipv6, value)| ExtraDhcpOpt { name, is_ipv6, value };
        PortDetails {
            dns_name, dns_domain, extra_dhcp_opts: options.into_iter().map(option).collect(), is_addressless,
            is_deferred: !is_addressless,
            data_plane_status, hides_uplink_status, numa_affinity_policy, device_profile, hardware_offload_type,
            hints, trusted,
            delegation: delegated.and_then(|(pool, address, length)| {
                let prefix = hadron_model::IpNet::new(std::net::IpAddr::V6(address.into()), length).ok()?.trunc();
                Some(hadron_model::Delegation { subnetpool_id: hadron_model::SubnetPoolId(Uuid::from_u128(pool)), prefix })
            }),
        }
    }
}

prop_compose! {
    fn port()(
        id in uuid(), network in uuid(), texts in [text(), text(), text(), text(), text(), text(), text(), text()],
        mac_address in mac(), fixed in vec((uuid(), address()), 0..4), admin_state_up: bool,
        details in port_details(), status in proptest::sample::select(&[PortStatus::Active, PortStatus::Down, PortStatus::Build, PortStatus::Error, PortStatus::NotApplicable][..]),
        security in security(), stamp in stamp(), router in router::attachment(),
    ) -> Port {
        let [project_id, name, description, device_id, device_owner, host_id, vnic_type, profile] = texts;
        let (device_id, device_owner) = router.unwrap_or((device_id, device_owner));
        Port {
            id: PortId(id), number: PortNumber(number(id)), network_id: NetworkId(network), project_id, name,
            description, mac_address, admin_state_up, device_id, device_owner,
            fixed_ips: fixed
                .into_iter()
                .map(|(subnet, ip_address)| FixedIp { subnet_id: SubnetId(subnet), ip_address })
                .collect(),
            inactive_bindings: details
                .dns_name
                .chars()
                .map(|host| Binding { host_id: host.into(), vnic_type: vnic_type.clone(), profile: profile.clone() })
                .collect(),
            details, binding: Binding { host_id, vnic_type, profile }, status,
            port_security_enabled: security.policy.is_some(), security_groups: security.groups,
            allowed_address_pairs: security.pairs, policy: security.policy, stamp,
        }
    }
}

prop_compose! {
    pub(crate) fn address_claim()(subnet in uuid(), address in address(), port in uuid()) -> AddressClaim {
        AddressClaim { subnet_id: SubnetId(subnet), address, port_id: PortId(port) }
    }
}

pub(crate) fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        text().prop_map(Scope::Project),
        text().prop_map(Scope::Domain),
        Just(Scope::System),
        text().prop_map(Scope::ProjectsOf),
    ]
}

prop_compose! {
    pub(crate) fn assignment()(user_id in text(), scope in scope(), role_id in text()) -> Assignment {
        Assignment { user_id, scope, role_id }
    }
}

/// Names of identity's nouns and numbers of hosts are unique, which is for the writer to ensure: derived from the id.
fn identity() -> impl Strategy<Value = AnyRecord> {
    let named = |id: &str, other: String| (id.to_owned(), format!("{id} name"), other);
    prop_oneof![
        ("[a-d]", text(), any::<bool>()).prop_map(move |(id, description, enabled)| {
            let (id, name, domain_id) = named(&id, "default".into());
            stored(Project { id, name, domain_id, description, enabled })
        }),
        ("[a-d]", text(), of(text()), of(text()), any::<i64>()).prop_map(
            move |(id, email, project, hash, from)| {
                let (id, name, description) = named(&id, String::new());
                stored(User {
                    id,
                    name,
                    domain_id: "default".into(),
                    description,
                    email,
                    default_project_id: project,
                    enabled: true,
                    password_hash: hash,
                    tokens_valid_from: from,
                })
            }
        ),
        ("[a-d]", text()).prop_map(move |(id, description)| {
            let (id, name, description) = named(&id, description);
            stored(Role { id, name, description })
        }),
        assignment().prop_map(stored),
        (text(), vec(any::<u8>(), 0..20)).prop_map(|(name, value)| stored(Secret { name, value })),
    ]
}

/// Domains, groups and application credentials, named as [`identity`]'s.
fn groups() -> impl Strategy<Value = AnyRecord> {
    let named = |id: &str| (id.to_owned(), format!("{id} name"));
    prop_oneof![
        ("[a-d]", text(), any::<bool>()).prop_map(move |(id, description, enabled)| {
            let (id, name) = named(&id);
            stored(Domain { id, name, description, enabled })
        }),
        ("[a-d]", text()).prop_map(move |(id, description)| {
            let (id, name) = named(&id);
            stored(Group { id, name, domain_id: "default".into(), description })
        }),
        ("[a-d]", "[a-d]").prop_map(|(user_id, group_id)| stored(Membership { user_id, group_id })),
        assignment().prop_map(|it| {
            stored(GroupAssignment { group_id: it.user_id, scope: it.scope, role_id: it.role_id })
        }),
        ("[a-d]", "[a-d]", text(), vec(text(), 0..3), of(time()), any::<bool>()).prop_map(
            move |(id, user_id, project_id, roles, expires_at, unrestricted)| {
                let ((id, name), secret_hash) = (named(&id), String::new());
                let description = project_id.clone();
                stored(ApplicationCredential {
                    id,
                    name,
                    user_id,
                    project_id,
                    description,
                    secret_hash,
                    roles,
                    expires_at,
                    unrestricted,
                })
            }
        ),
    ]
}

fn hosts() -> impl Strategy<Value = AnyRecord> {
    prop_oneof![
        (0..6_u32, address(), any::<[u8; 32]>(), time()).prop_map(
            |(n, underlay, key_fingerprint, joined_at)| {
                stored(Host {
                    name: format!("host{n}"),
                    number: HostNumber(n + 1),
                    underlay,
                    key_fingerprint,
                    joined_at,
                    physical_networks: if n % 2 == 0 { vec!["physnet1".to_owned()] } else { vec![] },
                })
            }
        ),
        (text(), any::<[u8; 32]>(), of(text()), time()).prop_map(|(id, secret_sha256, host, expires_at)| {
            stored(JoinToken { id, secret_sha256, host, expires_at })
        }),
    ]
}

fn own() -> impl Strategy<Value = AnyRecord> {
    prop_oneof![
        (uuid(), mac(), uuid()).prop_map(|(network, mac, port)| stored(MacClaim {
            network_id: NetworkId(network),
            mac,
            port_id: PortId(port)
        })),
        (vni(), uuid()).prop_map(|(vni, network)| stored(SegmentClaim {
            segment: physical_segment(vni),
            network_id: NetworkId(network)
        })),
        (vni(), uuid()).prop_map(|(vni, network)| stored(VniClaim { vni, network_id: NetworkId(network) })),
        (uuid(), vec((0..13, uuid()), 0..5)).prop_map(|(id, created)| {
            let created = created.into_iter().map(|(kind, id)| match kind {
                0 => Created::Network(NetworkId(id)),
                1 => Created::Subnet(SubnetId(id)),
                2 => Created::Port(PortId(id)),
                3 => Created::SecurityGroup(SecurityGroupId(id)),
                4 => Created::SecurityGroupRule(SecurityGroupRuleId(id)),
                5 => Created::AddressGroup(AddressGroupId(id)),
                6 => Created::DefaultRule(SecurityGroupRuleId(id)),
                7 => Created::Router(RouterId(id)),
                8 => Created::FloatingIp(FloatingIpId(id)),
                9 => Created::PortForwarding(PortForwardingId(id)),
                10 => Created::PacketLog(PacketLogId(id)),
                11 => Created::RbacPolicy(RbacPolicyId(id)),
                _ => Created::DefaultStatefulness(DefaultStatefulnessId(id)),
            });
            stored(BulkIntent { id, created: created.collect() })
        }),
        (proptest::sample::select(&Counter::ALL[..]), any::<u32>())
            .prop_map(|(counter, next)| stored(CounterRecord { counter, next })),
        text().prop_map(|name| stored(Turn { name })),
        (text(), uuid(), any::<u64>()).prop_map(|(name, holder, beat)| stored(crate::Duty {
            name,
            holder,
            beat
        })),
        ([text(), text()], proptest::collection::btree_set(name_value(), 0..4), any::<bool>()).prop_map(
            |([name, project_id], values, is_ours)| stored(hadron_model::PublishedName {
                name,
                project_id,
                values,
                is_ours
            })
        ),
        instance::instance().prop_map(stored).boxed(),
        agent().prop_map(stored).boxed(),
        (text(), proptest::collection::btree_map(text(), of(any::<u32>()), 0..3))
            .prop_map(|(project_id, limits)| stored(ProjectQuota { project_id, limits })),
        (text(), uuid(), uuid()).prop_map(|(project_id, network, router)| {
            let (network_id, router_id) = (NetworkId(network), hadron_model::RouterId(router));
            stored(hadron_model::AutoTopology { project_id, network_id, router_id })
        }),
        (any::<bool>(), 0..=Vni::MAX, uuid()).prop_map(|(is_gre, id, network)| {
            let kind = if is_gre { hadron_model::TunnelKind::Gre } else { hadron_model::TunnelKind::Geneve };
            stored(crate::TunnelClaim {
                tunnel: hadron_model::Tunnel { kind, id },
                network_id: NetworkId(network),
            })
        }),
        uuid().prop_map(|network| stored(hadron_model::DefaultNetwork { network_id: NetworkId(network) })),
    ]
}

fn name_value() -> impl Strategy<Value = hadron_model::NameValue> {
    prop_oneof![
        any::<std::net::IpAddr>().prop_map(hadron_model::NameValue::Address),
        text().prop_map(hadron_model::NameValue::Name)
    ]
}

prop_compose! {
    fn agent()(
        id in uuid(), texts in [text(), text()], is_dhcp: bool, admin_state_up: bool, description in of(text()),
        networks in proptest::collection::btree_set(uuid().prop_map(NetworkId), 0..3), times in [time(), time(), time()],
    ) -> Agent {
        let ([host, availability_zone], [created_at, started_at, heartbeat_at]) = (texts, times);
        let role = match (is_dhcp, admin_state_up) {
            (true, _) => AgentRole::Dhcp,
            (_, true) => AgentRole::Switching,
            _ => AgentRole::Routing,
        };
        let routers = networks.iter().map(|id| RouterId(id.0)).collect();
        Agent {
            id: AgentId(id), host, role, admin_state_up, description, availability_zone, networks, routers, created_at,
            started_at, heartbeat_at,
        }
    }
}

/// A record of any kind; those with many indexes more often.
pub(crate) fn record() -> impl Strategy<Value = AnyRecord> {
    // Boxed: a choice's values together would not fit a test's stack.
    prop_oneof![
        2 => network().prop_map(stored).boxed(),
        1 => network_segment().prop_map(stored).boxed(),
        1 => segment_range().prop_map(stored).boxed(),
        3 => subnet().prop_map(stored).boxed(),
        6 => port().prop_map(stored).boxed(),
        6 => address_claim().prop_map(stored).boxed(),
        2 => identity().boxed(),
        2 => groups().boxed(),
        1 => hosts().boxed(),
        2 => own().boxed(),
        6 => security::record().boxed(),
        6 => router::record().boxed(),
        4 => sharing::record().boxed(),
    ]
}

fn stored<T: Record>(value: T) -> AnyRecord {
    let (created, modified) = (Revision(1), Revision(2));
    T::any(Arc::new(Stored { value, created, modified, unknown: None }))
}

//! Random policies that share objects, subnet pools and address scopes.

use super::{IDS, stamp, stored, text, uuid};
use crate::record::AnyRecord;
use hadron_model::*;
use proptest::option::of;
use proptest::prelude::*;
use std::net::IpAddr;
use uuid::Uuid;

/// Prefixes that pools may have, wide enough for those of several subnets.
const POOL_BITS: u8 = 26;

/// A subnet's prefix that no other one overlaps.
pub(super) fn own_prefix(id: Uuid, is_v4: bool) -> IpNet {
    let id = id.as_u128() as u8;
    if is_v4 {
        IpNet::new(IpAddr::from([10, 1, 0, id * 8]), 29).unwrap()
    } else {
        IpNet::new(IpAddr::from([0x2001, 0xdb8, 0, 0x100 + u16::from(id), 0, 0, 0, 0]), 64).unwrap()
    }
}

fn shareable() -> impl Strategy<Value = Shareable> {
    (proptest::sample::select(&Shareable::TYPES[..]), 0..3_u128)
        .prop_map(|(object_type, id)| Shareable::new(object_type, Uuid::from_u128(id)).unwrap())
}

/// The id is derived from what must be unique.
fn policy() -> impl Strategy<Value = RbacPolicy> {
    (shareable(), any::<bool>(), 0..3_u128, text()).prop_map(|(object, is_external, target, project_id)| {
        let is_external = is_external && matches!(object, Shareable::Network(_));
        let kind = Shareable::TYPES.iter().position(|it| *it == object.object_type()).unwrap() as u128;
        let id = ((kind * 3 + object.id().as_u128()) * 3 + target) * 2 + u128::from(is_external);
        RbacPolicy {
            id: RbacPolicyId(Uuid::from_u128(id)),
            project_id,
            object,
            access: if is_external { Access::External } else { Access::Shared },
            target: if target == 0 { Target::Everyone } else { Target::Project(format!("p{target}")) },
        }
    })
}

prop_compose! {
    fn scope()(id in uuid(), texts in [text(), text()], is_v6: bool) -> AddressScope {
        let [project_id, name] = texts;
        let ip_version = if is_v6 { IpVersion::V6 } else { IpVersion::V4 };
        AddressScope { id: AddressScopeId(id), project_id, name, ip_version }
    }
}

/// Some of the prefixes in which subnets' own lie.
fn prefixes(version: IpVersion, chosen: u8) -> Vec<IpNet> {
    let at = |n: u8| match version {
        IpVersion::V4 => IpNet::new(IpAddr::from([10, 1, 0, n << 6]), POOL_BITS),
        IpVersion::V6 => {
            IpNet::new(IpAddr::from([0x2001, 0xdb8, 0, 0x100 + (u16::from(n) << 2), 0, 0, 0, 0]), 62)
        }
    };
    (0..4).filter(|n| chosen >> n & 1 == 1).map(|n| at(n).unwrap()).collect()
}

prop_compose! {
    fn pool()(
        id in uuid(), texts in [text(), text(), text()], is_v6: bool, chosen in 1..16_u8, lengths: [u8; 3],
        default_quota in of(any::<u64>()), scope in of(0..IDS), is_default: bool, stamp in stamp(),
    ) -> SubnetPool {
        let [project_id, name, description] = texts;
        let ip_version = if is_v6 { IpVersion::V6 } else { IpVersion::V4 };
        SubnetPool {
            id: SubnetPoolId(id), project_id, name, description, ip_version, prefixes: prefixes(ip_version, chosen),
            default_prefixlen: lengths[0], min_prefixlen: lengths[1], max_prefixlen: lengths[2], default_quota,
            address_scope_id: scope.map(|id| AddressScopeId(Uuid::from_u128(id))), is_default, stamp,
        }
    }
}

pub(super) fn record() -> impl Strategy<Value = AnyRecord> {
    prop_oneof![
        3 => policy().prop_map(stored),
        1 => scope().prop_map(stored),
        3 => pool().prop_map(stored),
    ]
}

//! Keys as bytes whose order is the order of the keys.

use crate::Counter;
use hadron_model::AgentId;
use hadron_model::identity::{Assignment, GroupAssignment, Membership, Scope};
use hadron_model::{
    AddressGroupId, AddressScopeId, DefaultStatefulnessId, FloatingIpId, HostNumber, Mac, NetworkId,
    PacketLogId, PhysicalSegment, PortForwardingId, PortId, RbacPolicyId, RouterId, SecurityGroupId,
    SecurityGroupRuleId, SegmentId, SegmentRangeId, SubnetId, SubnetPoolId, Tunnel, TunnelKind, VlanId, Vni,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use uuid::Uuid;

/// A key, or a part of one, with an encoding that keeps its order.
pub trait KeyBytes: Sized {
    /// Appends the encoding.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads it back and moves `bytes` behind it; `None` if it is none.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

impl KeyBytes for () {
    fn write(&self, _: &mut Vec<u8>) {}

    fn read(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl<A: KeyBytes, B: KeyBytes> KeyBytes for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::read(bytes)?, B::read(bytes)?))
    }
}

impl KeyBytes for Uuid {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(Uuid::from_bytes)
    }
}

macro_rules! uuid_key {
    ($($name:ident),+) => {$(
        impl KeyBytes for $name {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                Uuid::read(bytes).map(Self)
            }
        }
    )+};
}
uuid_key!(NetworkId, SubnetId, PortId, SecurityGroupId, SecurityGroupRuleId, AddressGroupId);
uuid_key!(AgentId);
uuid_key!(RouterId, FloatingIpId, PortForwardingId, PacketLogId, DefaultStatefulnessId);
uuid_key!(RbacPolicyId, AddressScopeId, SubnetPoolId, SegmentId, SegmentRangeId);

/// The ids one after another; it must be the last part of its key.
impl KeyBytes for Vec<SecurityGroupId> {
    fn write(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|id| id.write(out));
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let mut ids = Vec::new();
        while !bytes.is_empty() {
            ids.push(SecurityGroupId::read(bytes)?);
        }
        Some(ids)
    }
}

impl KeyBytes for Mac {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(Mac)
    }
}

/// The physical network's name, then the VLAN in two bytes, 0 for none.
impl KeyBytes for PhysicalSegment {
    fn write(&self, out: &mut Vec<u8>) {
        self.network.write(out);
        out.extend_from_slice(&self.vlan.map_or(0, VlanId::get).to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let network = String::read(bytes)?;
        let vlan = match u16::from_be_bytes(take(bytes)?) {
            0 => None,
            number => Some(VlanId::new(number)?),
        };
        Some(PhysicalSegment { network, vlan })
    }
}

/// 1 for GRE or 2 for Geneve, then the identifier.
impl KeyBytes for Tunnel {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self.kind {
            TunnelKind::Gre => 1,
            TunnelKind::Geneve => 2,
        });
        out.extend_from_slice(&self.id.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let [kind] = take(bytes)?;
        let kind = match kind {
            1 => TunnelKind::Gre,
            2 => TunnelKind::Geneve,
            _ => return None,
        };
        let id = u32::from_be_bytes(take(bytes)?);
        (id <= kind.max_id()).then_some(Tunnel { kind, id })
    }
}

impl KeyBytes for Vni {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.get().to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Vni::new(u32::from_be_bytes(take(bytes)?))
    }
}

impl KeyBytes for HostNumber {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(HostNumber(u32::from_be_bytes(take(bytes)?)))
    }
}

impl KeyBytes for Counter {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let [byte] = take(bytes)?;
        Counter::ALL.into_iter().find(|counter| *counter as u8 == byte)
    }
}

/// The family's digit, then the octets.
impl KeyBytes for IpAddr {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            IpAddr::V4(v4) => {
                out.push(4);
                out.extend_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                out.push(6);
                out.extend_from_slice(&v6.octets());
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match take(bytes)? {
            [4] => take::<4>(bytes).map(|octets| Ipv4Addr::from(octets).into()),
            [6] => take::<16>(bytes).map(|octets| Ipv6Addr::from(octets).into()),
            _ => None,
        }
    }
}

/// The text with every 0 as 0 255, then 0 0: no text's encoding is a prefix of another's.
impl KeyBytes for String {
    fn write(&self, out: &mut Vec<u8>) {
        for &byte in self.as_bytes() {
            out.push(byte);
            if byte == 0 {
                out.push(0xff);
            }
        }
        out.extend_from_slice(&[0, 0]);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let mut text = Vec::new();
        loop {
            match take(bytes)? {
                [0] => match take(bytes)? {
                    [0] => return String::from_utf8(text).ok(),
                    [0xff] => text.push(0),
                    _ => return None,
                },
                [byte] => text.push(byte),
            }
        }
    }
}

impl KeyBytes for Scope {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Scope::Project(id) => {
                out.push(1);
                id.write(out);
            }
            Scope::Domain(id) => {
                out.push(2);
                id.write(out);
            }
            Scope::System => out.push(3),
            Scope::ProjectsOf(domain) => {
                out.push(4);
                domain.write(out);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match take(bytes)? {
            [1] => String::read(bytes).map(Scope::Project),
            [2] => String::read(bytes).map(Scope::Domain),
            [3] => Some(Scope::System),
            [4] => String::read(bytes).map(Scope::ProjectsOf),
            _ => None,
        }
    }
}

impl KeyBytes for Assignment {
    fn write(&self, out: &mut Vec<u8>) {
        self.user_id.write(out);
        self.scope.write(out);
        self.role_id.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            user_id: String::read(bytes)?,
            scope: Scope::read(bytes)?,
            role_id: String::read(bytes)?,
        })
    }
}

impl KeyBytes for GroupAssignment {
    fn write(&self, out: &mut Vec<u8>) {
        self.group_id.write(out);
        self.scope.write(out);
        self.role_id.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            group_id: String::read(bytes)?,
            scope: Scope::read(bytes)?,
            role_id: String::read(bytes)?,
        })
    }
}

impl KeyBytes for Membership {
    fn write(&self, out: &mut Vec<u8>) {
        self.user_id.write(out);
        self.group_id.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { user_id: String::read(bytes)?, group_id: String::read(bytes)? })
    }
}

/// The first key behind all those that begin with `prefix`, which is not empty and not all 255.
pub(crate) fn end_of_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordKey;
    use crate::arbitrary::{assignment, record};
    use proptest::prelude::*;

    fn bytes(key: &impl KeyBytes) -> Vec<u8> {
        let mut out = Vec::new();
        key.write(&mut out);
        out
    }

    proptest! {
        #[test]
        fn bytes_lead_back_to_the_key(record in record()) {
            let key = record.key();
            prop_assert_eq!(RecordKey::from_bytes(&key.to_bytes()), Ok(key));
        }

        #[test]
        fn bytes_are_ordered_as_the_keys(a in record(), b in record()) {
            let (a, b) = (a.key(), b.key());
            prop_assert_eq!(a.to_bytes().cmp(&b.to_bytes()), a.cmp(&b));
        }

        #[test]
        fn texts_and_assignments_keep_their_order(a in assignment(), b in assignment()) {
            prop_assert_eq!(bytes(&a).cmp(&bytes(&b)), a.cmp(&b));
            prop_assert_eq!(bytes(&a.role_id).cmp(&bytes(&b.role_id)), a.role_id.cmp(&b.role_id));
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = RecordKey::from_bytes(&bytes);
        }

        #[test]
        fn a_prefix_ends_where_the_next_begins(prefix in proptest::collection::vec(any::<u8>(), 1..5), tail: Vec<u8>) {
            prop_assume!(prefix[0] != 0xff);
            let end = end_of_prefix(&prefix);
            let inside = [prefix.as_slice(), &tail].concat();
            prop_assert!(prefix <= inside && inside < end);
            prop_assert!(!end.starts_with(&prefix));
        }
    }
}

//! Times, revision and tags, which objects of the API carry.

use crate::Tags;

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The system clock's now.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }
}

impl std::fmt::Display for Timestamp {
    /// The API's form, whole seconds: `2026-01-31T12:00:00Z`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{}", time.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// Creation time, last change, number of changes and tags (`standard-attr-timestamp`, `standard-attr-revisions`,
/// `standard-attr-tag`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    /// When the object was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its `revision_number`: starts at 1 after creation, rises with every change.
    pub revision_number: u64,
    /// What users have tagged it with.
    pub tags: Tags,
}

/// An object that carries a stamp.
pub trait Stamped {
    /// Its stamp.
    fn stamp(&self) -> &Stamp;
    /// Its stamp, to change.
    fn stamp_mut(&mut self) -> &mut Stamp;
}

macro_rules! stamped {
    ($($name:ident),+ $(,)?) => {$(
        impl Stamped for crate::$name {
            fn stamp(&self) -> &Stamp {
                &self.stamp
            }

            fn stamp_mut(&mut self) -> &mut Stamp {
                &mut self.stamp
            }
        }
    )+};
}
stamped!(Network, Subnet, Port, SecurityGroup, SecurityGroupRule, AddressGroup, DefaultRule);
stamped!(Router, FloatingIp, PortForwarding, PacketLog, SubnetPool, NetworkSegment, SegmentRange);

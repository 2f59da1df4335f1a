//! Which protocol versions two peers share.

use crate::proto;
use std::ops::RangeInclusive;

/// The versions that this build speaks. A release keeps the version of the release before it, but for one that would be
/// unsafe: version 1 knew no policies, and a node that speaks only it would let everything in.
pub const VERSIONS: RangeInclusive<u32> = 2..=2;

/// Two peers have no version in common.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no common protocol version: this side speaks {} to {}, the other {} to {}; upgrade the {} (releases one apart work together)",
    .ours.start(), .ours.end(), .theirs.0, .theirs.1, if .theirs.1 < *.ours.start() { "other side" } else { "older side" }
)]
pub struct VersionMismatch {
    /// What this side speaks.
    pub ours: RangeInclusive<u32>,
    /// Lowest and highest that the other side speaks; 0 and 0 when it didn't say.
    pub theirs: (u32, u32),
}

/// What to put into `Hello` and `JoinRequest`.
pub fn offered() -> proto::VersionRange {
    proto::VersionRange { min: *VERSIONS.start(), max: *VERSIONS.end() }
}

/// The highest version in both `ours` and what the peer offers.
pub fn negotiate(
    ours: RangeInclusive<u32>,
    offered: Option<&proto::VersionRange>,
) -> Result<u32, VersionMismatch> {
    let theirs = offered.map_or((0, 0), |range| (range.min, range.max));
    let highest = theirs.1.min(*ours.end());
    if highest >= theirs.0.max(*ours.start()) && theirs.0 <= theirs.1 {
        Ok(highest)
    } else {
        Err(VersionMismatch { ours, theirs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: u32, max: u32) -> proto::VersionRange {
        proto::VersionRange { min, max }
    }

    #[test]
    fn takes_the_highest_common_version() {
        assert_eq!(negotiate(2..=3, Some(&range(1, 2))), Ok(2));
        assert_eq!(negotiate(2..=3, Some(&range(3, 4))), Ok(3));
        assert_eq!(negotiate(2..=3, Some(&range(1, 9))), Ok(3));
        assert_eq!(negotiate(1..=2, Some(&offered())), Ok(2));
    }

    #[test]
    fn refuses_strangers_with_both_ranges_named() {
        let error = negotiate(2..=3, Some(&range(4, 5))).unwrap_err();
        assert!(error.to_string().contains("2 to 3") && error.to_string().contains("4 to 5"), "{error}");
        assert!(negotiate(2..=3, Some(&range(1, 1))).is_err());
        assert!(negotiate(2..=3, Some(&range(3, 2))).is_err());
        assert!(negotiate(1..=1, None).is_err());
    }
}

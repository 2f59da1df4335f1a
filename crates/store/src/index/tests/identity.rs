//! Groups, their members and roles, and credentials.

use crate::Snapshot;
use hadron_model::identity::{ApplicationCredential, Domain, Group, GroupAssignment, Membership};
use proptest::prelude::*;

/// What the indexes find is what a look at every record finds.
pub(super) fn check(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    for domain in snapshot.iter::<Domain>() {
        prop_assert_eq!(snapshot.domain_by_name(&domain.name), Some(domain));
    }
    for group in snapshot.iter::<Group>() {
        prop_assert_eq!(snapshot.group_by_name(&group.domain_id, &group.name), Some(group));
    }
    for id in ["a", "b", "c", "d"] {
        let all = || snapshot.iter::<Membership>();
        let groups: Vec<_> = all().filter(|it| it.user_id == id).map(|it| it.group_id.as_str()).collect();
        prop_assert!(snapshot.groups_of_user(id).eq(groups));
        let users: Vec<_> = all().filter(|it| it.group_id == id).map(|it| it.user_id.as_str()).collect();
        prop_assert!(snapshot.users_of_group(id).eq(users));
        let credentials = snapshot.iter::<ApplicationCredential>().filter(|it| it.user_id == id);
        prop_assert!(snapshot.credentials_of_user(id).eq(credentials));
    }
    for assignment in snapshot.iter::<GroupAssignment>() {
        let all = snapshot.iter::<GroupAssignment>().filter(|it| it.group_id == assignment.group_id);
        let expected: Vec<_> = all.map(|it| &it.value).collect();
        prop_assert!(snapshot.assignments_of_group(&assignment.group_id).eq(expected));
    }
    Ok(())
}

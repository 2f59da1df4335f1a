//! Limits of a project that differ from the deployment's.

use std::collections::BTreeMap;

/// How many objects of each kind a project may have, where an administrator decided it for the project.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProjectQuota {
    /// Whose.
    pub project_id: String,
    /// By the API's name of the kind, as `security_group_rule`; `None` is no limit. A kind that is not named has the
    /// deployment's limit.
    pub limits: BTreeMap<String, Option<u32>>,
}

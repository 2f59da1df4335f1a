//! Neutron's default rules.

use super::Scope;
use serde::Deserialize;

const RULES: &str = include_str!("../../../../spec/policies.json");

/// A rule that there is without an operator's file.
#[derive(Deserialize)]
pub(super) struct Default {
    pub(super) name: String,
    pub(super) check_str: String,
    pub(super) scope_types: Option<Vec<Scope>>,
    pub(super) deprecated: Option<Deprecated>,
}

/// What a rule was in an earlier release.
#[derive(Deserialize)]
pub(super) struct Deprecated {
    pub(super) name: String,
    pub(super) check_str: String,
}

/// Every default.
pub(super) fn all() -> Vec<Default> {
    serde_json::from_str(RULES).expect("the defaults are JSON")
}

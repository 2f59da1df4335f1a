//! The default rules: Neutron's, and those for what only hadron has.

use super::Scope;
use serde::Deserialize;

const NEUTRON: &str = include_str!("../../../../spec/policies.json");
const OWN: &str = include_str!("../../../../spec/own_policies.json");

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
    let rules = |text| serde_json::from_str::<Vec<Default>>(text).expect("the defaults are JSON");
    rules(NEUTRON).into_iter().chain(rules(OWN)).collect()
}

//! The templates of the rules with which security groups begin.

use crate::Error;
use crate::security_group_rule::RuleMatch;
use hadron_model::{DefaultRule, SecurityGroupRuleId, TemplateRemote};
use hadron_store::Tx;

/// A template to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDefaultRule {
    /// What it matches.
    pub matches: RuleMatch<TemplateRemote>,
    /// Whether projects' default groups begin with it.
    pub used_in_default_sg: bool,
    /// Whether other groups begin with it.
    pub used_in_non_default_sg: bool,
    /// Description.
    pub description: String,
}

/// Creates a template. Groups that exist stay as they are.
pub fn create(tx: &mut Tx, new: &NewDefaultRule) -> Result<DefaultRule, Error> {
    todo!("{tx:?} {new:?}")
}

/// Deletes a template. Groups that exist stay as they are.
pub fn delete(tx: &mut Tx, id: SecurityGroupRuleId, revision: Option<u64>) -> Result<(), Error> {
    todo!("{tx:?} {id:?} {revision:?}")
}

/// Makes the templates with which a deployment begins, once in its life: an operator may delete them.
pub fn ensure_seeded(tx: &mut Tx) -> Result<(), Error> {
    todo!("{tx:?}")
}

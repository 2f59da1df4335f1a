//! Who may do what: rules in oslo.policy's language.
//!
//! The defaults are Neutron's, in `spec/policies.json`; an operator's files override them by name. A rule is a named check;
//! `parse` reads the language, [`Check`] is what it means, `file` reads an operator's file, `build` makes one set of rules of
//! both, and [`live`] follows the files as they change. What is asked: may the caller do an operation on an object, and may it
//! give or see each attribute of it. A name without rule falls back to the rule `default`, as in oslo.policy.

mod build;
mod check;
mod defaults;
mod error;
mod file;
mod live;
mod parse;
mod property;
mod template;

pub use check::{Check, Target};
pub use error::PolicyError;
pub use live::{LivePolicy, PolicyConfig};
pub use parse::Text;
pub use property::Property;
pub use template::Template;

pub(crate) use check::Nothing;

use crate::Caller;
use check::Question;
use std::collections::HashMap;

/// The place of a rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleId(usize);

/// A set of rules.
#[derive(Debug)]
pub struct Policy {
    names: HashMap<String, RuleId>,
    rules: Vec<Rule>,
    fallback: Option<RuleId>,
    callers: CallerRules,
    /// Administrators pass every rule, as they do in Neutron while deprecated defaults are in force.
    is_admin_enough: bool,
    warnings: Vec<String>,
}

/// A rule with what a reader of the policy wants to know of it.
#[derive(Debug)]
struct Rule {
    name: String,
    text: Text,
    origin: Origin,
    scopes: Option<Vec<Scope>>,
    check: Check,
}

/// Where a rule's text is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The defaults.
    Default,
    /// The defaults, or what they were before: deprecated defaults are in force.
    DefaultOrDeprecated,
    /// An operator's file.
    File,
    /// An operator's file, under the name that the rule had before.
    FileByFormerName,
}

/// What a token is scoped to, as far as rules tell it apart. A token without scope counts as one for a project.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// A project.
    Project,
    /// A domain.
    Domain,
    /// The system.
    System,
}

impl Scope {
    fn of(caller: &Caller) -> Self {
        match (caller.is_system_scoped, &caller.domain_id) {
            (true, _) => Scope::System,
            (false, Some(_)) => Scope::Domain,
            (false, None) => Scope::Project,
        }
    }
}

/// The rules that tell what a caller is.
#[derive(Debug, Default)]
struct CallerRules {
    admin: Option<RuleId>,
    global_access: Option<RuleId>,
    may_name_owner: Option<RuleId>,
    service: Option<RuleId>,
    advanced_service: Option<RuleId>,
}

impl Policy {
    /// Neutron's defaults.
    pub fn defaults() -> Self {
        build::policy(vec![], true).expect("the defaults are well formed")
    }

    /// The rules `name: text` and no others.
    pub fn new(rules: impl IntoIterator<Item = (String, String)>) -> Result<Self, PolicyError> {
        build::plain(rules.into_iter().map(|(name, text)| (name, Text::Line(text))).collect())
    }

    /// The rule of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<RuleId> {
        self.names.get(name).copied()
    }

    /// The rule that decides on this name: its own, or the fallback.
    pub(crate) fn deciding(&self, name: &str) -> Option<RuleId> {
        self.find(name).or(self.fallback)
    }

    /// Whether the caller passes the rule on `target`, with a token of a scope that the rule is for.
    pub fn check(&self, rule: Option<RuleId>, caller: &Caller, target: &dyn Target) -> bool {
        let Some(rule) = rule else { return false };
        if self.is_admin_enough && self.is_admin(caller) {
            return true;
        }
        self.is_in_scope(rule, caller)
            && self.rule(rule).eval(Question { policy: self, caller, target, asks_rules: true })
    }

    /// Whether the rule is for tokens of the caller's scope.
    pub fn is_in_scope(&self, rule: RuleId, caller: &Caller) -> bool {
        self.rules[rule.0].scopes.as_ref().is_none_or(|scopes| scopes.contains(&Scope::of(caller)))
    }

    /// Whether the caller is an administrator (`context_is_admin`).
    pub fn is_admin(&self, caller: &Caller) -> bool {
        self.is_such(self.callers.admin, caller)
    }

    /// Whether the caller sees every project's objects by its role (`context_with_global_access`).
    pub(crate) fn has_global_access(&self, caller: &Caller) -> bool {
        self.is_admin(caller) || self.is_such(self.callers.global_access, caller)
    }

    /// Whether the caller is another service (`service_api`, `context_is_advsvc`).
    fn is_service(&self, caller: &Caller) -> bool {
        self.is_such(self.callers.service, caller) || self.is_such(self.callers.advanced_service, caller)
    }

    /// Whether the caller sees every project's objects: an administrator, another service, or who has global access.
    pub(crate) fn is_unscoped(&self, caller: &Caller) -> bool {
        self.has_global_access(caller) || self.is_service(caller)
    }

    /// Whether the caller may make objects for other projects than its own (`context_can_set_project_id`).
    pub(crate) fn may_name_owner(&self, caller: &Caller) -> bool {
        self.is_admin(caller) || self.is_service(caller) || self.is_such(self.callers.may_name_owner, caller)
    }

    /// Asks a rule about the caller itself.
    fn is_such(&self, rule: Option<RuleId>, caller: &Caller) -> bool {
        let question = Question { policy: self, caller, target: caller, asks_rules: false };
        rule.is_some_and(|rule| self.rule(rule).eval(question))
    }

    /// Whether what the rule says depends on the object.
    pub(crate) fn needs_target(&self, rule: RuleId) -> bool {
        self.rule(rule).needs_target(self)
    }

    fn rule(&self, rule: RuleId) -> &Check {
        &self.rules[rule.0].check
    }

    /// What is odd about an operator's files without being wrong.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Every rule in force: name, text, and where that is from.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Text, Origin)> {
        self.rules.iter().map(|rule| (rule.name.as_str(), &rule.text, rule.origin))
    }
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;

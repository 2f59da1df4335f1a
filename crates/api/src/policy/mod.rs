//! Who may do what: rules in oslo.policy's language.
//!
//! The defaults are Neutron's, in `spec/policies.json`. A rule is a named check; `parse` reads the language,
//! [`Check`] is what it means. What is asked: may the caller do an operation on an object, and may it give or see each
//! attribute of it. A name without rule falls back to the rule `default`, as in oslo.policy.

mod check;
mod parse;

pub use check::{Check, Target};

use crate::Caller;
use std::collections::HashMap;

/// Neutron's defaults for what this API has.
const DEFAULTS: &str = include_str!("../../../../spec/policies.json");

/// The place of a rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleId(usize);

/// A set of rules.
#[derive(Debug)]
pub struct Policy {
    names: HashMap<String, RuleId>,
    rules: Vec<Check>,
    fallback: Option<RuleId>,
    admin: Option<RuleId>,
    service: Option<RuleId>,
}

/// A rule that can't be understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("policy rule {rule:?} can't be understood: {reason} in {text:?}")]
pub struct PolicyError {
    /// Its name.
    pub rule: String,
    /// Its text.
    pub text: String,
    /// What is wrong.
    pub reason: String,
}

#[derive(serde::Deserialize)]
struct Entry {
    name: String,
    check_str: String,
}

impl Policy {
    /// Neutron's defaults.
    pub fn defaults() -> Self {
        let entries: Vec<Entry> = serde_json::from_str(DEFAULTS).expect("the defaults are JSON");
        let rules = entries.into_iter().map(|entry| (entry.name, entry.check_str));
        Self::new(rules).expect("the defaults are well formed")
    }

    /// The rules `name: text`.
    pub fn new(rules: impl IntoIterator<Item = (String, String)>) -> Result<Self, PolicyError> {
        let texts: Vec<(String, String)> = rules.into_iter().collect();
        let names: HashMap<String, RuleId> =
            texts.iter().enumerate().map(|(index, (name, _))| (name.clone(), RuleId(index))).collect();
        let fallback = names.get("default").copied();
        let resolve = |name: &str| names.get(name).copied().or(fallback);
        let rules = texts.iter().map(|(name, text)| {
            parse::parse(text, &resolve).map_err(|reason| PolicyError {
                rule: name.clone(),
                text: text.clone(),
                reason,
            })
        });
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        let admin = names.get("context_is_admin").copied();
        let service = names.get("service_api").copied();
        Ok(Self { names, rules, fallback, admin, service })
    }

    /// The rule of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<RuleId> {
        self.names.get(name).copied()
    }

    /// The rule that decides on this name: its own, or the fallback.
    pub(crate) fn deciding(&self, name: &str) -> Option<RuleId> {
        self.find(name).or(self.fallback)
    }

    /// Whether the caller passes the rule on `target`.
    pub fn check(&self, rule: Option<RuleId>, caller: &Caller, target: &dyn Target) -> bool {
        rule.is_some_and(|rule| self.rules[rule.0].eval(self, caller, target, 0))
    }

    /// Whether the caller is an administrator (`context_is_admin`).
    pub fn is_admin(&self, caller: &Caller) -> bool {
        self.check(self.admin, caller, &check::Nothing)
    }

    /// Whether the caller sees every project's objects: an administrator or another service.
    pub(crate) fn is_unscoped(&self, caller: &Caller) -> bool {
        self.is_admin(caller) || self.check(self.service, caller, &check::Nothing)
    }

    /// Whether what the rule says depends on the object.
    pub(crate) fn needs_target(&self, rule: RuleId) -> bool {
        self.rules[rule.0].needs_target(self, 0)
    }

    pub(crate) fn rule(&self, rule: RuleId) -> &Check {
        &self.rules[rule.0]
    }
}

#[cfg(test)]
mod tests;

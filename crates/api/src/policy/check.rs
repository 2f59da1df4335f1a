//! What a rule means.

use super::{Policy, RuleId};
use crate::Caller;
use std::borrow::Cow;

/// Rules that refer to each other deeper than this are taken as circular and fail.
const DEPTH: usize = 32;

/// What a rule is asked about: an object, a request for one, or one with changes.
pub trait Target {
    /// An attribute as text, `True` and `False` for booleans: `project_id`, `device_owner`. A name like
    /// `network:project_id` is an attribute of the object that `network_id` names. `None` if there is no such thing.
    fn value(&self, name: &str) -> Option<Cow<'_, str>>;
}

/// No object.
pub(super) struct Nothing;

impl Target for Nothing {
    fn value(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// A parsed rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Check {
    /// Always passes.
    Always,
    /// Never passes.
    Never,
    /// Passes if the other does not.
    Not(Box<Check>),
    /// Passes if all do.
    All(Vec<Check>),
    /// Passes if one does.
    Any(Vec<Check>),
    /// Passes if another rule does; never, if there is none of the name.
    Rule(Option<RuleId>),
    /// The caller has the role.
    Role(String),
    /// The service that forwards the caller's request has the role. No token of a service is taken yet, so none has.
    ServiceRole(String),
    /// A property of the caller equals an attribute of the target.
    Same(Property, String),
    /// A property of the caller is this.
    Is(Property, String),
    /// An attribute of the target is this.
    Field(String, String),
    /// An attribute of the target begins with this.
    FieldBegins(String, String),
}

/// A property of the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Property {
    /// The project of the token.
    Project,
    /// The user.
    User,
    /// The user's domain.
    UserDomain,
}

impl Property {
    fn of(self, caller: &Caller) -> Option<&str> {
        match self {
            Property::Project => caller.project_id.as_deref(),
            Property::User => Some(&caller.user_id),
            Property::UserDomain => Some(&caller.user_domain_id),
        }
    }
}

impl Check {
    pub(super) fn eval(&self, policy: &Policy, caller: &Caller, target: &dyn Target, depth: usize) -> bool {
        let eval = |check: &Check| check.eval(policy, caller, target, depth);
        match self {
            Check::Always => true,
            Check::Never | Check::ServiceRole(_) => false,
            Check::Not(check) => !eval(check),
            Check::All(checks) => checks.iter().all(eval),
            Check::Any(checks) => checks.iter().any(eval),
            Check::Rule(rule) => match rule {
                Some(rule) if depth < DEPTH => policy.rule(*rule).eval(policy, caller, target, depth + 1),
                _ => false,
            },
            Check::Role(role) => caller.has_role(role),
            Check::Same(property, name) => match (property.of(caller), target.value(name)) {
                (Some(property), Some(value)) => property == value,
                _ => false,
            },
            Check::Is(property, text) => property.of(caller) == Some(text),
            Check::Field(name, text) => target.value(name).is_some_and(|value| value == text.as_str()),
            Check::FieldBegins(name, text) => {
                target.value(name).is_some_and(|value| value.starts_with(text.as_str()))
            }
        }
    }

    pub(super) fn needs_target(&self, policy: &Policy, depth: usize) -> bool {
        match self {
            Check::Always
            | Check::Never
            | Check::Role(_)
            | Check::ServiceRole(_)
            | Check::Is(..)
            | Check::Rule(None) => false,
            Check::Not(check) => check.needs_target(policy, depth),
            Check::All(checks) | Check::Any(checks) => {
                checks.iter().any(|check| check.needs_target(policy, depth))
            }
            Check::Rule(Some(rule)) => depth < DEPTH && policy.rule(*rule).needs_target(policy, depth + 1),
            Check::Same(..) | Check::Field(..) | Check::FieldBegins(..) => true,
        }
    }
}

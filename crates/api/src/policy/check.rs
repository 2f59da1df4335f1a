//! What a rule means.

use super::property::Property;
use super::template::Template;
use super::{Policy, RuleId};
use crate::Caller;
use regex::Regex;
use std::borrow::Cow;

/// What a rule is asked about: an object, a request for one, or one with changes.
pub trait Target {
    /// An attribute as text, `True` and `False` for booleans: `project_id`, `device_owner`. A name like
    /// `network:project_id` is an attribute of the object that `network_id` names. `None` if there is no such thing.
    fn value(&self, name: &str) -> Option<Cow<'_, str>>;
}

/// No object.
pub(crate) struct Nothing;

impl Target for Nothing {
    fn value(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// A parsed rule.
#[derive(Clone, Debug)]
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
    /// The caller has the role, whatever its case.
    Role(Template),
    /// A property of the caller is this.
    Caller(Property, Template),
    /// A text is this.
    Literal(String, Template),
    /// An attribute of the target is this.
    Field(String, String),
    /// An attribute of the target begins with this.
    FieldBegins(String, String),
    /// The beginning of an attribute of the target matches.
    FieldMatches(String, Regex),
}

/// Who asks about what.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) policy: &'a Policy,
    pub(super) caller: &'a Caller,
    pub(super) target: &'a dyn Target,
    /// Whether what rules make of the caller may be asked: not by those rules themselves.
    pub(super) asks_rules: bool,
}

impl Check {
    pub(super) fn eval(&self, question: Question<'_>) -> bool {
        let Question { policy, caller, target, asks_rules } = question;
        let eval = |check: &Check| check.eval(question);
        let field = |name: &str| target.value(name);
        match self {
            Check::Always => true,
            Check::Never => false,
            Check::Not(check) => !eval(check),
            Check::All(checks) => checks.iter().all(eval),
            Check::Any(checks) => checks.iter().any(eval),
            Check::Rule(rule) => rule.is_some_and(|rule| eval(policy.rule(rule))),
            Check::Role(role) => role.fill(target).is_some_and(|role| caller.has_role(&role)),
            Check::Caller(property, text) => {
                let Some(value) = text.fill(target) else { return false };
                match text.is_constant() {
                    true => property.is(&value, policy, caller, asks_rules),
                    false => property.equals(&value, policy, caller, asks_rules),
                }
            }
            Check::Literal(literal, text) => text.fill(target).is_some_and(|text| text == literal.as_str()),
            Check::Field(name, text) => field(name).is_some_and(|value| is_same(&value, text)),
            Check::FieldBegins(name, text) => {
                field(name).is_some_and(|value| value.starts_with(text.as_str()))
            }
            Check::FieldMatches(name, pattern) => field(name).is_some_and(|value| pattern.is_match(&value)),
        }
    }

    /// Whether what it says depends on the object.
    pub(super) fn needs_target(&self, policy: &Policy) -> bool {
        match self {
            Check::Always | Check::Never | Check::Rule(None) => false,
            Check::Not(check) => check.needs_target(policy),
            Check::All(checks) | Check::Any(checks) => checks.iter().any(|check| check.needs_target(policy)),
            Check::Rule(Some(rule)) => policy.rule(*rule).needs_target(policy),
            Check::Role(text) | Check::Caller(_, text) | Check::Literal(_, text) => !text.is_constant(),
            Check::Field(..) | Check::FieldBegins(..) | Check::FieldMatches(..) => true,
        }
    }

    /// The rules that it names.
    pub(super) fn names(&self, into: &mut Vec<RuleId>) {
        match self {
            Check::Rule(Some(rule)) => into.push(*rule),
            Check::Not(check) => check.names(into),
            Check::All(checks) | Check::Any(checks) => checks.iter().for_each(|check| check.names(into)),
            _ => {}
        }
    }
}

/// Whether an attribute is what a rule says, which may write booleans as requests do.
fn is_same(value: &str, text: &str) -> bool {
    match value {
        "True" => text.eq_ignore_ascii_case("true") || text == "1",
        "False" => text.eq_ignore_ascii_case("false") || text == "0",
        _ => value == text,
    }
}

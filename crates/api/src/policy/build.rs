//! One set of rules of the defaults and an operator's.

use super::defaults::{self, Default};
use super::parse::{self, Context, Notes, Text};
use super::{CallerRules, Check, Origin, Policy, PolicyError, Rule, RuleId, Scope};
use std::collections::{HashMap, HashSet};

/// Longest chain of rules that name each other.
pub(super) const LONGEST_CHAIN: usize = 64;

/// A rule before it is parsed.
struct Draft {
    name: String,
    text: Text,
    origin: Origin,
    scopes: Option<Vec<Scope>>,
    /// What passes as well.
    or: Option<String>,
}

/// The defaults with the rules of an operator on top; the later of two of one name holds. Without `enforce_new_defaults`, what
/// a default was before passes as well, and administrators pass everything.
pub(super) fn policy(own: Vec<(String, Text)>, enforce_new_defaults: bool) -> Result<Policy, PolicyError> {
    let defaults = defaults::all();
    let mut given: HashMap<String, Text> = HashMap::new();
    let mut order = Vec::new();
    for (name, text) in own {
        if given.insert(name.clone(), text).is_none() {
            order.push(name);
        }
    }
    let mut warnings = odd_names(&defaults, &order, &given);
    let mut drafts: Vec<Draft> =
        defaults.iter().map(|default| draft(default, &given, enforce_new_defaults, &mut warnings)).collect();
    let known: HashSet<&str> = defaults.iter().map(|default| default.name.as_str()).collect();
    for name in order.iter().filter(|name| !known.contains(name.as_str())) {
        drafts.push(Draft::new(name, given[name].clone(), Origin::File));
    }
    let mut policy = finish(drafts)?;
    policy.is_admin_enough = !enforce_new_defaults;
    warnings.append(&mut policy.warnings);
    policy.warnings = warnings;
    Ok(policy)
}

/// These rules alone.
pub(super) fn plain(rules: Vec<(String, Text)>) -> Result<Policy, PolicyError> {
    finish(rules.into_iter().map(|(name, text)| Draft::new(&name, text, Origin::File)).collect())
}

impl Draft {
    fn new(name: &str, text: Text, origin: Origin) -> Self {
        Self { name: name.to_owned(), text, origin, scopes: None, or: None }
    }
}

/// What a default becomes under an operator's rules.
fn draft(
    default: &Default,
    given: &HashMap<String, Text>,
    enforce_new_defaults: bool,
    warnings: &mut Vec<String>,
) -> Draft {
    let own = Text::Line(default.check_str.clone());
    let mut draft = Draft::new(&default.name, own.clone(), Origin::Default);
    draft.scopes.clone_from(&default.scope_types);
    if let Some(text) = given.get(&default.name) {
        if *text == own {
            warnings
                .push(format!("the rule {:?} is the same as the default; it can be left out", default.name));
        }
        draft.text = text.clone();
        draft.origin = Origin::File;
        return draft;
    }
    let Some(deprecated) = &default.deprecated else { return draft };
    if deprecated.name != default.name
        && let Some(text) = given.get(&deprecated.name)
    {
        warnings.push(format!("the rule {:?} is now called {:?}", deprecated.name, default.name));
        let refers_here = *text == Text::Line(format!("rule:{}", default.name));
        if *text != Text::Line(deprecated.check_str.clone()) && !refers_here {
            draft.text = text.clone();
            draft.origin = Origin::FileByFormerName;
            return draft;
        }
    }
    if !enforce_new_defaults && deprecated.check_str != default.check_str {
        draft.or = Some(deprecated.check_str.clone());
        draft.origin = Origin::DefaultOrDeprecated;
    }
    draft
}

/// Names that are neither a default's, nor named by another rule, nor of an attribute: nothing asks for them.
fn odd_names(defaults: &[Default], order: &[String], given: &HashMap<String, Text>) -> Vec<String> {
    let mut known: HashSet<&str> = defaults.iter().map(|default| default.name.as_str()).collect();
    known.extend(defaults.iter().filter_map(|default| Some(default.deprecated.as_ref()?.name.as_str())));
    let is_named = |name: &str| {
        let words = |text: &Text| text.to_string().contains(&format!("rule:{name}"));
        given.values().any(words)
    };
    let is_of_attribute =
        |name: &str| name.split_once(':').is_some_and(|(operation, _)| known.contains(operation));
    let odd = order
        .iter()
        .filter(|name| !known.contains(name.as_str()) && !is_of_attribute(name) && !is_named(name));
    odd.map(|name| format!("there is no rule {name:?}, and no other names it: it has no effect")).collect()
}

fn finish(drafts: Vec<Draft>) -> Result<Policy, PolicyError> {
    let names: HashMap<String, RuleId> =
        drafts.iter().enumerate().map(|(index, draft)| (draft.name.clone(), RuleId(index))).collect();
    let find = |name: &str| names.get(name).copied();
    let fallback = find("default");
    let mut warnings = Vec::new();
    let mut rules = Vec::with_capacity(drafts.len());
    for draft in drafts {
        rules.push(rule(draft, &names, fallback, &mut warnings)?);
    }
    refuse_circles(&rules)?;
    let callers = CallerRules {
        admin: find("context_is_admin"),
        global_access: find("context_with_global_access"),
        may_name_owner: find("context_can_set_project_id"),
        service: find("service_api"),
        advanced_service: find("context_is_advsvc"),
    };
    Ok(Policy { names, rules, fallback, callers, is_admin_enough: false, warnings })
}

fn rule(
    draft: Draft,
    names: &HashMap<String, RuleId>,
    fallback: Option<RuleId>,
    warnings: &mut Vec<String>,
) -> Result<Rule, PolicyError> {
    let Draft { name, text, origin, scopes, or } = draft;
    let mut context = Context {
        resolve: &|name| names.get(name).copied().or(fallback),
        is_defined: &|name| names.contains_key(name),
        notes: Notes::default(),
    };
    let fault =
        |text: &Text, reason| PolicyError::Rule { rule: name.clone(), text: text.to_string(), reason };
    let mut check = parse::parse(&text, &mut context).map_err(|reason| fault(&text, reason))?;
    let mut shown = text;
    if let Some(or) = or {
        let also = Text::Line(or);
        let former = parse::parse(&also, &mut context).map_err(|reason| fault(&also, reason))?;
        check = Check::Any(vec![check, former]);
        shown = Text::Line(either(&shown.to_string(), &also.to_string()));
    }
    let Notes { undefined, unknown } = context.notes;
    let is_own = matches!(origin, Origin::File | Origin::FileByFormerName);
    warnings.extend(undefined.iter().filter(|_| is_own).map(|other| {
        format!(
            "the rule {name:?} names the rule {other:?}, which is not defined: the rule \"default\" decides"
        )
    }));
    warnings.extend(unknown.iter().filter(|_| is_own).map(|property| {
        format!("the rule {name:?} asks for {property:?}, which no caller has: it never passes")
    }));
    Ok(Rule { name, text: shown, origin, scopes, check })
}

/// The text of a rule that passes if either does.
fn either(one: &str, other: &str) -> String {
    let shown = |text: &str| if text.is_empty() { "@".to_owned() } else { format!("({text})") };
    format!("{} or {}", shown(one), shown(other))
}

/// Rules must end: no circles, no chain that is too long.
fn refuse_circles(rules: &[Rule]) -> Result<(), PolicyError> {
    let named: Vec<Vec<RuleId>> = rules
        .iter()
        .map(|rule| {
            let mut into = Vec::new();
            rule.check.names(&mut into);
            into
        })
        .collect();
    // The length of the longest chain from a rule, once it is known.
    let mut lengths: Vec<Option<usize>> = vec![None; rules.len()];
    for start in 0..rules.len() {
        let mut path = Vec::new();
        walk(RuleId(start), rules, &named, &mut lengths, &mut path)?;
    }
    Ok(())
}

fn walk(
    at: RuleId,
    rules: &[Rule],
    named: &[Vec<RuleId>],
    lengths: &mut [Option<usize>],
    path: &mut Vec<RuleId>,
) -> Result<usize, PolicyError> {
    if let Some(length) = lengths[at.0] {
        return Ok(length);
    }
    if let Some(place) = path.iter().position(|on_path| *on_path == at) {
        return Err(PolicyError::Circle(
            path[place..].iter().map(|rule| rules[rule.0].name.clone()).collect(),
        ));
    }
    if path.len() >= LONGEST_CHAIN {
        return Err(PolicyError::Chain(rules[path[0].0].name.clone()));
    }
    path.push(at);
    let mut longest = 0;
    for next in &named[at.0] {
        longest = longest.max(1 + walk(*next, rules, named, lengths, path)?);
    }
    path.pop();
    if longest >= LONGEST_CHAIN {
        return Err(PolicyError::Chain(rules[at.0].name.clone()));
    }
    lengths[at.0] = Some(longest);
    Ok(longest)
}

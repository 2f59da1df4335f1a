//! Rules held against recorded answers of oslo.policy with Neutron's kinds of checks (`spec/policy_cases.json`).
//!
//! `HADRON_POLICY_CASES` names another file of the same form, for longer runs.

use super::*;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

const CASES: &str = include_str!("../../../../spec/policy_cases.json");

#[derive(Deserialize)]
struct Recorded {
    rules: HashMap<String, Written>,
    cases: Vec<Case>,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum Written {
    Line(String),
    Lists(Vec<OneOrMany>),
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<Written> for Text {
    fn from(written: Written) -> Self {
        match written {
            Written::Line(line) => Text::Line(line),
            Written::Lists(lists) => {
                let list = |list| match list {
                    OneOrMany::One(check) => vec![check],
                    OneOrMany::Many(checks) => checks,
                };
                Text::Lists(lists.into_iter().map(list).collect())
            }
        }
    }
}

#[derive(Deserialize)]
struct Case {
    rule: Written,
    creds: Credentials,
    target: HashMap<String, serde_json::Value>,
    passes: bool,
    /// Whether a part of it is no check. Where oslo.policy takes that for one which never passes, it is no rule here.
    #[serde(default)]
    malformed: bool,
}

#[derive(Deserialize)]
struct Credentials {
    user_id: String,
    user_name: String,
    user_domain_id: String,
    project_id: Option<String>,
    project_name: Option<String>,
    project_domain_id: Option<String>,
    domain_id: Option<String>,
    system_scope: Option<String>,
    roles: Vec<String>,
    service_user_id: Option<String>,
    #[serde(default)]
    service_roles: Vec<String>,
}

impl From<Credentials> for Caller {
    fn from(from: Credentials) -> Self {
        let service = from
            .service_user_id
            .map(|user_id| Arc::new(Caller { user_id, roles: from.service_roles, ..Caller::default() }));
        Caller {
            user_id: from.user_id,
            user_name: from.user_name,
            user_domain_id: from.user_domain_id,
            project_id: from.project_id,
            project_name: from.project_name,
            project_domain_id: from.project_domain_id,
            domain_id: from.domain_id,
            is_system_scoped: from.system_scope.is_some(),
            roles: from.roles,
            service,
            ..Caller::default()
        }
    }
}

struct Object(HashMap<String, serde_json::Value>);

impl Target for Object {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.0.get(name)? {
            serde_json::Value::String(text) => Some(Cow::Borrowed(text)),
            serde_json::Value::Bool(true) => Some(Cow::Borrowed("True")),
            serde_json::Value::Bool(false) => Some(Cow::Borrowed("False")),
            serde_json::Value::Number(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }
}

#[test]
fn rules_mean_what_they_mean_to_oslo_policy() {
    let text = match std::env::var_os("HADRON_POLICY_CASES") {
        Some(path) => std::fs::read_to_string(path).unwrap(),
        None => CASES.to_owned(),
    };
    let Recorded { rules, cases } = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= 300);
    let callers = [
        ("context_is_admin", "role:admin"),
        ("service_api", "role:service"),
        ("context_is_advsvc", "role:advsvc"),
    ];
    let mut wrong = Vec::new();
    for Case { rule, creds, target, passes, malformed } in cases {
        let rule = Text::from(rule);
        let named = rules.iter().map(|(name, rule)| (name.clone(), rule.clone().into()));
        let callers = callers.map(|(name, text)| (name.to_owned(), Text::Line(text.to_owned())));
        let all = named.chain(callers).chain([("r".to_owned(), rule.clone())]);
        let does = match build::plain(all.collect()) {
            Ok(policy) => policy.check(policy.find("r"), &creds.into(), &Object(target)),
            Err(PolicyError::Rule { .. }) if malformed => continue,
            Err(other) => panic!("{rule}: {other}"),
        };
        if does != passes {
            wrong.push(format!("{rule}: {does}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

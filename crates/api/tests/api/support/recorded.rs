//! Requests to the real service in one sequence, and its answers, as `spec/*.json` has them. The same sequence here must get the
//! same status and type of error, and objects of the same attributes and values. Where the answer differs on purpose the
//! record says so under `here`.

use super::{Answer, Cloud, NOBODY, id};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a recorded word stands for, by the answers so far.
type Names = BTreeMap<String, String>;

fn named(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("{{{name}}}"), id))
}

fn token(case: &Value) -> &str {
    case["as"].as_str().unwrap()
}

/// An answer as the record has it: ids, MACs and addresses by name, times left out, lists without order.
fn normal(value: &Value, names: &Names, request: &str) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(key, _)| !is_left_out(key));
            let members = members.map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("security_group_rules", Value::Array(rules)) if rules.len() > 6 && members_id(value) => {
                        json!(format!("<{}>", rules.len()))
                    }
                    // Letters of IPv6 addresses are shown small here.
                    ("ip_address", Value::String(address)) => json!(normal_address(address, request)),
                    _ => normal(value, names, request),
                };
                (key.clone(), value)
            });
            Value::Object(members.collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| normal(item, names, request)).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::String(text) => json!(normal_text(text, names, request)),
        other => other.clone(),
    }
}

/// Whether a list is of whole rules.
fn members_id(rules: &Value) -> bool {
    rules[0].get("id").is_some() && rules[0].get("direction").is_some()
}

/// What is not to be compared: times, links, and what the real service does not know of what it has just made.
fn is_left_out(key: &str) -> bool {
    matches!(key, "created_at" | "updated_at" | "belongs_to_default_sg") || key.ends_with("_links")
}

fn normal_address(address: &str, request: &str) -> String {
    let address = address.to_lowercase();
    if request.to_lowercase().contains(&address) { address } else { "<address>".to_owned() }
}

fn normal_text(text: &str, names: &Names, request: &str) -> String {
    if let Some((name, _)) = names.iter().find(|(_, id)| *id == text) {
        return format!("{{{name}}}");
    }
    let is_mac = text.len() == 17 && text.split(':').count() == 6;
    if is_mac && !request.to_lowercase().replace('-', ":").contains(text) {
        return "<mac>".to_owned();
    }
    match uuid::Uuid::try_parse(text) {
        Ok(_) if text.len() == 36 && text != NOBODY => "<uuid>".to_owned(),
        _ => text.to_owned(),
    }
}

/// The members that both have. The record has been cut to what is compared; attributes that one of both does not have are
/// held against the facts elsewhere.
fn common(one: &Value, other: &Value) -> Value {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let members = one
                .iter()
                .filter_map(|(key, value)| other.get(key).map(|other| (key.clone(), common(value, other))));
            Value::Object(members.collect())
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            Value::Array(one.iter().zip(other).map(|(one, other)| common(one, other)).collect())
        }
        (one, _) => one.clone(),
    }
}

/// Sends the requests of a record; panics if an answer is not as recorded.
pub async fn replay(cloud: &Cloud, recorded: &str) {
    let mut names = Names::new();
    let mut wrong = Vec::new();
    for case in serde_json::from_str::<Vec<Value>>(recorded).unwrap() {
        let request = named(case["request"].as_str().unwrap(), &names);
        let (method, path) = request.split_once(' ').unwrap();
        let body =
            case.get("body").map(|body| serde_json::from_str(&named(&body.to_string(), &names)).unwrap());
        let answer = cloud.call(token(&case), method, path, body.clone()).await;
        if let (Some(name), 200..300) = (case["save"].as_str(), answer.status) {
            let object = answer.body.as_object().and_then(|members| members.values().next()).unwrap();
            let object = if object.is_array() { &object[0] } else { object };
            names.insert(name.to_owned(), id(object));
        }
        if let Some(fault) = compare(&case, &answer, &names) {
            wrong.push(format!(
                "{}\n  {} {} {}\n  {fault}",
                case["note"],
                token(&case),
                case["request"],
                case["body"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong with an answer.
fn compare(case: &Value, answer: &Answer, names: &Names) -> Option<String> {
    let outcome = |of: &Value| {
        (of["status"].as_u64().unwrap() as u16, of["type"].as_str().unwrap_or("none").to_owned())
    };
    let here = case.get("here");
    let wanted = match here {
        // A fault of the real service's own.
        Some(here) if here.get("status").is_none() => {
            return (answer.status >= 500).then(|| format!("{} {}", answer.status, answer.text));
        }
        Some(here) => outcome(here),
        None => outcome(case),
    };
    let have = (answer.status, answer.error().1.to_owned());
    if have != wanted {
        return Some(format!("{wanted:?} is now {have:?} {}", answer.text));
    }
    if here.is_some() || case.get("answer").is_none() {
        return None;
    }
    let request = case["body"].to_string() + &case["request"].to_string();
    let (have, want) = (normal(&answer.body, names, &request), normal(&case["answer"], names, &request));
    let (have, want) = (common(&have, &want), common(&want, &have));
    (have != want).then(|| format!("{want}\n  is now\n  {have}"))
}

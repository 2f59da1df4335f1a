//! Requests to the real service in one sequence, with its answers, as recorded; and the same sequence here.

use super::Cloud;
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a recorded word stands for, by the answers so far.
type Names = BTreeMap<String, String>;

/// Sends the sequence: the same status and type of error come back each time, and objects with the recorded attributes and
/// values. What comes beside these is not looked at. Where the answer differs on purpose the record says so under `here`.
pub async fn replay(cloud: &Cloud, recorded: &str) {
    let cases: Vec<Value> = serde_json::from_str(recorded).unwrap();
    let mut names = Names::new();
    let mut faults = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        if let Err(fault) = one(cloud, case, &mut names).await {
            faults.push(format!("{index}: {} {}: {fault}", case["as"], case["request"]));
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

async fn one(cloud: &Cloud, case: &Value, names: &mut Names) -> Result<(), String> {
    let request = named(case["request"].as_str().unwrap(), names);
    let (method, path) = request.split_once(' ').unwrap();
    let body = case.get("body").map_or_else(String::new, |body| named(&body.to_string(), names));
    let request = Request::builder().method(method).uri(path);
    let request = request.header("X-Auth-Token", case["as"].as_str().unwrap());
    let answer = cloud.send(request.body(Body::from(body)).unwrap()).await;
    let expected = case.get("here").unwrap_or(case);
    let header =
        |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = answer.text.is_empty() || header("content-type") == "application/json";
    if !is_json || !header("x-openstack-request-id").starts_with("req-") {
        return Err(format!("these are not the headers: {:?}", answer.headers));
    }
    if u64::from(answer.status) != expected["status"].as_u64().unwrap() {
        return Err(format!("{} where {} is expected: {}", answer.status, expected["status"], answer.text));
    }
    if let Some(kind) = expected.get("type") {
        let have = &answer.body["NeutronError"]["type"];
        return if have == kind {
            Ok(())
        } else {
            Err(format!("{have} where {kind} is expected: {}", answer.text))
        };
    }
    if let (Some(name), Some(id)) = (case["save"].as_str(), first_id(&answer.body)) {
        names.insert(name.to_owned(), id);
    }
    match expected.get("answer") {
        Some(expected) => compare(expected, &answer.body, names, ""),
        None => Ok(()),
    }
}

/// The id of an answer's object, or of the first of its list.
fn first_id(body: &Value) -> Option<String> {
    let object = body.as_object()?.values().next()?;
    let object = object.as_array().and_then(|list| list.first()).unwrap_or(object);
    object["id"].as_str().map(str::to_owned)
}

fn named(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("{{{name}}}"), id))
}

fn compare(expected: &Value, have: &Value, names: &Names, at: &str) -> Result<(), String> {
    let differs = || Err(format!("{at} is {have}, not {}", named(&expected.to_string(), names)));
    match (expected, have) {
        (Value::Object(expected), Value::Object(have)) => {
            let compare = |(key, value): (&String, &Value)| {
                let at = format!("{at}.{key}");
                let have = have.get(key).ok_or_else(|| format!("{at} is not there"))?;
                compare(value, have, names, &at)
            };
            expected.iter().try_for_each(compare)
        }
        (Value::Array(expected), Value::Array(have)) if expected.len() == have.len() => {
            let mut left: Vec<&Value> = have.iter().collect();
            // In any order, since ids are by chance.
            for item in expected {
                match left.iter().position(|have| compare(item, have, names, at).is_ok()) {
                    Some(found) => left.remove(found),
                    None => {
                        return Err(format!("{at} lacks {} among {left:?}", named(&item.to_string(), names)));
                    }
                };
            }
            Ok(())
        }
        (Value::String(expected), Value::String(_)) if expected == "<uuid>" => Ok(()),
        (Value::String(expected), Value::String(have)) if named(expected, names) == *have => Ok(()),
        (expected, have) if expected == have => Ok(()),
        _ => differs(),
    }
}

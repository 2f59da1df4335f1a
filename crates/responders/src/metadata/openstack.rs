//! OpenStack's tree, of the versions that Nova has.

use super::{Answer, JSON, SEED, Subject, TEXT, network_data};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Oldest first; `latest` is the last one.
pub(super) const VERSIONS: [&str; 10] = [
    "2012-08-10",
    GRIZZLY,
    HAVANA,
    LIBERTY,
    NEWTON,
    NEWTON_2,
    "2017-02-22",
    "2018-08-27",
    VICTORIA,
    "2025-04-04",
];
const GRIZZLY: &str = "2013-04-04";
const HAVANA: &str = "2013-10-17";
const LIBERTY: &str = "2015-10-15";
const NEWTON: &str = "2016-06-30";
const NEWTON_2: &str = "2016-10-06";
const VICTORIA: &str = "2020-10-14";

/// Answers for the names behind `/openstack`.
pub(super) fn answer(path: &[&str], subject: &Subject, seed: &[u8; SEED]) -> Answer {
    let [version, rest @ ..] = path else {
        return Answer::ok(TEXT, [&VERSIONS[..], &["latest"]].concat().join("\n"));
    };
    let version = if *version == "latest" { VERSIONS[VERSIONS.len() - 1] } else { version };
    if !VERSIONS.contains(&version) {
        return Answer::not_found();
    }
    let files = files(version, subject);
    match rest {
        [] => Answer::ok(TEXT, files.join("\n")),
        [file] if files.contains(file) => content(version, file, subject, seed),
        _ => Answer::not_found(),
    }
}

fn files(version: &str, subject: &Subject) -> Vec<&'static str> {
    let files = [
        ("meta_data.json", true),
        ("user_data", !subject.instance.user_data.is_empty()),
        ("password", version >= GRIZZLY),
        ("vendor_data.json", version >= HAVANA),
        ("network_data.json", version >= LIBERTY),
        ("vendor_data2.json", version >= NEWTON_2),
    ];
    files.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

fn content(version: &str, file: &str, subject: &Subject, seed: &[u8; SEED]) -> Answer {
    let instance = &subject.instance;
    match file {
        "meta_data.json" => Answer::ok(JSON, meta_data(version, subject, seed).to_string()),
        "user_data" => Answer::ok(TEXT, instance.user_data.clone()),
        "vendor_data.json" => Answer::ok(JSON, object(&instance.vendor_data).to_string()),
        "vendor_data2.json" => {
            let mut services = Map::new();
            services.insert("static".to_owned(), object(&instance.vendor_data));
            if let Value::Object(others) = object(&instance.vendor_data2) {
                services.extend(others);
            }
            Answer::ok(JSON, Value::Object(services).to_string())
        }
        "network_data.json" => Answer::ok(TEXT, network_data::of(&subject.links).to_string()),
        // Nobody has set one.
        _ => Answer::ok(TEXT, Vec::new()),
    }
}

fn meta_data(version: &str, subject: &Subject, seed: &[u8; SEED]) -> Value {
    let instance = &subject.instance;
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| drop(all.insert(name.to_owned(), value));
    put("uuid", json!(instance.id));
    put("hostname", json!(instance.hostname));
    put("name", json!(instance.name));
    put("launch_index", json!(instance.launch_index));
    let zone = Some(&instance.availability_zone).filter(|zone| !zone.is_empty());
    put("availability_zone", json!(zone));
    if !instance.meta.is_empty() {
        put("meta", json!(instance.meta));
    }
    if !instance.keys.is_empty() {
        let public: Map<String, Value> =
            instance.keys.iter().map(|key| (key.name.clone(), json!(key.data))).collect();
        put("public_keys", Value::Object(public));
        let keys = instance.keys.iter();
        let keys = keys.map(|key| json!({"name": key.name, "type": key.kind, "data": key.data}));
        put("keys", keys.collect());
    }
    if version >= GRIZZLY {
        put("random_seed", json!(STANDARD.encode(seed)));
    }
    if version >= LIBERTY {
        put("project_id", json!(subject.project));
    }
    if version >= NEWTON {
        put("devices", json!([]));
    }
    if version >= VICTORIA {
        put("dedicated_cpus", json!([]));
    }
    Value::Object(all)
}

/// The object that a text is; what is none is empty.
fn object(text: &str) -> Value {
    serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default().into()
}

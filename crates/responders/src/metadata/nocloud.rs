//! What cloud-init's NoCloud source reads from a place that it is given (`seedfrom`).
//!
//! They are YAML, of which JSON is a part.

use super::{Answer, JSON, Subject, TEXT};
use serde_json::json;

/// The names of the documents.
const FILES: [&str; 3] = ["meta-data", "user-data", "vendor-data"];

/// Answers for the names behind `/nocloud`.
pub(super) fn answer(path: &[&str], subject: &Subject) -> Answer {
    let instance = &subject.instance;
    match path {
        [] => Answer::ok(TEXT, FILES.join("\n")),
        ["meta-data"] => {
            let keys: Vec<&str> = instance.keys.iter().map(|key| key.data.as_str()).collect();
            let all =
                json!({"instance-id": instance.id, "local-hostname": instance.hostname, "public-keys": keys});
            Answer::ok(JSON, all.to_string())
        }
        ["user-data"] => Answer::ok(TEXT, instance.user_data.clone()),
        // What is a text is meant for cloud-init; what is an object is for others.
        ["vendor-data"] => {
            let vendor: serde_json::Value = serde_json::from_str(&instance.vendor_data).unwrap_or_default();
            Answer::ok(TEXT, vendor["cloud-init"].as_str().unwrap_or_default())
        }
        _ => Answer::not_found(),
    }
}

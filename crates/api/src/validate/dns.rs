//! Names of hosts and domains (RFC 1034 §3.5, RFC 1123 §2.1).

use super::{show, string};
use serde_json::Value;

/// Longest label.
const MAX_LABEL: usize = 63;

/// A name, relative or with a dot at its end; empty is none.
pub(super) fn name(value: &Value, most: usize) -> Result<(), String> {
    format(value.as_str().unwrap_or_default(), most)
}

/// A relative name; empty is none. A domain has to fit behind it.
pub(super) fn relative_name(value: &Value, most: usize) -> Result<(), String> {
    string(value, most.saturating_sub(3))?;
    let text = value.as_str().unwrap_or_default();
    if text.ends_with('.') {
        return Err(format!("'{}' is a fully qualified name; it should be relative", show(value)));
    }
    format(text, most)
}

/// A domain with a dot at its end; empty is none. A name has to fit before it.
pub(super) fn domain(value: &Value, most: usize) -> Result<(), String> {
    string(value, most.saturating_sub(2))?;
    let text = value.as_str().unwrap_or_default();
    if !text.is_empty() && !text.ends_with('.') {
        return Err(format!("'{}' is not fully qualified: it needs a dot at its end", show(value)));
    }
    format(text, most)
}

fn format(text: &str, most: usize) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let trimmed = text.strip_suffix('.').unwrap_or(text);
    let labels: Vec<&str> = trimmed.split('.').collect();
    let is_label = |label: &&str| {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (1..=MAX_LABEL).contains(&label.len())
            && label.chars().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number = |label: &str| label.chars().all(|c| c.is_ascii_digit());
    if trimmed.len() > most {
        return Err(format!("a name has at most {most} characters"));
    }
    if let Some(bad) = labels.iter().find(|label| !is_label(label)) {
        return Err(format!(
            "'{bad}' in a name is not of 1 to {MAX_LABEL} letters, digits and inner hyphens"
        ));
    }
    match labels.as_slice() {
        [_, .., last] if is_number(last) => Err(format!("the top-level domain '{last}' is a number")),
        _ => Ok(()),
    }
}

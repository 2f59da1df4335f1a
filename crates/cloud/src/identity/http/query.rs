//! The query of a list request: filters, and pages.

use crate::identity::IdentityError;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// The parameters in their order, decoded.
pub(crate) struct Query {
    raw: String,
    pairs: Vec<(String, String)>,
}

impl Query {
    pub(crate) fn parse(raw: Option<&str>) -> Self {
        let raw = raw.unwrap_or_default();
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self { raw: raw.to_owned(), pairs: pairs.collect() }
    }

    /// The value of `name`, if it is given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
    }

    /// Whether the flag `name` is set: given, and not as 0. Keystone reads `effective` and `include_names` so.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "0")
    }

    /// Whether `actual` is what the parameters ask of the text attribute `name`, exactly or with one of the operators
    /// `name__contains`, `__startswith`, `__endswith`, each also with `i` for any case.
    pub(crate) fn is_match(&self, name: &str, actual: &str) -> bool {
        let wanted = |(key, value): &(String, String)| match key.strip_prefix(name) {
            Some("") => actual == value,
            Some(operator) => operator.strip_prefix("__").is_none_or(|op| compare(op, actual, value)),
            None => true,
        };
        self.pairs.iter().all(wanted)
    }

    /// Whether `actual` is what the parameters ask of the truth value `name`. Errors: the parameter is no truth value.
    pub(crate) fn is_match_bool(&self, name: &str, actual: bool) -> Result<bool, IdentityError> {
        self.boolean(name).map(|wanted| wanted.is_none_or(|wanted| wanted == actual))
    }

    fn boolean(&self, name: &str) -> Result<Option<bool>, IdentityError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.to_ascii_lowercase().as_str() {
            "" | "true" | "1" | "y" | "yes" | "on" => Ok(Some(true)),
            "false" | "0" | "n" | "no" | "off" => Ok(Some(false)),
            _ => Err(IdentityError::bad(format!(
                "Invalid input for {name} in the query: it is not a boolean."
            ))),
        }
    }

    fn limit(&self) -> Result<Option<usize>, IdentityError> {
        let Some(value) = self.get("limit") else { return Ok(None) };
        match value.parse() {
            Ok(limit) if limit > 0 => Ok(Some(limit)),
            _ => {
                Err(IdentityError::bad("Invalid input for limit in the query: it is not a positive number."))
            }
        }
    }

    /// The answer to a list request at `url`: one page of `items`, which are in the order of their ids.
    pub(crate) fn page(
        &self,
        url: &str,
        name: &str,
        items: impl Iterator<Item = Value>,
    ) -> Result<Value, IdentityError> {
        let marker = self.get("marker").unwrap_or_default();
        let limit = self.limit()?;
        let id = |item: &Value| item["id"].as_str().unwrap_or_default().to_owned();
        let mut items = items.filter(|item| marker.is_empty() || id(item).as_str() > marker);
        let page: Vec<_> = items.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
        let next = limit.filter(|_| items.next().is_some()).and_then(|_| page.last()).map(|last| {
            let others = self.raw.split('&').filter(|pair| !pair.starts_with("marker=") && !pair.is_empty());
            let marker = format!("marker={}", id(last));
            format!("{url}?{}", others.chain([marker.as_str()]).collect::<Vec<_>>().join("&"))
        });
        let mut answer = json!({"links": {"next": next, "self": self.link(url), "previous": null}});
        if next.is_some() {
            answer["truncated"] = json!(true);
        }
        answer[name] = page.into();
        Ok(answer)
    }

    /// The address of this very request.
    pub(crate) fn link(&self, url: &str) -> String {
        if self.raw.is_empty() { url.to_owned() } else { format!("{url}?{}", self.raw) }
    }
}

fn compare(operator: &str, actual: &str, wanted: &str) -> bool {
    match operator {
        "contains" => actual.contains(wanted),
        "startswith" => actual.starts_with(wanted),
        "endswith" => actual.ends_with(wanted),
        "icontains" | "istartswith" | "iendswith" => {
            compare(&operator[1..], &actual.to_lowercase(), &wanted.to_lowercase())
        }
        _ => true,
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_filters() {
        let query = Query::parse(Some("name=a%20b+c&x=1"));
        assert!(query.is_match("name", "a b c"));
        assert!(!query.is_match("name", "a"));
        let query = Query::parse(Some("name__icontains=ADM"));
        assert!(query.is_match("name", "xadmin"));
        assert!(!query.is_match("name", "x"));
    }

    #[test]
    fn pages_link_to_the_next() {
        let items = || ["a", "b", "c"].into_iter().map(|id| json!({"id": id}));
        let first = Query::parse(Some("limit=2")).page("u", "things", items()).unwrap();
        assert_eq!(first["links"]["next"], "u?limit=2&marker=b");
        let last = Query::parse(Some("limit=2&marker=b")).page("u", "things", items()).unwrap();
        assert_eq!(last["things"], json!([{"id": "c"}]));
        assert_eq!(last["links"]["next"], Value::Null);
    }

    #[test]
    fn flags_and_booleans() {
        let query = Query::parse(Some("effective&include_names=0&enabled=False"));
        assert!(query.is_set("effective"));
        assert!(!query.is_set("include_names"));
        assert!(query.is_match_bool("enabled", false).unwrap());
        assert!(Query::parse(Some("enabled=x")).is_match_bool("enabled", true).is_err());
    }
}

//! Request bodies: read with a bound, parsed, and asked for their fields, with errors that say where.

use crate::identity::IdentityError;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};
use std::time::Duration;

/// Most bytes of a body, as Keystone's `max_request_body_size`.
pub(crate) const MAX_BODY: usize = 112 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON object; empty if there was no body.
pub(crate) struct JsonBody(pub(crate) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = IdentityError;

    async fn from_request(request: Request, _: &S) -> Result<Self, IdentityError> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body).await?;
        if bytes.is_empty() {
            return Ok(Self(Map::new()));
        }
        if !is_json(&parts.headers) {
            return Err(IdentityError::bad("Expecting application/json in the Content-Type header."));
        }
        let object = serde_json::from_slice(&bytes)
            .map_err(|_| IdentityError::bad("Expecting a valid JSON object in the request body."))?;
        Ok(Self(object))
    }
}

async fn read(headers: &HeaderMap, body: Body) -> Result<axum::body::Bytes, IdentityError> {
    let too_large = || IdentityError::TooLarge { limit: MAX_BODY };
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > MAX_BODY) {
        return Err(too_large());
    }
    let whole = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await;
    whole.map_err(|_| IdentityError::TooSlow)?.map_err(|_| too_large())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The fields of an object, and where it stands in the body.
#[derive(Clone)]
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    /// The body itself.
    pub(crate) fn of(body: &'a JsonBody) -> Self {
        Self { map: &body.0, path: "the request body".into() }
    }

    /// The object that the body holds under `name`, with nothing beside it.
    pub(crate) fn envelope(body: &'a JsonBody, name: &'static str) -> Result<Self, IdentityError> {
        let fields = Self::of(body);
        fields.only(&[name])?;
        fields.object(name)
    }

    /// Whether `name` is there and not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Whether `name` is there, be it null.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// How many fields there are.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn invalid(&self, name: &str, what: &str) -> IdentityError {
        IdentityError::bad(format!("Invalid input for {name} in {}: {what}.", self.path))
    }

    /// The error for a field that must be there.
    pub(crate) fn missing(&self, name: &str) -> IdentityError {
        let name: String = name.chars().take(64).collect();
        IdentityError::bad(format!("Expecting to find {name} in {}.", self.path))
    }

    /// Refuses fields with other names.
    pub(crate) fn only(&self, names: &[&str]) -> Result<(), IdentityError> {
        match self.map.keys().find(|key| !names.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let key: String = key.chars().take(64).collect();
                Err(IdentityError::bad(format!("{} has a field that is not supported: {key}.", self.path)))
            }
        }
    }

    /// The object under `name`, which must be there.
    pub(crate) fn object(&self, name: &str) -> Result<Fields<'a>, IdentityError> {
        let map = match self.value(name) {
            None if self.names(name) => return Err(self.invalid(name, "null is not an object")),
            None => return Err(self.missing(name)),
            Some(value) => value.as_object().ok_or_else(|| self.invalid(name, "it is not an object"))?,
        };
        Ok(Fields { map, path: name.to_owned() })
    }

    /// The text under `name`, if it is there and not null.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, IdentityError> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| self.invalid(name, "it is not a string"));
        self.value(name).map(text).transpose()
    }

    /// The text under `name`, which must be there.
    pub(crate) fn required_text(&self, name: &str) -> Result<&'a str, IdentityError> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// The name of an object: not blank, at most `max` characters, without control characters.
    pub(crate) fn name(&self, max: usize) -> Result<Option<&'a str>, IdentityError> {
        if self.names("name") && !self.has("name") {
            return Err(self.invalid("name", "null is not a string"));
        }
        let Some(name) = self.text("name")? else { return Ok(None) };
        if name.trim().is_empty() {
            return Err(self.invalid("name", "it is blank"));
        }
        self.bounded("name", name, max)?;
        if name.chars().any(char::is_control) {
            return Err(self.invalid("name", "it has control characters"));
        }
        Ok(Some(name))
    }

    /// As [`Fields::name`], which must be there.
    pub(crate) fn required_name(&self, max: usize) -> Result<&'a str, IdentityError> {
        self.name(max)?.ok_or_else(|| self.missing("name"))
    }

    /// The text under `field`, at most `max` characters.
    pub(crate) fn bounded_text(&self, field: &str, max: usize) -> Result<Option<&'a str>, IdentityError> {
        let text = self.text(field)?;
        text.map_or(Ok(()), |text| self.bounded(field, text, max))?;
        Ok(text)
    }

    fn bounded(&self, field: &str, text: &str, max: usize) -> Result<(), IdentityError> {
        match text.chars().nth(max) {
            None => Ok(()),
            Some(_) => Err(self.invalid(field, &format!("it has more than {max} characters"))),
        }
    }

    /// The truth value under `name`.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, IdentityError> {
        let boolean =
            |value: &Value| value.as_bool().ok_or_else(|| self.invalid(name, "it is not a boolean"));
        self.value(name).map(boolean).transpose()
    }

    /// The texts of the list under `name`, which must be there.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&'a str>, IdentityError> {
        let value = self.value(name).ok_or_else(|| self.missing(name))?;
        let list = value.as_array().ok_or_else(|| self.invalid(name, "it is not a list"))?;
        let texts = list.iter().map(|item| item.as_str());
        texts.collect::<Option<_>>().ok_or_else(|| self.invalid(name, "not all items are strings"))
    }

    /// The list under `name`, if it is there and not null.
    pub(crate) fn list(&self, name: &str) -> Result<Option<&'a Vec<Value>>, IdentityError> {
        let list = |value: &'a Value| value.as_array().ok_or_else(|| self.invalid(name, "it is not a list"));
        self.value(name).map(list).transpose()
    }

    /// Refuses anything but an empty list or object under `name`: what can't be kept must not seem to be.
    pub(crate) fn empty(&self, name: &str) -> Result<(), IdentityError> {
        match self.value(name) {
            None => Ok(()),
            Some(Value::Object(map)) if map.is_empty() => Ok(()),
            Some(Value::Array(list)) if list.is_empty() => Ok(()),
            Some(_) => Err(self.invalid(name, "only an empty one is supported")),
        }
    }

    /// The error for a value that is of the right type and yet not possible.
    pub(crate) fn refuse(&self, name: &str, what: &str) -> IdentityError {
        self.invalid(name, what)
    }
}

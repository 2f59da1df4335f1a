//! Keystone's answer about a token.

use super::KeystoneError;
use hadron_api::{AccessRule, Caller};
use hadron_model::Timestamp;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Instant;

/// What Keystone has confirmed.
#[derive(Debug)]
pub(super) struct Confirmed {
    pub(super) caller: Arc<Caller>,
    pub(super) expires_at: Timestamp,
    /// When the question was asked, so that what changed after is never taken as known.
    pub(super) asked_at: Instant,
}

#[derive(Deserialize)]
struct Envelope {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    user: Named,
    expires_at: String,
    project: Option<Named>,
    domain: Option<Domain>,
    system: Option<System>,
    #[serde(default)]
    roles: Vec<Role>,
    application_credential: Option<ApplicationCredential>,
    bind: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
    domain: Domain,
}

#[derive(Deserialize)]
struct Domain {
    id: String,
}

#[derive(Deserialize)]
struct System {
    all: bool,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

#[derive(Deserialize)]
struct ApplicationCredential {
    access_rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
struct Rule {
    service: String,
    method: String,
    path: String,
}

/// Reads a time as Keystone writes it.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_millisecond()))
}

/// The caller behind a token and when the token ends; `None` if it is one that can't be honoured here.
///
/// # Errors
/// The answer is not that of the Identity API v3.
pub(super) fn read(body: &[u8]) -> Result<Option<(Caller, Timestamp)>, KeystoneError> {
    const GARBAGE: KeystoneError = KeystoneError::Garbage { what: "the question about a token" };
    let Envelope { token } = serde_json::from_slice(body).map_err(|_| GARBAGE)?;
    let expires_at = time(&token.expires_at).ok_or(GARBAGE)?;
    let ids = [Some(&token.user.id), token.project.as_ref().map(|project| &project.id)];
    let scopes = [token.project.is_some(), token.domain.is_some(), token.system.is_some()];
    if ids.into_iter().flatten().any(String::is_empty) || scopes.iter().filter(|is| **is).count() > 1 {
        return Err(GARBAGE);
    }
    // Bound to a ticket that this server does not see.
    if token.bind.is_some_and(|bind| !bind.is_empty()) {
        return Ok(None);
    }
    let access_rules = token.application_credential.and_then(|credential| credential.access_rules);
    let access_rule = |rule: Rule| AccessRule { service: rule.service, method: rule.method, path: rule.path };
    let (project_id, project_name, project_domain_id) = match token.project {
        Some(project) => (Some(project.id), Some(project.name), Some(project.domain.id)),
        None => (None, None, None),
    };
    let caller = Caller {
        user_id: token.user.id,
        user_name: token.user.name,
        user_domain_id: token.user.domain.id,
        project_id,
        project_name,
        project_domain_id,
        domain_id: token.domain.map(|domain| domain.id),
        is_system_scoped: token.system.is_some_and(|system| system.all),
        roles: token.roles.into_iter().map(|role| role.name).collect(),
        service: None,
        access_rules: access_rules.map(|rules| rules.into_iter().map(access_rule).collect()),
    };
    Ok(Some((caller, expires_at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn whole() -> Value {
        json!({"token": {
            "user": {"id": "u", "name": "alice", "domain": {"id": "default", "name": "Default"}},
            "expires_at": "2026-11-21T11:17:04.000000Z",
            "project": {"id": "p", "name": "demo", "domain": {"id": "default"}},
            "roles": [{"id": "1", "name": "member"}, {"id": "2", "name": "reader"}],
            "application_credential": {"id": "a", "access_rules": [{"service": "network", "method": "GET", "path": "/v2.0/ports"}]},
        }})
    }

    fn of(answer: &Value) -> Result<Option<(Caller, Timestamp)>, KeystoneError> {
        read(answer.to_string().as_bytes())
    }

    #[test]
    fn a_token_is_read() {
        let (caller, expires_at) = of(&whole()).unwrap().unwrap();
        assert_eq!((caller.user_id.as_str(), caller.project()), ("u", "p"));
        assert!(caller.has_role("member") && !caller.is_system_scoped && caller.domain_id.is_none());
        assert!(caller.access_rules.unwrap()[0].allows("GET", "/v2.0/ports"));
        assert_eq!(expires_at.to_string(), "2026-11-21T11:17:04Z");
    }

    #[test]
    fn what_is_no_token_lets_nobody_in() {
        for (pointer, value) in [
            ("/token/user", Value::Null),
            ("/token/user/id", json!("")),
            ("/token/user/domain", json!({})),
            ("/token/project/id", json!("")),
            ("/token/project/id", json!(7)),
            ("/token/project/domain", Value::Null),
            ("/token/expires_at", json!("soon")),
            ("/token/roles", json!(["admin"])),
            ("/token/application_credential/access_rules", json!("all")),
            ("/token", json!([])),
        ] {
            let mut answer = whole();
            *answer.pointer_mut(pointer).unwrap() = value;
            assert!(of(&answer).is_err(), "{answer}");
        }
        let mut two = whole();
        two["token"]["system"] = json!({"all": true});
        assert!(of(&two).is_err());
        let mut bound = whole();
        bound["token"]["bind"] = json!({"kerberos": "alice@EXAMPLE"});
        assert!(of(&bound).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn no_answer_stops_it(body in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(read(&body).is_err());
        }
    }
}

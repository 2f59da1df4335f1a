//! How objects look in answers.

use crate::identity::roles::{RoleRef, is_built_in};
use crate::identity::token::TokenScope;
use crate::identity::{Identity, Verified, catalog};
use hadron_model::Timestamp;
use hadron_model::identity::{Domain, Group, Project, Role, User};
use hadron_store::Snapshot;
use serde_json::{Map, Value, json};

/// `https://…/v3/<path>`.
pub(crate) fn url(identity: &Identity, path: &str) -> String {
    format!("{}/{path}", identity.config().identity_url)
}

fn links(identity: &Identity, kind: &str, id: &str) -> Value {
    json!({"self": url(identity, &format!("{kind}/{id}"))})
}

pub(crate) fn project(identity: &Identity, project: &Project) -> Value {
    json!({
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain_id,
        "description": project.description,
        "enabled": project.enabled,
        "parent_id": project.domain_id,
        "is_domain": false,
        "tags": [],
        "options": {},
        "links": links(identity, "projects", &project.id),
    })
}

pub(crate) fn user(identity: &Identity, user: &User) -> Value {
    let mut view = Map::new();
    let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
    put("id", json!(user.id));
    put("name", json!(user.name));
    put("domain_id", json!(user.domain_id));
    put("enabled", json!(user.enabled));
    put("password_expires_at", Value::Null);
    put("options", json!({}));
    put("links", links(identity, "users", &user.id));
    if let Some(project) = &user.default_project_id {
        put("default_project_id", json!(project));
    }
    for (name, text) in [("email", &user.email), ("description", &user.description)] {
        if !text.is_empty() {
            put(name, json!(text));
        }
    }
    Value::Object(view)
}

pub(crate) fn role(identity: &Identity, role: &Role) -> Value {
    let options = if is_built_in(&role.name) { json!({"immutable": true}) } else { json!({}) };
    json!({
        "id": role.id,
        "name": role.name,
        "domain_id": null,
        "description": (!role.description.is_empty()).then_some(&role.description),
        "options": options,
        "links": links(identity, "roles", &role.id),
    })
}

pub(crate) fn domain(identity: &Identity, domain: &Domain) -> Value {
    json!({
        "id": domain.id,
        "name": domain.name,
        "description": domain.description,
        "enabled": domain.enabled,
        "tags": [],
        "options": {},
        "links": links(identity, "domains", &domain.id),
    })
}

pub(crate) fn group(identity: &Identity, group: &Group) -> Value {
    json!({
        "id": group.id,
        "name": group.name,
        "domain_id": group.domain_id,
        "description": group.description,
        "links": links(identity, "groups", &group.id),
    })
}

/// A domain, as other objects refer to it.
pub(crate) fn domain_ref(snapshot: &Snapshot, id: &str) -> Value {
    let name = snapshot.get::<Domain>(&id.to_owned()).map(|domain| domain.name.as_str());
    json!({"id": id, "name": name})
}

/// `{"id", "name"}`.
pub(crate) fn role_ref(role: &RoleRef) -> Value {
    json!({"id": role.id, "name": role.name})
}

/// A token as its holder sees it.
pub(crate) fn token(identity: &Identity, verified: &Verified, with_catalog: bool) -> Value {
    let claims = &verified.claims;
    let user = verified.user();
    let snapshot = identity.store().snapshot();
    let domain_ref = |id: &str| domain_ref(&snapshot, id);
    let mut view = json!({
        "methods": claims.methods.names(),
        "user": {
            "id": user.id,
            "name": user.name,
            "domain": domain_ref(&user.domain_id),
            "password_expires_at": null,
        },
        "audit_ids": std::iter::once(&claims.audit_id).chain(&claims.audit_chain_id).collect::<Vec<_>>(),
        "issued_at": micros(claims.issued_at),
        "expires_at": micros(claims.expires_at),
    });
    match &claims.scope {
        TokenScope::Unscoped => return json!({"token": view}),
        TokenScope::Domain(id) => view["domain"] = domain_ref(id),
        TokenScope::System => view["system"] = json!({"all": true}),
        TokenScope::Project(id) => {
            let project = verified.project();
            let name = project.map(|project| &project.name);
            let domain = project.map(|project| domain_ref(&project.domain_id));
            view["project"] = json!({"id": id, "name": name, "domain": domain});
            view["is_domain"] = json!(false);
        }
    }
    view["roles"] = verified.roles.iter().map(role_ref).collect();
    if let Some(credential) = verified.credential() {
        view["application_credential"] = json!({
            "id": credential.id,
            "name": credential.name,
            "restricted": !credential.unrestricted,
        });
    }
    if with_catalog {
        view["catalog"] = catalog::catalog(identity.config());
    }
    json!({"token": view})
}

/// Keystone's form of a token's times: `2026-01-31T12:00:00.000000Z`.
fn micros(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Keystone's form of a credential's end: `2026-01-31T12:00:00.000000`.
pub(crate) fn micros_without_zone(time: Timestamp) -> String {
    micros(time).trim_end_matches('Z').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits() {
        assert_eq!(micros(Timestamp(1_700_000_000_000)), "2023-11-14T22:13:20.000000Z");
        assert_eq!(micros(Timestamp(1_700_000_000_012)), "2023-11-14T22:13:20.012000Z");
    }
}

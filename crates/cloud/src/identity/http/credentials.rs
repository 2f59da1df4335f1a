//! `/v3/users/ID/application_credentials`: a user lets programs act for him. The secret is shown once.

use super::body::{Fields, JsonBody};
use super::projects::MAX_DESCRIPTION;
use super::query::Query;
use super::request::{Answer, Params};
use super::session::{Rule, Session};
use super::{Reply, no_content, view};
use crate::identity::bootstrap::new_id;
use crate::identity::password::MAX_PASSWORD;
use crate::identity::token::TokenScope;
use crate::identity::{Identity, IdentityError};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hadron_model::Timestamp;
use hadron_model::identity::{ApplicationCredential, Role, User};
use hadron_store::{Snapshot, Tx};
use serde_json::{Value, json};

/// Longest name, as in Keystone.
const MAX_NAME: usize = 255;

/// Most that a user has.
const MAX_CREDENTIALS: usize = 100;

/// Random bytes of a secret that the client doesn't choose, as many as Keystone's.
const SECRET_BYTES: usize = 64;

const FIELDS: [&str; 8] =
    ["name", "description", "secret", "expires_at", "roles", "unrestricted", "access_rules", "project_id"];

pub(crate) fn routes() -> Router<Identity> {
    Router::new()
        .route("/v3/users/{user}/application_credentials", get(list).post(create))
        .route("/v3/users/{user}/application_credentials/{id}", get(show).delete(remove))
}

async fn list(State(identity): State<Identity>, session: Session, params: Params, query: Query) -> Reply {
    let user = params.get("user");
    session.require_or(Rule::SystemReader, "list_application_credentials", session.user_id() == user)?;
    let snapshot = identity.store().snapshot();
    let credentials = snapshot.credentials_of_user(user).filter(|it| query.is_match("name", &it.name));
    let views = credentials.map(|it| credential_view(&identity, &snapshot, it));
    let url = view::url(&identity, &format!("users/{user}/application_credentials"));
    Ok(Answer::ok(query.page(&url, "application_credentials", views)?))
}

async fn show(State(identity): State<Identity>, session: Session, params: Params) -> Reply {
    let user = params.get("user");
    session.require_or(Rule::SystemReader, "get_application_credential", session.user_id() == user)?;
    let snapshot = identity.store().snapshot();
    let credential = find(&snapshot, user, params.get("id"))?;
    Ok(Answer::ok(json!({"application_credential": credential_view(&identity, &snapshot, credential)})))
}

/// Only the user himself makes one, for the project of his token, with roles of his token.
async fn create(State(identity): State<Identity>, session: Session, params: Params, body: JsonBody) -> Reply {
    let fields = Fields::envelope(&body, "application_credential")?;
    fields.only(&FIELDS)?;
    fields.empty("access_rules")?;
    let user = params.get("user");
    if session.user_id() != user {
        return Err(IdentityError::NotPermitted("create_application_credential"));
    }
    ensure_unrestricted(&session)?;
    let TokenScope::Project(project) = session.scope() else {
        return Err(IdentityError::Forbidden(
            "A token on a project is needed: the credential is for it.".into(),
        ));
    };
    if fields.text("project_id")?.is_some_and(|id| id != project) {
        return Err(fields.refuse("project_id", "it is not the project of the token"));
    }
    let secret = secret(&fields)?;
    let mut credential = ApplicationCredential {
        id: new_id(),
        name: fields.required_name(MAX_NAME)?.to_owned(),
        user_id: user.to_owned(),
        project_id: project.clone(),
        description: fields.bounded_text("description", MAX_DESCRIPTION)?.unwrap_or_default().to_owned(),
        secret_hash: String::new(),
        roles: roles(&fields, &session)?,
        expires_at: expiry(&fields, identity.now())?,
        unrestricted: fields.boolean("unrestricted")?.unwrap_or(false),
    };
    credential.secret_hash = identity.passwords().hash(&secret).await?;
    let put = |tx: &mut Tx| {
        tx.get::<User>(&credential.user_id).ok_or(IdentityError::Unauthorized)?;
        tx.guard_range::<ApplicationCredential>(());
        ensure_room(tx.view(), &credential)?;
        tx.put(credential.clone());
        Ok::<_, IdentityError>(())
    };
    identity.store().write(session.commit_info(&identity), put).await?;
    let mut shown = credential_view(&identity, &identity.store().snapshot(), &credential);
    shown["secret"] = json!(secret);
    Ok(Answer::created(json!({"application_credential": shown})))
}

async fn remove(
    State(identity): State<Identity>,
    session: Session,
    params: Params,
) -> Result<Response, IdentityError> {
    let (user, id) = (params.get("user"), params.get("id").to_owned());
    session.require_or(Rule::Admin, "delete_application_credential", session.user_id() == user)?;
    ensure_unrestricted(&session)?;
    let remove = |tx: &mut Tx| {
        find(tx.view(), user, &id)?;
        tx.get::<ApplicationCredential>(&id);
        tx.delete::<ApplicationCredential>(&id);
        Ok::<_, IdentityError>(())
    };
    identity.store().write(session.commit_info(&identity), remove).await?;
    Ok(no_content())
}

/// A program that came in by a credential makes and deletes none, unless its user said that it may.
fn ensure_unrestricted(session: &Session) -> Result<(), IdentityError> {
    match session.verified.credential() {
        Some(credential) if !credential.unrestricted => Err(IdentityError::Forbidden(
            "A token by a restricted application credential can't manage application credentials.".into(),
        )),
        _ => Ok(()),
    }
}

fn ensure_room(view: &Snapshot, new: &ApplicationCredential) -> Result<(), IdentityError> {
    if view.credentials_of_user(&new.user_id).count() >= MAX_CREDENTIALS {
        return Err(IdentityError::Forbidden(format!(
            "The user has {MAX_CREDENTIALS} application credentials, which is the limit; delete one first."
        )));
    }
    if view.credentials_of_user(&new.user_id).any(|other| other.name == new.name) {
        return Err(IdentityError::Conflict(format!(
            "The user has an application credential with this name already: {}.",
            new.name
        )));
    }
    Ok(())
}

fn secret(fields: &Fields) -> Result<String, IdentityError> {
    match fields.text("secret")? {
        Some("") => Err(fields.refuse("secret", "it is empty")),
        Some(secret) if secret.len() > MAX_PASSWORD => {
            Err(fields.refuse("secret", &format!("it is longer than {MAX_PASSWORD} bytes")))
        }
        Some(secret) => Ok(secret.to_owned()),
        None => {
            let mut random = [0; SECRET_BYTES];
            getrandom::fill(&mut random).map_err(IdentityError::internal)?;
            Ok(URL_SAFE_NO_PAD.encode(random))
        }
    }
}

/// The ids of the roles asked for, sorted; by default all of the token.
fn roles(fields: &Fields, session: &Session) -> Result<Vec<String>, IdentityError> {
    let held = &session.verified.roles;
    let mut roles: Vec<String> = match fields.list("roles")? {
        None => held.iter().map(|role| role.id.clone()).collect(),
        Some(wanted) => {
            let known = wanted.iter().map(|wanted| {
                let is_it = |id: &str, name: &str| wanted["id"] == id || wanted["name"] == name;
                let found = held.iter().find(|role| is_it(&role.id, &role.name));
                found.map(|role| role.id.clone()).ok_or_else(|| fields.refuse("roles", "the token lacks one"))
            });
            known.collect::<Result<_, _>>()?
        }
    };
    roles.sort();
    roles.dedup();
    if roles.is_empty() { Err(fields.refuse("roles", "none is given")) } else { Ok(roles) }
}

/// ISO 8601; without an offset it is in UTC.
fn expiry(fields: &Fields, now: Timestamp) -> Result<Option<Timestamp>, IdentityError> {
    let Some(text) = fields.text("expires_at")? else { return Ok(None) };
    let with_offset = text.parse::<jiff::Timestamp>().ok();
    let time = with_offset.or_else(|| format!("{text}Z").parse().ok());
    let time = time.ok_or_else(|| fields.refuse("expires_at", "it is not a time of ISO 8601"))?;
    let time = Timestamp(time.as_millisecond());
    if time <= now { Err(fields.refuse("expires_at", "it is in the past")) } else { Ok(Some(time)) }
}

fn find<'a>(
    snapshot: &'a Snapshot,
    user: &str,
    id: &str,
) -> Result<&'a ApplicationCredential, IdentityError> {
    let credential = snapshot.get::<ApplicationCredential>(&id.to_owned());
    let credential = credential.filter(|credential| credential.user_id == user);
    credential
        .map(|credential| &credential.value)
        .ok_or_else(|| IdentityError::not_found("application credential", id))
}

fn credential_view(identity: &Identity, snapshot: &Snapshot, it: &ApplicationCredential) -> Value {
    let roles = it.roles.iter().filter_map(|id| snapshot.get::<Role>(id));
    let path = format!("users/{}/application_credentials/{}", it.user_id, it.id);
    json!({
        "id": it.id,
        "name": it.name,
        "description": it.description,
        "user_id": it.user_id,
        "project_id": it.project_id,
        "roles": roles
            .map(|role| json!({"id": role.id, "name": role.name, "domain_id": null}))
            .collect::<Vec<_>>(),
        "expires_at": it.expires_at.map(view::micros_without_zone),
        "unrestricted": it.unrestricted,
        "system": null,
        "links": {"self": view::url(identity, &path)},
    })
}

//! `/v3/roles`, and which role implies which.

use super::body::{Fields, JsonBody};
use super::delete::{self, Doomed};
use super::projects::MAX_DESCRIPTION;
use super::query::Query;
use super::request::{Answer, Params};
use super::session::{Rule, Session};
use super::{Reply, no_content, view};
use crate::identity::bootstrap::new_id;
use crate::identity::roles::{RoleRef, implied_by, is_built_in};
use crate::identity::{Identity, IdentityError};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hadron_model::identity::Role;
use hadron_store::{Snapshot, Tx};
use serde_json::{Value, json};

/// Longest name, as in Keystone.
const MAX_NAME: usize = 255;

pub(crate) fn routes() -> Router<Identity> {
    Router::new()
        .route("/v3/roles", get(list).post(create))
        .route("/v3/roles/{id}", get(show).patch(update).delete(remove))
        .route("/v3/roles/{id}/implies", get(implies))
        .route("/v3/role_inferences", get(inferences))
}

async fn list(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    session.require(Rule::SystemReader, "list_roles")?;
    let snapshot = identity.store().snapshot();
    // All roles are global; a filter by a domain finds none.
    let in_domain = query.get("domain_id").is_some_and(|domain| !domain.is_empty());
    let roles = snapshot.iter::<Role>().filter(|role| query.is_match("name", &role.name) && !in_domain);
    let views = roles.map(|role| view::role(&identity, role));
    Ok(Answer::ok(query.page(&view::url(&identity, "roles"), "roles", views)?))
}

async fn create(State(identity): State<Identity>, session: Session, body: JsonBody) -> Reply {
    let fields = Fields::envelope(&body, "role")?;
    check(&fields)?;
    let role = Role {
        id: new_id(),
        name: fields.required_name(MAX_NAME)?.to_owned(),
        description: fields.bounded_text("description", MAX_DESCRIPTION)?.unwrap_or_default().to_owned(),
    };
    session.require(Rule::Admin, "create_role")?;
    let put = |tx: &mut Tx| {
        ensure_name_is_free(tx, &role)?;
        tx.put(role.clone());
        Ok::<_, IdentityError>(())
    };
    identity.store().write(session.commit_info(&identity), put).await?;
    Ok(Answer::created(json!({"role": view::role(&identity, &role)})))
}

async fn show(State(identity): State<Identity>, session: Session, params: Params) -> Reply {
    session.require(Rule::SystemReader, "get_role")?;
    let snapshot = identity.store().snapshot();
    Ok(Answer::ok(json!({"role": view::role(&identity, find(&snapshot, params.get("id"))?)})))
}

async fn update(State(identity): State<Identity>, session: Session, params: Params, body: JsonBody) -> Reply {
    let fields = Fields::envelope(&body, "role")?;
    check(&fields)?;
    session.require(Rule::Admin, "update_role")?;
    let id = params.get("id").to_owned();
    let name = fields.name(MAX_NAME)?;
    let description = fields.bounded_text("description", MAX_DESCRIPTION)?;
    let description = description.or(fields.names("description").then_some(""));
    let put = |tx: &mut Tx| {
        let mut role = changeable(tx, &id)?;
        role.name = name.unwrap_or(&role.name).to_owned();
        role.description = description.unwrap_or(&role.description).to_owned();
        ensure_name_is_free(tx, &role)?;
        tx.put(role.clone());
        Ok::<_, IdentityError>(role)
    };
    let role = identity.store().write(session.commit_info(&identity), put).await?.value;
    Ok(Answer::ok(json!({"role": view::role(&identity, &role)})))
}

async fn remove(
    State(identity): State<Identity>,
    session: Session,
    params: Params,
) -> Result<Response, IdentityError> {
    session.require(Rule::Admin, "delete_role")?;
    let id = params.get("id").to_owned();
    if is_built_in(&find(&identity.store().snapshot(), &id)?.name) {
        return Err(immutable(&id));
    }
    let remove = |tx: &mut Tx| {
        changeable(tx, &id)?;
        tx.delete::<Role>(&id);
        Ok(())
    };
    delete::with_dependents(&identity, session.commit_info(&identity), Doomed::Role(&id), remove).await?;
    Ok(no_content())
}

async fn implies(State(identity): State<Identity>, session: Session, params: Params) -> Reply {
    session.require(Rule::SystemReader, "list_implied_roles")?;
    let snapshot = identity.store().snapshot();
    let role = find(&snapshot, params.get("id"))?;
    let mut inference = inference(&identity, &snapshot, role);
    let url = view::url(&identity, &format!("roles/{}/implies", role.id));
    inference["links"] = json!({"self": url});
    Ok(Answer::ok(json!({"role_inference": inference, "links": {"self": url}})))
}

async fn inferences(State(identity): State<Identity>, session: Session) -> Reply {
    session.require(Rule::SystemReader, "list_role_inference_rules")?;
    let snapshot = identity.store().snapshot();
    let prior = snapshot.iter::<Role>().filter(|role| implied_by(&role.name).is_some());
    let inferences: Vec<_> = prior.map(|role| inference(&identity, &snapshot, role)).collect();
    let links = json!({"self": view::url(&identity, "role_inferences")});
    Ok(Answer::ok(json!({"role_inferences": inferences, "links": links})))
}

fn inference(identity: &Identity, snapshot: &Snapshot, prior: &Role) -> Value {
    let view = |role: &Role| {
        let mut view = view::role_ref(&RoleRef::from(role));
        view["links"] = json!({"self": view::url(identity, &format!("roles/{}", role.id))});
        view
    };
    let implied = implied_by(&prior.name).and_then(|name| snapshot.role_by_name(name));
    json!({"prior_role": view(prior), "implies": implied.map(|role| view(role)).into_iter().collect::<Vec<_>>()})
}

fn check(fields: &Fields) -> Result<(), IdentityError> {
    fields.only(&["name", "description", "domain_id", "options"])?;
    fields.empty("options")?;
    match fields.text("domain_id")? {
        None => Ok(()),
        Some(_) => Err(fields.refuse("domain_id", "roles of a domain are not supported")),
    }
}

fn find<'a>(snapshot: &'a Snapshot, id: &str) -> Result<&'a Role, IdentityError> {
    let role = snapshot.get::<Role>(&id.to_owned());
    role.map(|role| &role.value).ok_or_else(|| IdentityError::not_found("role", id))
}

fn changeable(tx: &mut Tx, id: &str) -> Result<Role, IdentityError> {
    let role = tx.get::<Role>(&id.to_owned()).ok_or_else(|| IdentityError::not_found("role", id))?;
    if is_built_in(&role.name) { Err(immutable(id)) } else { Ok(role.value.clone()) }
}

fn immutable(id: &str) -> IdentityError {
    IdentityError::Forbidden(format!("The role {id} is built in and can't be changed or deleted."))
}

/// Names differ in more than case, because policies compare roles without regard to it.
fn ensure_name_is_free(tx: &mut Tx, role: &Role) -> Result<(), IdentityError> {
    tx.guard_range::<Role>(());
    let name = role.name.to_lowercase();
    let is_same = |other: &Role| other.id != role.id && other.name.to_lowercase() == name;
    if tx.view().iter::<Role>().any(|other| is_same(other)) {
        return Err(IdentityError::Conflict(format!("A role with this name exists already: {}.", role.name)));
    }
    Ok(())
}

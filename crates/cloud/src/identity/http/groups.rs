//! `/v3/groups`, and who belongs to them.

use super::body::{Fields, JsonBody};
use super::projects::MAX_DESCRIPTION;
use super::query::Query;
use super::request::{Answer, Params};
use super::session::{Rule, Session};
use super::{Reply, delete, domains, no_content, users, view};
use crate::identity::bootstrap::new_id;
use crate::identity::{Identity, IdentityError};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hadron_model::identity::{Group, Membership, User};
use hadron_store::{Snapshot, Tx};
use serde_json::json;

/// Longest name, as in Keystone.
const MAX_NAME: usize = 64;

pub(crate) fn routes() -> Router<Identity> {
    Router::new()
        .route("/v3/groups", get(list).post(create))
        .route("/v3/groups/{id}", get(show).patch(update).delete(remove))
        .route("/v3/groups/{id}/users", get(members))
        .route("/v3/groups/{id}/users/{user}", get(check_member).put(add_member).delete(remove_member))
        .route("/v3/users/{id}/groups", get(list_of_user))
}

async fn list(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    let listed = session.listed_domain("list_groups")?;
    let snapshot = identity.store().snapshot();
    let groups = snapshot.iter::<Group>().filter(|group| {
        listed.is_none_or(|domain| domain == group.domain_id)
            && query.is_match("name", &group.name)
            && query.is_match("domain_id", &group.domain_id)
    });
    let views = groups.map(|group| view::group(&identity, group));
    Ok(Answer::ok(query.page(&view::url(&identity, "groups"), "groups", views)?))
}

async fn create(State(identity): State<Identity>, session: Session, body: JsonBody) -> Reply {
    let fields = Fields::envelope(&body, "group")?;
    fields.only(&["name", "description", "domain_id"])?;
    let group = Group {
        id: new_id(),
        name: fields.required_name(MAX_NAME)?.to_owned(),
        domain_id: fields.text("domain_id")?.unwrap_or(session.home_domain()).to_owned(),
        description: fields.bounded_text("description", MAX_DESCRIPTION)?.unwrap_or_default().to_owned(),
    };
    session.require(Rule::Admin, "create_group")?;
    let put = |tx: &mut Tx| {
        domains::ensure_exists(tx, &group.domain_id)?;
        ensure_name_is_free(tx, &group)?;
        tx.put(group.clone());
        Ok::<_, IdentityError>(())
    };
    identity.store().write(session.commit_info(&identity), put).await?;
    Ok(Answer::created(json!({"group": view::group(&identity, &group)})))
}

async fn show(State(identity): State<Identity>, session: Session, params: Params) -> Reply {
    let snapshot = identity.store().snapshot();
    let group = find(&session, &snapshot, params.get("id"), "get_group")?;
    Ok(Answer::ok(json!({"group": view::group(&identity, group)})))
}

async fn update(State(identity): State<Identity>, session: Session, params: Params, body: JsonBody) -> Reply {
    let fields = Fields::envelope(&body, "group")?;
    fields.only(&["name", "description", "domain_id"])?;
    session.require(Rule::Admin, "update_group")?;
    let id = params.get("id").to_owned();
    let name = fields.name(MAX_NAME)?;
    let description = fields.bounded_text("description", MAX_DESCRIPTION)?;
    let description = description.or(fields.names("description").then_some(""));
    let domain = fields.text("domain_id")?;
    let put = |tx: &mut Tx| {
        let mut group = tx.get::<Group>(&id).ok_or_else(|| missing(&id))?.value.clone();
        if domain.is_some_and(|domain| domain != group.domain_id) {
            return Err(IdentityError::bad("A group can't move to another domain."));
        }
        group.name = name.unwrap_or(&group.name).to_owned();
        group.description = description.unwrap_or(&group.description).to_owned();
        ensure_name_is_free(tx, &group)?;
        tx.put(group.clone());
        Ok(group)
    };
    let group = identity.store().write(session.commit_info(&identity), put).await?.value;
    Ok(Answer::ok(json!({"group": view::group(&identity, &group)})))
}

async fn remove(
    State(identity): State<Identity>,
    session: Session,
    params: Params,
) -> Result<Response, IdentityError> {
    session.require(Rule::Admin, "delete_group")?;
    delete::group(&identity, session.commit_info(&identity), params.get("id")).await?;
    Ok(no_content())
}

async fn members(State(identity): State<Identity>, session: Session, params: Params, query: Query) -> Reply {
    let snapshot = identity.store().snapshot();
    let group = find(&session, &snapshot, params.get("id"), "list_users_in_group")?;
    let users = snapshot.users_of_group(&group.id).filter_map(|id| snapshot.get::<User>(&id.to_owned()));
    let users = users.filter(|user| query.is_match("name", &user.name));
    let views = users.map(|user| view::user(&identity, user));
    let url = view::url(&identity, &format!("groups/{}/users", group.id));
    Ok(Answer::ok(query.page(&url, "users", views)?))
}

async fn check_member(
    State(identity): State<Identity>,
    session: Session,
    params: Params,
) -> Result<Response, IdentityError> {
    let membership = membership(&params);
    let snapshot = identity.store().snapshot();
    let own = session.user_id() == membership.user_id;
    let domain = snapshot.get::<Group>(&membership.group_id).map_or("", |group| &group.domain_id);
    session.require_or(Rule::DomainReader(domain), "check_user_in_group", own)?;
    if snapshot.has::<Membership>(&membership) { Ok(no_content()) } else { Err(no_member(&membership)) }
}

async fn add_member(
    State(identity): State<Identity>,
    session: Session,
    params: Params,
) -> Result<Response, IdentityError> {
    session.require(Rule::Admin, "add_user_to_group")?;
    let membership = membership(&params);
    let put = |tx: &mut Tx| {
        tx.get::<Group>(&membership.group_id).ok_or_else(|| missing(&membership.group_id))?;
        tx.get::<User>(&membership.user_id).ok_or_else(|| users::missing(&membership.user_id))?;
        if tx.get::<Membership>(&membership).is_none() {
            tx.put(membership.clone());
        }
        Ok::<_, IdentityError>(())
    };
    identity.store().write(session.commit_info(&identity), put).await?;
    Ok(no_content())
}

async fn remove_member(
    State(identity): State<Identity>,
    session: Session,
    params: Params,
) -> Result<Response, IdentityError> {
    session.require(Rule::Admin, "remove_user_from_group")?;
    let membership = membership(&params);
    let remove = |tx: &mut Tx| {
        tx.get::<Membership>(&membership).ok_or_else(|| no_member(&membership))?;
        tx.delete::<Membership>(&membership);
        Ok::<_, IdentityError>(())
    };
    identity.store().write(session.commit_info(&identity), remove).await?;
    Ok(no_content())
}

async fn list_of_user(
    State(identity): State<Identity>,
    session: Session,
    params: Params,
    query: Query,
) -> Reply {
    let id = params.get("id");
    let snapshot = identity.store().snapshot();
    users::require_reader(&session, &snapshot, id, "list_groups_for_user")?;
    if !snapshot.has::<User>(&id.to_owned()) {
        return Err(users::missing(id));
    }
    let groups = snapshot.groups_of_user(id).filter_map(|id| snapshot.get::<Group>(&id.to_owned()));
    let groups = groups.filter(|group| query.is_match("name", &group.name));
    let views = groups.map(|group| view::group(&identity, group));
    Ok(Answer::ok(query.page(&view::url(&identity, &format!("users/{id}/groups")), "groups", views)?))
}

fn membership(params: &Params) -> Membership {
    Membership { user_id: params.get("user").to_owned(), group_id: params.get("id").to_owned() }
}

/// The group, for one who may read its domain.
fn find<'a>(
    session: &Session,
    snapshot: &'a Snapshot,
    id: &str,
    action: &'static str,
) -> Result<&'a Group, IdentityError> {
    let group = snapshot.get::<Group>(&id.to_owned());
    session.require(Rule::DomainReader(group.map_or("", |group| &group.domain_id)), action)?;
    group.map(|group| &group.value).ok_or_else(|| missing(id))
}

fn ensure_name_is_free(tx: &mut Tx, group: &Group) -> Result<(), IdentityError> {
    tx.guard_range::<Group>(());
    match tx.view().group_by_name(&group.domain_id, &group.name) {
        Some(other) if other.id != group.id => Err(IdentityError::Conflict(format!(
            "The domain has a group with this name already: {}.",
            group.name
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn missing(id: &str) -> IdentityError {
    IdentityError::not_found("group", id)
}

fn no_member(membership: &Membership) -> IdentityError {
    let id = format!("user {} in group {}", membership.user_id, membership.group_id);
    IdentityError::not_found("membership", &id)
}

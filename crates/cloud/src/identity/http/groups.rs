//! `/v3/groups`: there are none, and clients that list them are told so.

use super::query::Query;
use super::request::{Answer, Params};
use super::session::{Rule, Session};
use super::{Reply, users, view};
use crate::identity::Identity;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use hadron_model::identity::User;

pub(crate) fn routes() -> Router<Identity> {
    Router::new().route("/v3/groups", get(list)).route("/v3/users/{id}/groups", get(list_of_user))
}

async fn list(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    session.require(Rule::DomainReader, "list_groups")?;
    none(&identity, &query, "groups")
}

async fn list_of_user(
    State(identity): State<Identity>,
    session: Session,
    params: Params,
    query: Query,
) -> Reply {
    let id = params.get("id");
    session.require_or(Rule::DomainReader, "list_groups_for_user", session.user_id() == id)?;
    if !identity.store().snapshot().has::<User>(&id.to_owned()) {
        return Err(users::missing(id));
    }
    none(&identity, &query, &format!("users/{id}/groups"))
}

fn none(identity: &Identity, query: &Query, path: &str) -> Reply {
    Ok(Answer::ok(query.page(&view::url(identity, path), "groups", std::iter::empty())?))
}

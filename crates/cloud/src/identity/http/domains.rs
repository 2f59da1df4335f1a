//! `/v3/domains`: the default one.

use super::query::Query;
use super::request::{Answer, Params};
use super::session::{Rule, Session};
use super::{Reply, view};
use crate::identity::login::DEFAULT_DOMAIN_NAME;
use crate::identity::token::TokenScope;
use crate::identity::{Identity, IdentityError};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use hadron_model::identity::DEFAULT_DOMAIN;
use serde_json::json;

pub(crate) fn routes() -> Router<Identity> {
    Router::new().route("/v3/domains", get(list)).route("/v3/domains/{id}", get(show))
}

async fn list(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    session.require(Rule::SystemReader, "list_domains")?;
    let found = query.is_match("name", DEFAULT_DOMAIN_NAME) && query.is_match_bool("enabled", true)?;
    let domains = found.then(|| view::domain(&identity));
    Ok(Answer::ok(query.page(&view::url(&identity, "domains"), "domains", domains.into_iter())?))
}

async fn show(State(identity): State<Identity>, session: Session, params: Params) -> Reply {
    let id = params.get("id");
    let is_own = match session.scope() {
        TokenScope::Domain(domain) => domain == id,
        TokenScope::Project(_) => id == DEFAULT_DOMAIN,
        _ => false,
    };
    session.require_or(Rule::SystemReader, "get_domain", is_own)?;
    match id {
        DEFAULT_DOMAIN => Ok(Answer::ok(json!({"domain": view::domain(&identity)}))),
        _ => Err(IdentityError::not_found("domain", id)),
    }
}

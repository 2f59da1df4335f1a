//! `/v3/auth`: tokens, and what a token's holder can choose from.

use super::body::JsonBody;
use super::parse::LoginRequest;
use super::query::Query;
use super::request::{Answer, Peer};
use super::session::{Rule, Session, header};
use super::{Reply, no_content, view};
use crate::identity::token::TokenScope;
use crate::identity::{Identity, IdentityError, Verified, catalog, revocation};
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hadron_model::identity::{Domain, Project, Scope};
use hadron_store::Snapshot;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where a token stands in a request or an answer.
const SUBJECT: &str = "x-subject-token";

pub(crate) fn routes() -> Router<Identity> {
    Router::new()
        .route("/v3/auth/tokens", get(validate).post(issue).delete(revoke))
        .route("/v3/auth/catalog", get(show_catalog))
        .route("/v3/auth/projects", get(projects))
        .route("/v3/auth/domains", get(domains))
        .route("/v3/auth/system", get(system))
}

async fn issue(
    State(identity): State<Identity>,
    Peer(peer): Peer,
    query: Query,
    body: JsonBody,
) -> Result<Response, IdentityError> {
    let request = LoginRequest::parse(&body)?;
    let (token, verified) = identity.login(&request, peer).await?;
    let body = view::token(&identity, &verified, query.get("nocatalog").is_none());
    Ok(([(SUBJECT, token)], Answer::created(body)).into_response())
}

async fn validate(
    State(identity): State<Identity>,
    session: Session,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, IdentityError> {
    let (token, verified) = subject(&identity, &headers)?;
    let owner = verified.claims.user_id == session.user_id() || session.has_role("service");
    session.require_or(Rule::SystemReader, "validate_token", owner)?;
    let body = view::token(&identity, &verified, query.get("nocatalog").is_none());
    Ok(([(SUBJECT, token)], Answer::ok(body)).into_response())
}

async fn revoke(
    State(identity): State<Identity>,
    session: Session,
    headers: HeaderMap,
) -> Result<Response, IdentityError> {
    let (_, verified) = subject(&identity, &headers)?;
    let owner = verified.claims.user_id == session.user_id();
    session.require_or(Rule::Admin, "revoke_token", owner)?;
    let now = identity.now();
    identity.throttle().revokes(session.user_id(), now)?;
    let revoke = |tx: &mut _| {
        revocation::purge(tx, now);
        revocation::revoke(tx, &verified.claims);
        Ok::<_, IdentityError>(())
    };
    identity.store().write(session.commit_info(&identity), revoke).await?;
    Ok(no_content())
}

/// The token that a request is about.
fn subject(identity: &Identity, headers: &HeaderMap) -> Result<(String, Arc<Verified>), IdentityError> {
    let token = header(headers, SUBJECT).ok_or(IdentityError::NoSuchToken)?;
    match identity.verify(token) {
        Ok(verified) => Ok((token.to_owned(), verified)),
        Err(IdentityError::Unauthorized) => Err(IdentityError::NoSuchToken),
        Err(other) => Err(other),
    }
}

async fn show_catalog(State(identity): State<Identity>, session: Session) -> Reply {
    if *session.scope() == TokenScope::Unscoped {
        return Err(IdentityError::NotPermitted("get_auth_catalog"));
    }
    let links = json!({"self": view::url(&identity, "auth/catalog")});
    Ok(Answer::ok(json!({"catalog": catalog::catalog(identity.config()), "links": links})))
}

async fn projects(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    list_projects(&identity, session.user_id(), &query, "auth/projects")
}

/// The projects on which a user has a role, at `path`.
pub(crate) fn list_projects(identity: &Identity, user: &str, query: &Query, path: &str) -> Reply {
    let snapshot = identity.store().snapshot();
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    for scope in scopes(&snapshot, user) {
        match scope {
            Scope::Project(id) => ids.extend([id.as_str()]),
            Scope::ProjectsOf(domain) => {
                let projects = snapshot.iter::<Project>().filter(|project| project.domain_id == *domain);
                ids.extend(projects.map(|project| project.id.as_str()));
            }
            Scope::Domain(_) | Scope::System => {}
        }
    }
    let projects = ids.into_iter().filter_map(|id| snapshot.get::<Project>(&id.to_owned()));
    let projects = projects.filter(|project| query.is_match("name", &project.name));
    let views = projects.map(|project| view::project(identity, project));
    Ok(Answer::ok(query.page(&view::url(identity, path), "projects", views)?))
}

async fn domains(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    let snapshot = identity.store().snapshot();
    let ids: BTreeSet<&String> = scopes(&snapshot, session.user_id())
        .filter_map(|scope| match scope {
            Scope::Domain(id) => Some(id),
            _ => None,
        })
        .collect();
    let domains = ids.into_iter().filter_map(|id| snapshot.get::<Domain>(id));
    let views = domains.map(|domain| view::domain(&identity, domain));
    Ok(Answer::ok(query.page(&view::url(&identity, "auth/domains"), "domains", views)?))
}

async fn system(State(identity): State<Identity>, session: Session) -> Reply {
    let snapshot = identity.store().snapshot();
    let has_system = scopes(&snapshot, session.user_id()).any(|scope| *scope == Scope::System);
    let system: Vec<_> = has_system.then(|| json!({"all": true})).into_iter().collect();
    Ok(Answer::ok(json!({"system": system, "links": {"self": view::url(&identity, "auth/system")}})))
}

/// What the user has a role on, by himself or by a group, possibly more than once.
fn scopes<'a>(snapshot: &'a Snapshot, user: &'a str) -> impl Iterator<Item = &'a Scope> {
    let own = snapshot.assignments_of_user(user).map(|assignment| &assignment.scope);
    let groups = snapshot.groups_of_user(user);
    own.chain(
        groups.flat_map(|group| snapshot.assignments_of_group(group)).map(|assignment| &assignment.scope),
    )
}

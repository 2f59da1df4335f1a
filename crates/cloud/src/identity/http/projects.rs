//! `/v3/projects`.

use super::body::{Fields, JsonBody};
use super::query::Query;
use super::request::{Answer, Params};
use super::session::{Rule, Session};
use super::{Reply, delete, no_content, view};
use crate::identity::bootstrap::new_id;
use crate::identity::{Identity, IdentityError, last_admin};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hadron_model::identity::{Domain, Project};
use hadron_store::Tx;
use serde_json::json;

/// Longest name, as in Keystone.
const MAX_NAME: usize = 64;

/// Longest description; Keystone's is a database's text column.
pub(crate) const MAX_DESCRIPTION: usize = 4096;

const FIELDS: [&str; 8] =
    ["name", "description", "enabled", "domain_id", "parent_id", "is_domain", "tags", "options"];

pub(crate) fn routes() -> Router<Identity> {
    Router::new()
        .route("/v3/projects", get(list).post(create))
        .route("/v3/projects/{id}", get(show).patch(update).delete(remove))
}

async fn list(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    let listed = session.listed_domain("list_projects")?;
    query.is_match_bool("enabled", true)?;
    query.is_match_bool("is_domain", false)?;
    let snapshot = identity.store().snapshot();
    let projects = snapshot.iter::<Project>().filter(|project| {
        listed.is_none_or(|domain| domain == project.domain_id)
            && query.is_match("name", &project.name)
            && query.is_match("domain_id", &project.domain_id)
            && query.is_match("parent_id", &project.domain_id)
            && query.is_match_bool("enabled", project.enabled).unwrap_or(false)
            && query.is_match_bool("is_domain", false).unwrap_or(false)
    });
    let views = projects.map(|project| view::project(&identity, project));
    Ok(Answer::ok(query.page(&view::url(&identity, "projects"), "projects", views)?))
}

async fn create(State(identity): State<Identity>, session: Session, body: JsonBody) -> Reply {
    let fields = Fields::envelope(&body, "project")?;
    check(&fields)?;
    let domain_id = domain_of(&fields, &session)?;
    let project = Project {
        id: new_id(),
        name: fields.required_name(MAX_NAME)?.to_owned(),
        domain_id,
        description: fields.bounded_text("description", MAX_DESCRIPTION)?.unwrap_or_default().to_owned(),
        enabled: fields.boolean("enabled")?.unwrap_or(true),
    };
    session.require(Rule::Admin, "create_project")?;
    let put = |tx: &mut Tx| {
        if tx.get::<Domain>(&project.domain_id).is_none() {
            return Err(
                fields.refuse("domain_id", "there is no such domain; nested projects are not supported")
            );
        }
        ensure_name_is_free(tx, &project)?;
        tx.put(project.clone());
        Ok::<_, IdentityError>(())
    };
    identity.store().write(session.commit_info(&identity), put).await?;
    Ok(Answer::created(json!({"project": view::project(&identity, &project)})))
}

async fn show(State(identity): State<Identity>, session: Session, params: Params) -> Reply {
    let id = params.get("id");
    let snapshot = identity.store().snapshot();
    let project = snapshot.get::<Project>(&id.to_owned());
    let domain = project.map_or("", |project| &project.domain_id);
    session.require_or(Rule::DomainReader(domain), "get_project", session.is_in_project(id))?;
    let project = project.ok_or_else(|| missing(id))?;
    Ok(Answer::ok(json!({"project": view::project(&identity, project)})))
}

async fn update(State(identity): State<Identity>, session: Session, params: Params, body: JsonBody) -> Reply {
    let fields = Fields::envelope(&body, "project")?;
    check(&fields)?;
    let id = params.get("id").to_owned();
    session.require(Rule::Admin, "update_project")?;
    let domain = fields.text("domain_id")?.or(fields.text("parent_id")?);
    let name = fields.name(MAX_NAME)?;
    let description = fields.bounded_text("description", MAX_DESCRIPTION)?;
    let description = description.or(fields.names("description").then_some(""));
    let enabled = fields.boolean("enabled")?;
    let put = |tx: &mut Tx| {
        let mut project = tx.get::<Project>(&id).ok_or_else(|| missing(&id))?.value.clone();
        if domain.is_some_and(|domain| domain != project.domain_id) {
            return Err(IdentityError::bad("A project can't move to another domain."));
        }
        project.name = name.unwrap_or(&project.name).to_owned();
        project.description = description.unwrap_or(&project.description).to_owned();
        project.enabled = enabled.unwrap_or(project.enabled);
        ensure_name_is_free(tx, &project)?;
        tx.put(project.clone());
        if !project.enabled {
            last_admin::ensure_one_remains(tx, |_| false)?;
        }
        Ok::<_, IdentityError>(project)
    };
    let project = identity.store().write(session.commit_info(&identity), put).await?.value;
    Ok(Answer::ok(json!({"project": view::project(&identity, &project)})))
}

async fn remove(
    State(identity): State<Identity>,
    session: Session,
    params: Params,
) -> Result<Response, IdentityError> {
    session.require(Rule::Admin, "delete_project")?;
    delete::project(&identity, session.commit_info(&identity), params.get("id")).await?;
    Ok(no_content())
}

/// Refuses what is not supported rather than forgetting it.
fn check(fields: &Fields) -> Result<(), IdentityError> {
    fields.only(&FIELDS)?;
    fields.empty("tags")?;
    fields.empty("options")?;
    if fields.boolean("is_domain")? == Some(true) {
        return Err(fields.refuse("is_domain", "domains are made at /v3/domains"));
    }
    Ok(())
}

/// The domain of a new project: it must also be its parent.
fn domain_of(fields: &Fields, session: &Session) -> Result<String, IdentityError> {
    let (domain, parent) = (fields.text("domain_id")?, fields.text("parent_id")?);
    if domain.is_some() && parent.is_some() && domain != parent {
        return Err(
            fields.refuse("parent_id", "nested projects are not supported, only a domain is a parent")
        );
    }
    Ok(domain.or(parent).unwrap_or(session.home_domain()).to_owned())
}

fn ensure_name_is_free(tx: &mut Tx, project: &Project) -> Result<(), IdentityError> {
    tx.guard_range::<Project>(());
    match tx.view().project_by_name(&project.domain_id, &project.name) {
        Some(other) if other.id != project.id => Err(IdentityError::Conflict(format!(
            "The domain has a project with this name already: {}.",
            project.name
        ))),
        _ => Ok(()),
    }
}

fn missing(id: &str) -> IdentityError {
    IdentityError::not_found("project", id)
}

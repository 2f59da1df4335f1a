//! `/v3/domains`.

use super::body::{Fields, JsonBody};
use super::delete::{self, Doomed};
use super::projects::MAX_DESCRIPTION;
use super::query::Query;
use super::request::{Answer, Params};
use super::session::{Rule, Session};
use super::{Reply, no_content, view};
use crate::identity::bootstrap::new_id;
use crate::identity::token::TokenScope;
use crate::identity::{Identity, IdentityError, last_admin};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hadron_model::identity::{DEFAULT_DOMAIN, Domain, Group, Project, User};
use hadron_store::{Snapshot, Tx};
use serde_json::json;

/// Longest name, as in Keystone.
const MAX_NAME: usize = 64;

const FIELDS: [&str; 6] = ["name", "description", "enabled", "tags", "options", "explicit_domain_id"];

pub(crate) fn routes() -> Router<Identity> {
    Router::new()
        .route("/v3/domains", get(list).post(create))
        .route("/v3/domains/{id}", get(show).patch(update).delete(remove))
}

async fn list(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    session.require(Rule::SystemReader, "list_domains")?;
    query.is_match_bool("enabled", true)?;
    let snapshot = identity.store().snapshot();
    let domains = snapshot.iter::<Domain>().filter(|domain| {
        query.is_match("name", &domain.name)
            && query.is_match_bool("enabled", domain.enabled).unwrap_or(false)
    });
    let views = domains.map(|domain| view::domain(&identity, domain));
    Ok(Answer::ok(query.page(&view::url(&identity, "domains"), "domains", views)?))
}

async fn create(State(identity): State<Identity>, session: Session, body: JsonBody) -> Reply {
    let fields = Fields::envelope(&body, "domain")?;
    check(&fields)?;
    let domain = Domain {
        id: new_id(),
        name: fields.required_name(MAX_NAME)?.to_owned(),
        description: fields.bounded_text("description", MAX_DESCRIPTION)?.unwrap_or_default().to_owned(),
        enabled: fields.boolean("enabled")?.unwrap_or(true),
    };
    session.require(Rule::Admin, "create_domain")?;
    let put = |tx: &mut Tx| {
        ensure_name_is_free(tx, &domain)?;
        tx.put(domain.clone());
        Ok::<_, IdentityError>(())
    };
    identity.store().write(session.commit_info(&identity), put).await?;
    Ok(Answer::created(json!({"domain": view::domain(&identity, &domain)})))
}

async fn show(State(identity): State<Identity>, session: Session, params: Params) -> Reply {
    let id = params.get("id");
    let is_own = match session.scope() {
        TokenScope::Domain(domain) => domain == id,
        TokenScope::Project(_) => session.home_domain() == id,
        _ => false,
    };
    session.require_or(Rule::SystemReader, "get_domain", is_own)?;
    let snapshot = identity.store().snapshot();
    let domain = snapshot.get::<Domain>(&id.to_owned()).ok_or_else(|| missing(id))?;
    Ok(Answer::ok(json!({"domain": view::domain(&identity, domain)})))
}

async fn update(State(identity): State<Identity>, session: Session, params: Params, body: JsonBody) -> Reply {
    let fields = Fields::envelope(&body, "domain")?;
    check(&fields)?;
    session.require(Rule::Admin, "update_domain")?;
    let id = params.get("id").to_owned();
    let name = fields.name(MAX_NAME)?;
    let description = fields.bounded_text("description", MAX_DESCRIPTION)?;
    let description = description.or(fields.names("description").then_some(""));
    let enabled = fields.boolean("enabled")?;
    if id == DEFAULT_DOMAIN && enabled == Some(false) {
        return Err(IdentityError::Forbidden("The default domain can't be disabled.".into()));
    }
    let put = |tx: &mut Tx| {
        let mut domain = tx.get::<Domain>(&id).ok_or_else(|| missing(&id))?.value.clone();
        domain.name = name.unwrap_or(&domain.name).to_owned();
        domain.description = description.unwrap_or(&domain.description).to_owned();
        domain.enabled = enabled.unwrap_or(domain.enabled);
        ensure_name_is_free(tx, &domain)?;
        tx.put(domain.clone());
        if !domain.enabled {
            last_admin::ensure_one_remains(tx, |_| false)?;
        }
        Ok::<_, IdentityError>(domain)
    };
    let domain = identity.store().write(session.commit_info(&identity), put).await?.value;
    Ok(Answer::ok(json!({"domain": view::domain(&identity, &domain)})))
}

/// Only a disabled domain can be deleted; its users, groups and projects go before it.
async fn remove(
    State(identity): State<Identity>,
    session: Session,
    params: Params,
) -> Result<Response, IdentityError> {
    session.require(Rule::Admin, "delete_domain")?;
    let id = params.get("id").to_owned();
    let info = session.commit_info(&identity);
    loop {
        let snapshot = identity.store().snapshot();
        let domain = snapshot.get::<Domain>(&id).ok_or_else(|| missing(&id))?;
        if domain.enabled {
            return Err(IdentityError::Forbidden(format!("The domain {id} is enabled; disable it first.")));
        }
        for doomed in contents(&snapshot, &id) {
            match doomed {
                Doomed::User(user) => delete::user(&identity, info.clone(), user).await,
                Doomed::Group(group) => delete::group(&identity, info.clone(), group).await,
                Doomed::Project(project) => delete::project(&identity, info.clone(), project).await,
                Doomed::Role(_) | Doomed::Domain(_) => Ok(()),
            }
            .or_else(|error| match error {
                // Somebody else was faster.
                IdentityError::NotFound { .. } => Ok(()),
                other => Err(other),
            })?;
        }
        if remove_empty(&identity, &session, &id).await? {
            return Ok(no_content());
        }
    }
}

/// Removes the domain unless something has come into it again.
async fn remove_empty(identity: &Identity, session: &Session, id: &String) -> Result<bool, IdentityError> {
    let mut is_empty = true;
    let remove = |tx: &mut Tx| {
        tx.guard_range::<User>(());
        tx.guard_range::<Group>(());
        tx.guard_range::<Project>(());
        is_empty = contents(tx.view(), id).next().is_none();
        let domain = tx.get::<Domain>(id).ok_or_else(|| missing(id))?;
        if domain.enabled {
            return Err(IdentityError::Conflict(format!("The domain {id} was enabled meanwhile.")));
        }
        if is_empty {
            tx.delete::<Domain>(id);
        }
        Ok(())
    };
    delete::with_dependents(identity, session.commit_info(identity), Doomed::Domain(id), remove).await?;
    Ok(is_empty)
}

fn contents<'a>(snapshot: &'a Snapshot, domain: &'a str) -> impl Iterator<Item = Doomed<'a>> {
    let users = snapshot.iter::<User>().filter(move |it| it.domain_id == domain);
    let groups = snapshot.iter::<Group>().filter(move |it| it.domain_id == domain);
    let projects = snapshot.iter::<Project>().filter(move |it| it.domain_id == domain);
    let all = users.map(|it| Doomed::User(&it.id)).chain(groups.map(|it| Doomed::Group(&it.id)));
    all.chain(projects.map(|it| Doomed::Project(&it.id)))
}

/// Refuses what is not supported rather than forgetting it.
fn check(fields: &Fields) -> Result<(), IdentityError> {
    fields.only(&FIELDS)?;
    fields.empty("tags")?;
    fields.empty("options")?;
    match fields.has("explicit_domain_id") {
        true => Err(fields.refuse("explicit_domain_id", "ids can't be chosen")),
        false => Ok(()),
    }
}

/// The domain in which a request makes something, guarded so that it isn't deleted at the same time.
pub(crate) fn ensure_exists(tx: &mut Tx, id: &str) -> Result<(), IdentityError> {
    tx.get::<Domain>(&id.to_owned()).map(drop).ok_or_else(|| missing(id))
}

fn ensure_name_is_free(tx: &mut Tx, domain: &Domain) -> Result<(), IdentityError> {
    tx.guard_range::<Domain>(());
    match tx.view().domain_by_name(&domain.name) {
        Some(other) if other.id != domain.id => Err(IdentityError::Conflict(format!(
            "There is a domain with this name already: {}.",
            domain.name
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn missing(id: &str) -> IdentityError {
    IdentityError::not_found("domain", id)
}

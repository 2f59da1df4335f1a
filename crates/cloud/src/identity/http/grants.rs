//! A user's roles on a project, the domain or the system.

use super::query::Query;
use super::request::{Answer, Params};
use super::session::{Rule, Session};
use super::{Reply, no_content, users, view};
use crate::identity::{Identity, IdentityError, last_admin};
use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use hadron_model::identity::{Assignment, DEFAULT_DOMAIN, Project, Role, Scope, User};
use hadron_store::{Snapshot, Tx};

/// Where a grant can stand.
const PLACES: [&str; 3] = ["/v3/projects/{project}", "/v3/domains/{domain}", "/v3/system"];

pub(crate) fn routes() -> Router<Identity> {
    PLACES.into_iter().fold(Router::new(), |router, place| {
        router
            .route(&format!("{place}/users/{{user}}/roles"), get(list))
            .route(&format!("{place}/users/{{user}}/roles/{{role}}"), get(check).put(grant).delete(revoke))
    })
}

/// What the path says.
struct GrantPath {
    scope: Scope,
    user: String,
    /// Empty in the path of a list.
    role: String,
}

impl<S: Send + Sync> FromRequestParts<S> for GrantPath {
    type Rejection = IdentityError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, IdentityError> {
        let params = Params::from_request_parts(parts, state).await?;
        let scope = match (params.find("project"), params.find("domain")) {
            (Some(project), _) => Scope::Project(project.clone()),
            (None, Some(domain)) => Scope::Domain(domain.clone()),
            (None, None) => Scope::System,
        };
        Ok(Self { scope, user: params.get("user").to_owned(), role: params.get("role").to_owned() })
    }
}

impl GrantPath {
    fn assignment(&self) -> Assignment {
        Assignment { user_id: self.user.clone(), scope: self.scope.clone(), role_id: self.role.clone() }
    }

    fn missing(&self) -> IdentityError {
        let on = match &self.scope {
            Scope::Project(id) => format!("project {id}"),
            Scope::Domain(id) => format!("domain {id}"),
            Scope::System => "the system".to_owned(),
        };
        let id = format!("role {} of user {} on {on}", self.role, self.user);
        IdentityError::not_found("role assignment", &id)
    }

    /// Finds what the path names, or says what is missing.
    fn check_exist(&self, snapshot: &Snapshot) -> Result<(), IdentityError> {
        match &self.scope {
            Scope::Project(id) if !snapshot.has::<Project>(id) => {
                return Err(IdentityError::not_found("project", id));
            }
            Scope::Domain(id) if id != DEFAULT_DOMAIN => return Err(IdentityError::not_found("domain", id)),
            _ => {}
        }
        if !snapshot.has::<User>(&self.user) {
            return Err(users::missing(&self.user));
        }
        if !self.role.is_empty() && !snapshot.has::<Role>(&self.role) {
            return Err(IdentityError::not_found("role", &self.role));
        }
        Ok(())
    }

    /// The path after `/v3/`, without the role.
    fn list_path(&self) -> String {
        let place = match &self.scope {
            Scope::Project(id) => format!("projects/{id}"),
            Scope::Domain(id) => format!("domains/{id}"),
            Scope::System => "system".to_owned(),
        };
        format!("{place}/users/{}/roles", self.user)
    }
}

async fn list(State(identity): State<Identity>, session: Session, path: GrantPath, query: Query) -> Reply {
    session.require(read_rule(&path.scope), "list_grants")?;
    let snapshot = identity.store().snapshot();
    path.check_exist(&snapshot)?;
    let here = snapshot.assignments_of_user(&path.user).filter(|assignment| assignment.scope == path.scope);
    let roles = here.filter_map(|assignment| snapshot.get::<Role>(&assignment.role_id));
    let views = roles.map(|role| view::role(&identity, role));
    Ok(Answer::ok(query.page(&view::url(&identity, &path.list_path()), "roles", views)?))
}

async fn check(
    State(identity): State<Identity>,
    session: Session,
    path: GrantPath,
) -> Result<Response, IdentityError> {
    session.require(read_rule(&path.scope), "check_grant")?;
    let snapshot = identity.store().snapshot();
    path.check_exist(&snapshot)?;
    if snapshot.has::<Assignment>(&path.assignment()) { Ok(no_content()) } else { Err(path.missing()) }
}

async fn grant(
    State(identity): State<Identity>,
    session: Session,
    path: GrantPath,
) -> Result<Response, IdentityError> {
    session.require(Rule::Admin, "create_grant")?;
    let put = |tx: &mut Tx| {
        path.check_exist(tx.view())?;
        // Guarded, so that none of them is deleted on another server at the same time.
        tx.get::<User>(&path.user);
        tx.get::<Role>(&path.role);
        if let Scope::Project(id) = &path.scope {
            tx.get::<Project>(id);
        }
        if tx.get::<Assignment>(&path.assignment()).is_none() {
            tx.put(path.assignment());
        }
        Ok::<_, IdentityError>(())
    };
    identity.store().write(session.commit_info(&identity), put).await?;
    Ok(no_content())
}

async fn revoke(
    State(identity): State<Identity>,
    session: Session,
    path: GrantPath,
) -> Result<Response, IdentityError> {
    session.require(Rule::Admin, "revoke_grant")?;
    let remove = |tx: &mut Tx| {
        path.check_exist(tx.view())?;
        tx.get::<Assignment>(&path.assignment()).ok_or_else(|| path.missing())?;
        tx.delete::<Assignment>(&path.assignment());
        last_admin::ensure_one_remains(tx, |_| false)
    };
    identity.store().write(session.commit_info(&identity), remove).await?;
    Ok(no_content())
}

/// A reader of the domain sees what is granted in it, not on the system.
fn read_rule(scope: &Scope) -> Rule {
    match scope {
        Scope::System => Rule::SystemReader,
        _ => Rule::DomainReader,
    }
}

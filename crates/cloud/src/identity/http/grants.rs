//! The roles of a user or a group on a project, a domain, all projects of a domain, or the system.

use super::query::Query;
use super::request::{Answer, Params};
use super::session::{Rule, Session};
use super::{Reply, domains, groups, no_content, users, view};
use crate::identity::{Identity, IdentityError, last_admin};
use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use hadron_model::identity::{Assignment, Domain, Group, GroupAssignment, Project, Role, Scope, User};
use hadron_store::{Snapshot, Tx};

/// Where a grant can stand, and what follows the role. `OS-INHERIT` is how Keystone calls grants on all projects of a domain.
const PLACES: [(&str, &str); 4] = [
    ("/v3/projects/{project}", ""),
    ("/v3/domains/{domain}", ""),
    ("/v3/system", ""),
    ("/v3/OS-INHERIT/domains/{inherited}", "/inherited_to_projects"),
];

const ACTORS: [&str; 2] = ["users/{user}", "groups/{group}"];

pub(crate) fn routes() -> Router<Identity> {
    let both = PLACES.into_iter().flat_map(|place| ACTORS.map(|actor| (place, actor)));
    both.fold(Router::new(), |router, ((place, end), actor)| {
        router
            .route(&format!("{place}/{actor}/roles{end}"), get(list))
            .route(&format!("{place}/{actor}/roles/{{role}}{end}"), get(check).put(grant).delete(revoke))
    })
}

/// What the path says.
struct GrantPath {
    scope: Scope,
    actor: Actor,
    /// Empty in the path of a list.
    role: String,
    /// The path after `/v3/`.
    path: String,
}

/// Who has the role, by id.
enum Actor {
    User(String),
    Group(String),
}

impl<S: Send + Sync> FromRequestParts<S> for GrantPath {
    type Rejection = IdentityError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, IdentityError> {
        let params = Params::from_request_parts(parts, state).await?;
        let scope = match (params.find("project"), params.find("domain"), params.find("inherited")) {
            (Some(project), ..) => Scope::Project(project.clone()),
            (_, Some(domain), _) => Scope::Domain(domain.clone()),
            (.., Some(domain)) => Scope::ProjectsOf(domain.clone()),
            _ => Scope::System,
        };
        let actor = match params.find("group") {
            Some(group) => Actor::Group(group.clone()),
            None => Actor::User(params.get("user").to_owned()),
        };
        let path = parts.uri.path().trim_start_matches("/v3/").to_owned();
        Ok(Self { scope, actor, role: params.get("role").to_owned(), path })
    }
}

impl GrantPath {
    fn exists(&self, snapshot: &Snapshot) -> bool {
        match &self.actor {
            Actor::User(id) => snapshot.has::<Assignment>(&self.of_user(id)),
            Actor::Group(id) => snapshot.has::<GroupAssignment>(&self.of_group(id)),
        }
    }

    fn of_user(&self, id: &str) -> Assignment {
        Assignment { user_id: id.to_owned(), scope: self.scope.clone(), role_id: self.role.clone() }
    }

    fn of_group(&self, id: &str) -> GroupAssignment {
        GroupAssignment { group_id: id.to_owned(), scope: self.scope.clone(), role_id: self.role.clone() }
    }

    fn missing(&self) -> IdentityError {
        let on = match &self.scope {
            Scope::Project(id) => format!("project {id}"),
            Scope::Domain(id) => format!("domain {id}"),
            Scope::ProjectsOf(id) => format!("the projects of domain {id}"),
            Scope::System => "the system".to_owned(),
        };
        let of = match &self.actor {
            Actor::User(id) => format!("user {id}"),
            Actor::Group(id) => format!("group {id}"),
        };
        let id = format!("role {} of {of} on {on}", self.role);
        IdentityError::not_found("role assignment", &id)
    }

    /// Finds what the path names, or says what is missing.
    fn check_exist(&self, snapshot: &Snapshot) -> Result<(), IdentityError> {
        match &self.scope {
            Scope::Project(id) if !snapshot.has::<Project>(id) => {
                return Err(IdentityError::not_found("project", id));
            }
            Scope::Domain(id) | Scope::ProjectsOf(id) if !snapshot.has::<Domain>(id) => {
                return Err(domains::missing(id));
            }
            _ => {}
        }
        match &self.actor {
            Actor::User(id) if !snapshot.has::<User>(id) => return Err(users::missing(id)),
            Actor::Group(id) if !snapshot.has::<Group>(id) => return Err(groups::missing(id)),
            _ => {}
        }
        if !self.role.is_empty() && !snapshot.has::<Role>(&self.role) {
            return Err(IdentityError::not_found("role", &self.role));
        }
        Ok(())
    }

    /// Guards what the path names, so that none of it is deleted on another server at the same time.
    fn guard(&self, tx: &mut Tx) {
        tx.get::<Role>(&self.role);
        match &self.actor {
            Actor::User(id) => drop(tx.get::<User>(id)),
            Actor::Group(id) => drop(tx.get::<Group>(id)),
        }
        match &self.scope {
            Scope::Project(id) => drop(tx.get::<Project>(id)),
            Scope::Domain(id) | Scope::ProjectsOf(id) => drop(tx.get::<Domain>(id)),
            Scope::System => {}
        }
    }

    /// The ids of the roles that the actor has here.
    fn roles(&self, snapshot: &Snapshot) -> Vec<String> {
        match &self.actor {
            Actor::User(id) => {
                let all = snapshot.assignments_of_user(id).filter(|it| it.scope == self.scope);
                all.map(|it| it.role_id.clone()).collect()
            }
            Actor::Group(id) => {
                let all = snapshot.assignments_of_group(id).filter(|it| it.scope == self.scope);
                all.map(|it| it.role_id.clone()).collect()
            }
        }
    }

    /// Refuses who may not see it: a reader of the domain sees what is granted in it, not on the system.
    fn require_reader(
        &self,
        session: &Session,
        snapshot: &Snapshot,
        action: &'static str,
    ) -> Result<(), IdentityError> {
        let rule = match &self.scope {
            Scope::System => Rule::SystemReader,
            Scope::Domain(id) | Scope::ProjectsOf(id) => Rule::DomainReader(id),
            Scope::Project(id) => {
                Rule::DomainReader(snapshot.get::<Project>(id).map_or("", |project| &project.domain_id))
            }
        };
        session.require(rule, action)
    }
}

async fn list(State(identity): State<Identity>, session: Session, path: GrantPath, query: Query) -> Reply {
    let snapshot = identity.store().snapshot();
    path.require_reader(&session, &snapshot, "list_grants")?;
    path.check_exist(&snapshot)?;
    let roles = path.roles(&snapshot);
    let roles = roles.iter().filter_map(|id| snapshot.get::<Role>(id));
    let views = roles.map(|role| view::role(&identity, role));
    Ok(Answer::ok(query.page(&view::url(&identity, &path.path), "roles", views)?))
}

async fn check(
    State(identity): State<Identity>,
    session: Session,
    path: GrantPath,
) -> Result<Response, IdentityError> {
    let snapshot = identity.store().snapshot();
    path.require_reader(&session, &snapshot, "check_grant")?;
    path.check_exist(&snapshot)?;
    if path.exists(&snapshot) { Ok(no_content()) } else { Err(path.missing()) }
}

async fn grant(
    State(identity): State<Identity>,
    session: Session,
    path: GrantPath,
) -> Result<Response, IdentityError> {
    session.require(Rule::Admin, "create_grant")?;
    let put = |tx: &mut Tx| {
        path.check_exist(tx.view())?;
        path.guard(tx);
        if !path.exists(tx.view()) {
            match &path.actor {
                Actor::User(id) => tx.put(path.of_user(id)),
                Actor::Group(id) => tx.put(path.of_group(id)),
            }
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
        match &path.actor {
            Actor::User(id) => {
                tx.get::<Assignment>(&path.of_user(id)).ok_or_else(|| path.missing())?;
                tx.delete::<Assignment>(&path.of_user(id));
            }
            Actor::Group(id) => {
                tx.get::<GroupAssignment>(&path.of_group(id)).ok_or_else(|| path.missing())?;
                tx.delete::<GroupAssignment>(&path.of_group(id));
            }
        }
        last_admin::ensure_one_remains(tx, |_| false)
    };
    identity.store().write(session.commit_info(&identity), remove).await?;
    Ok(no_content())
}

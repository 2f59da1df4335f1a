//! `/v3/role_assignments`: all assignments, filtered, with names, with what they imply.

use super::query::Query;
use super::request::Answer;
use super::session::{Rule, Session};
use super::{Reply, view};
use crate::identity::roles::implied_by;
use crate::identity::token::TokenScope;
use crate::identity::{Identity, IdentityError};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use hadron_model::identity::{Assignment, Project, Role, Scope, User};
use hadron_store::Snapshot;
use serde_json::{Value, json};

pub(crate) fn routes() -> Router<Identity> {
    Router::new().route("/v3/role_assignments", get(list))
}

async fn list(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    check(&query)?;
    session.require(Rule::DomainReader, "list_role_assignments")?;
    let snapshot = identity.store().snapshot();
    let sees_system = !matches!(session.scope(), TokenScope::Domain(_));
    let lister =
        Lister { identity: &identity, snapshot: &snapshot, with_names: query.is_set("include_names") };
    let effective = query.is_set("effective");
    let role = query.get("role.id").filter(|id| !id.is_empty());
    let mut views = Vec::new();
    for assignment in snapshot.iter::<Assignment>() {
        if is_match(&query, assignment)
            && exists(&snapshot, assignment)
            && (sees_system || assignment.scope != Scope::System)
        {
            lister.list(assignment, effective, role, &mut views);
        }
    }
    let url = query.link(&view::url(&identity, "role_assignments"));
    let links = json!({"self": url, "next": null, "previous": null});
    Ok(Answer::ok(json!({"role_assignments": views, "links": links})))
}

/// Refuses combinations that can't match, as Keystone does.
fn check(query: &Query) -> Result<(), IdentityError> {
    let given = |name: &str| query.get(name).is_some_and(|value| !value.is_empty());
    for (one, other) in [("user.id", "group.id"), ("scope.project.id", "scope.domain.id")] {
        if given(one) && given(other) {
            return Err(IdentityError::bad(format!("Specify {one} or {other} in the query, not both.")));
        }
    }
    if query.is_set("effective") && given("group.id") {
        return Err(IdentityError::bad("effective together with group.id can't match anything."));
    }
    Ok(())
}

fn is_match(query: &Query, assignment: &Assignment) -> bool {
    let wants = |name: &str| query.get(name).filter(|value| !value.is_empty());
    let on_system = wants("scope.system").is_some_and(|value| value != "0");
    let in_scope = match &assignment.scope {
        Scope::Project(id) => {
            wants("scope.project.id").is_none_or(|wanted| wanted == id)
                && wants("scope.domain.id").is_none()
                && !on_system
        }
        Scope::Domain(id) => {
            wants("scope.domain.id").is_none_or(|wanted| wanted == id)
                && wants("scope.project.id").is_none()
                && !on_system
        }
        Scope::System => wants("scope.project.id").is_none() && wants("scope.domain.id").is_none(),
    };
    // There are no groups, and no assignments that projects inherit.
    let exists = wants("group.id").is_none() && wants("scope.OS-INHERIT:inherited_to").is_none();
    in_scope && exists && wants("user.id").is_none_or(|wanted| wanted == assignment.user_id)
}

/// Whether the user and the project are there.
fn exists(snapshot: &Snapshot, assignment: &Assignment) -> bool {
    let has_scope = match &assignment.scope {
        Scope::Project(id) => snapshot.has::<Project>(id),
        _ => true,
    };
    has_scope && snapshot.has::<User>(&assignment.user_id)
}

struct Lister<'a> {
    identity: &'a Identity,
    snapshot: &'a Snapshot,
    with_names: bool,
}

impl Lister<'_> {
    /// Appends the assignment and, if `effective`, those that it implies; only of `role`, if one is given.
    fn list(&self, assignment: &Assignment, effective: bool, role: Option<&str>, views: &mut Vec<Value>) {
        let mut prior: Option<&Role> = None;
        let mut next = self.snapshot.get::<Role>(&assignment.role_id).map(|role| &role.value);
        while let Some(current) = next {
            if role.is_none_or(|wanted| wanted == current.id) {
                views.push(self.view(assignment, current, prior));
            }
            let implied = implied_by(&current.name).filter(|_| effective);
            prior = Some(current);
            next = implied.and_then(|name| self.snapshot.role_by_name(name)).map(|role| &role.value);
        }
    }

    fn view(&self, assignment: &Assignment, role: &Role, prior: Option<&Role>) -> Value {
        let place = match &assignment.scope {
            Scope::Project(id) => format!("projects/{id}"),
            Scope::Domain(id) => format!("domains/{id}"),
            Scope::System => "system".to_owned(),
        };
        let path = |role: &str| format!("{place}/users/{}/roles/{role}", assignment.user_id);
        let granted = prior.map_or(&role.id, |prior| &prior.id);
        let mut links = json!({"assignment": view::url(self.identity, &path(granted))});
        if let Some(prior) = prior {
            let path = format!("prior_role/{}/implies/{}", prior.id, role.id);
            links["prior_role"] = json!(view::url(self.identity, &path));
        }
        json!({
            "links": links,
            "scope": self.scope(&assignment.scope),
            "user": self.user(&assignment.user_id),
            "role": self.named(&role.id, Some(&role.name)),
        })
    }

    fn named(&self, id: &str, name: Option<&str>) -> Value {
        if self.with_names { json!({"id": id, "name": name.unwrap_or_default()}) } else { json!({"id": id}) }
    }

    fn in_domain(&self, id: &str, name: Option<&str>) -> Value {
        let mut value = self.named(id, name);
        if self.with_names {
            value["domain"] = view::domain_ref();
        }
        value
    }

    fn user(&self, id: &String) -> Value {
        self.in_domain(id, self.snapshot.get::<User>(id).map(|user| user.name.as_str()))
    }

    fn scope(&self, scope: &Scope) -> Value {
        match scope {
            Scope::System => json!({"system": {"all": true}}),
            Scope::Domain(_) if self.with_names => json!({"domain": view::domain_ref()}),
            Scope::Domain(id) => json!({"domain": {"id": id}}),
            Scope::Project(id) => {
                let name = self.snapshot.get::<Project>(id).map(|project| project.name.as_str());
                json!({"project": self.in_domain(id, name)})
            }
        }
    }
}

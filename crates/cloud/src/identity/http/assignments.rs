//! `/v3/role_assignments`: all assignments, filtered, with names, with what they imply.

use super::query::Query;
use super::request::Answer;
use super::session::Session;
use super::{Reply, view};
use crate::identity::roles::implied_by;
use crate::identity::{Identity, IdentityError};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use hadron_model::identity::{Assignment, Domain, Group, GroupAssignment, Project, Role, Scope, User};
use hadron_store::Snapshot;
use serde_json::{Value, json};

pub(crate) fn routes() -> Router<Identity> {
    Router::new().route("/v3/role_assignments", get(list))
}

async fn list(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    check(&query)?;
    let domain = session.listed_domain("list_role_assignments")?;
    let snapshot = identity.store().snapshot();
    let lister = Lister {
        identity: &identity,
        snapshot: &snapshot,
        with_names: query.is_set("include_names"),
        is_effective: query.is_set("effective"),
        query: &query,
    };
    let mut views = Vec::new();
    for grant in grants(&snapshot) {
        if grant.exists(&snapshot) && domain.is_none_or(|domain| grant.is_in(&snapshot, domain)) {
            lister.list(&grant, &mut views);
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

/// A role that a user has, by himself or as a member of a group, or that a group has.
#[derive(Clone)]
struct Grant<'a> {
    user: Option<&'a str>,
    group: Option<&'a str>,
    scope: &'a Scope,
    role_id: &'a String,
}

fn grants(snapshot: &Snapshot) -> impl Iterator<Item = Grant<'_>> {
    let own = snapshot.iter::<Assignment>().map(|it| Grant {
        user: Some(&it.user_id),
        group: None,
        scope: &it.scope,
        role_id: &it.role_id,
    });
    own.chain(snapshot.iter::<GroupAssignment>().map(|it| Grant {
        user: None,
        group: Some(&it.group_id),
        scope: &it.scope,
        role_id: &it.role_id,
    }))
}

impl Grant<'_> {
    /// Whether what it names is there.
    fn exists(&self, snapshot: &Snapshot) -> bool {
        let has_scope = match self.scope {
            Scope::Project(id) => snapshot.has::<Project>(id),
            Scope::Domain(id) | Scope::ProjectsOf(id) => snapshot.has::<Domain>(id),
            Scope::System => true,
        };
        has_scope
            && self.user.is_none_or(|id| snapshot.has::<User>(&id.to_owned()))
            && self.group.is_none_or(|id| snapshot.has::<Group>(&id.to_owned()))
    }

    /// Whether it stands on the domain or in it.
    fn is_in(&self, snapshot: &Snapshot, domain: &str) -> bool {
        match self.scope {
            Scope::Project(id) => snapshot.get::<Project>(id).is_some_and(|it| it.domain_id == domain),
            Scope::Domain(id) | Scope::ProjectsOf(id) => id == domain,
            Scope::System => false,
        }
    }

    fn is_match(&self, query: &Query) -> bool {
        let wants = |name: &str| query.get(name).filter(|value| !value.is_empty());
        let on_system = wants("scope.system").is_some_and(|value| value != "0");
        let inherited = wants("scope.OS-INHERIT:inherited_to").is_none_or(|value| value == "projects");
        let only_inherited = wants("scope.OS-INHERIT:inherited_to").is_some();
        let (project, domain) = (wants("scope.project.id"), wants("scope.domain.id"));
        let in_scope = match self.scope {
            Scope::Project(id) => {
                project.is_none_or(|it| it == id) && domain.is_none() && !on_system && !only_inherited
            }
            Scope::Domain(id) => {
                domain.is_none_or(|it| it == id) && project.is_none() && !on_system && !only_inherited
            }
            Scope::ProjectsOf(id) => {
                domain.is_none_or(|it| it == id) && project.is_none() && !on_system && inherited
            }
            Scope::System => project.is_none() && domain.is_none() && !only_inherited,
        };
        in_scope
            && wants("user.id").is_none_or(|wanted| self.user == Some(wanted))
            && wants("group.id").is_none_or(|wanted| self.group == Some(wanted) && self.user.is_none())
    }

    /// The place in a path.
    fn place(&self) -> String {
        match self.scope {
            Scope::Project(id) => format!("projects/{id}"),
            Scope::Domain(id) => format!("domains/{id}"),
            Scope::ProjectsOf(id) => format!("OS-INHERIT/domains/{id}"),
            Scope::System => "system".to_owned(),
        }
    }

    /// The path at which the role was granted.
    fn path(&self, role: &str) -> String {
        let actor = match (self.group, self.user) {
            (Some(group), _) => format!("groups/{group}"),
            (None, user) => format!("users/{}", user.unwrap_or_default()),
        };
        let end = if matches!(self.scope, Scope::ProjectsOf(_)) { "/inherited_to_projects" } else { "" };
        format!("{}/{actor}/roles/{role}{end}", self.place())
    }
}

struct Lister<'a> {
    identity: &'a Identity,
    snapshot: &'a Snapshot,
    with_names: bool,
    is_effective: bool,
    query: &'a Query,
}

impl Lister<'_> {
    /// Appends the grant if it matches; what comes of it for users and projects instead, if only that is asked for.
    fn list(&self, grant: &Grant<'_>, views: &mut Vec<Value>) {
        if !self.is_effective {
            self.list_one(grant, None, views);
            return;
        }
        let members: Vec<&str> = match (grant.user, grant.group) {
            (None, Some(group)) => self.snapshot.users_of_group(group).collect(),
            (user, _) => user.into_iter().collect(),
        };
        let inherited: Vec<Scope> = match grant.scope {
            Scope::ProjectsOf(domain) => {
                let projects = self.snapshot.iter::<Project>().filter(|it| it.domain_id == *domain);
                projects.map(|it| Scope::Project(it.id.clone())).collect()
            }
            _ => Vec::new(),
        };
        for user in members {
            let own = Grant { user: Some(user), ..grant.clone() };
            match grant.scope {
                Scope::ProjectsOf(_) => inherited
                    .iter()
                    .for_each(|scope| self.list_one(&Grant { scope, ..own.clone() }, Some(grant), views)),
                _ => self.list_one(&own, None, views),
            }
        }
    }

    /// Appends the grant if it matches and, if effective ones are asked for, those that it implies; `source` is where it comes
    /// from.
    fn list_one(&self, grant: &Grant<'_>, source: Option<&Grant<'_>>, views: &mut Vec<Value>) {
        if !grant.is_match(self.query) {
            return;
        }
        let wanted = self.query.get("role.id").filter(|id| !id.is_empty());
        let mut prior: Option<&Role> = None;
        let mut next = self.snapshot.get::<Role>(grant.role_id).map(|role| &role.value);
        while let Some(current) = next {
            if wanted.is_none_or(|wanted| wanted == current.id) {
                views.push(self.view(grant, source.unwrap_or(grant), current, prior));
            }
            let implied = implied_by(&current.name).filter(|_| self.is_effective);
            prior = Some(current);
            next = implied.and_then(|name| self.snapshot.role_by_name(name)).map(|role| &role.value);
        }
    }

    fn view(&self, grant: &Grant<'_>, source: &Grant<'_>, role: &Role, prior: Option<&Role>) -> Value {
        let granted = prior.map_or(&role.id, |prior| &prior.id);
        let mut links = json!({"assignment": view::url(self.identity, &source.path(granted))});
        if let (Some(group), Some(user)) = (grant.group, grant.user) {
            let path = format!("groups/{group}/users/{user}");
            links["membership"] = json!(view::url(self.identity, &path));
        }
        if let Some(prior) = prior {
            let path = format!("prior_role/{}/implies/{}", prior.id, role.id);
            links["prior_role"] = json!(view::url(self.identity, &path));
        }
        let mut view = json!({
            "links": links,
            "scope": self.scope(grant.scope),
            "role": self.named(&role.id, Some(&role.name)),
        });
        match (grant.user, grant.group) {
            (Some(id), _) => view["user"] = self.user(id),
            (None, Some(id)) => view["group"] = self.group(id),
            (None, None) => {}
        }
        view
    }

    fn named(&self, id: &str, name: Option<&str>) -> Value {
        if self.with_names { json!({"id": id, "name": name.unwrap_or_default()}) } else { json!({"id": id}) }
    }

    fn in_domain(&self, id: &str, name_and_domain: Option<(&str, &str)>) -> Value {
        let mut value = self.named(id, name_and_domain.map(|(name, _)| name));
        if let Some((_, domain)) = name_and_domain.filter(|_| self.with_names) {
            value["domain"] = view::domain_ref(self.snapshot, domain);
        }
        value
    }

    fn user(&self, id: &str) -> Value {
        let user = self.snapshot.get::<User>(&id.to_owned());
        self.in_domain(id, user.map(|user| (user.name.as_str(), user.domain_id.as_str())))
    }

    fn group(&self, id: &str) -> Value {
        let group = self.snapshot.get::<Group>(&id.to_owned());
        self.in_domain(id, group.map(|group| (group.name.as_str(), group.domain_id.as_str())))
    }

    fn scope(&self, scope: &Scope) -> Value {
        let domain = |id: &str| {
            if self.with_names { view::domain_ref(self.snapshot, id) } else { json!({"id": id}) }
        };
        match scope {
            Scope::System => json!({"system": {"all": true}}),
            Scope::Domain(id) => json!({"domain": domain(id)}),
            Scope::ProjectsOf(id) => json!({"domain": domain(id), "OS-INHERIT:inherited_to": "projects"}),
            Scope::Project(id) => {
                let project = self.snapshot.get::<Project>(id);
                let name = project.map(|project| (project.name.as_str(), project.domain_id.as_str()));
                json!({"project": self.in_domain(id, name)})
            }
        }
    }
}

//! `/v3/users`, and their passwords.

use super::body::{Fields, JsonBody};
use super::parse::UserRef;
use super::projects::MAX_DESCRIPTION;
use super::query::Query;
use super::request::{Answer, Params, Peer};
use super::session::{Rule, Session};
use super::{Reply, delete, domains, no_content, tokens, view};
use crate::identity::bootstrap::{new_id, next_epoch};
use crate::identity::password::MAX_PASSWORD;
use crate::identity::{Identity, IdentityError, last_admin};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use hadron_model::identity::User;
use hadron_store::{CommitInfo, Snapshot, Tx};
use serde_json::json;

/// Longest name, as in Keystone.
const MAX_NAME: usize = 255;

const FIELDS: [&str; 8] =
    ["name", "description", "enabled", "domain_id", "default_project_id", "email", "password", "options"];

pub(crate) fn routes() -> Router<Identity> {
    Router::new()
        .route("/v3/users", get(list).post(create))
        .route("/v3/users/{id}", get(show).patch(update).delete(remove))
        .route("/v3/users/{id}/password", post(change_password))
        .route("/v3/users/{id}/projects", get(projects))
}

async fn list(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    let listed = session.listed_domain("list_users")?;
    query.is_match_bool("enabled", true)?;
    let snapshot = identity.store().snapshot();
    let users = snapshot.iter::<User>().filter(|user| {
        listed.is_none_or(|domain| domain == user.domain_id)
            && query.is_match("name", &user.name)
            && query.is_match("domain_id", &user.domain_id)
            && query.is_match_bool("enabled", user.enabled).unwrap_or(false)
    });
    let views = users.map(|user| view::user(&identity, user));
    Ok(Answer::ok(query.page(&view::url(&identity, "users"), "users", views)?))
}

async fn create(State(identity): State<Identity>, session: Session, body: JsonBody) -> Reply {
    let fields = Fields::envelope(&body, "user")?;
    check(&fields)?;
    let name = fields.required_name(MAX_NAME)?;
    let changes = Changes::parse(&fields)?;
    session.require(Rule::Admin, "create_user")?;
    let hash = changes.hash(&identity).await?;
    let info = session.commit_info(&identity);
    let mut user = User {
        id: new_id(),
        name: name.to_owned(),
        domain_id: fields.text("domain_id")?.unwrap_or(session.home_domain()).to_owned(),
        description: String::new(),
        email: String::new(),
        default_project_id: None,
        enabled: true,
        password_hash: None,
        tokens_valid_from: info.time.0,
    };
    changes.apply(&mut user, hash);
    let put = |tx: &mut Tx| {
        domains::ensure_exists(tx, &user.domain_id)?;
        ensure_name_is_free(tx, &user)?;
        tx.put(user.clone());
        Ok::<_, IdentityError>(())
    };
    identity.store().write(info, put).await?;
    Ok(Answer::created(json!({"user": view::user(&identity, &user)})))
}

async fn show(State(identity): State<Identity>, session: Session, params: Params) -> Reply {
    let id = params.get("id");
    let snapshot = identity.store().snapshot();
    require_reader(&session, &snapshot, id, "get_user")?;
    let user = snapshot.get::<User>(&id.to_owned()).ok_or_else(|| missing(id))?;
    Ok(Answer::ok(json!({"user": view::user(&identity, user)})))
}

async fn update(State(identity): State<Identity>, session: Session, params: Params, body: JsonBody) -> Reply {
    let fields = Fields::envelope(&body, "user")?;
    check(&fields)?;
    let id = params.get("id").to_owned();
    let name = fields.name(MAX_NAME)?;
    let changes = Changes::parse(&fields)?;
    session.require(Rule::Admin, "update_user")?;
    let domain = fields.text("domain_id")?;
    let hash = changes.hash(&identity).await?;
    let put = |tx: &mut Tx| {
        let mut user = tx.get::<User>(&id).ok_or_else(|| missing(&id))?.value.clone();
        if domain.is_some_and(|domain| domain != user.domain_id) {
            return Err(IdentityError::bad("A user can't move to another domain."));
        }
        user.name = name.unwrap_or(&user.name).to_owned();
        let was_enabled = user.enabled;
        changes.apply(&mut user, hash.clone());
        if changes.password.is_some() || (was_enabled && !user.enabled) {
            user.tokens_valid_from = next_epoch(&user, tx.info().time);
        }
        ensure_name_is_free(tx, &user)?;
        tx.put(user.clone());
        if !user.enabled || user.password_hash.is_none() {
            last_admin::ensure_one_remains(tx, |_| false)?;
        }
        Ok::<_, IdentityError>(user)
    };
    let user = identity.store().write(session.commit_info(&identity), put).await?.value;
    Ok(Answer::ok(json!({"user": view::user(&identity, &user)})))
}

async fn remove(
    State(identity): State<Identity>,
    session: Session,
    params: Params,
) -> Result<Response, IdentityError> {
    session.require(Rule::Admin, "delete_user")?;
    delete::user(&identity, session.commit_info(&identity), params.get("id")).await?;
    Ok(no_content())
}

async fn projects(State(identity): State<Identity>, session: Session, params: Params, query: Query) -> Reply {
    let id = params.get("id");
    let snapshot = identity.store().snapshot();
    require_reader(&session, &snapshot, id, "list_user_projects")?;
    if !snapshot.has::<User>(&id.to_owned()) {
        return Err(missing(id));
    }
    tokens::list_projects(&identity, id, &query, &format!("users/{id}/projects"))
}

/// Refuses who neither is the user nor may read his domain.
pub(crate) fn require_reader(
    session: &Session,
    snapshot: &Snapshot,
    user: &str,
    action: &'static str,
) -> Result<(), IdentityError> {
    let domain = snapshot.get::<User>(&user.to_owned()).map_or("", |user| &user.domain_id);
    session.require_or(Rule::DomainReader(domain), action, session.user_id() == user)
}

/// A user changes his own password. The old password is what authenticates, so no token is asked for (nor does Keystone:
/// an administrator may have ended all of them). All tokens of the user end.
async fn change_password(
    State(identity): State<Identity>,
    Peer(peer): Peer,
    params: Params,
    body: JsonBody,
) -> Result<Response, IdentityError> {
    let fields = Fields::envelope(&body, "user")?;
    fields.only(&["original_password", "password"])?;
    let original = fields.required_text("original_password")?;
    fields.required_text("password")?;
    let password = parse_password(&fields)?.unwrap_or_default();
    let id = params.get("id").to_owned();
    let checked = identity.check_password(&UserRef::Id(id.clone()), original, peer).await?;
    let hash = identity.passwords().hash(password).await?;
    let info = CommitInfo { actor: id.clone(), time: identity.now(), ..CommitInfo::default() };
    let put = |tx: &mut Tx| {
        let current = tx.get::<User>(&id).ok_or(IdentityError::Unauthorized)?;
        if current.password_hash != checked.password_hash || !current.enabled {
            return Err(IdentityError::Unauthorized);
        }
        let epoch = next_epoch(&current, tx.info().time);
        tx.put(User { password_hash: Some(hash.clone()), tokens_valid_from: epoch, ..current.value.clone() });
        Ok(())
    };
    identity.store().write(info, put).await?;
    Ok(no_content())
}

/// What a request wants a user to be, as far as it says; a second `Option` is one that may be null.
struct Changes<'a> {
    description: Option<&'a str>,
    email: Option<&'a str>,
    enabled: Option<bool>,
    default_project_id: Option<Option<&'a str>>,
    password: Option<Option<&'a str>>,
}

impl<'a> Changes<'a> {
    fn parse(fields: &Fields<'a>) -> Result<Self, IdentityError> {
        let emptied = |name: &str| fields.names(name).then_some("");
        let project = fields.bounded_text("default_project_id", 64)?;
        let password = parse_password(fields)?;
        Ok(Self {
            description: fields.bounded_text("description", MAX_DESCRIPTION)?.or(emptied("description")),
            email: fields.bounded_text("email", 320)?.or(emptied("email")),
            enabled: fields.boolean("enabled")?,
            default_project_id: fields.names("default_project_id").then_some(project),
            password: fields.names("password").then_some(password),
        })
    }

    /// The hash of the new password, if there is one.
    async fn hash(&self, identity: &Identity) -> Result<Option<String>, IdentityError> {
        match self.password {
            Some(Some(password)) => Ok(Some(identity.passwords().hash(password).await?)),
            _ => Ok(None),
        }
    }

    fn apply(&self, user: &mut User, hash: Option<String>) {
        user.description = self.description.unwrap_or(&user.description).to_owned();
        user.email = self.email.unwrap_or(&user.email).to_owned();
        user.enabled = self.enabled.unwrap_or(user.enabled);
        if let Some(project) = self.default_project_id {
            user.default_project_id = project.map(str::to_owned);
        }
        if self.password.is_some() {
            user.password_hash = hash;
        }
    }
}

fn check(fields: &Fields) -> Result<(), IdentityError> {
    fields.only(&FIELDS)?;
    fields.empty("options")
}

/// The new password; an empty one is refused, since anybody could log in with it.
fn parse_password<'a>(fields: &Fields<'a>) -> Result<Option<&'a str>, IdentityError> {
    match fields.text("password")? {
        Some("") => Err(fields.refuse("password", "it is empty")),
        Some(password) if password.len() > MAX_PASSWORD => {
            Err(fields.refuse("password", &format!("it is longer than {MAX_PASSWORD} bytes")))
        }
        password => Ok(password),
    }
}

fn ensure_name_is_free(tx: &mut Tx, user: &User) -> Result<(), IdentityError> {
    tx.guard_range::<User>(());
    match tx.view().user_by_name(&user.domain_id, &user.name) {
        Some(other) if other.id != user.id => Err(IdentityError::Conflict(format!(
            "The domain has a user with this name already: {}.",
            user.name
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn missing(id: &str) -> IdentityError {
    IdentityError::not_found("user", id)
}

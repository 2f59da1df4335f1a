//! Projects, users, roles, assignments and secrets; groups and what belongs to them are in [`group`].

mod group;

use super::Encoded;
use super::parts::bad;
use crate::DecodeError;
use hadron_model::identity::{Assignment, Project, Role, Scope, Secret, User};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ProjectMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    domain_id: String,
    #[prost(string, tag = "4")]
    description: String,
    #[prost(bool, tag = "5")]
    enabled: bool,
}

impl Encoded for Project {
    type Message = ProjectMessage;
    const LAST_FIELD: u32 = 5;

    fn to_message(&self) -> ProjectMessage {
        ProjectMessage {
            id: self.id.clone(),
            name: self.name.clone(),
            domain_id: self.domain_id.clone(),
            description: self.description.clone(),
            enabled: self.enabled,
        }
    }

    fn from_message(message: ProjectMessage) -> Result<Self, DecodeError> {
        Ok(Project {
            id: message.id,
            name: message.name,
            domain_id: message.domain_id,
            description: message.description,
            enabled: message.enabled,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct UserMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    domain_id: String,
    #[prost(string, tag = "4")]
    description: String,
    #[prost(string, tag = "5")]
    email: String,
    #[prost(string, optional, tag = "6")]
    default_project_id: Option<String>,
    #[prost(bool, tag = "7")]
    enabled: bool,
    #[prost(string, optional, tag = "8")]
    password_hash: Option<String>,
    #[prost(int64, tag = "9")]
    tokens_valid_from: i64,
}

impl Encoded for User {
    type Message = UserMessage;
    const LAST_FIELD: u32 = 9;

    fn to_message(&self) -> UserMessage {
        UserMessage {
            id: self.id.clone(),
            name: self.name.clone(),
            domain_id: self.domain_id.clone(),
            description: self.description.clone(),
            email: self.email.clone(),
            default_project_id: self.default_project_id.clone(),
            enabled: self.enabled,
            password_hash: self.password_hash.clone(),
            tokens_valid_from: self.tokens_valid_from,
        }
    }

    fn from_message(message: UserMessage) -> Result<Self, DecodeError> {
        Ok(User {
            id: message.id,
            name: message.name,
            domain_id: message.domain_id,
            description: message.description,
            email: message.email,
            default_project_id: message.default_project_id,
            enabled: message.enabled,
            password_hash: message.password_hash,
            tokens_valid_from: message.tokens_valid_from,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RoleMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    description: String,
}

impl Encoded for Role {
    type Message = RoleMessage;
    const LAST_FIELD: u32 = 3;

    fn to_message(&self) -> RoleMessage {
        RoleMessage { id: self.id.clone(), name: self.name.clone(), description: self.description.clone() }
    }

    fn from_message(message: RoleMessage) -> Result<Self, DecodeError> {
        Ok(Role { id: message.id, name: message.name, description: message.description })
    }
}

const PROJECT: u32 = 1;
const DOMAIN: u32 = 2;
const SYSTEM: u32 = 3;
const PROJECTS_OF: u32 = 4;

/// A scope as type and id.
fn scope_fields(scope: &Scope) -> (u32, String) {
    match scope {
        Scope::Project(id) => (PROJECT, id.clone()),
        Scope::Domain(id) => (DOMAIN, id.clone()),
        Scope::System => (SYSTEM, String::new()),
        Scope::ProjectsOf(domain) => (PROJECTS_OF, domain.clone()),
    }
}

fn scope(scope_type: u32, id: String) -> Result<Scope, DecodeError> {
    Ok(match scope_type {
        PROJECT => Scope::Project(id),
        DOMAIN => Scope::Domain(id),
        SYSTEM => Scope::System,
        PROJECTS_OF => Scope::ProjectsOf(id),
        _ => return Err(bad("scope")),
    })
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AssignmentMessage {
    #[prost(string, tag = "1")]
    user_id: String,
    #[prost(string, tag = "2")]
    role_id: String,
    #[prost(uint32, tag = "3")]
    scope_type: u32,
    #[prost(string, tag = "4")]
    scope_id: String,
}

impl Encoded for Assignment {
    type Message = AssignmentMessage;
    const LAST_FIELD: u32 = 4;

    fn to_message(&self) -> AssignmentMessage {
        let (scope_type, scope_id) = scope_fields(&self.scope);
        AssignmentMessage {
            user_id: self.user_id.clone(),
            role_id: self.role_id.clone(),
            scope_type,
            scope_id,
        }
    }

    fn from_message(message: AssignmentMessage) -> Result<Self, DecodeError> {
        let scope = scope(message.scope_type, message.scope_id)?;
        Ok(Assignment { user_id: message.user_id, scope, role_id: message.role_id })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SecretMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

impl Encoded for Secret {
    type Message = SecretMessage;
    const LAST_FIELD: u32 = 2;

    fn to_message(&self) -> SecretMessage {
        SecretMessage { name: self.name.clone(), value: self.value.clone() }
    }

    fn from_message(message: SecretMessage) -> Result<Self, DecodeError> {
        Ok(Secret { name: message.name, value: message.value })
    }
}

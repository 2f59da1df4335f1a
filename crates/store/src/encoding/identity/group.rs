//! Domains, groups, their members and roles, and application credentials.

use super::super::Encoded;
use super::{scope, scope_fields};
use crate::DecodeError;
use hadron_model::Timestamp;
use hadron_model::identity::{ApplicationCredential, Domain, Group, GroupAssignment, Membership};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DomainMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    description: String,
    #[prost(bool, tag = "4")]
    enabled: bool,
}

impl Encoded for Domain {
    type Message = DomainMessage;
    const LAST_FIELD: u32 = 4;

    fn to_message(&self) -> DomainMessage {
        DomainMessage {
            id: self.id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            enabled: self.enabled,
        }
    }

    fn from_message(message: DomainMessage) -> Result<Self, DecodeError> {
        Ok(Self {
            id: message.id,
            name: message.name,
            description: message.description,
            enabled: message.enabled,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GroupMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    domain_id: String,
    #[prost(string, tag = "4")]
    description: String,
}

impl Encoded for Group {
    type Message = GroupMessage;
    const LAST_FIELD: u32 = 4;

    fn to_message(&self) -> GroupMessage {
        GroupMessage {
            id: self.id.clone(),
            name: self.name.clone(),
            domain_id: self.domain_id.clone(),
            description: self.description.clone(),
        }
    }

    fn from_message(message: GroupMessage) -> Result<Self, DecodeError> {
        Ok(Self {
            id: message.id,
            name: message.name,
            domain_id: message.domain_id,
            description: message.description,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MembershipMessage {
    #[prost(string, tag = "1")]
    user_id: String,
    #[prost(string, tag = "2")]
    group_id: String,
}

impl Encoded for Membership {
    type Message = MembershipMessage;
    const LAST_FIELD: u32 = 2;

    fn to_message(&self) -> MembershipMessage {
        MembershipMessage { user_id: self.user_id.clone(), group_id: self.group_id.clone() }
    }

    fn from_message(message: MembershipMessage) -> Result<Self, DecodeError> {
        Ok(Self { user_id: message.user_id, group_id: message.group_id })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GroupAssignmentMessage {
    #[prost(string, tag = "1")]
    group_id: String,
    #[prost(string, tag = "2")]
    role_id: String,
    #[prost(uint32, tag = "3")]
    scope_type: u32,
    #[prost(string, tag = "4")]
    scope_id: String,
}

impl Encoded for GroupAssignment {
    type Message = GroupAssignmentMessage;
    const LAST_FIELD: u32 = 4;

    fn to_message(&self) -> GroupAssignmentMessage {
        let (scope_type, scope_id) = scope_fields(&self.scope);
        GroupAssignmentMessage {
            group_id: self.group_id.clone(),
            role_id: self.role_id.clone(),
            scope_type,
            scope_id,
        }
    }

    fn from_message(message: GroupAssignmentMessage) -> Result<Self, DecodeError> {
        let scope = scope(message.scope_type, message.scope_id)?;
        Ok(Self { group_id: message.group_id, scope, role_id: message.role_id })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ApplicationCredentialMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    user_id: String,
    #[prost(string, tag = "4")]
    project_id: String,
    #[prost(string, tag = "5")]
    description: String,
    #[prost(string, tag = "6")]
    secret_hash: String,
    #[prost(string, repeated, tag = "7")]
    roles: Vec<String>,
    #[prost(int64, optional, tag = "8")]
    expires_at: Option<i64>,
    #[prost(bool, tag = "9")]
    unrestricted: bool,
}

impl Encoded for ApplicationCredential {
    type Message = ApplicationCredentialMessage;
    const LAST_FIELD: u32 = 9;

    fn to_message(&self) -> ApplicationCredentialMessage {
        ApplicationCredentialMessage {
            id: self.id.clone(),
            name: self.name.clone(),
            user_id: self.user_id.clone(),
            project_id: self.project_id.clone(),
            description: self.description.clone(),
            secret_hash: self.secret_hash.clone(),
            roles: self.roles.clone(),
            expires_at: self.expires_at.map(|time| time.0),
            unrestricted: self.unrestricted,
        }
    }

    fn from_message(message: ApplicationCredentialMessage) -> Result<Self, DecodeError> {
        Ok(Self {
            id: message.id,
            name: message.name,
            user_id: message.user_id,
            project_id: message.project_id,
            description: message.description,
            secret_hash: message.secret_hash,
            roles: message.roles,
            expires_at: message.expires_at.map(Timestamp),
            unrestricted: message.unrestricted,
        })
    }
}

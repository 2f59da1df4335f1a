//! What a rule can ask of a caller.

use super::{Policy, Target};
use crate::Caller;
use std::borrow::Cow;

/// A property of the caller, by the names that Neutron gives to oslo.policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Property {
    /// `user_id`
    User,
    /// `user_name`
    UserName,
    /// `user_domain_id`
    UserDomain,
    /// `project_id`
    Project,
    /// `project_name`
    ProjectName,
    /// `project_domain_id`
    ProjectDomain,
    /// `domain_id`: the domain that the token is scoped to.
    Domain,
    /// `system_scope`: `all` with a token for the system.
    System,
    /// `roles`
    Roles,
    /// `is_admin_project`; always, since Keystone's setting for it is not read.
    AdminProject,
    /// `service_user_id`
    ServiceUser,
    /// `service_user_domain_id`
    ServiceUserDomain,
    /// `service_project_id`
    ServiceProject,
    /// `service_project_domain_id`
    ServiceProjectDomain,
    /// `service_roles`
    ServiceRoles,
    /// `is_admin`: passes `context_is_admin`.
    Admin,
    /// `has_global_access`: an administrator, or passes `context_with_global_access`.
    GlobalAccess,
    /// `can_set_project_id`: may make objects for other projects.
    SetProject,
}

const NAMES: &[(&str, Property)] = &[
    ("user_id", Property::User),
    ("user", Property::User),
    ("user_name", Property::UserName),
    ("user_domain_id", Property::UserDomain),
    ("user_domain", Property::UserDomain),
    ("project_id", Property::Project),
    ("tenant_id", Property::Project),
    ("project_name", Property::ProjectName),
    ("project_domain_id", Property::ProjectDomain),
    ("project_domain", Property::ProjectDomain),
    ("domain_id", Property::Domain),
    ("domain", Property::Domain),
    ("system_scope", Property::System),
    ("system", Property::System),
    ("roles", Property::Roles),
    ("is_admin_project", Property::AdminProject),
    ("service_user_id", Property::ServiceUser),
    ("service_user_domain_id", Property::ServiceUserDomain),
    ("service_project_id", Property::ServiceProject),
    ("service_project_domain_id", Property::ServiceProjectDomain),
    ("service_roles", Property::ServiceRoles),
    ("is_admin", Property::Admin),
    ("has_global_access", Property::GlobalAccess),
    ("can_set_project_id", Property::SetProject),
];

impl Property {
    /// The property of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, property)| *property)
    }

    /// Whether the caller's is `text`; one that the caller has not is `None`. What rules make of the caller is asked only
    /// if `asks_rules`: the rules that decide it can't depend on it.
    pub(super) fn is(self, text: &str, policy: &Policy, caller: &Caller, asks_rules: bool) -> bool {
        let flag = |value: bool| text == if value { "True" } else { "False" };
        match self {
            Property::Roles => caller.roles.iter().any(|role| role == text),
            Property::ServiceRoles => {
                caller.service.iter().flat_map(|service| &service.roles).any(|role| role == text)
            }
            Property::AdminProject => flag(true),
            Property::Admin | Property::GlobalAccess | Property::SetProject if !asks_rules => text == "None",
            Property::Admin => flag(policy.is_admin(caller)),
            Property::GlobalAccess => flag(policy.has_global_access(caller)),
            Property::SetProject => flag(policy.may_name_owner(caller)),
            _ => self.text(caller).unwrap_or("None") == text,
        }
    }

    /// Whether the caller's is the `value` of an attribute; one that the caller has not equals none.
    pub(super) fn equals(self, value: &str, policy: &Policy, caller: &Caller, asks_rules: bool) -> bool {
        match self {
            Property::Roles | Property::ServiceRoles | Property::AdminProject => {
                self.is(value, policy, caller, asks_rules)
            }
            Property::Admin | Property::GlobalAccess | Property::SetProject => {
                asks_rules && self.is(value, policy, caller, asks_rules)
            }
            _ => self.text(caller) == Some(value),
        }
    }

    fn text(self, caller: &Caller) -> Option<&str> {
        let service = caller.service.as_deref();
        match self {
            Property::User => Some(&caller.user_id),
            Property::UserName => Some(&caller.user_name),
            Property::UserDomain => Some(&caller.user_domain_id),
            Property::Project => caller.project_id.as_deref(),
            Property::ProjectName => caller.project_name.as_deref(),
            Property::ProjectDomain => caller.project_domain_id.as_deref(),
            Property::Domain => caller.domain_id.as_deref(),
            Property::System => caller.is_system_scoped.then_some("all"),
            Property::ServiceUser => service.map(|service| service.user_id.as_str()),
            Property::ServiceUserDomain => service.map(|service| service.user_domain_id.as_str()),
            Property::ServiceProject => service?.project_id.as_deref(),
            Property::ServiceProjectDomain => service?.project_domain_id.as_deref(),
            Property::Roles
            | Property::ServiceRoles
            | Property::AdminProject
            | Property::Admin
            | Property::GlobalAccess
            | Property::SetProject => None,
        }
    }
}

/// The caller itself, which the rules about callers are asked about.
impl Target for Caller {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        Property::named(name)?.text(self).map(Cow::Borrowed)
    }
}

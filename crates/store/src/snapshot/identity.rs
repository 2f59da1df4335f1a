//! The embedded identity's records by name, and what belongs together.

use super::{Record1, Snapshot};
use hadron_model::identity::{
    ApplicationCredential, Assignment, Domain, Group, GroupAssignment, Membership, Project, Role, Scope, User,
};

impl Snapshot {
    /// The project of this name in a domain.
    pub fn project_by_name(&self, domain: &str, name: &str) -> Option<&Record1<Project>> {
        let id = self.indexes.project_names.get(&(domain.to_owned(), name.to_owned()))?;
        self.find::<Project>(id)
    }

    /// The user of this name in a domain.
    pub fn user_by_name(&self, domain: &str, name: &str) -> Option<&Record1<User>> {
        let id = self.indexes.user_names.get(&(domain.to_owned(), name.to_owned()))?;
        self.find::<User>(id)
    }

    /// The role of this name.
    pub fn role_by_name(&self, name: &str) -> Option<&Record1<Role>> {
        self.find::<Role>(self.indexes.role_names.get(name)?)
    }

    /// A user's assignments, by scope and role.
    pub fn assignments_of_user<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a Assignment> {
        let first = Assignment {
            user_id: user.to_owned(),
            scope: Scope::Project(String::new()),
            role_id: String::new(),
        };
        let assignments = self.tables.assignments.range(first..).map(|(key, _)| key);
        assignments.take_while(move |assignment| assignment.user_id == user)
    }

    /// The domain of this name.
    pub fn domain_by_name(&self, name: &str) -> Option<&Record1<Domain>> {
        self.find::<Domain>(self.indexes.domain_names.get(name)?)
    }

    /// The group of this name in a domain.
    pub fn group_by_name(&self, domain: &str, name: &str) -> Option<&Record1<Group>> {
        let id = self.indexes.group_names.get(&(domain.to_owned(), name.to_owned()))?;
        self.find::<Group>(id)
    }

    /// A group's assignments, by scope and role.
    pub fn assignments_of_group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a GroupAssignment> {
        let first = GroupAssignment {
            group_id: group.to_owned(),
            scope: Scope::Project(String::new()),
            role_id: String::new(),
        };
        let assignments = self.tables.group_assignments.range(first..).map(|(key, _)| key);
        assignments.take_while(move |assignment| assignment.group_id == group)
    }

    /// The ids of a user's groups, in order.
    pub fn groups_of_user<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a str> {
        let first = Membership { user_id: user.to_owned(), group_id: String::new() };
        let memberships = self.tables.memberships.range(first..).map(|(key, _)| key);
        memberships.take_while(move |it| it.user_id == user).map(|it| it.group_id.as_str())
    }

    /// The ids of a group's users, in order.
    pub fn users_of_group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a str> {
        let members = self.indexes.group_members.range((group.to_owned(), String::new())..);
        members.take_while(move |(of, _)| of == group).map(|(_, user)| user.as_str())
    }

    /// A user's application credentials, by id.
    pub fn credentials_of_user<'a>(
        &'a self,
        user: &'a str,
    ) -> impl Iterator<Item = &'a Record1<ApplicationCredential>> {
        let ids = self.indexes.user_credentials.range((user.to_owned(), String::new())..);
        let ids = ids.take_while(move |(of, _)| of == user).map(|(_, id)| id);
        ids.filter_map(|id| self.find::<ApplicationCredential>(id))
    }
}

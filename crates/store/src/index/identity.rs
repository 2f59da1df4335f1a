//! Domains, projects, users, groups and roles: by name. Members of groups, credentials of users.

use super::{Indexed, Indexes, replace};
use crate::record::Tables;
use hadron_model::identity::{ApplicationCredential, Domain, Group, Membership, Project, Role, User};

type Named = ((String, String), String);

impl Indexed for Project {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        let entry = |it: &Project| -> Named { ((it.domain_id.clone(), it.name.clone()), it.id.clone()) };
        replace(
            indexes,
            old.map(entry),
            new.map(entry),
            |indexes, (name, _)| indexes.project_names.remove(&name),
            |indexes, (name, id)| indexes.project_names.insert(name, id),
        );
    }
}

impl Indexed for User {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        let entry = |it: &User| -> Named { ((it.domain_id.clone(), it.name.clone()), it.id.clone()) };
        replace(
            indexes,
            old.map(entry),
            new.map(entry),
            |indexes, (name, _)| indexes.user_names.remove(&name),
            |indexes, (name, id)| indexes.user_names.insert(name, id),
        );
    }
}

impl Indexed for Role {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        let entry = |it: &Role| (it.name.clone(), it.id.clone());
        replace(
            indexes,
            old.map(entry),
            new.map(entry),
            |indexes, (name, _)| indexes.role_names.remove(&name),
            |indexes, (name, id)| indexes.role_names.insert(name, id),
        );
    }
}

impl Indexed for Domain {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        let entry = |it: &Domain| (it.name.clone(), it.id.clone());
        replace(
            indexes,
            old.map(entry),
            new.map(entry),
            |indexes, (name, _)| indexes.domain_names.remove(&name),
            |indexes, (name, id)| indexes.domain_names.insert(name, id),
        );
    }
}

impl Indexed for Group {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        let entry = |it: &Group| -> Named { ((it.domain_id.clone(), it.name.clone()), it.id.clone()) };
        replace(
            indexes,
            old.map(entry),
            new.map(entry),
            |indexes, (name, _)| indexes.group_names.remove(&name),
            |indexes, (name, id)| indexes.group_names.insert(name, id),
        );
    }
}

impl Indexed for Membership {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        let entry = |it: &Membership| (it.group_id.clone(), it.user_id.clone());
        replace(
            indexes,
            old.map(entry),
            new.map(entry),
            |indexes, entry| indexes.group_members.remove(&entry),
            |indexes, entry| indexes.group_members.insert(entry),
        );
    }
}

impl Indexed for ApplicationCredential {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        let entry = |it: &ApplicationCredential| (it.user_id.clone(), it.id.clone());
        replace(
            indexes,
            old.map(entry),
            new.map(entry),
            |indexes, entry| indexes.user_credentials.remove(&entry),
            |indexes, entry| indexes.user_credentials.insert(entry),
        );
    }
}

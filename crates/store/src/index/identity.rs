//! Projects, users and roles: by name.

use super::{Indexed, Indexes, replace};
use crate::record::Tables;
use hadron_model::identity::{Project, Role, User};

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

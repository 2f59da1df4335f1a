//! Deleting an object together with what hangs on it: assignments, memberships, application credentials.

use crate::identity::{Identity, IdentityError, last_admin};
use hadron_model::identity::{
    ApplicationCredential, Assignment, Group, GroupAssignment, Membership, Project, Scope, User,
};
use hadron_store::{CommitInfo, Snapshot, Tx};

/// Most records removed in one transaction, which has room for 128 operations.
const BATCH: usize = 100;

/// What is deleted, by id.
#[derive(Clone, Copy)]
pub(crate) enum Doomed<'a> {
    User(&'a str),
    Group(&'a str),
    Project(&'a str),
    Role(&'a str),
    Domain(&'a str),
}

/// A record that can't stay without what it names.
enum Dependent {
    Assignment(Assignment),
    GroupAssignment(GroupAssignment),
    Membership(Membership),
    Credential(String),
}

/// Removes what hangs on the object, and with the last of it the object by `remove`, which fails if there is none. Large
/// numbers go in several transactions; the object is there until the last. Refused if nobody could administer afterwards.
/// Where servers share a backend, an assignment made at the same instant may stay behind; it names an id that is gone for
/// good, so it permits nothing, and lists leave it out.
pub(crate) async fn with_dependents(
    identity: &Identity,
    info: CommitInfo,
    doomed: Doomed<'_>,
    mut remove: impl FnMut(&mut Tx) -> Result<(), IdentityError>,
) -> Result<(), IdentityError> {
    loop {
        let batch = identity.store().write(info.clone(), |tx| {
            last_admin::ensure_one_remains(tx, |assignment| doomed.is_named_by(assignment))?;
            let dependents = doomed.dependents(tx.view(), BATCH + 1);
            let is_last = dependents.len() <= BATCH;
            dependents.into_iter().take(BATCH).for_each(|dependent| dependent.delete(tx));
            if is_last { remove(tx).map(|()| true) } else { Ok(false) }
        });
        if batch.await?.value {
            return Ok(());
        }
    }
}

/// Deletes a user and what hangs on him.
pub(crate) async fn user(identity: &Identity, info: CommitInfo, id: &str) -> Result<(), IdentityError> {
    let key = id.to_owned();
    let remove = |tx: &mut Tx| {
        tx.guard_range::<Assignment>(key.clone());
        tx.get::<User>(&key).ok_or_else(|| IdentityError::not_found("user", id))?;
        tx.delete::<User>(&key);
        Ok(())
    };
    with_dependents(identity, info, Doomed::User(id), remove).await
}

/// Deletes a group and what hangs on it.
pub(crate) async fn group(identity: &Identity, info: CommitInfo, id: &str) -> Result<(), IdentityError> {
    let key = id.to_owned();
    let remove = |tx: &mut Tx| {
        tx.guard_range::<GroupAssignment>(key.clone());
        tx.get::<Group>(&key).ok_or_else(|| IdentityError::not_found("group", id))?;
        tx.delete::<Group>(&key);
        Ok(())
    };
    with_dependents(identity, info, Doomed::Group(id), remove).await
}

/// Deletes a project and what hangs on it.
pub(crate) async fn project(identity: &Identity, info: CommitInfo, id: &str) -> Result<(), IdentityError> {
    let key = id.to_owned();
    let remove = |tx: &mut Tx| {
        tx.get::<Project>(&key).ok_or_else(|| IdentityError::not_found("project", id))?;
        tx.delete::<Project>(&key);
        Ok(())
    };
    with_dependents(identity, info, Doomed::Project(id), remove).await
}

impl Doomed<'_> {
    fn is_named_by(&self, assignment: &Assignment) -> bool {
        match self {
            Self::User(id) => assignment.user_id == *id,
            Self::Group(_) => false,
            Self::Role(id) => assignment.role_id == *id,
            Self::Project(_) | Self::Domain(_) => self.is_scope(&assignment.scope),
        }
    }

    fn is_named_by_group(&self, assignment: &GroupAssignment) -> bool {
        match self {
            Self::User(_) => false,
            Self::Group(id) => assignment.group_id == *id,
            Self::Role(id) => assignment.role_id == *id,
            Self::Project(_) | Self::Domain(_) => self.is_scope(&assignment.scope),
        }
    }

    fn is_scope(&self, scope: &Scope) -> bool {
        match (self, scope) {
            (Self::Project(id), Scope::Project(of)) => of == id,
            (Self::Domain(id), Scope::Domain(of) | Scope::ProjectsOf(of)) => of == id,
            _ => false,
        }
    }

    fn is_named_by_credential(&self, credential: &ApplicationCredential) -> bool {
        match self {
            Self::User(id) => credential.user_id == *id,
            Self::Project(id) => credential.project_id == *id,
            Self::Role(id) => credential.roles.iter().any(|role| role == id),
            Self::Group(_) | Self::Domain(_) => false,
        }
    }

    fn is_named_by_membership(&self, membership: &Membership) -> bool {
        match self {
            Self::User(id) => membership.user_id == *id,
            Self::Group(id) => membership.group_id == *id,
            _ => false,
        }
    }

    /// The first `limit` records that name it.
    fn dependents(&self, view: &Snapshot, limit: usize) -> Vec<Dependent> {
        let assignments = view.iter::<Assignment>().filter(|it| self.is_named_by(it));
        let of_groups = view.iter::<GroupAssignment>().filter(|it| self.is_named_by_group(it));
        let memberships = view.iter::<Membership>().filter(|it| self.is_named_by_membership(it));
        let credentials = view.iter::<ApplicationCredential>().filter(|it| self.is_named_by_credential(it));
        let all = assignments.map(|it| Dependent::Assignment(it.value.clone()));
        let all = all.chain(of_groups.map(|it| Dependent::GroupAssignment(it.value.clone())));
        let all = all.chain(memberships.map(|it| Dependent::Membership(it.value.clone())));
        all.chain(credentials.map(|it| Dependent::Credential(it.id.clone()))).take(limit).collect()
    }
}

impl Dependent {
    fn delete(self, tx: &mut Tx) {
        match self {
            Self::Assignment(key) => tx.delete::<Assignment>(&key),
            Self::GroupAssignment(key) => tx.delete::<GroupAssignment>(&key),
            Self::Membership(key) => tx.delete::<Membership>(&key),
            Self::Credential(id) => tx.delete::<ApplicationCredential>(&id),
        }
    }
}

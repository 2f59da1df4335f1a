//! Security groups, and the default one that every project has.

use crate::{Config, Error, Step};
use hadron_model::{SecurityGroup, SecurityGroupId};
use hadron_store::Tx;

/// A security group to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSecurityGroup {
    /// Owner's project id.
    pub project_id: String,
    /// Name; `default` in any case is refused.
    pub name: String,
    /// Description.
    pub description: String,
    /// Whether answers to what its rules allow are allowed.
    pub stateful: bool,
}

/// Changes to a security group; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SecurityGroupChange {
    /// Name; of a default group none may be given.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Whether answers are allowed; it can't change while ports have the group.
    pub stateful: Option<bool>,
}

/// Creates a security group with the rules of the templates, and the project's default group if it has none yet.
pub fn create(tx: &mut Tx, config: &Config, new: &NewSecurityGroup) -> Result<SecurityGroup, Error> {
    todo!("{tx:?} {config:?} {new:?}")
}

/// The project's default group; it is created if there is none yet. Whoever lists a project's groups or rules calls this
/// first unless [`hadron_store::Snapshot::default_group_of_project`] has one.
pub fn ensure_default(tx: &mut Tx, config: &Config, project: &str) -> Result<SecurityGroupId, Error> {
    todo!("{tx:?} {config:?} {project:?}")
}

/// Changes a security group; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    id: SecurityGroupId,
    change: &SecurityGroupChange,
    revision: Option<u64>,
) -> Result<SecurityGroup, Error> {
    todo!("{tx:?} {id:?} {change:?} {revision:?}")
}

/// Deletes a security group that no port has, with its rules and those of other groups that name it. A default group is
/// deleted for an administrator only.
pub fn delete(
    tx: &mut Tx,
    id: SecurityGroupId,
    is_admin: bool,
    revision: Option<u64>,
) -> Result<Step<()>, Error> {
    todo!("{tx:?} {id:?} {is_admin:?} {revision:?}")
}

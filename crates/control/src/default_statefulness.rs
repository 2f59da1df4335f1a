//! Whether security groups that don't say so begin stateful: a setting for a project, and one for all that have none.

use crate::{Error, SecurityError};
use hadron_model::{DefaultStatefulness, DefaultStatefulnessId};
use hadron_store::{Snapshot, Tx};

/// A setting to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDefaultStatefulness {
    /// The project; `None` for all that have no setting.
    pub project_id: Option<String>,
    /// What groups begin with.
    pub stateful: bool,
}

/// Creates a setting. Groups that exist stay as they are.
pub fn create(tx: &mut Tx, new: &NewDefaultStatefulness) -> Result<DefaultStatefulness, Error> {
    // Another server may make one for the same project.
    tx.guard_range::<DefaultStatefulness>(());
    if tx.view().default_statefulness(new.project_id.as_deref()).is_some() {
        return Err(SecurityError::DefaultStatefulnessExists(new.project_id.clone()).into());
    }
    let setting = DefaultStatefulness {
        id: DefaultStatefulnessId::random(),
        project_id: new.project_id.clone(),
        stateful: new.stateful,
    };
    tx.put(setting.clone());
    Ok(setting)
}

/// Changes a setting. Groups that exist stay as they are.
pub fn update(
    tx: &mut Tx,
    id: DefaultStatefulnessId,
    stateful: Option<bool>,
) -> Result<DefaultStatefulness, Error> {
    let old = tx.get::<DefaultStatefulness>(&id).ok_or(SecurityError::DefaultStatefulnessNotFound(id))?;
    let setting = DefaultStatefulness { stateful: stateful.unwrap_or(old.stateful), ..old.value.clone() };
    if setting != old.value {
        tx.put(setting.clone());
    }
    Ok(setting)
}

/// Deletes a setting. Groups that exist stay as they are.
pub fn delete(tx: &mut Tx, id: DefaultStatefulnessId) -> Result<(), Error> {
    tx.get::<DefaultStatefulness>(&id).ok_or(SecurityError::DefaultStatefulnessNotFound(id))?;
    tx.delete::<DefaultStatefulness>(&id);
    Ok(())
}

/// Whether a new group of the project is stateful if its creator doesn't say.
pub(crate) fn of_project(view: &Snapshot, project: &str) -> bool {
    let setting = view.default_statefulness(Some(project)).or_else(|| view.default_statefulness(None));
    setting.is_none_or(|setting| setting.stateful)
}

//! Tags of objects, whatever their kind.

use crate::{Error, ObjectError, stamp};
use hadron_model::tag::MAX_TAGS;
use hadron_model::{Stamp, Stamped, Tags};
use hadron_store::{Record, Tx};
use uuid::Uuid;

/// A change of an object's tags.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TagChange {
    /// These, and no others.
    Replace(Tags),
    /// These as well.
    Add(Tags),
    /// All but this one, which it must have.
    Remove(String),
    /// None.
    Clear,
}

/// Changes the tags of the object under `key`, which counts as a change of the object if they differ then. `None` if there is no
/// such object. `revision` is the one that the caller demands, if any; `collection` and `id` are for errors.
pub fn change<T: Record + Stamped>(
    tx: &mut Tx,
    key: &T::Key,
    (collection, id): (&'static str, Uuid),
    change: &TagChange,
    revision: Option<u64>,
) -> Result<Option<T>, Error> {
    let Some(old) = tx.get::<T>(key) else { return Ok(None) };
    stamp::check_revision(old.stamp(), revision)?;
    let tags = changed(&old.stamp().tags, change)?;
    check_count(&tags, collection, id)?;
    let mut object = old.value.clone();
    if tags != object.stamp().tags {
        object.stamp_mut().tags = tags;
        stamp::touch(tx, &mut object);
        tx.put(object.clone());
    }
    Ok(Some(object))
}

/// Gives a new object its tags, which counts as a change of it, as in Neutron.
pub(crate) fn begin(stamp: &mut Stamp, tags: &Tags, collection: &'static str, id: Uuid) -> Result<(), Error> {
    check_count(tags, collection, id)?;
    if !tags.is_empty() {
        stamp.tags = tags.clone();
        stamp.revision_number += 1;
    }
    Ok(())
}

fn changed(tags: &Tags, change: &TagChange) -> Result<Tags, ObjectError> {
    let mut tags = tags.clone();
    match change {
        TagChange::Replace(new) => tags = new.clone(),
        TagChange::Add(more) => more.iter().for_each(|tag| tags.insert(tag)),
        TagChange::Clear => tags = Tags::default(),
        TagChange::Remove(tag) => {
            if !tags.remove(tag) {
                return Err(ObjectError::TagNotFound(tag.clone()));
            }
        }
    }
    Ok(tags)
}

fn check_count(tags: &Tags, collection: &'static str, id: Uuid) -> Result<(), Error> {
    if tags.len() > MAX_TAGS {
        return Err(ObjectError::TooManyTags { collection, id, count: tags.len(), limit: MAX_TAGS }.into());
    }
    Ok(())
}

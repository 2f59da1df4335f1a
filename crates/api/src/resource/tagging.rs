//! Resources whose objects have tags: the attributes that show them and by which lists are filtered, and what changes them.

use super::Object;
use crate::attribute::{Attribute, Default, TagMatch, Validate};
use crate::field::Field;
use crate::view::View;
use hadron_control::Error;
use hadron_control::tag::{self, TagChange};
use hadron_model::tag::MAX_TAG_LENGTH;
use hadron_model::{Stamped, Tags};
use hadron_store::Tx;
use uuid::Uuid;

const BY: &[&str] = &["standard-attr-tag"];

/// How the tags of a resource's objects are read and changed.
pub struct Tagging<R> {
    pub(super) read: fn(&R) -> &Tags,
    pub(super) change: Change<R>,
}

/// Changes the tags of an object of a collection; `None` if there is none of this id.
type Change<R> = fn(&mut Tx, &'static str, Uuid, &TagChange, Option<u64>) -> Result<Option<R>, Error>;

impl<R: Object + Stamped> Tagging<R> {
    /// Those of an object with a stamp.
    pub const OF_STAMP: Self = Self {
        read: |record| &record.stamp().tags,
        change: |tx, collection, id, change, revision| {
            tag::change::<R>(tx, &R::key_of(id), (collection, id), change, revision)
        },
    };
}

fn read<'a, R: Stamped>(record: &'a R, _: &'a View<'a>) -> Option<Field<'a>> {
    Some(Field::Tags(&record.stamp().tags))
}

/// `tags`, shown; lists are filtered by all of those given.
pub const fn tags<R: Stamped>() -> Attribute<R> {
    Attribute::new("tags", read).by(BY).filter().tags(TagMatch::All)
}

/// `tags` of an object that can be created with them.
pub const fn tags_on_create<R: Stamped>() -> Attribute<R> {
    tags().post().default(Default::EmptyList).validate(Validate::UniqueStrings(MAX_TAG_LENGTH))
}

/// `tags-any`, by which lists are filtered: one of those given.
pub const fn tags_any<R: Stamped>() -> Attribute<R> {
    Attribute::new("tags-any", read).by(BY).hidden().filter().tags(TagMatch::Any)
}

/// `not-tags`, by which lists are filtered: not all of those given.
pub const fn not_tags<R: Stamped>() -> Attribute<R> {
    Attribute::new("not-tags", read).by(BY).hidden().filter().tags(TagMatch::NotAll)
}

/// `not-tags-any`, by which lists are filtered: none of those given.
pub const fn not_tags_any<R: Stamped>() -> Attribute<R> {
    Attribute::new("not-tags-any", read).by(BY).hidden().filter().tags(TagMatch::NotAny)
}

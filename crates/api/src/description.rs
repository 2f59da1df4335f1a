//! What is served, as data: each operation and each attribute, from the tables that requests are judged by.

use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::policy::Policy;
use crate::resource;

/// An operation of the API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// HTTP method.
    pub method: &'static str,
    /// Address below `/v2.0`, as `/ports/{id}`.
    pub path: String,
    /// What it does.
    pub kind: OperationKind,
}

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperationKind {
    /// Lists objects.
    List,
    /// Shows an object.
    Show,
    /// Creates objects.
    Create,
    /// Changes an object.
    Update,
    /// Deletes an object.
    Delete,
    /// Anything else, with an address below an object's.
    Other,
}

/// A kind of object.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its name for one.
    pub member: &'static str,
    /// Its name for many.
    pub collection: &'static str,
    /// What can be asked for.
    pub operations: Vec<Operation>,
    /// Its attributes; `None` if it has no table of them.
    pub attributes: Option<Vec<Column>>,
    /// Whether many can be created at once.
    pub is_bulk: bool,
}

/// An attribute, whatever record it is read from.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// The extensions that add it.
    pub extensions: &'static [&'static str],
    pub(crate) post: bool,
    pub(crate) put: bool,
    pub(crate) visible: bool,
    pub(crate) filter: bool,
    pub(crate) default: Default,
    pub(crate) convert: Convert,
    pub(crate) validate: Validate,
}

impl Column {
    pub(crate) fn of<R>(attribute: &Attribute<R>) -> Self {
        Self {
            name: attribute.name,
            extensions: attribute.extensions,
            post: attribute.post,
            put: attribute.put,
            visible: attribute.visible,
            filter: attribute.filter,
            default: attribute.default,
            convert: attribute.convert,
            validate: attribute.validate,
        }
    }

    /// Whether it must be given on create.
    pub fn is_required(&self) -> bool {
        self.post && self.default == Default::Required
    }

    /// Whether it may be changed.
    pub fn is_writable(&self) -> bool {
        self.put
    }
}

/// Operations at an address below `/v2.0`; `parts` are what stands behind it.
pub(crate) fn operations(base: &str, parts: &[(&'static str, &str, OperationKind)]) -> Vec<Operation> {
    let path = |part: &str| format!("/{base}{part}");
    parts.iter().map(|(method, part, kind)| Operation { method, path: path(part), kind: *kind }).collect()
}

/// Everything that is served.
pub fn descriptions() -> Vec<Description> {
    let policy = Policy::defaults();
    resource::all(&policy).iter().map(|endpoint| endpoint.describe()).collect()
}

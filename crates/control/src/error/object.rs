//! Refusals about what objects of every kind have.

use uuid::Uuid;

/// A refused operation on an object of any kind. Named and numbered as Neutron's exceptions.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ObjectError {
    /// The object has no such tag.
    #[error("tag {0} could not be found")]
    TagNotFound(String),
    /// There is no object whose tags these could be, or the caller can't see it.
    #[error("resource {collection} {id} could not be found")]
    TagResourceNotFound {
        /// The kind of object.
        collection: &'static str,
        /// Its id as given.
        id: String,
    },
    /// An object would have too many tags.
    #[error(
        "bad {collection} request: {id} would have {count} tags, more than the {limit} that an object may have"
    )]
    TooManyTags {
        /// The kind of object.
        collection: &'static str,
        /// The object.
        id: Uuid,
        /// How many it would have.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The project has more than the limit that it is to get.
    #[error(
        "a limit of {limit} for {kind} is below the {used} that the project has; force it, or remove some first"
    )]
    QuotaBelowUsage {
        /// What is counted.
        kind: &'static str,
        /// The limit asked for.
        limit: u32,
        /// How many there are.
        used: usize,
    },
    /// The project has the deployment's limits.
    #[error("quota for project {0} could not be found: it has the defaults")]
    ProjectQuotaNotFound(String),
    /// The token names no project.
    #[error("the request names no project, and neither does its token")]
    QuotaMissingProject,
}

impl ObjectError {
    /// The name of Neutron's exception.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::TagNotFound(_) => "TagNotFound",
            Self::TagResourceNotFound { .. } => "TagResourceNotFound",
            Self::TooManyTags { .. } => "BadRequest",
            Self::QuotaBelowUsage { .. } => "HTTPBadRequest",
            Self::ProjectQuotaNotFound(_) => "TenantQuotaNotFound",
            Self::QuotaMissingProject => "QuotaMissingTenant",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::TagNotFound(_) | Self::TagResourceNotFound { .. } | Self::ProjectQuotaNotFound(_) => 404,
            Self::TooManyTags { .. } | Self::QuotaBelowUsage { .. } | Self::QuotaMissingProject => 400,
        }
    }
}

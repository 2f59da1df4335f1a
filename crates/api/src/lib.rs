//! The Networking API v2.0 over HTTP.
//!
//! This room owns paths, parsing, validation, policy, filters, paging and the JSON of answers. It does not own what an
//! operation means (`hadron-control` does), nor how tokens are made: [`auth`] names what it needs of an identity service.
//!
//! Begin with [`router`]: it takes a request through limits, token and body to a resource. `resource` says what a resource is
//! and holds one module for each; `attribute` is the table from which everything about an attribute comes.
#![forbid(unsafe_code)]

mod admission;
mod attribute;
pub mod audit;
pub mod auth;
mod bodies;
mod body;
pub mod coverage;
mod description;
mod error;
pub mod extension;
mod field;
mod filter;
mod json;
pub mod openapi;
mod page;
mod path;
pub mod policy;
mod query;
pub mod receipt;
mod request;
mod resource;
mod router;
mod state;
mod validate;
mod values;
mod version;
mod view;

pub use admission::Shares;
pub use auth::{AccessRule, AuthError, Authenticate, Authentication, Caller};
pub use bodies::BodyShares;
pub use description::{Column, Description, Operation, OperationKind, descriptions};
pub use error::ApiError;
pub use router::router;
pub use state::{ApiConfig, ApiState};

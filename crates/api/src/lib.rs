//! The Networking API v2.0 over HTTP.
//!
//! This room owns paths, parsing, validation, policy, filters, paging and the JSON of answers. It does not own what an
//! operation means (`hadron-control` does), nor how tokens are made: [`auth`] names what it needs of an identity service.
#![forbid(unsafe_code)]

pub mod auth;

pub use auth::{AuthError, Authenticate, Authentication, Caller};

//! The embedded identity: users, projects, roles and tokens, with the Identity API v3 of Keystone as far as the official
//! clients need it for a cloud's network.
//!
//! ```text
//! POST /v3/auth/tokens ─▶ login ─▶ throttle, password (argon2 on blocking threads, few at a time)
//!                               └▶ token: claims ‖ HMAC, key from the store ─▶ the client
//! any API call ─▶ verify: bounded cache of checked signatures ─▶ evidence from the current snapshot ─▶ Caller
//! ```
//!
//! A token states who was authenticated and for which scope, never what that permits: users, projects, assignments and
//! revocations are read from the store's current snapshot at each use, so that a change holds from the moment its commit
//! is visible. Begin with [`Identity`] and [`verify`](Identity::verify); [`router`] serves the API; [`bootstrap`] makes
//! the first administrator.
//!
//! Not here: federation, trusts, nested projects, roles of a domain, access rules of application credentials, MFA.

mod bootstrap;
mod catalog;
mod config;
mod credential;
mod error;
mod http;
mod keys;
mod last_admin;
mod login;
mod password;
mod revocation;
mod roles;
mod state;
mod throttle;
mod token;
mod verify;

pub use bootstrap::{InitialPassword, bootstrap, recover_administrator};
pub use config::{Clock, IdentityConfig, Service};
pub use error::IdentityError;
pub use http::router;
pub use roles::RoleRef;
pub use state::Identity;
pub use token::{Claims, TokenScope};
pub use verify::Verified;

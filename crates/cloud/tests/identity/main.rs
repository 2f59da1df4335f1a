//! The embedded identity through its router, on the in-memory store, which enforces a shared backend's limits.

mod cloud;
mod credentials;
mod domains;
mod groups;
mod login;
mod malformed;
mod manage;
mod policy;
mod tokens;

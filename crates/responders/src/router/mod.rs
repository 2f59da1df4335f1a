//! Router advertisements (RFC 4861 §4.2 and §6.2, RFC 8106), for a network's routers, which are nowhere but in tables.
//!
//! ```text
//! frame ─ solicitation::asker ─┐
//!                Advertisement ─ to(asker or everyone) ─ frames
//! ```

mod advertisement;
mod solicitation;

pub use advertisement::{Advertisement, Prefix, State};
pub use solicitation::{Asker, Silence, asker};

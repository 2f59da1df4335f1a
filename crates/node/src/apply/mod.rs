//! From rows to the entries of the packet path, and from there to a plane.
//!
//! ```text
//! rows, interfaces, host ──► Calculation ── (Key, Option<Value>) ──► Writer ──► Plane
//! ```
//!
//! [`Calculation`] is pure: it knows what should be, from rows and interfaces alone, and makes no system call. [`Writer`]
//! knows what is, and has no opinion. [`entry`] lists what there is to write, in the order of writing.

pub mod calculation;
pub mod claims;
pub mod entry;
mod gateway;
pub mod policy;
mod revocation;
mod router;
pub(crate) mod rules;
pub mod writer;

#[cfg(test)]
mod tests;

pub use calculation::{Calculation, HostFacts, Limits, PortInterface, Provider};
pub use entry::{Key, Value};
pub use gateway::{Outages, Target, Targets};
pub use writer::Writer;

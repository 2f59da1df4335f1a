//! Parts of the differential test.

pub mod bench;
pub mod capture;
pub mod case;
pub mod follows;
pub mod frames;
pub mod load;
pub mod payload;
pub mod policies;
pub mod questions;
pub mod random;
pub mod routers;
pub mod written;

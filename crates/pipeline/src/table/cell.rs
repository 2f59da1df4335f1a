//! Rows as people and other programs read them: each field by its name.

use std::borrow::ToOwned;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::{Headers, Limit, NatPool, Path, PrivacyRing};
use crate::address::{Address, Mac};

/// What stands in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A number: often an id, which a server can name.
    Number(u64),
    /// An address or several values.
    Text(String),
}

/// The fields of a row with their names, in order, padding left out.
pub type Cells = Vec<(&'static str, Cell)>;

/// A key or value whose fields can be read by name.
pub trait Describe {
    /// Its fields.
    fn cells(&self) -> Cells;
}

/// A field.
pub trait Field {
    /// What stands in it.
    fn cell(&self) -> Cell;
}

/// The fields that are no padding.
pub(super) fn cells(fields: &[(&'static str, &dyn Field)]) -> Cells {
    let said = fields.iter().filter(|(name, _)| !matches!(*name, "pad" | "reserved"));
    said.map(|(name, field)| (*name, field.cell())).collect()
}

macro_rules! numbers {
    ($($ty:ty),*) => { $(impl Field for $ty {
        fn cell(&self) -> Cell {
            Cell::Number(u64::from(*self))
        }
    })* };
}

numbers!(u8, u16, u32, u64);

macro_rules! texts {
    ($($ty:ty),*) => { $(impl Field for $ty {
        fn cell(&self) -> Cell {
            Cell::Text(self.to_string())
        }
    })* };
}

texts!(Mac, Address);

impl Field for [u8; 2] {
    fn cell(&self) -> Cell {
        Cell::Number(u16::from_be_bytes(*self).into())
    }
}

/// Padding.
impl Field for [u8; 3] {
    fn cell(&self) -> Cell {
        Cell::Text(String::new())
    }
}

impl Field for [u8; 4] {
    fn cell(&self) -> Cell {
        Address::v4(*self).cell()
    }
}

/// A UUID (RFC 9562 §4).
impl Field for [u8; 16] {
    fn cell(&self) -> Cell {
        let digits = format!("{:032x}", u128::from_be_bytes(*self));
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
        Cell::Text(parts.join("-"))
    }
}

impl<const N: usize> Field for [u32; N] {
    fn cell(&self) -> Cell {
        Cell::Text(format!("{self:?}"))
    }
}

/// Which of them a packet takes is said by itself.
impl<const N: usize> Field for [Path; N] {
    fn cell(&self) -> Cell {
        Cell::Text("…".to_owned())
    }
}

/// Nobody but the node reads what is followed.
impl Field for Headers {
    fn cell(&self) -> Cell {
        Cell::Text(format!("{self:?}"))
    }
}

impl Field for Limit {
    fn cell(&self) -> Cell {
        match self.interval {
            0 => Cell::Text("unlimited".to_owned()),
            interval => Cell::Text(format!("{}/s, burst {}", 1_000_000_000 / interval, self.burst)),
        }
    }
}

impl Describe for NatPool {
    fn cells(&self) -> Cells {
        cells(&[("address", &self.address), ("count", &self.count)])
    }
}

impl Describe for PrivacyRing {
    fn cells(&self) -> Cells {
        cells(&[("chosen", &self.chosen)])
    }
}

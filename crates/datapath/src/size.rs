use hadron_pipeline::table::{CONNECTIONS, Kind, TABLES, Table};
use std::collections::BTreeMap;

/// How large the tables are made. They take memory by the rows that they hold, and 16 bytes for each that they may hold; those from
/// which the kernel evicts ([`Kind::LruHash`]) have it all from the start, connections 140 bytes a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    profile: Profile,
    overrides: BTreeMap<&'static str, u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    Host,
    Lab,
}

impl Sizes {
    /// For a host of 1,000 ports: what [`TABLES`] says.
    pub const fn host() -> Self {
        Sizes { profile: Profile::Host, overrides: BTreeMap::new() }
    }

    /// For a host of some dozens of ports, many of which share a machine: 1/64 of the rows, at least 256.
    pub const fn lab() -> Self {
        Sizes { profile: Profile::Lab, overrides: BTreeMap::new() }
    }

    /// Another size for one table, in rows; a ring buffer's in bytes, a power of two and whole pages.
    /// The size of an array is not a matter of choice and stays.
    #[must_use]
    pub fn with(mut self, table: &Table, size: u32) -> Self {
        self.overrides.insert(table.name, size);
        self
    }

    /// The size of a table: rows, or bytes of a ring buffer.
    pub fn of(&self, table: &Table) -> u32 {
        match (table.kind, self.overrides.get(table.name)) {
            (Kind::Array | Kind::PerCpuArray, _) => table.size,
            (_, Some(size)) => *size,
            (_, None) => match (self.profile, table.kind) {
                (Profile::Host, _) => table.size,
                (Profile::Lab, Kind::RingBuffer) => (table.size / 16).max(65_536),
                (Profile::Lab, _) => (table.size / 64).max(256),
            },
        }
    }

    /// Most connections of one port: an eighth of the table, so that no single one pushes the others' out, and at least 4,096.
    pub fn connection_limit(&self) -> u32 {
        (self.of(&CONNECTIONS) / 8).max(4096)
    }

    /// Every table with its size.
    pub fn all(&self) -> impl Iterator<Item = (&'static Table, u32)> + '_ {
        TABLES.iter().map(|table| (table, self.of(table)))
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes::host()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadron_pipeline::table;

    #[test]
    fn profiles_and_overrides() {
        assert_eq!(Sizes::host().of(&table::FDB), table::FDB.size);
        let lab = Sizes::lab().with(&table::PORTS, 7).with(&table::CONFIG, 7);
        assert_eq!(lab.of(&table::PORTS), 7);
        assert_eq!(lab.of(&table::CONFIG), 1, "arrays are indexed by the programs");
        assert_eq!(lab.of(&table::FDB), table::FDB.size / 64);
        assert!(lab.all().all(|(_, size)| size > 0));
    }
}

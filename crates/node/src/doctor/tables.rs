//! How full the packet path's tables are.

use super::Finding;
use crate::plane::TableStatus;
use std::path::Path;

pub(super) fn examine(pins: &Path) -> Vec<Finding> {
    let tables = match hadron_datapath::observe(pins) {
        Ok(tables) => tables.status(),
        Err(error) => {
            let text = format!("no packet path of this release in {}: {error}", pins.display());
            return vec![Finding::error("tables", text, "start the agent, or name its --pin-dir")];
        }
    };
    let statuses = tables.into_iter().map(|table| TableStatus {
        name: table.table,
        rows: table.rows,
        capacity: table.capacity,
        refused: table.full,
    });
    judge(&statuses.collect::<Vec<_>>())
}

fn judge(tables: &[TableStatus]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tables.iter().filter_map(trouble).collect();
    if findings.is_empty() {
        let fullest = tables.iter().max_by_key(|table| share(table));
        let told = fullest.map_or("there are none".to_owned(), |table| {
            format!("the fullest is {} with {} of {} rows", table.name, table.rows, table.capacity)
        });
        findings.push(Finding::fine("tables", format!("tables have room: {told}")));
    }
    findings
}

/// Percent.
fn share(table: &TableStatus) -> u64 {
    table.rows * 100 / u64::from(table.capacity.max(1))
}

fn trouble(table: &TableStatus) -> Option<Finding> {
    let TableStatus { name, rows, capacity, .. } = table;
    if *rows >= u64::from(*capacity) {
        let text = format!("table {name} is full: {capacity} rows");
        let advice = "what does not fit does not work (the agent's log names it): move ports to other hosts, or use larger tables";
        return Some(Finding::error("tables", text, advice));
    }
    if table.is_nearly_full() {
        let text = format!("table {name} is {} % full: {rows} of {capacity} rows", share(table));
        return Some(Finding::warning(
            "tables",
            text,
            "move ports to other hosts before it is full, or use larger tables",
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn full_tables_are_told_apart_from_those_that_fill_up() {
        let table = |rows| TableStatus { name: "ports", rows, capacity: 100, refused: 0 };
        for (rows, level) in [(0, Level::Fine), (89, Level::Fine), (90, Level::Warning), (100, Level::Error)]
        {
            assert_eq!(judge(&[table(rows)])[0].level, level, "{rows}");
        }
        assert_eq!(judge(&[]).len(), 1);
    }
}

//! How the demo shows its steps.

use anyhow::{Context, Result};
use std::time::Instant;

/// Does a step and shows its result, which `work` returns, and its time.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<(T, String)>) -> Result<T> {
    let begun = Instant::now();
    let (value, result) = work().with_context(|| what.to_owned())?;
    println!("{what:<58} {result:<56} {:>7.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    Ok(value)
}

/// Shows where a part begins.
pub fn part(title: &str) {
    println!("\n{title}");
}

/// Shows a table.
pub fn table(head: [&str; 6], rows: &[[String; 6]]) {
    let widths: Vec<usize> = (0..head.len())
        .map(|i| rows.iter().map(|row| row[i].len()).chain([head[i].len()]).max().unwrap_or(0))
        .collect();
    let show = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("  {}", padded.join("  ").trim_end());
    };
    show(head.to_vec());
    for row in rows {
        show(row.iter().map(String::as_str).collect());
    }
}

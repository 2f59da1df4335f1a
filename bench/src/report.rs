//! What a bench hands back: tables, printed as Markdown and kept as JSON, both from the same cells.

use crate::machine;
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// The middle of some values and their extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Median.
    pub median: f64,
    /// Least.
    pub least: f64,
    /// Greatest.
    pub greatest: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: &[f64]) -> Self {
        let sorted = sorted(values.to_vec());
        Self {
            median: quantile(&sorted, 0.5),
            least: quantile(&sorted, 0.0),
            greatest: quantile(&sorted, 1.0),
        }
    }
}

/// The values in ascending order.
pub fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The value below which the share `q` (0 to 1) of the values lies, which are in ascending order. Not a number of none.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * q).round() as usize).copied().unwrap_or(f64::NAN)
}

/// A field of a table. Numbers say how many digits follow the point.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Words.
    Text(String),
    /// One number.
    Number(f64, usize),
    /// Several rounds.
    Spread(Spread, usize),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Cell {
    fn markdown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number, digits) => format!("{number:.digits$}"),
            Self::Spread(Spread { median, least, greatest }, digits) => {
                format!("{median:.digits$} ({least:.digits$}–{greatest:.digits$})")
            }
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number, _) => json!(number),
            Self::Spread(Spread { median, least, greatest }, _) => {
                json!({"median": median, "least": least, "greatest": greatest})
            }
        }
    }
}

/// A table with the sentence that says what it shows.
pub struct Table {
    title: String,
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty one.
    pub fn new(title: impl Into<String>, head: impl Into<Vec<&'static str>>) -> Self {
        Self { title: title.into(), head: head.into(), rows: Vec::new() }
    }

    /// Adds a row, of as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.head.len(), "{}", self.title);
        self.rows.push(cells);
    }

    /// As Markdown, after an empty line.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let head = line(self.head.iter().map(|name| (*name).to_owned()).collect());
        let rows = self.rows.iter().map(|row| line(row.iter().map(Cell::markdown).collect()));
        format!("\n{}\n\n{head}|{}\n{}", self.title, "---|".repeat(self.head.len()), rows.collect::<String>())
    }

    fn json(&self) -> Value {
        let object = |row: &Vec<Cell>| {
            let fields = self.head.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), cell.json()));
            Value::Object(fields.collect::<Map<_, _>>())
        };
        json!({"title": self.title, "rows": self.rows.iter().map(object).collect::<Vec<_>>()})
    }
}

/// Which of two figures is the better one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    /// The greater one.
    More,
    /// The smaller one.
    Less,
}

/// One figure of a bench, beside that of a peer or beside a limit.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// Of both values.
    pub unit: &'static str,
    /// What it was.
    pub value: f64,
    /// Whose or which limit the other value is.
    pub beside: String,
    /// The other value.
    pub other: f64,
    /// Which of them is better if it is greater.
    pub better: Better,
}

impl Figure {
    /// How many times as good as the other: above 1 is better, below 1 is worse.
    pub fn ratio(&self) -> f64 {
        match self.better {
            Better::More => self.value / self.other,
            Better::Less => self.other / self.value,
        }
    }

    fn json(&self) -> Value {
        let Self { what, unit, value, beside, other, .. } = self;
        json!({"what": what, "unit": unit, "value": value, "beside": beside, "other": other, "ratio": self.ratio()})
    }
}

/// The result of one bench.
pub struct Report {
    name: &'static str,
    machine: machine::Facts,
    tables: Vec<Value>,
    figures: Vec<Figure>,
}

impl Report {
    /// Begins a report on this machine as it is now.
    pub fn new(name: &'static str) -> Result<Self> {
        let machine = machine::Facts::read()?;
        println!("\n# {name}\n\n{machine}");
        Ok(Self { name, machine, tables: Vec::new(), figures: Vec::new() })
    }

    /// Prints a table and keeps it.
    pub fn table(&mut self, table: &Table) {
        print!("{}", table.markdown());
        self.tables.push(table.json());
    }

    /// Keeps a figure for the table of all benches.
    pub fn figure(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// Keeps one that a goal of its own is set for.
    pub fn goal(
        &mut self,
        what: impl Into<String>,
        unit: &'static str,
        value: f64,
        goal: f64,
        better: Better,
    ) {
        let (what, beside) = (what.into(), "goal".to_owned());
        self.figure(Figure { what, unit, value, beside, other: goal, better });
    }

    /// Writes `bench/<name>.json` beside the build's products.
    pub fn write(self) -> Result<()> {
        let figures: Vec<Value> = self.figures.iter().map(Figure::json).collect();
        let machine = self.machine.json();
        let content =
            json!({"bench": self.name, "machine": machine, "tables": self.tables, "figures": figures});
        let path = keep(&format!("{}.json", self.name), &format!("{content:#}\n"))?;
        println!("\nAs JSON: {}", path.display());
        Ok(())
    }
}

/// Writes a file of this name to where results are kept.
pub fn keep(name: &str, content: &str) -> Result<PathBuf> {
    let directory = directory()?;
    std::fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let path = directory.join(name);
    std::fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// Where results are kept: beside the build's products, two above this program.
pub fn directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let products = program.ancestors().nth(2).context("this program lies in no build directory")?;
    Ok(products.join("bench"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_takes_the_middle_and_the_ends() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Spread { median: 2.0, least: 1.0, greatest: 3.0 });
        assert_eq!(quantile(&sorted((0..=100).rev().map(f64::from).collect()), 0.99), 99.0);
    }

    #[test]
    fn a_ratio_above_one_is_better() {
        let figure = |value, better| Figure {
            what: "x".into(),
            unit: "ms",
            value,
            beside: "goal".into(),
            other: 10.0,
            better,
        };
        assert_eq!(figure(5.0, Better::Less).ratio(), 2.0);
        assert_eq!(figure(5.0, Better::More).ratio(), 0.5);
    }

    #[test]
    fn markdown_and_json_show_the_same() {
        let mut table = Table::new("Ports.", ["clients", "ports/s"]);
        table.row(vec!["one".into(), Cell::Spread(Spread::of(&[4.0, 5.0, 6.0]), 0)]);
        assert_eq!(table.markdown(), "\nPorts.\n\n| clients | ports/s |\n|---|---|\n| one | 5 (4–6) |\n");
        let rows = json!([{"clients": "one", "ports/s": {"median": 5.0, "least": 4.0, "greatest": 6.0}}]);
        assert_eq!(table.json()["rows"], rows);
    }
}

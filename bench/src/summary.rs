//! One table of every bench's figures beside a peer's or a limit, from the files that the benches last wrote; and the same as bars.

use crate::report::{Cell, Table, directory, keep};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Pixels of the drawing: a line's height, the room for names, and that of a factor of ten.
const LINE: f64 = 18.0;
const NAMES: f64 = 560.0;
const DECADE: f64 = 110.0;
/// Ratios beyond these are drawn as these.
const LEAST: f64 = 0.1;
const MOST: f64 = 10_000.0;

/// Writes `bench/figures.md`, `.json` and `.svg` from what there is of these benches.
pub fn write(benches: &[&str]) -> Result<()> {
    let mut all = Vec::new();
    for bench in benches {
        let path = directory()?.join(format!("{bench}.json"));
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let report: Value =
            serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        for figure in report["figures"].as_array().into_iter().flatten() {
            let line = Line::of(bench, &report["machine"], figure);
            all.push(line.with_context(|| format!("a figure of {}", path.display()))?);
        }
    }
    let markdown = table(&all).markdown();
    println!("{markdown}");
    keep("figures.md", markdown.trim_start())?;
    let lines: Vec<Value> = all.iter().map(Line::json).collect();
    keep("figures.json", &format!("{:#}\n", Value::from(lines)))?;
    let drawn = keep("figures.svg", &draw(&all))?;
    println!("As bars: {}", drawn.display());
    Ok(())
}

/// A figure of a bench.
struct Line {
    bench: String,
    what: String,
    unit: String,
    value: f64,
    beside: String,
    other: f64,
    ratio: f64,
    /// Of the machine, before the bench began.
    load: f64,
}

impl Line {
    fn of(bench: &str, machine: &Value, figure: &Value) -> Result<Self> {
        let text = |name: &str| figure[name].as_str().map(str::to_owned).with_context(|| name.to_owned());
        // What is not a number, as of no measurement, is written as null.
        let number = |name: &str| figure[name].as_f64().unwrap_or(f64::NAN);
        Ok(Self {
            bench: bench.to_owned(),
            what: text("what")?,
            unit: text("unit")?,
            value: number("value"),
            beside: text("beside")?,
            other: number("other"),
            ratio: number("ratio"),
            load: machine["load_before"].as_f64().unwrap_or(f64::NAN),
        })
    }

    fn json(&self) -> Value {
        let Self { bench, what, unit, value, beside, other, ratio, load } = self;
        json!({"bench": bench, "what": what, "unit": unit, "value": value, "beside": beside, "other": other,
            "ratio": ratio, "load_before": load})
    }
}

fn table(all: &[Line]) -> Table {
    let title =
        "Every figure beside a peer's in the same run, or a limit; a ratio above 1 is better than that:";
    let mut table =
        Table::new(title, ["bench", "figure", "measured", "beside", "that one's", "ratio", "load before"]);
    for line in all {
        let of = |value: f64| Cell::Text(format!("{} {}", shown(value), line.unit).trim_end().to_owned());
        table.row(vec![
            line.bench.as_str().into(),
            line.what.as_str().into(),
            of(line.value),
            line.beside.as_str().into(),
            of(line.other),
            Cell::Number(line.ratio, if line.ratio < 10.0 { 2 } else { 0 }),
            Cell::Number(line.load, 1),
        ]);
    }
    table
}

/// Three digits that count.
fn shown(value: f64) -> String {
    let digits = (2 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 3) as usize;
    format!("{value:.digits$}")
}

/// Bars of the ratios from a line at 1, by powers of ten.
fn draw(all: &[Line]) -> String {
    let place = |ratio: f64| NAMES + (ratio.clamp(LEAST, MOST) / LEAST).log10() * DECADE;
    let (width, height) = (place(MOST) + 60.0, LINE * (all.len() + 2) as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut mark = LEAST;
    while mark <= MOST * 1.01 {
        let (x, color) = (place(mark), if (mark - 1.0).abs() < 0.01 { "black" } else { "#ddd" });
        let _ =
            writeln!(svg, "<line x1=\"{x}\" x2=\"{x}\" y1=\"{LINE}\" y2=\"{height}\" stroke=\"{color}\"/>");
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"12\" text-anchor=\"middle\">{} ×</text>", shown(mark));
        mark *= 10.0;
    }
    for (line, number) in all.iter().filter(|line| line.ratio.is_finite()).zip(1..) {
        let (y, from, to) = (LINE * f64::from(number), place(1.0), place(line.ratio));
        let color = if line.ratio < 1.0 { "#c0392b" } else { "#2e7d32" };
        let name = escaped(&format!("{}: {} / {}", line.bench, line.what, line.beside));
        let _ = writeln!(
            svg,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{color}\"/>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\n\
             <text x=\"{}\" y=\"{}\">{}</text>",
            from.min(to),
            y + 3.0,
            (to - from).abs().max(1.0),
            LINE - 6.0,
            NAMES - 8.0,
            y + 13.0,
            from.max(to) + 4.0,
            y + 13.0,
            shown(line.ratio)
        );
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(what: &str, ratio: f64) -> Line {
        let (bench, unit, beside) = ("api".to_owned(), "ms".to_owned(), "Neutron".to_owned());
        Line { bench, what: what.to_owned(), unit, value: 12.34, beside, other: 0.001, ratio, load: 2.5 }
    }

    #[test]
    fn the_table_has_three_digits_of_each_value() {
        let text = table(&[line("ports", 0.5)]).markdown();
        assert!(text.contains("| api | ports | 12.3 ms | Neutron | 0.001 ms | 0.50 | 2.5 |"), "{text}");
    }

    #[test]
    fn a_bar_goes_left_of_one_for_what_is_worse() {
        let text = draw(&[line("a < b", 0.1), line("c", 1e9), line("nothing measured", f64::NAN)]);
        assert!(text.contains(&format!("<rect x=\"{NAMES}\" y=\"21\" width=\"{DECADE}\"")), "{text}");
        assert!(text.contains("a &lt; b") && !text.contains("nothing measured"), "{text}");
        // Four powers of ten are the most that is drawn.
        assert!(text.contains(&format!("width=\"{}\"", 4.0 * DECADE)), "{text}");
    }
}

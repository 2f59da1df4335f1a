//! The benchmarks: `cargo xtask bench [NAME …]`.
//!
//! Each starts the `hadron` of the same build, measures it beside a peer or a limit of the same machine in the same run, prints
//! Markdown, and writes `bench/<name>.json` beside the build's products. From these files comes the one table of all figures,
//! [`summary`]. What they mean is in `docs/performance.md`. Begin reading at [`BENCHES`].
#![forbid(unsafe_code)]

mod api;
mod asks;
mod course;
mod cpu;
mod flood;
mod load;
mod machine;
mod memory;
mod path;
mod policy;
mod programs;
mod report;
mod routed;
mod rules;
mod scale;
mod summary;
mod traffic;
mod wired;

use anyhow::{Result, bail};
use std::process::ExitCode;

/// A bench: it runs to its end, prints its tables and writes its file.
type Bench = fn() -> Result<()>;

/// Every bench, in the order in which all are run.
const BENCHES: [(&str, Bench); 11] = [
    ("api", api::run),
    ("api-etcd", api::run_on_etcd),
    ("flood", flood::run),
    ("wired", wired::run),
    ("path", path::run),
    ("routed", routed::run),
    ("routers", routed::run_changes),
    ("policy", policy::run),
    ("rules", rules::run),
    ("scale", scale::run),
    ("asks", asks::run),
];

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match run(&names) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hadron-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(names: &[String]) -> Result<()> {
    let is_wanted = |bench: &str| names.is_empty() || names.iter().any(|name| name == bench);
    if let Some(unknown) = names.iter().find(|name| BENCHES.iter().all(|(bench, _)| bench != name)) {
        bail!("no bench {unknown:?}; there are {}", BENCHES.map(|(bench, _)| bench).join(", "));
    }
    BENCHES.into_iter().filter(|(bench, _)| is_wanted(bench)).try_for_each(|(_, bench)| bench())?;
    summary::write(&BENCHES.map(|(bench, _)| bench))
}

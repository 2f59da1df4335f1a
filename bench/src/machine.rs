//! The machine that a bench runs on, as far as figures depend on it.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs::read_to_string;

/// What is told with every figure.
pub struct Facts {
    processor: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    /// Runnable threads over the last minute, before the bench began.
    load: f64,
}

impl Facts {
    /// Reads them.
    pub fn read() -> Result<Self> {
        let memory = field(&read_to_string("/proc/meminfo")?, "MemTotal").unwrap_or_default();
        let kib = memory.trim_end_matches("kB").trim().parse::<f64>().unwrap_or_default();
        let load = read_to_string("/proc/loadavg")?;
        Ok(Self {
            processor: field(&read_to_string("/proc/cpuinfo")?, "model name").unwrap_or("unnamed".to_owned()),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: kib / f64::from(1 << 20),
            kernel: read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: load.split(' ').next().context("no load average")?.parse()?,
        })
    }

    /// For a file.
    pub fn json(&self) -> Value {
        let Self { processor, cores, memory_gib, kernel, load } = self;
        json!({"processor": processor, "cores": cores, "memory_gib": memory_gib, "kernel": kernel, "load_before": load})
    }
}

impl std::fmt::Display for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { processor, cores, memory_gib, kernel, load } = self;
        write!(f, "{processor}, {cores} cores, {memory_gib:.0} GiB, Linux {kernel}; load before: {load}.")?;
        if *load > 0.5 * *cores as f64 {
            write!(f, " The machine is busy with other work: trust ratios, not absolute figures.")?;
        }
        Ok(())
    }
}

/// The value of the first line `name: value`.
fn field(text: &str, name: &str) -> Option<String> {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    values.into_iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

//! `hadron counters`: what the packet path of this host's node counts. It reads the kernel's tables, so that it works whether or not
//! the agent does.

use crate::cli;
use anyhow::{Context, Result};
use hadron_datapath::Tables;
use serde_json::{Map, Value, json};

/// Prints the counters.
pub fn show(command: &cli::Counters) -> Result<()> {
    let tables = hadron_datapath::observe(&command.pin_dir)
        .with_context(|| format!("no node's packet path in {}", command.pin_dir.display()))?;
    let counters = read(&tables)?;
    match command.json {
        true => println!("{counters}"),
        false => print!("{}", table(&counters)),
    }
    Ok(())
}

/// By kind, then name.
fn read(tables: &Tables) -> Result<Value> {
    let totals = tables.totals()?;
    let stages: Map<String, Value> =
        totals.stages().map(|(stage, packets)| (stage.name().to_owned(), packets.into())).collect();
    let drops: Map<String, Value> =
        totals.drops().map(|(reason, packets)| (reason.label().to_owned(), packets.into())).collect();
    let mut ports = Map::new();
    for port in tables.port_states()? {
        let Some(of) = tables.port_counters(port)? else { continue };
        let counters = json!({
            "tx_packets": of.tx_packets, "tx_bytes": of.tx_bytes, "tx_dropped": of.tx_dropped,
            "rx_packets": of.rx_packets, "rx_bytes": of.rx_bytes, "rx_dropped": of.rx_dropped,
            "untracked": of.untracked,
        });
        ports.insert(port.to_string(), counters);
    }
    let mut rules = Map::new();
    for rule in tables.rule_states()? {
        rules.insert(rule.to_string(), tables.rule_allowed(rule)?.unwrap_or(0).into());
    }
    Ok(json!({"stages": stages, "drops": drops, "ports": ports, "rules": rules}))
}

/// A line for each counter that is not zero.
fn table(counters: &Value) -> String {
    let mut text = String::new();
    for (kind, members) in counters.as_object().into_iter().flatten() {
        for (name, value) in members.as_object().into_iter().flatten() {
            let values = match value {
                Value::Object(parts) => {
                    parts.iter().map(|(part, value)| (format!("{name} {part}"), value)).collect()
                }
                value => vec![(name.clone(), value)],
            };
            let seen = values.into_iter().filter(|(_, value)| value.as_u64() != Some(0));
            seen.for_each(|(name, value)| text.push_str(&format!("{kind:<8} {name:<32} {value:>16}\n")));
        }
    }
    text
}

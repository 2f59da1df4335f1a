//! `hadron doctor`: what is wrong with this host, and what to do.

use crate::cli::{self, Cli, Command};
use anyhow::Result;
use clap::{Args, Parser};
use hadron_node::doctor::{self, Finding, Level, Patient};
use hadron_node::links::overlay::OverlayConfig;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Ends with 0 when all is fine, with 1 when there are warnings, with 2 when something does not work.
#[derive(Args, Debug)]
pub struct Options {
    /// The agent's state directory.
    #[arg(long, default_value = "/var/lib/hadron/node", env = "HADRON_NODE_STATE_DIR")]
    state_dir: PathBuf,
    /// Directory of the node's pinned programs and tables [default: that of the agent that runs, or /sys/fs/bpf/hadron].
    #[arg(long)]
    pin_dir: Option<PathBuf>,
    /// Interfaces to physical networks [default: those of the agent that runs].
    #[arg(long, value_name = "NETWORK:INTERFACE", value_delimiter = ',', value_parser = cli::bridge_mapping)]
    bridge_mappings: Vec<(String, String)>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Only what is wrong.
    #[arg(long, short)]
    quiet: bool,
}

/// Looks, and prints.
pub async fn run(options: Options) -> Result<ExitCode> {
    let findings = doctor::examine(&patient(&options)).await;
    let worst = doctor::worst(&findings);
    match options.json {
        true => println!("{}", serde_json::to_string_pretty(&json!({"worst": worst, "findings": findings}))?),
        false => print!("{}", text(&findings, options.quiet)),
    }
    Ok(match worst {
        Level::Fine => ExitCode::SUCCESS,
        Level::Warning => ExitCode::from(1),
        Level::Error => ExitCode::from(2),
    })
}

/// The host as the agent that runs is set up, or as the options say.
fn patient(options: &Options) -> Patient {
    let agent = running(&options.state_dir);
    let of_agent = agent.as_ref().map(|(_, node)| node);
    let mappings = match (&options.bridge_mappings[..], of_agent) {
        ([], Some(node)) => node.bridge_mappings.clone(),
        (given, _) => given.to_vec(),
    };
    let pins = options.pin_dir.clone().or_else(|| of_agent.map(|node| node.pin_dir.clone()));
    Patient {
        state: options.state_dir.clone(),
        pins: pins.unwrap_or_else(|| "/sys/fs/bpf/hadron".into()),
        mappings,
        overlay: OverlayConfig::default().name,
        process: agent.map(|(process, _)| process),
    }
}

/// The agent of a state directory, with the options that it was started with.
fn running(state: &Path) -> Option<(u32, cli::Node)> {
    let processes = std::fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).find_map(|process| {
        let line = std::fs::read(format!("/proc/{process}/cmdline")).ok()?;
        Some((process, node_of(&line, state)?))
    })
}

/// The node's options in a command line (`/proc/PID/cmdline`), if it is that of the agent of a state directory.
fn node_of(line: &[u8], state: &Path) -> Option<cli::Node> {
    let arguments: Vec<&str> = std::str::from_utf8(line).ok()?.trim_end_matches('\0').split('\0').collect();
    let program = Path::new(arguments.first()?).file_name()?;
    if program != "hadron" {
        return None;
    }
    match Cli::try_parse_from(arguments).ok()?.command {
        Command::Agent(agent) if agent.state_dir == state && !agent.cleanup => Some(agent.node),
        _ => None,
    }
}

fn text(findings: &[Finding], is_quiet: bool) -> String {
    let mut text = String::new();
    for Finding { check, level, text: what, advice } in findings {
        let mark = match level {
            Level::Fine if is_quiet => continue,
            Level::Fine => "fine",
            Level::Warning => "warning",
            Level::Error => "ERROR",
        };
        text.push_str(&format!("{mark:<8} {check:<12} {what}\n"));
        if *level != Level::Fine {
            text.push_str(&format!("{:<21} → {advice}\n", ""));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_the_agent_that_runs_are_taken() {
        let line = b"/usr/bin/hadron\0agent\0--state-dir\0/state\0--bridge-mappings=physnet1:eth1\0--pin-dir\0/pins\0";
        let node = node_of(line, Path::new("/state")).expect("an agent");
        assert_eq!(node.bridge_mappings, [("physnet1".to_owned(), "eth1".to_owned())]);
        assert_eq!(node.pin_dir, Path::new("/pins"));
        assert!(node_of(line, Path::new("/other")).is_none());
        for other in
            [&b""[..], b"/usr/bin/hadron\0server\0", b"vi\0agent\0", b"hadron\0agent\0--what\0", &[0xff]]
        {
            assert!(node_of(other, Path::new("/state")).is_none());
        }
    }

    #[test]
    fn what_is_wrong_comes_with_what_to_do() {
        let finding = |level, advice: &str| Finding {
            check: "kernel",
            level,
            text: "it is so".into(),
            advice: advice.into(),
        };
        let findings = [finding(Level::Fine, ""), finding(Level::Error, "do this")];
        assert_eq!(text(&findings, false).lines().count(), 3);
        let said = text(&findings, true);
        assert!(said.starts_with("ERROR    kernel       it is so\n") && said.contains("→ do this"), "{said}");
    }
}

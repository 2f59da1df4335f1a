//! `hadron lab …`: hosts as network namespaces on this machine.

use crate::cli::{Lab, LabAction};
use anyhow::Result;
use hadron_lab::{Underlay, persistent};
use std::process::ExitCode;

const UNDERLAY_MTU: u32 = 1500;

pub fn run(command: Lab) -> Result<ExitCode> {
    let name = &command.name;
    match command.action {
        LabAction::Up { hosts, ipv6 } => {
            let underlay = if ipv6 { Underlay::V6 } else { Underlay::V4 };
            for (host, address) in persistent::up(name, &hosts, underlay, UNDERLAY_MTU)? {
                println!("{host:<20} {address}");
            }
        }
        LabAction::Exec { host, command } => {
            let code = persistent::exec(name, &host, &command)?;
            return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)));
        }
        LabAction::Fault { host, kind } => persistent::fault(name, &host, &kind)?,
        LabAction::Down => persistent::down(name)?,
    }
    Ok(ExitCode::SUCCESS)
}

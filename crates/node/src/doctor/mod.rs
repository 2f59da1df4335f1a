//! `hadron doctor`: looks at a host as an operator would who has seen it all, and says what is wrong and what to do.
//!
//! Each module gathers facts by netlink, `/proc`, `/sys` or packets, and hands them to a function that judges them and nothing else. Nothing is
//! changed, and no other program is started.

mod certificate;
mod clock;
mod interfaces;
mod leftovers;
mod machine;
mod tables;
mod underlay;

use crate::Identity;
use serde::Serialize;
use std::path::PathBuf;

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Fine,
    /// It works, and may not for long or not for all.
    Warning,
    /// Something does not work.
    Error,
}

/// What a check has found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// The check.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What is so.
    pub text: String,
    /// What to do; empty where nothing is.
    pub advice: String,
}

impl Finding {
    fn fine(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, level: Level::Fine, text: text.into(), advice: String::new() }
    }

    fn warning(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, text: text.into(), advice: advice.into() }
    }

    fn error(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Error, text: text.into(), advice: advice.into() }
    }
}

/// The host, as its agent is set up.
#[derive(Clone, Debug)]
pub struct Patient {
    /// The agent's state directory.
    pub state: PathBuf,
    /// Where its packet path is pinned.
    pub pins: PathBuf,
    /// Interfaces to physical networks: network and interface.
    pub mappings: Vec<(String, String)>,
    /// The overlay's device.
    pub overlay: String,
    /// The agent's process, if it runs.
    pub process: Option<u32>,
}

/// Looks at everything. What can't be looked at is a finding as well.
pub async fn examine(patient: &Patient) -> Vec<Finding> {
    let mut findings = machine::examine(patient.process);
    findings.extend(tables::examine(&patient.pins));
    findings.extend(interfaces::examine(patient).await);
    findings.extend(leftovers::examine());
    match Identity::load(&patient.state) {
        Ok(Some(identity)) => {
            findings.extend(certificate::examine(&identity, &patient.state));
            findings.push(clock::examine(&identity).await);
            findings.extend(underlay::examine(&identity, &patient.state).await);
        }
        Ok(None) => findings.push(Finding::error(
            "identity",
            format!("this host has not joined: there is no identity in {}", patient.state.display()),
            "get a ticket on the controller (hadron host ticket) and start the agent with --join; or name the agent's --state-dir",
        )),
        Err(error) => findings.push(Finding::error(
            "identity",
            crate::error::chain(&error),
            "run this as the agent's user; a damaged file is replaced by joining again",
        )),
    }
    findings
}

/// The worst of the findings.
pub fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Fine)
}

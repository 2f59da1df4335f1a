//! `hadron policy`: what an operator wants to know of the rules, without a server.

use crate::cli::{PolicyAction, PolicyFiles};
use anyhow::{Context, Result, bail};
use hadron_api::Caller;
use hadron_api::policy::{Origin, Policy, PolicyConfig, Target, Text};
use std::borrow::Cow;
use std::io::Write;
use std::process::ExitCode;

/// Which role each role implies.
const IMPLIED: &[(&str, &str)] = &[("admin", "manager"), ("manager", "member"), ("member", "reader")];

/// The rules' configuration.
pub fn config(files: &PolicyFiles) -> PolicyConfig {
    PolicyConfig { files: files.files.clone(), enforce_new_defaults: files.enforce_new_defaults }
}

pub fn run(action: PolicyAction) -> Result<ExitCode> {
    match action {
        PolicyAction::Show { policy, changed } => show(&read(&policy)?, changed),
        PolicyAction::Check { policy } => {
            if policy.files.is_empty() {
                bail!("name the files to check with --policy-file");
            }
            read(&policy).map(|_| println!("the files are well formed"))?;
            Ok(ExitCode::SUCCESS)
        }
        PolicyAction::Ask { policy, rules, roles, project, user, target } => {
            let caller = Caller {
                user_id: user,
                project_id: project,
                roles: with_implied(roles),
                ..Caller::default()
            };
            ask(&read(&policy)?, &caller, &rules, &Object(target))
        }
    }
}

fn read(files: &PolicyFiles) -> Result<Policy> {
    let policy = config(files).read().context("a server would refuse this policy")?;
    for warning in policy.warnings() {
        eprintln!("warning: {warning}");
    }
    Ok(policy)
}

/// A policy file with every rule.
fn show(policy: &Policy, changed: bool) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for (name, text, origin) in policy.rules().filter(|(_, _, origin)| !changed || *origin != Origin::Default)
    {
        let note = match origin {
            Origin::Default => "",
            Origin::DefaultOrDeprecated => " # with the deprecated default",
            Origin::File => " # overridden",
            Origin::FileByFormerName => " # overridden by its former name",
        };
        let rule = match text {
            Text::Line(line) => serde_json::to_string(line)?,
            Text::Lists(lists) => serde_json::to_string(lists)?,
        };
        writeln!(out, "{}: {rule}{note}", serde_json::to_string(name)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(policy: &Policy, caller: &Caller, rules: &[String], target: &Object) -> Result<ExitCode> {
    let all: Vec<&str> = match rules {
        [] => policy.rules().map(|(name, ..)| name).collect(),
        rules => rules.iter().map(String::as_str).collect(),
    };
    let mut out = std::io::stdout().lock();
    let mut passes_all = true;
    for name in all {
        let rule = policy.find(name).with_context(|| format!("there is no rule {name:?}"))?;
        let target: &dyn Target = if target.0.is_empty() { caller } else { target };
        let passes = policy.check(Some(rule), caller, target);
        passes_all &= passes;
        writeln!(out, "{} {name}", if passes { "passed" } else { "failed" })?;
    }
    Ok(if passes_all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn with_implied(mut roles: Vec<String>) -> Vec<String> {
    for (role, implied) in IMPLIED {
        if roles.iter().any(|have| have == role) {
            roles.push((*implied).to_owned());
        }
    }
    roles
}

/// An object by its attributes.
struct Object(Vec<(String, String)>);

impl Target for Object {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| Cow::Borrowed(value.as_str()))
    }
}

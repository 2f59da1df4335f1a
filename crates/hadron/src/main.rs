//! The binary: one program for the server, the node, both on one host, their administration, and the lab.
//!
//! [`cli`] declares the command line; each other module carries commands out and holds no logic of its own beyond turning options
//! into configurations.
#![forbid(unsafe_code)]

mod agent;
mod cli;
mod counters;
mod doctor;
mod host;
mod instance;
mod lab;
mod metrics;
mod policy;
mod receipt;
mod server;
mod shutdown;
mod spans;
mod status;
mod top;
mod trace;
mod up;

use anyhow::Result;
use clap::Parser;
use cli::{Cli, Command};
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = start_log(&cli.log) {
        eprintln!("hadron: --log: {error}");
        return ExitCode::FAILURE;
    }
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("hadron: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let command = match command {
        Command::Lab(command) => return lab::run(command),
        Command::Policy(command) => return policy::run(command.action),
        command => command,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Up(command) => up::run(*command).await,
            Command::Server(command) => server::run(*command).await,
            Command::Agent(command) => agent::run(*command).await,
            Command::Host(command) => host::run(command).await,
            Command::Instance(command) => instance::run(command).await,
            Command::RotateKeys(command) => host::rotate_keys(command).await,
            Command::RotateAuthority(command) => host::rotate_authority(command).await,
            Command::RecoverAdmin(command) => host::recover_admin(command).await,
            Command::Backup(command) => host::backup(command).await,
            Command::Restore(command) => server::restore(command).await,
            Command::Counters(command) => counters::show(&command),
            Command::Status(command) => status::run(command).await,
            Command::Receipt(command) => receipt::run(command).await,
            Command::Top(command) => top::run(command).await,
            Command::Doctor(command) => return doctor::run(command).await,
            Command::Trace(command) => return trace::run(*command).await,
            Command::Lab(_) | Command::Policy(_) => Ok(()),
        }?;
        Ok(ExitCode::SUCCESS)
    })
}

fn start_log(filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(filter)?;
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_terminal)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

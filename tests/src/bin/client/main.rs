//! Every network command of the official client whose objects are served, against a server on loopback.
//!
//! The commands are in `commands.txt`. They run in one process of the client, which takes a second to start.
#![forbid(unsafe_code)]

use anyhow::{Context, Result};
use hadron_tests::openstack;
use hadron_tests::process::Server;
use hadron_tests::simulated_node::SimulatedNode;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("client: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every command did what it should.
fn run() -> Result<bool> {
    // The node goes on while the client runs.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let server = runtime.block_on(Server::start())?;
    let node = runtime.block_on(SimulatedNode::start(&server, "host1", Ipv4Addr::new(192, 0, 2, 1)))?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = openstack::program()?;
    let python = program.parent().context("the client has no directory")?.join("python");
    let status = Command::new(python)
        .arg(here.join("src/bin/client/drive.py"))
        .arg(here.join("src/bin/client/commands.txt"))
        .arg(here.join("../spec/client_commands.txt"))
        .env("OS_AUTH_URL", server.identity_url())
        .env("OS_IDENTITY_API_VERSION", "3")
        .env("OS_USERNAME", "admin")
        .env("OS_PASSWORD", &server.password)
        .env("OS_PROJECT_NAME", "admin")
        .env("OS_USER_DOMAIN_ID", "default")
        .env("OS_PROJECT_DOMAIN_ID", "default")
        .env("OS_REGION_NAME", "RegionOne")
        .env("OS_CACERT", server.ca_path())
        .status()?;
    drop(node);
    Ok(status.success())
}

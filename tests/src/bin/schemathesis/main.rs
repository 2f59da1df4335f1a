//! Requests that schemathesis makes of the description that a server serves, against that server:
//! `schemathesis ENVIRONMENT [EXAMPLES]`.
//!
//! No answer may be a fault of the server's, and each must be one that the description allows: status, type of content, schema.

use anyhow::{Context, Result};
use hadron_tests::process::Server;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// What answers are held against.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance";
/// Each operation by itself; the phase that follows links would need links in the description.
const PHASES: &str = "examples,coverage,fuzzing";
/// Creating limits (`POST /v2.0/quotas`) is 501, as in Neutron; anything else from 500 on is a fault.
const SETTINGS: &str =
    "[checks]\nnot_a_server_error.expected-statuses = [\"2xx\", \"3xx\", \"4xx\", \"501\"]\n";
/// Requests of each operation that are made at random.
const EXAMPLES: &str = "50";

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let environment = PathBuf::from(arguments.next().context("usage: schemathesis ENVIRONMENT [EXAMPLES]")?);
    let examples = arguments.next().unwrap_or_else(|| EXAMPLES.to_owned());
    // A token that outlives the run, and no quota that would answer before anything else does.
    let kinds = [
        "network",
        "subnet",
        "port",
        "router",
        "floatingip",
        "security-group",
        "security-group-rule",
        "rbac-policy",
    ];
    let quotas = kinds.map(|kind| format!("--quota-{kind}=-1"));
    let options: Vec<&str> = quotas.iter().map(String::as_str).chain(["--token-lifetime=604800"]).collect();
    let server = Server::start_with(&options).await?;
    let token = server.admin_token().await?;
    let (ca, url) = (server.ca_path(), format!("{}/v2.0/openapi.json", server.network_url()));
    let mut program = Command::new(environment.join("bin/schemathesis"));
    program.args(["run", &url, "--tls-verify"]).arg(&ca).env("REQUESTS_CA_BUNDLE", &ca);
    program.args(["--header", &format!("X-Auth-Token: {token}"), "--checks", CHECKS, "--phases", PHASES]);
    program.args([
        "--max-examples",
        &examples,
        "--workers",
        "1",
        "--continue-on-failure",
        "--warnings",
        "off",
    ]);
    program.args(["--generation-database", "none", "--suppress-health-check", "all", "--no-color"]);
    std::fs::write(server.directory.path().join("schemathesis.toml"), SETTINGS)?;
    let status = program.current_dir(server.directory.path()).status().context("schemathesis")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

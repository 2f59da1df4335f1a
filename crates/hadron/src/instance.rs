//! `hadron instance …`: calls to a running server.

use crate::cli::{InstanceAction, InstanceCommand};
use anyhow::{Context, Result};
use hadron_server::admin::{AdminClient, InstanceRequest};
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::path::Path;

pub async fn run(command: InstanceCommand) -> Result<()> {
    let client = AdminClient::new(&command.admin.state_dir);
    let at = |id: &str| format!("/instances/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
    match command.action {
        InstanceAction::Register { id, file } => {
            let text = read(&file)?;
            let request: InstanceRequest = serde_json::from_str(&text).context("what is to be registered")?;
            client.call::<Value>(Method::PUT, &at(&id), Some(&request)).await?;
        }
        InstanceAction::Forget { id } => {
            client.call::<Value>(Method::DELETE, &at(&id), None::<&Value>).await?;
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        return std::io::read_to_string(std::io::stdin()).context("standard input");
    }
    std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))
}

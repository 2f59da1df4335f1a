//! The official `openstack` client, run on the controller as some user.

use crate::cloud::{CONTROLLER, Cloud};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// The client is slow to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who runs the client.
#[derive(Clone, Debug)]
pub struct User {
    /// Name, of the default domain.
    pub name: String,
    /// Password.
    pub password: String,
    /// Project, of the default domain.
    pub project: String,
}

/// The client for one user.
#[derive(Clone, Copy)]
pub struct OpenStack<'a> {
    cloud: &'a Cloud,
    user: &'a User,
}

impl<'a> OpenStack<'a> {
    /// A client of `cloud`.
    pub fn new(cloud: &'a Cloud, user: &'a User) -> Self {
        Self { cloud, user }
    }

    /// Runs `openstack WORDS`, where words stand apart by spaces, and returns what it prints with `-f json`.
    pub fn json(&self, words: &str) -> Result<Value> {
        let output = self.run(words, &["-f", "json"])?;
        serde_json::from_str(&output).with_context(|| format!("openstack {words} printed no JSON: {output}"))
    }

    /// Runs `openstack WORDS`, which prints nothing that matters.
    pub fn done(&self, words: &str) -> Result<()> {
        self.run(words, &[]).map(drop)
    }

    fn run(&self, words: &str, more: &[&str]) -> Result<String> {
        let identity = format!("https://{}/v3", self.cloud.address(5000)?);
        let command =
            self.cloud.host(CONTROLLER)?.command(program()?).args(words.split_whitespace()).args(more);
        let output = command
            .env("OS_AUTH_URL", identity)
            .env("OS_IDENTITY_API_VERSION", "3")
            .env("OS_USERNAME", &self.user.name)
            .env("OS_PASSWORD", &self.user.password)
            .env("OS_PROJECT_NAME", &self.user.project)
            .env("OS_USER_DOMAIN_ID", "default")
            .env("OS_PROJECT_DOMAIN_ID", "default")
            .env("OS_REGION_NAME", "RegionOne")
            .env("OS_CACERT", self.cloud.ca_path()?)
            .succeed(PATIENCE);
        output.with_context(|| format!("openstack {words} (as {})", self.user.name))
    }
}

/// The client that `cargo xtask setup` has installed beside the build's products.
pub fn program() -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let found = me
        .ancestors()
        .map(|directory| directory.join("tools/openstack/bin/openstack"))
        .find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => bail!("the openstack client is not installed; run: cargo xtask setup"),
    }
}

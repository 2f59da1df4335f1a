//! A server on loopback with a store of its own, for tests and benches that need no hosts.

use crate::client::{self, Client};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The hadron binary of the same build as the running program.
pub fn hadron() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let directories = program.ancestors().skip(1).take(2);
    directories.map(|directory| directory.join("hadron")).find(|path| path.is_file()).with_context(|| {
        format!("no hadron beside {}; build it: cargo build --package hadron", program.display())
    })
}

/// What a first start prints for `clouds.yaml`.
#[derive(Clone, Debug)]
pub struct FirstStart {
    /// The administrator's password.
    pub password: String,
}

impl FirstStart {
    /// Reads what a server prints up to and including the password.
    pub fn read(output: impl BufRead) -> Result<Self> {
        for line in output.lines() {
            if let Some(password) = line?.trim().strip_prefix("password:") {
                return Ok(Self { password: password.trim().trim_matches('"').to_owned() });
            }
        }
        bail!("the server ended without printing a password; its log is on standard error")
    }
}

/// A server process. It is killed and its store removed when this is dropped.
pub struct Server {
    process: Child,
    /// What it was started with.
    arguments: Vec<OsString>,
    /// State directory.
    pub directory: tempfile::TempDir,
    api: SocketAddr,
    identity: SocketAddr,
    /// The administrator's password.
    pub password: String,
}

impl Server {
    /// Starts a server without quotas, with its store on the disk that holds the build's products.
    pub async fn start() -> Result<Self> {
        Self::start_with(&["--quota-network=-1", "--quota-subnet=-1", "--quota-port=-1"]).await
    }

    /// Starts a server with further options.
    pub async fn start_with(options: &[&str]) -> Result<Self> {
        let mut server = Self::spawn(options)?;
        let output = server.process.stdout.take().context("no output")?;
        let (send, first) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let _ = send.send(FirstStart::read(&mut output));
            // The pipe stays open as long as the server writes.
            let _ = std::io::copy(&mut output, &mut std::io::sink());
        });
        server.password = first.await??.password;
        server.until_it_listens().await?;
        Ok(server)
    }

    /// Starts another server on the store of `first`; `options` must name it.
    pub async fn start_beside(first: &Server, options: &[&str]) -> Result<Self> {
        let mut server = Self::spawn(options)?;
        server.password.clone_from(&first.password);
        server.until_it_listens().await?;
        Ok(server)
    }

    /// Starts a server that has no identity of its own, and so no administrator: `options` name a Keystone.
    pub async fn start_for_keystone(options: &[&str]) -> Result<Self> {
        let mut server = Self::spawn(options)?;
        server.until(async |server| server.network_api().await.is_ok()).await?;
        Ok(server)
    }

    fn spawn(options: &[&str]) -> Result<Self> {
        let program = hadron()?;
        let directory = tempfile::tempdir_in(program.parent().unwrap_or(Path::new(".")))?;
        let [api, identity, nodes] = [free_address()?, free_address()?, free_address()?];
        let mut arguments: Vec<OsString> =
            ["--log", "warn", "server", "--public-name", "127.0.0.1"].map(Into::into).into();
        arguments.extend(["--state-dir".into(), directory.path().into()]);
        for (option, address) in [("--api", api), ("--identity", identity), ("--nodes", nodes)] {
            arguments.extend([option.into(), address.to_string().into()]);
        }
        arguments.extend(options.iter().map(Into::into));
        let process = Command::new(program).args(&arguments).stdout(Stdio::piped()).spawn()?;
        Ok(Self { process, arguments, directory, api, identity, password: String::new() })
    }

    /// Starts it again on its store and at its addresses, after it has ended, without waiting until it listens.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = Command::new(hadron()?).args(&self.arguments).stdout(Stdio::null()).spawn()?;
        Ok(())
    }

    /// Waits until both its APIs take connections.
    pub async fn until_it_listens(&mut self) -> Result<()> {
        self.until(async |server| server.identity_api().await.is_ok() && server.network_api().await.is_ok())
            .await
    }

    async fn until(&mut self, listens: impl AsyncFn(&Self) -> bool) -> Result<()> {
        for _ in 0..1200 {
            if let Some(status) = self.process.try_wait()? {
                bail!("the server ended with {status}; its log is on standard error");
            }
            if listens(self).await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("the server does not listen")
    }

    /// Ends it at once (`SIGKILL`).
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// A connection to the Networking API.
    pub async fn network_api(&self) -> Result<Client> {
        Client::connect(self.api, &self.ca()?).await
    }

    /// A connection to the identity service.
    pub async fn identity_api(&self) -> Result<Client> {
        Client::connect(self.identity, &self.ca()?).await
    }

    /// A token of the administrator.
    pub async fn admin_token(&self) -> Result<String> {
        client::token(&mut self.identity_api().await?, "admin", &self.password, "admin").await
    }

    /// Runs `hadron` as this server's administrator, and returns what it prints; `arguments` begins with the command.
    pub fn admin(&self, arguments: &[&str]) -> Result<String> {
        let (command, rest) = arguments.split_first().context("no command")?;
        let mut program = Command::new(hadron()?);
        program.arg(command).arg("--state-dir").arg(self.directory.path()).args(rest);
        let output = program.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            bail!("hadron {} ended with {}", arguments.join(" "), output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Address of the Networking API.
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// URL of the Networking API, without its version.
    pub fn network_url(&self) -> String {
        format!("https://{}", self.api)
    }

    /// URL of the identity service, with its version.
    pub fn identity_url(&self) -> String {
        format!("https://{}/v3", self.identity)
    }

    /// The authority's certificate.
    pub fn ca_path(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The authority's certificate, PEM.
    pub fn ca(&self) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.ca_path())?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

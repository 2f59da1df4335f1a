//! Instances that are registered with hadron itself, and what they read about themselves.

use crate::cloud::{Cloud, PATIENCE};
use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, until};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream};
use std::time::Duration;

/// The address of each family; that of IPv6 is of the only interface.
const V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);
const WAIT: Duration = Duration::from_secs(5);

impl Cloud {
    /// Registers an instance: the `device_id` of its ports, and what it is told.
    pub fn register(&self, device: &str, facts: &Value) -> Result<()> {
        let file = self.lab.dir().join("instance.json");
        std::fs::write(&file, facts.to_string())?;
        let file = file.to_str().context("a path")?.to_owned();
        self.admin(&["instance", "register", device, &file]).map(drop)
    }

    /// Forgets an instance.
    pub fn forget(&self, device: &str) -> Result<()> {
        self.admin(&["instance", "forget", device]).map(drop)
    }
}

/// Status and body of a request from an instance to the metadata address of a family; none if nobody answers.
pub fn ask(from: &Instance, is_v6: bool, path: &str, headers: &str) -> Result<Option<(u16, String)>> {
    let exchange = || -> std::io::Result<String> {
        let to = if is_v6 {
            let scope = nix::net::if_::if_nametoindex("eth0")?;
            SocketAddr::V6(SocketAddrV6::new(V6, 80, 0, scope))
        } else {
            SocketAddr::from((V4, 80))
        };
        let mut stream = TcpStream::connect_timeout(&to, WAIT)?;
        stream.set_read_timeout(Some(WAIT))?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: metadata\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(head.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match from.run(exchange)? {
        Ok(answer) => {
            let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP")?;
            let status = head.split(' ').nth(1).context("no status")?.parse()?;
            Ok(Some((status, body.to_owned())))
        }
        Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput) => {
            Err(error.into())
        }
        Err(_) => Ok(None),
    }
}

/// What an instance reads at a path.
pub fn read(from: &Instance, is_v6: bool, path: &str) -> Result<String> {
    let (status, body) = ask(from, is_v6, path, "")?.with_context(|| format!("nobody answers {path}"))?;
    ensure!(status == 200, "{path}: {status} {body}");
    Ok(body)
}

/// Waits until an instance reads this.
pub fn wait_for(from: &Instance, is_v6: bool, path: &str, expected: &str) -> Result<()> {
    let mut last = String::new();
    let is_so = || {
        last = read(from, is_v6, path).unwrap_or_else(|error| error.to_string());
        last == expected
    };
    until(PATIENCE, &format!("{path} is {expected}"), is_so).with_context(|| format!("it is {last}"))
}

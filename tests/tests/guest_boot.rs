//! A real guest on each kind of IPv6 network: it boots, asks its network for all that it needs, phones home, and lets its owner in.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, Process, Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE, Port};
use hadron_tests::debian::Debian;
use hadron_tests::machine::{BOOT, Image};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// The three ways, with what the guest is told to do and what the subnet says.
const WAYS: [(&str, &str); 3] =
    [("slaac", "slaac"), ("stateless", "dhcpv6-stateless"), ("stateful", "dhcpv6-stateful")];
const DNS6: &str = "fd00::53";

/// A guest, and a neighbour that it phones.
struct Pair {
    way: &'static str,
    port: Port,
    home: Instance,
    calls: Receiver<String>,
    _client: Process,
    machine: Process,
}

/// Answers one request after the other and passes on what they carry.
fn listen(home: &Instance) -> Result<Receiver<String>> {
    let listener = home.run(|| TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080))))??;
    let (send, calls) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            let (mut request, mut part) = (Vec::new(), [0; 4096]);
            // The request ends with its last field, which the guest sends last.
            while !request.ends_with(b"over") {
                match stream.read(&mut part) {
                    Ok(count) if count > 0 => request.extend(&part[..count]),
                    _ => break,
                }
            }
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
            if send.send(String::from_utf8_lossy(&request).into_owned()).is_err() {
                return;
            }
        }
    });
    Ok(calls)
}

fn start(cloud: &Cloud, image: &Image, way: &'static str, mode: &str, key: &str) -> Result<Pair> {
    let network = cloud.network(way)?;
    let v4 = cloud.subnet(&network, "10.0.0.0/24")?;
    let v6 = cloud.made(
        "subnet",
        json!({
            "network_id": network, "ip_version": 6, "cidr": "fd00:1::/64",
            "ipv6_ra_mode": mode, "ipv6_address_mode": mode, "dns_nameservers": [DNS6],
        }),
    )?;
    let router = cloud.router(way)?;
    [v4, v6].iter().try_for_each(|subnet| cloud.attach(&router, subnet))?;
    let home = cloud.port_with(&network, "compute2", json!({"dns_name": "home"}))?;
    let address = home.address(false)?;
    let home = cloud.host("compute2")?.instance(&format!("home-{way}"), &home.id, &home.mac)?;
    let (client, _) = home.dhcp_lease(PATIENCE)?;
    let calls = listen(&home)?;
    let device = format!("guest-{way}");
    let script = format!(
        "#!/bin/sh\nwget -q -O /dev/null --post-data \"host=$(hostname) over\" http://{address}:8080/phone\n"
    );
    cloud.register(
        &device,
        &json!({
            "name": way, "hostname": format!("{way}.example"), "user_data": base64(script.as_bytes()),
            "keys": [{"name": "owner", "type": "ssh", "data": key}],
        }),
    )?;
    let port = cloud.port_with(&network, "compute1", json!({"device_id": device}))?;
    let machine = image.boot(cloud, "compute1", &port, way)?;
    Ok(Pair { way, port, home, calls, _client: client, machine })
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in octets.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// The value of a name in what the guest has said.
fn said(machine: &Process, name: &str) -> Option<String> {
    let log = machine.log();
    let prefix = format!("guest: {name} ");
    log.lines().find_map(|line| Some(line.split_once(&prefix)?.1.trim().to_owned()))
}

impl Pair {
    fn check(&self) -> Result<()> {
        self.machine.wait_for_log("guest: is up after", BOOT)?;
        let home = "the neighbour has an address";
        for (name, expected) in [
            ("address", self.port.address(false)?.to_string()),
            ("address6", self.port.address(true)?.to_string()),
            ("mtu", "1450".to_owned()),
            ("dns6", if self.way == "slaac" { String::new() } else { DNS6.to_owned() }),
            ("neighbour", self.neighbour().context(home)?.to_string()),
            ("hostname", format!("{}.example", self.way)),
            ("uuid", format!("guest-{}", self.way)),
        ] {
            let said = said(&self.machine, name);
            ensure!(
                said.as_deref() == Some(&expected),
                "{name} is {said:?}, not {expected}:\n{}",
                self.machine.log()
            );
        }
        let call = self.calls.recv_timeout(PATIENCE).context("it doesn't phone")?;
        ensure!(
            call.starts_with("POST /phone") && call.contains(&format!("host={}.example", self.way)),
            "{call}"
        );
        Ok(())
    }

    fn neighbour(&self) -> Option<IpAddr> {
        self.home.addresses().ok()?.into_iter().find(IpAddr::is_ipv4)
    }

    /// Logs in with the owner's key, and not with another one.
    fn log_in(&self, key: &str) -> Result<()> {
        self.home.add_address("fd00:1::ffff/64").ok();
        let debian = Debian::of(&self.home)?;
        debian.write("/root/key", key)?;
        debian
            .command("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f", "/root/other"])
            .succeed(PATIENCE)?;
        let to = format!("root@{}", self.port.address(false)?);
        let ssh = |key: &str| {
            let options =
                ["-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"];
            debian
                .command("ssh")
                .args(options)
                .args(["-i", key, &to, "cat /proc/version; hostname"])
                .output(PATIENCE)
        };
        let mut last = String::new();
        until(PATIENCE, "the owner logs in", || {
            ssh("/root/key").is_ok_and(|output| {
                last = format!("{}{}", output.stdout, output.stderr);
                output.stdout.contains("Debian") && output.stdout.contains(&format!("{}.example", self.way))
            })
        })
        .with_context(|| last.clone())?;
        ensure!(!ssh("/root/other")?.status.success(), "another key opens too");
        Ok(())
    }
}

#[test]
fn guests_boot_with_all_that_they_ask_for_and_let_their_owner_in() -> Result<()> {
    let cloud = Cloud::up("guests", Underlay::V4, &["compute1", "compute2"])?;
    let image = Image::make(&cloud)?;
    let maker = Debian::of(cloud.host("controller")?)?;
    maker
        .command("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", "/root/key"])
        .succeed(PATIENCE)?;
    let (key, public) = (maker.read("/root/key")?, maker.read("/root/key.pub")?);
    let pairs: Vec<Pair> = WAYS
        .iter()
        .map(|(way, mode)| start(&cloud, &image, way, mode, public.trim()))
        .collect::<Result<_>>()?;
    for pair in &pairs {
        pair.check().with_context(|| format!("{}\n{}", pair.way, cloud.logs()))?;
        pair.log_in(&key).with_context(|| pair.way)?;
    }
    Ok(())
}

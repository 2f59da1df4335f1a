//! How long it takes from the call that gives an instance its floating IP until the world is answered by it, when another host had it before.

use crate::report::{Better, Cell, Report, Spread, Table};
use anyhow::{Result, bail};
use hadron_lab::Instance;
use hadron_tests::behind::{Behind, Plan};
use hadron_tests::cloud::PATIENCE;
use hyper::Method;
use serde_json::json;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const ECHO: u16 = 7;
const ROUNDS: usize = 21;
/// Between two questions.
const PACE: Duration = Duration::from_micros(500);

/// The floating IP goes from host to host and back.
pub fn run(report: &mut Report) -> Result<()> {
    let Behind { guests, outside, cloud, .. } = &Behind::raise("association", Plan::on(&HOSTS))?;
    let mut echoes = Vec::new();
    for guest in guests {
        echoes.push(guest.udp_echo(ECHO)?);
    }
    let (floating, address) = outside.floating_ip(cloud)?;
    let (mut calls, mut answers) = (Vec::new(), Vec::new());
    let path = format!("/v2.0/floatingips/{floating}");
    cloud.with_api(async |client| {
        for round in 0..ROUNDS {
            let asker = Asker::of(&outside.world, SocketAddr::new(address, ECHO))?;
            let port = &guests[round % guests.len()].port.id;
            let begun = Instant::now();
            client
                .request(Method::PUT, &path, Some(&json!({"floatingip": {"port_id": port}})))
                .await?
                .ok()?;
            calls.push(begun.elapsed().as_secs_f64() * 1e3);
            asker.wait()?;
            answers.push(begun.elapsed().as_secs_f64() * 1e3);
            client
                .request(Method::PUT, &path, Some(&json!({"floatingip": {"port_id": null}})))
                .await?
                .ok()?;
        }
        Ok(())
    })?;
    let title = format!(
        "A floating IP that comes from another host, milliseconds from the call's beginning, {ROUNDS} times"
    );
    let mut table = Table::new(title, ["", "ms"]);
    for (name, values) in [("the call is answered", &calls), ("the world is answered", &answers)] {
        table.row(vec![name.into(), Cell::Spread(Spread::of(values), 1)]);
    }
    report.table(&table);
    let what = "a floating IP from another host until the world is answered";
    report.goal(what, "ms", Spread::of(&answers).median, 20.0, Better::Less);
    Ok(())
}

/// A socket of the world's.
struct Asker(UdpSocket);

impl Asker {
    fn of(world: &Instance, to: SocketAddr) -> Result<Self> {
        let socket = world.run(|| UdpSocket::bind("0.0.0.0:0"))??;
        socket.connect(to)?;
        socket.set_read_timeout(Some(PACE))?;
        Ok(Self(socket))
    }

    /// Asks until it is answered.
    fn wait(&self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            // What nobody has yet is told unreachable.
            let _ = self.0.send(b"?");
            match self.0.recv(&mut [0; 8]) {
                Ok(_) => return Ok(()),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable
                    ) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bail!("the floating IP is not answered")
    }
}

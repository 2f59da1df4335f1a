//! What an operator sees: hosts and ports that are not in force and why, and metrics.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Host, Underlay, until};
use hadron_tests::cloud::{CONTROLLER, Cloud, Options, PATIENCE};
use hadron_tests::guest::Guest;
use hadron_tests::knock::Outcome;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const SERVER_METRICS: u16 = 9698;
const NODE_METRICS: u16 = 9699;

fn status(cloud: &Cloud) -> Result<Value> {
    Ok(serde_json::from_str(&cloud.admin(&["status", "--json"])?)?)
}

/// Why a port is not in force; `None` when it is.
fn why(cloud: &Cloud, port: &str) -> Result<Option<String>> {
    let status = status(cloud)?;
    let all = status["not_in_force"].as_array().context("no list")?;
    let one = all.iter().find(|trouble| trouble["id"] == json!(port));
    Ok(one.map(|trouble| trouble["why"].as_str().unwrap_or_default().to_owned()))
}

fn waits_for_why(cloud: &Cloud, port: &str, text: &str) -> Result<()> {
    let is_so = || why(cloud, port).is_ok_and(|why| why.is_some_and(|why| why.contains(text)));
    until(PATIENCE, &format!("port {port}: {text}"), is_so).with_context(|| format!("{:?}", why(cloud, port)))
}

#[test]
fn what_is_not_in_force_is_told_with_its_reason() -> Result<()> {
    let mut cloud = Cloud::up("status", Underlay::V4, &HOSTS)?;
    let network = cloud.network("blue")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let works = Guest::start(&cloud, &network, HOSTS[0], "works")?;
    cloud.wait_for_status(&works.port.id, "ACTIVE")?;
    ensure!(why(&cloud, &works.port.id)?.is_none());
    let seen = status(&cloud)?;
    let hosts = seen["hosts"].as_array().context("no hosts")?;
    ensure!(hosts.len() == 2 && hosts.iter().all(|host| host["connected"] == json!(true)), "{seen:#}");
    ensure!(hosts[0]["active"] == json!(1), "{seen:#}");

    let unplugged = cloud.port(&network, HOSTS[0])?;
    waits_for_why(&cloud, &unplugged.id, "has not appeared on host compute1")?;
    let nowhere = cloud.port(&network, "compute9")?;
    waits_for_why(&cloud, &nowhere.id, "no host compute9 has joined")?;
    cloud.change_port(&unplugged.id, json!({"admin_state_up": false}))?;
    waits_for_why(&cloud, &unplugged.id, "admin_state_up of the port is false")?;
    let away = cloud.port(&network, HOSTS[1])?;
    cloud.kill_agent(HOSTS[1]);
    waits_for_why(&cloud, &away.id, "host compute2 is not connected")?;
    let text = cloud.admin(&["status"])?;
    ensure!(text.contains(&away.id) && text.contains("not in force"), "{text}");
    Ok(())
}

/// The page of a listener, asked from its own host.
fn page(host: &Host, port: u16) -> Result<String> {
    let answer = host.run(|| {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), PATIENCE)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    })??;
    let (head, page) = answer.split_once("\r\n\r\n").context("no head")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(page.to_owned())
}

/// The value of a sample.
fn value(page: &str, sample: &str) -> Result<u64> {
    let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.with_context(|| format!("no {sample} in\n{page}"))?.parse().context("no number")
}

#[test]
fn metrics_tell_what_happened() -> Result<()> {
    let metrics = ["--metrics".to_owned(), format!("127.0.0.1:{SERVER_METRICS}")];
    let options = Options { server: metrics.into(), ..Options::default() };
    let mut cloud = Cloud::up_with("metrics", Underlay::V4, &HOSTS[..1], options)?;
    cloud.kill_agent(HOSTS[0]);
    cloud.start_agent(HOSTS[0], &["--node-metrics", &format!("127.0.0.1:{NODE_METRICS}")])?;
    cloud.wait_for_nodes()?;
    let network = cloud.network("blue")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let [one, two] = ["one", "two"].map(|name| Guest::start(&cloud, &network, HOSTS[0], name));
    let (one, two) = (one?, two?);
    // The default group lets in only its own members; here it is taken away from the receiver.
    let closed = cloud.group("closed")?;
    cloud.change_port(&two.port.id, json!({"security_groups": [closed]}))?;
    let door = two.at(false, 80)?;
    until(PATIENCE, "the door is closed", || one.connects(door).is_ok_and(|it| it == Outcome::Silent))?;

    let node = cloud.host(HOSTS[0])?;
    let denied = "hadron_drops_total{stage=\"ingress_policy\",reason=\"ingress_denied\"}";
    let dropped = format!("hadron_port_drops_total{{port=\"{}\",direction=\"received\"}}", two.port.id);
    until(PATIENCE, "the drop is counted", || {
        page(node, NODE_METRICS).and_then(|page| value(&page, denied)).is_ok_and(|count| count > 0)
    })?;
    let seen = page(node, NODE_METRICS)?;
    ensure!(value(&seen, &dropped)? > 0 && value(&seen, "hadron_node_connected")? == 1);
    ensure!(value(&seen, "hadron_node_ports{state=\"wired\"}")? == 2, "{seen}");
    ensure!(value(&seen, "hadron_stage_packets_total{stage=\"classify\"}")? > 0);
    // Both guests' ports, and that of the DHCP service.
    let seen = page(cloud.host(CONTROLLER)?, SERVER_METRICS)?;
    ensure!(value(&seen, "hadron_server_ports{status=\"ACTIVE\"}")? == 3, "{seen}");
    ensure!(value(&seen, "hadron_server_host_connected{host=\"compute1\"}")? == 1, "{seen}");

    let top =
        node.command(hadron_tests::process::hadron()?).args(["top", "--count", "1", "--interval", "0.2"]);
    let text = top.succeed(PATIENCE)?;
    // The DHCP service has a port on each host.
    ensure!(text.starts_with("3 ports") && text.contains("drops per second"), "{text}");
    Ok(())
}

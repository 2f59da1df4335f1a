//! Logs of packets, from the call that asks for them to the lines that a host writes.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::guest::Guest;
use hadron_tests::knock::{Outcome, expect};
use hyper::Method;
use serde_json::{Value, json};

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const OPEN: u16 = 8080;
const CLOSED: u16 = 8081;

/// Creates a log and returns its id.
fn log(cloud: &Cloud, of: Value) -> Result<String> {
    let mut log = json!({"resource_type": "security_group"});
    if let (Value::Object(log), Value::Object(of)) = (&mut log, of) {
        log.extend(of);
    }
    let made = cloud.call(Method::POST, "/v2.0/log/logs", Some(json!({ "log": log })))?;
    Ok(made["log"]["id"].as_str().context("an id")?.to_owned())
}

/// The lines that a host has written for a log so far.
fn lines(cloud: &Cloud, host: &str, log: &str) -> Result<Vec<Value>> {
    let text = cloud.agent_log(host);
    let lines = text.lines().filter(|line| line.starts_with("{\"time\""));
    let lines: Vec<Value> = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
    let is_for = |line: &Value| line["log_ids"].as_array().is_some_and(|ids| ids.contains(&log.into()));
    Ok(lines.into_iter().filter(is_for).collect())
}

/// Does something until a line of a host for a log has all `members`, and returns that line.
fn line_of(
    cloud: &Cloud,
    (host, log): (&str, &str),
    members: &Value,
    cause: impl Fn() -> Result<()>,
) -> Result<Value> {
    let wanted = members.as_object().context("an object")?;
    let find = || {
        let lines = lines(cloud, host, log).ok()?;
        lines.into_iter().find(|line| wanted.iter().all(|(name, value)| line[name] == *value))
    };
    until(PATIENCE, &format!("a line of log {log} with {members}"), || cause().is_ok() && find().is_some())
        .with_context(|| cloud.logs())?;
    find().context("a line")
}

#[test]
fn what_is_allowed_and_what_is_dropped_is_written_down_with_the_ids_of_the_cloud() -> Result<()> {
    let cloud = Cloud::up("logs", Underlay::V4, &HOSTS)?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let (clients, servers) = (cloud.group("clients")?, cloud.group("servers")?);
    let rule = cloud
        .rule(&servers, json!({"protocol": "tcp", "port_range_min": OPEN, "port_range_max": CLOSED - 1}))?;
    let guest = |host, name, group: &str| {
        Guest::start_with(&cloud, &network, host, name, json!({"security_groups": [group]}))
    };
    let client = guest(HOSTS[0], "client", &clients)?;
    let server = guest(HOSTS[1], "server", &servers)?;
    let port = cloud.call(Method::GET, &format!("/v2.0/ports/{}", server.port.id), None)?;
    let project = &port["port"]["project_id"];
    let (open, closed) = (server.at(false, OPEN)?, server.at(false, CLOSED)?);
    let _web = server.instance.tcp_echo(open)?;
    client.waits_for_door(open, true)?;

    let of_group = log(&cloud, json!({"resource_id": servers}))?;
    let common = json!({
        "project_id": project, "port_id": server.port.id, "direction": "ingress", "protocol": 6, "ether_type": 0x0800,
        "source": client.port.address(false)?.to_string(), "destination": server.port.address(false)?.to_string(),
    });
    let with = |more: Value| {
        let mut members = common.clone();
        if let (Value::Object(members), Value::Object(more)) = (&mut members, more) {
            members.extend(more);
        }
        members
    };
    let accepted = with(json!({"action": "ACCEPT", "rule_id": rule, "destination_port": OPEN}));
    let connect = || expect("a client at the open door", client.connects(open)?, Outcome::Open);
    let line = line_of(&cloud, (HOSTS[1], &of_group), &accepted, connect)?;
    ensure!(line.get("reason").is_none(), "{line}");
    let dropped = with(json!({"action": "DROP", "reason": "ingress_denied", "destination_port": CLOSED}));
    let knock = || expect("a client at the closed door", client.connects(closed)?, Outcome::Silent);
    let line = line_of(&cloud, (HOSTS[1], &of_group), &dropped, knock)?;
    ensure!(line.get("rule_id").is_none(), "{line}");
    ensure!(lines(&cloud, HOSTS[0], &of_group)?.is_empty(), "the client's port doesn't have the group");

    // A log of the client's port, which tells when a connection has come by.
    let of_port = log(&cloud, json!({"target_id": client.port.id, "event": "ACCEPT"}))?;
    let egress = json!({"port_id": client.port.id, "direction": "egress", "action": "ACCEPT"});
    line_of(&cloud, (HOSTS[0], &of_port), &egress, connect)?;
    let change = json!({"log": {"enabled": false}});
    cloud.call(Method::PUT, &format!("/v2.0/log/logs/{of_group}"), Some(change))?;
    until(PATIENCE, "the log is off", || {
        // What precedes a connection has been written when the next one has.
        let count = |host, log: &str| lines(&cloud, host, log).map_or(0, |lines| lines.len());
        let (before, seen) = (count(HOSTS[1], &of_group), count(HOSTS[0], &of_port));
        let came = connect().and_then(|()| connect()).is_ok();
        let all = until(PATIENCE, "both are told of", || count(HOSTS[0], &of_port) >= seen + 2).is_ok();
        came && all && count(HOSTS[1], &of_group) == before
    })?;

    // What it names goes, and the log with it.
    drop(client);
    cloud.delete("log/logs", &of_group)?;
    let ports = cloud.call(Method::GET, &format!("/v2.0/ports?security_groups={clients}"), None)?;
    for port in ports["ports"].as_array().context("ports")? {
        cloud.delete("ports", port["id"].as_str().context("an id")?)?;
    }
    let left = cloud.call(Method::GET, "/v2.0/log/logs", None)?;
    ensure!(left["logs"] == json!([]), "{left}");
    Ok(())
}

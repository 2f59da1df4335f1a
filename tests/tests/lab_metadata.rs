//! What an instance reads about itself, on networks with a router and without, whoever else has its address.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, Underlay};
use hadron_tests::cloud::{Cloud, PATIENCE, Port};
use hadron_tests::metadata::{ask, read, wait_for};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

const PATH: &str = "/latest/meta-data/hostname";

fn port(cloud: &Cloud, network: &str, host: &str, device: &str) -> Result<(Port, Instance)> {
    let port = cloud.port_with(network, host, json!({"device_id": device}))?;
    let instance = cloud.host(host)?.instance(device, &port.id, &port.mac)?;
    instance.wait_for_link(PATIENCE)?;
    Ok((port, instance))
}

#[test]
fn instances_of_two_networks_with_one_address_read_their_own_and_no_header_changes_that() -> Result<()> {
    let cloud = Cloud::up("metadata", Underlay::V4, &["compute1", "compute2"])?;
    let mut all = Vec::new();
    // The first network has a router and no DHCP route in use, the second has no router.
    for (name, host) in [("blue", "compute1"), ("green", "compute1"), ("red", "compute2")] {
        let network = cloud.network(name)?;
        let subnet = cloud.subnet(&network, "10.0.0.0/24")?;
        cloud.register(name, &json!({"name": format!("{name}.example"), "meta": {"colour": name}}))?;
        if name == "blue" {
            cloud.attach(&cloud.router("r")?, &subnet)?;
        }
        let (port, instance) = port(&cloud, &network, host, name)?;
        let gateway = cloud.gateway(&subnet)?;
        all.push((name, port, instance, gateway));
    }
    let address = all[0].1.address(false)?;
    let mut clients = Vec::new();
    for (name, port, instance, gateway) in &all {
        ensure!(port.address(false)? == address, "the addresses differ");
        if *name == "blue" {
            instance.add_address(&format!("{address}/24"))?;
            instance.add_route("default", *gateway)?;
        } else {
            clients.push(instance.dhcp_lease(PATIENCE)?);
        }
        wait_for(instance, false, PATH, &format!("{name}.example"))?;
        wait_for(instance, true, PATH, &format!("{name}.example"))?;
    }
    for (name, _, instance, _) in &all {
        for is_v6 in [false, true] {
            let forged = format!(
                "X-Forwarded-For: {address}\r\nX-Instance-ID: blue\r\nX-Neutron-Network-ID: blue\r\n"
            );
            let (status, body) =
                ask(instance, is_v6, "/openstack/latest/meta_data.json", &forged)?.context("an answer")?;
            let facts: Value = serde_json::from_str(&body)?;
            ensure!(status == 200 && facts["meta"]["colour"] == *name && facts["uuid"] == *name, "{facts}");
        }
    }
    Ok(())
}

#[test]
fn what_is_registered_later_is_read_later_and_an_instance_has_all_its_interfaces() -> Result<()> {
    let cloud = Cloud::up("registered", Underlay::V6, &["compute1"])?;
    let (first, second) = (cloud.network("first")?, cloud.network("second")?);
    cloud.subnet(&first, "10.0.1.0/24")?;
    cloud.subnet(&second, "10.0.2.0/24")?;
    let (one, instance) = port(&cloud, &first, "compute1", "server")?;
    let other = cloud.port_with(&second, "compute1", json!({"device_id": "server"}))?;
    let _client = instance.dhcp_lease(PATIENCE)?;
    let nobody =
        || -> Result<bool> { Ok(ask(&instance, false, PATH, "")?.is_some_and(|(status, _)| status == 404)) };
    hadron_lab::until(PATIENCE, "nobody has told of it", || nobody().unwrap_or(false))?;
    cloud.register("server", &json!({"hostname": "late", "user_data": "IyEvYmluL3NoCg=="}))?;
    wait_for(&instance, false, PATH, "late")?;
    ensure!(read(&instance, false, "/openstack/latest/user_data")? == "#!/bin/sh\n");
    let network: Value =
        serde_json::from_str(&read(&instance, false, "/openstack/latest/network_data.json")?)?;
    let macs: Vec<&str> = network["links"]
        .as_array()
        .context("links")?
        .iter()
        .filter_map(|link| link["ethernet_mac_address"].as_str())
        .collect();
    ensure!(macs == [one.mac.as_str(), other.mac.as_str()], "{network}");
    cloud.register("server", &json!({"hostname": "later"}))?;
    wait_for(&instance, false, PATH, "later")?;
    // The host goes on by what it knows while no server runs.
    let mut cloud = cloud;
    cloud.kill_server();
    ensure!(read(&instance, false, PATH)? == "later");
    cloud.start_server()?;
    cloud.wait_for_nodes()?;
    cloud.forget("server")?;
    hadron_lab::until(PATIENCE, "it is forgotten", || nobody().unwrap_or(false))?;
    Ok(())
}

/// What is sent as it stands, and the status of the first answer; none if the connection ends without one.
fn exchange(instance: &Instance, request: &[u8]) -> Result<Option<u16>> {
    let asked = instance.run(|| -> std::io::Result<String> {
        let to = SocketAddr::from(([169, 254, 169, 254], 80));
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // The other end may have refused before all was sent.
        let _ = stream.write_all(request);
        let mut line = String::new();
        let _ = BufReader::new(stream).read_line(&mut line);
        Ok(line)
    })??;
    Ok(asked.split(' ').nth(1).and_then(|status| status.parse().ok()))
}

#[test]
fn requests_that_can_be_read_in_two_ways_or_have_no_end_are_refused() -> Result<()> {
    let cloud = Cloud::up("smuggling", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    cloud.register("own", &json!({"hostname": "own.example"}))?;
    let (_, instance) = port(&cloud, &network, "compute1", "own")?;
    let _client = instance.dhcp_lease(PATIENCE)?;
    wait_for(&instance, false, PATH, "own.example")?;
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: metadata\r\n");
    let long = format!("X-Long: {}\r\n", "a".repeat(200_000));
    for (what, fields, expected) in [
        ("two lengths", "Content-Length: 4\r\nContent-Length: 40\r\n\r\nGET ", 400),
        ("a length that is none", "Content-Length: +4\r\n\r\nGET ", 400),
        ("an encoding that doesn't end", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        ("a name with a space", "Content-Length : 4\r\n\r\nGET ", 400),
        ("a folded field", "X-One: 1\r\n X-Forwarded-For: other\r\n\r\n", 400),
        ("a head without end", &long, 431),
    ] {
        let status = exchange(&instance, format!("{head}{fields}").as_bytes())?;
        ensure!(status == Some(expected), "{what}: {status:?}, not {expected}");
    }
    ensure!(
        exchange(&instance, b"CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: a\r\n\r\n")? == Some(405),
        "a tunnel"
    );
    let elsewhere = b"GET http://192.0.2.1/latest/meta-data/hostname HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n";
    ensure!(exchange(&instance, elsewhere)? == Some(200), "its own facts, whatever host it names");
    ensure!(read(&instance, false, PATH)? == "own.example", "it goes on as before");
    Ok(())
}

//! Names of ports and floating IPs in zones of a name server outside: Debian's Knot, which takes signed updates.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, Options, PATIENCE, Port};
use hadron_tests::knot::{KEY, Knot};
use hyper::Method;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const SECRET: &str = "aGFkcm9uJ3Mgc2VjcmV0IGZvciB1cGRhdGVzISEhISE=";
const OTHER_SECRET: &str = "YW5vdGhlciBzZWNyZXQsIHdoaWNoIGlzIHdyb25nISE=";
const ZONES: [&str; 4] = [
    "example.org",
    "2.1.10.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa",
];
/// What the operator has in `example.org`.
const RECORDS: &str = "ns A 192.0.2.53\ntaken TXT \"not yours\"";

fn write_secret(file: &Path, secret: &str) -> Result<()> {
    std::fs::write(file, secret)?;
    Ok(std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?)
}

fn options(secret: &Path, is_on_etcd: bool) -> Options {
    let mut server: Vec<String> = [
        ["--dns-update-server", &Knot::address().to_string()],
        ["--dns-update-zones", "example.org"],
        ["--dns-update-reverse", "10.0.0.0/8=24,203.0.113.0/24,fd00:1::/64"],
        ["--dns-update-key", KEY],
    ]
    .into_iter()
    .flatten()
    .map(str::to_owned)
    .collect();
    server.extend(["--dns-update-key-file".to_owned(), secret.display().to_string()]);
    Options { server, is_on_etcd, ..Options::default() }
}

/// A network in `example.org` whose subnets publish their addresses.
fn published_network(cloud: &Cloud) -> Result<String> {
    let network = cloud.made("network", json!({"name": "published", "dns_domain": "example.org."}))?;
    for (version, cidr) in [(4, "10.1.2.0/24"), (6, "fd00:1::/64")] {
        cloud.made(
            "subnet",
            json!({
                "network_id": network, "ip_version": version, "cidr": cidr, "dns_publish_fixed_ip": true,
            }),
        )?;
    }
    Ok(network)
}

fn named(cloud: &Cloud, network: &str, name: &str) -> Result<Port> {
    let body = json!({"port": {"network_id": network, "dns_name": name}});
    Port::read(&cloud.call(Method::POST, "/v2.0/ports", Some(body))?["port"])
}

fn delete(cloud: &Cloud, what: &str, id: &str) -> Result<()> {
    cloud.call(Method::DELETE, &format!("/v2.0/{what}/{id}"), None).map(drop)
}

/// The name has the port's addresses, which lead back to it; or, without a port, nothing.
fn stands_for(cloud: &Cloud, knot: &Knot, name: &str, port: Option<&Port>) -> Result<()> {
    let (v4, v6) = match port {
        Some(port) => (port.address(false)?.to_string(), port.address(true)?.to_string()),
        None => Default::default(),
    };
    let expected = |text: &str| if text.is_empty() { vec![] } else { vec![text.to_owned()] };
    for (kind, address) in [("A", &v4), ("AAAA", &v6)] {
        let expected = expected(address);
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        knot.wait_for(cloud, name, kind, &expected)?;
    }
    for address in [v4, v6].iter().filter(|address| !address.is_empty()) {
        knot.wait_for(cloud, address, "PTR", &[&format!("{name}.")])?;
    }
    Ok(())
}

#[test]
fn names_are_published_follow_every_change_and_catch_up_with_a_name_server_that_was_away() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let secret = directory.path().join("secret");
    write_secret(&secret, SECRET)?;
    let mut cloud = Cloud::up_with("published", Underlay::V4, &[], options(&secret, false))?;
    let mut knot = Knot::new(&cloud, &ZONES, SECRET, RECORDS)?;
    // The name server comes later than the first name.
    let network = published_network(&cloud)?;
    let web = named(&cloud, &network, "web")?;
    let until_away = until(PATIENCE, "the log says that nobody is there", || {
        cloud.server_log().contains("can't be reached")
    });
    until_away.with_context(|| cloud.logs())?;
    knot.start(&cloud)?;
    stands_for(&cloud, &knot, "web.example.org", Some(&web))?;

    // Another name, and another address.
    cloud.change_port(&web.id, json!({"dns_name": "shop"}))?;
    stands_for(&cloud, &knot, "shop.example.org", Some(&web))?;
    stands_for(&cloud, &knot, "web.example.org", None)?;
    let addresses = json!([{"ip_address": "10.1.2.77"}, {"ip_address": "fd00:1::77"}]);
    let moved = cloud.call(
        Method::PUT,
        &format!("/v2.0/ports/{}", web.id),
        Some(json!({"port": {"fixed_ips": addresses}})),
    )?;
    let moved = Port::read(&moved["port"])?;
    stands_for(&cloud, &knot, "shop.example.org", Some(&moved))?;
    knot.wait_for(&cloud, &web.address(false)?.to_string(), "PTR", &[])?;

    // What the operator has is not ours: not even in another family.
    let ns = named(&cloud, &network, "ns")?;
    named(&cloud, &network, "taken")?;
    for name in ["ns.example.org.", "taken.example.org."] {
        let text = format!("name=\"{name}\"");
        until(PATIENCE, &format!("the log names {name}"), || {
            cloud.server_log().lines().any(|line| line.contains(&text) && line.contains("from elsewhere"))
        })
        .with_context(|| cloud.logs())?;
    }
    ensure!(
        knot.ask(&cloud, "ns.example.org", "A")? == ["192.0.2.53"]
            && knot.ask(&cloud, "ns.example.org", "AAAA")?.is_empty()
    );
    ensure!(
        knot.ask(&cloud, &ns.address(false)?.to_string(), "PTR")?.is_empty(),
        "an address leads to the operator's name"
    );
    delete(&cloud, "ports", &ns.id)?;
    ensure!(knot.ask(&cloud, "ns.example.org", "A")? == ["192.0.2.53"], "what was not ours is gone");

    // While the name server is away one comes, one goes, one changes; and the server crashes in between.
    knot.stop()?;
    let db = named(&cloud, &network, "db")?;
    let gone = named(&cloud, &network, "short")?;
    cloud.change_port(&web.id, json!({"dns_name": "store"}))?;
    cloud.kill_server();
    cloud.start_server()?;
    delete(&cloud, "ports", &gone.id)?;
    knot.start(&cloud)?;
    stands_for(&cloud, &knot, "db.example.org", Some(&db))?;
    stands_for(&cloud, &knot, "store.example.org", Some(&moved))?;
    stands_for(&cloud, &knot, "shop.example.org", None)?;
    stands_for(&cloud, &knot, "short.example.org", None)?;

    floating_ips(&cloud, &knot)?;

    // A key that the name server does not take is told clearly, and nothing is lost by it.
    cloud.kill_server();
    write_secret(&secret, OTHER_SECRET)?;
    cloud.start_server()?;
    let late = named(&cloud, &network, "late")?;
    until(PATIENCE, "the log says what is wrong with the key", || {
        cloud
            .server_log()
            .contains("refuses the key \"hadron.\": it has another secret under this name (BADSIG)")
    })
    .with_context(|| cloud.logs())?;
    ensure!(!cloud.server_log().contains(OTHER_SECRET), "the secret is in the log");
    ensure!(knot.ask(&cloud, "late.example.org", "A")?.is_empty(), "the name server took a wrong key");
    cloud.kill_server();
    write_secret(&secret, SECRET)?;
    cloud.start_server()?;
    stands_for(&cloud, &knot, "late.example.org", Some(&late))?;
    delete(&cloud, "ports", &late.id)?;
    delete(&cloud, "ports", &db.id)?;
    stands_for(&cloud, &knot, "late.example.org", None)?;
    knot.wait_for(&cloud, &db.address(true)?.to_string(), "PTR", &[])
}

/// A floating IP has its own name, or that of its port.
fn floating_ips(cloud: &Cloud, knot: &Knot) -> Result<()> {
    let outside = cloud.made("network", json!({"name": "outside", "router:external": true}))?;
    cloud.made(
        "subnet",
        json!({"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": false}),
    )?;
    let inside = cloud.made("network", json!({"name": "inside", "dns_domain": "example.org."}))?;
    let subnet = cloud.subnet(&inside, "10.9.0.0/24")?;
    let router = cloud.router("r")?;
    cloud.attach(&router, &subnet)?;
    cloud.change_router(&router, json!({"external_gateway_info": {"network_id": outside}}))?;
    let port = named(cloud, &inside, "app")?;

    let floating_ip = |body: Value| -> Result<(String, String)> {
        let answer = cloud.call(Method::POST, "/v2.0/floatingips", Some(json!({"floatingip": body})))?;
        let text = |key: &str| answer["floatingip"][key].as_str().context("no text").map(str::to_owned);
        Ok((text("id")?, text("floating_ip_address")?))
    };
    let (own, own_address) = floating_ip(json!({
        "floating_network_id": outside, "dns_name": "vip", "dns_domain": "example.org.",
    }))?;
    knot.wait_for(cloud, "vip.example.org", "A", &[&own_address])?;
    knot.wait_for(cloud, &own_address, "PTR", &["vip.example.org."])?;
    let (plain, address) = floating_ip(json!({"floating_network_id": outside}))?;
    cloud.associate(&plain, Some(&port.id))?;
    knot.wait_for(cloud, "app.example.org", "A", &[&address])?;
    knot.wait_for(cloud, &address, "PTR", &["app.example.org."])?;
    cloud.associate(&plain, None)?;
    knot.wait_for(cloud, "app.example.org", "A", &[])?;
    knot.wait_for(cloud, &address, "PTR", &[])?;
    delete(cloud, "floatingips", &own)?;
    knot.wait_for(cloud, "vip.example.org", "A", &[])?;
    knot.wait_for(cloud, &own_address, "PTR", &[])
}

#[test]
fn of_two_servers_one_publishes_and_the_other_goes_on_when_it_is_gone() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let secret = directory.path().join("secret");
    write_secret(&secret, SECRET)?;
    let mut cloud = Cloud::up_with("publishers", Underlay::V4, &[], options(&secret, true))?;
    let mut knot = Knot::new(&cloud, &ZONES, SECRET, RECORDS)?;
    knot.start(&cloud)?;
    cloud.start_second_server()?;
    let network = published_network(&cloud)?;
    let web = named(&cloud, &network, "web")?;
    stands_for(&cloud, &knot, "web.example.org", Some(&web))?;
    let is_publishing = |log: &str| log.contains("this server publishes names");
    ensure!(is_publishing(&cloud.server_log()), "somebody else publishes");
    cloud.kill_server();
    cloud.use_second_server();
    let db = named(&cloud, &network, "db")?;
    delete(&cloud, "ports", &web.id)?;
    until(PATIENCE, "the other server publishes", || is_publishing(&cloud.logs()))?;
    stands_for(&cloud, &knot, "db.example.org", Some(&db))?;
    stands_for(&cloud, &knot, "web.example.org", None)
}

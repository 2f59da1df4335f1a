//! Names of instances, as a program that knows nothing of any of this asks for them: by its C library, with what DHCP has told it.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, Process, Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE, Port};
use serde_json::json;

fn guest(cloud: &Cloud, network: &str, host: &str, name: &str) -> Result<(Port, Instance, Process)> {
    let port = cloud.port_with(network, host, json!({"dns_name": name}))?;
    let instance = cloud.host(host)?.instance(&format!("{name}-{}", &network[..4]), &port.id, &port.mac)?;
    let (client, _) = instance.dhcp_lease(PATIENCE)?;
    Ok((port, instance, client))
}

/// What the C library makes of a name, or of an address; empty for nothing.
fn resolved(instance: &Instance, database: &str, key: &str) -> String {
    instance.command("getent").args([database, key]).succeed(PATIENCE).unwrap_or_default()
}

fn wait_for(instance: &Instance, database: &str, key: &str, expected: &str) -> Result<()> {
    let mut last = String::new();
    let is_so = || {
        last = resolved(instance, database, key);
        last.split_whitespace().any(|word| word == expected)
    };
    let resolv_conf = instance.resolv_conf()?;
    until(PATIENCE, &format!("{key} is {expected}"), is_so)
        .with_context(|| format!("it is {last:?} by\n{resolv_conf}"))
}

#[test]
fn instances_find_their_neighbours_by_name_and_name_them_and_nobody_elses() -> Result<()> {
    let cloud = Cloud::up("names", Underlay::V4, &["compute1", "compute2"])?;
    let mut all = Vec::new();
    for _ in 0..2 {
        // The same names in two networks, with addresses of their own.
        let network = cloud.network("net")?;
        let subnet = if all.is_empty() { "10.0.1.0/24" } else { "10.0.2.0/24" };
        cloud.subnet(&network, subnet)?;
        let web = guest(&cloud, &network, "compute1", "web")?;
        let db = guest(&cloud, &network, "compute2", "db")?;
        all.push((web, db));
    }
    for ((_, web, _), (db, ..)) in &all {
        let address = db.address(false)?.to_string();
        for name in ["db", "db.openstacklocal"] {
            wait_for(web, "ahostsv4", name, &address)?;
        }
        wait_for(web, "hosts", &address, "db.openstacklocal")?;
    }
    let [((_, web, _), (db, ..)), (_, (other, ..))] = &all[..] else { unreachable!("two networks") };
    let foreign = resolved(web, "hosts", &other.address(false)?.to_string());
    ensure!(foreign.is_empty(), "another network's address has the name {foreign}");
    ensure!(resolved(web, "ahostsv4", "nothing").is_empty(), "nothing is somebody");

    cloud.change_port(&db.id, json!({"dns_name": "store"}))?;
    wait_for(web, "ahostsv4", "store", &db.address(false)?.to_string())?;
    ensure!(resolved(web, "ahostsv4", "db").is_empty(), "the old name is still somebody's");
    Ok(())
}

//! Instances with one address ask one address who they are, and find their neighbours by name.

use crate::story::Tenant;
use crate::telling::step;
use anyhow::{Result, ensure};
use hadron_lab::until;
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::metadata::{read, wait_for};
use serde_json::json;

const PATH: &str = "/openstack/latest/meta_data.json";
const HOSTNAME: &str = "/latest/meta-data/hostname";

/// Tells it of each tenant's first instance.
pub fn tell(cloud: &Cloud, tenants: &[Tenant]) -> Result<()> {
    for tenant in tenants {
        let guest = &tenant.guests[0];
        let name = &guest.name;
        step(&format!("{name} reads its metadata at 169.254.169.254"), || {
            let hostname = format!("{name}.{}.example", tenant.user.project);
            cloud.register(name, &json!({"name": name, "hostname": hostname}))?;
            wait_for(&guest.instance, false, HOSTNAME, &hostname)?;
            ensure!(read(&guest.instance, true, HOSTNAME)? == hostname, "IPv6 says another name");
            let facts: serde_json::Value = serde_json::from_str(&read(&guest.instance, false, PATH)?)?;
            Ok(((), format!("it is {}, of project {}", facts["hostname"], facts["project_id"])))
        })?;
    }
    for tenant in tenants {
        let [first, second] = &tenant.guests[..] else { anyhow::bail!("two instances are needed") };
        step(&format!("{} resolves {}", first.name, second.name), || {
            let expected = second.port.address(false)?.to_string();
            let mut found = String::new();
            let look = || {
                let asked =
                    first.instance.command("getent").args(["ahostsv4", &second.name]).succeed(PATIENCE);
                found = asked.unwrap_or_default();
                found.split_whitespace().next() == Some(&expected)
            };
            until(PATIENCE, "the neighbour's address", look)?;
            Ok(((), format!("{expected}, by {}", first.instance.resolv_conf()?.trim().replace('\n', ", "))))
        })?;
    }
    Ok(())
}

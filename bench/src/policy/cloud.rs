//! Pairs of instances on one host, each pair under its own groups.

use super::{Course, FEW, LARGE, MANY, OFF, SMALL};
use crate::path::peers::{MTU, ip};
use anyhow::{Context, Result};
use hadron_lab::{Instance, Underlay};
use hadron_tests::cloud::{Cloud, Options, Port};
use hyper::Method;
use serde_json::{Value, json};

const HOST: &str = "compute1";
/// Objects in one POST.
const BULK: usize = 500;

/// The cloud and its pairs.
pub struct Instances {
    pairs: Vec<(&'static str, [(Instance, Port); 2])>,
    _cloud: Cloud,
}

impl Instances {
    /// Raises the cloud and waits until every port is wired.
    pub fn up() -> Result<Self> {
        let quotas = ["network", "subnet", "port", "security-group", "security-group-rule"];
        let server = quotas.iter().flat_map(|kind| [format!("--quota-{kind}"), "-1".to_owned()]).collect();
        let cloud = Cloud::up_with(
            "policy",
            Underlay::V4,
            &[HOST],
            Options { server, tables: "default", ..Options::default() },
        )?;
        let network = cloud.network("policy")?;
        cloud.subnet(&network, "10.8.0.0/16")?;
        let mut make = Maker { cloud: &cloud, network, made: 0 };
        let few = make.group("few", &rules(10, &json!({"remote_ip_prefix": "10.8.0.0/16"})))?;
        let many = make.group("many", &rules(1000, &json!({"remote_ip_prefix": "10.8.0.0/16"})))?;
        let (small, large) = (make.members("small", 10)?, make.members("large", 10_000)?);
        let pairs = vec![
            (OFF, make.pair(&json!({"port_security_enabled": false}))?),
            (FEW, make.pair(&json!({"security_groups": [few]}))?),
            (MANY, make.pair(&json!({"security_groups": [many]}))?),
            (SMALL, make.pair(&json!({"security_groups": [small]}))?),
            (LARGE, make.pair(&json!({"security_groups": [large]}))?),
        ];
        for (_, port) in pairs.iter().flat_map(|(_, pair)| pair) {
            cloud.wait_for_status(&port.id, "ACTIVE")?;
        }
        Ok(Self { pairs, _cloud: cloud })
    }

    /// The paths.
    pub fn courses(&self) -> Result<Vec<Course<'_>>> {
        let mut courses = Vec::new();
        for (name, [(near, _), (far, port)]) in &self.pairs {
            courses.push(Course { name, near, far, address: port.address(false)? });
        }
        Ok(courses)
    }
}

/// So many ingress rules, of which the last lets everything of TCP and UDP in from `remote`; the others are about ports that nobody uses.
fn rules(count: usize, remote: &Value) -> Vec<Value> {
    let rule = |protocol: &str, ports: Option<usize>| {
        let mut rule = json!({"direction": "ingress", "ethertype": "IPv4", "protocol": protocol});
        if let (Some(fields), Some(remote)) = (rule.as_object_mut(), remote.as_object()) {
            fields.extend(remote.clone());
            fields.extend(ports.into_iter().flat_map(|port| {
                [("port_range_min".to_owned(), json!(port)), ("port_range_max".to_owned(), json!(port))]
            }));
        }
        rule
    };
    let unused = (2..count).map(|number| rule("sctp", Some(number)));
    unused.chain([rule("udp", None), rule("tcp", None)]).collect()
}

struct Maker<'a> {
    cloud: &'a Cloud,
    network: String,
    made: u32,
}

impl Maker<'_> {
    /// A group with these rules; its id.
    fn group(&self, name: &str, rules: &[Value]) -> Result<String> {
        let body = json!({"security_group": {"name": name}});
        let answer = self.cloud.call(Method::POST, "/v2.0/security-groups", Some(body))?;
        let id = answer["security_group"]["id"].as_str().context("no id")?.to_owned();
        for chunk in rules.chunks(BULK) {
            let mut chunk = chunk.to_vec();
            for rule in &mut chunk {
                rule["security_group_id"] = json!(id);
            }
            let body = json!({"security_group_rules": chunk});
            self.cloud.call(Method::POST, "/v2.0/security-group-rules", Some(body))?;
        }
        Ok(id)
    }

    /// A group whose members may reach each other, with this many that are bound nowhere.
    fn members(&self, name: &str, count: usize) -> Result<String> {
        let id = self.group(name, &[])?;
        let remote = json!({"remote_group_id": id});
        let mut rules = rules(10, &remote);
        for rule in &mut rules {
            rule["security_group_id"] = json!(id);
        }
        let body = json!({"security_group_rules": rules});
        self.cloud.call(Method::POST, "/v2.0/security-group-rules", Some(body))?;
        for first in (0..count).step_by(BULK) {
            let port = json!({"network_id": self.network, "security_groups": [id]});
            let ports = vec![port; BULK.min(count - first)];
            self.cloud.call(Method::POST, "/v2.0/ports", Some(json!({"ports": ports})))?;
        }
        Ok(id)
    }

    /// Two instances whose ports have these attributes.
    fn pair(&mut self, attributes: &Value) -> Result<[(Instance, Port); 2]> {
        Ok([self.guest(attributes)?, self.guest(attributes)?])
    }

    fn guest(&mut self, attributes: &Value) -> Result<(Instance, Port)> {
        self.made += 1;
        let mut port =
            json!({"network_id": self.network, "binding:host_id": HOST, "device_owner": "compute:nova"});
        if let (Some(fields), Some(more)) = (port.as_object_mut(), attributes.as_object()) {
            fields.extend(more.clone());
        }
        let answer = self.cloud.call(Method::POST, "/v2.0/ports", Some(json!({"port": port})))?;
        let port = Port::read(&answer["port"])?;
        let name = format!("guest{}", self.made);
        let guest = self.cloud.host(HOST)?.instance(&name, &port.id, &port.mac)?;
        ip(&guest, &["link", "set", "eth0", "mtu", MTU])?;
        guest.add_address(&format!("{}/16", port.address(false)?))?;
        Ok((guest, port))
    }
}

//! Security groups in scenarios.

use crate::cloud::{Cloud, Port, id_of};
use anyhow::{Context, Result};
use hyper::Method;
use serde_json::{Value, json};

impl Cloud {
    /// Creates a security group, from which everything may leave and to which nothing may come, and returns its id.
    pub fn group(&self, name: &str) -> Result<String> {
        self.made("security-group", json!({"name": name}))
    }

    /// Creates a stateless security group.
    pub fn stateless_group(&self, name: &str) -> Result<String> {
        self.made("security-group", json!({"name": name, "stateful": false}))
    }

    /// The default group of the administrator's project, in which ports are that name none.
    pub fn default_group(&self) -> Result<String> {
        let admin = self.call(Method::GET, "/v2.0/security-groups?name=default", None)?;
        let groups = admin["security_groups"].as_array().context("no security_groups")?;
        id_of(groups.first().context("no default group")?)
    }

    /// Creates a rule of `group` and returns its id. `matches` are its attributes; without a direction it is for what comes in.
    pub fn rule(&self, group: &str, matches: Value) -> Result<String> {
        let mut rule = json!({"security_group_id": group, "direction": "ingress"});
        merge(&mut rule, matches);
        self.made("security-group-rule", rule)
    }

    /// Creates rules alike for both families and returns their ids.
    pub fn rules(&self, group: &str, matches: &Value) -> Result<Vec<String>> {
        let rule = |family: &str| {
            let mut matches = matches.clone();
            merge(&mut matches, json!({"ethertype": family}));
            self.rule(group, matches)
        };
        Ok(vec![rule("IPv4")?, rule("IPv6")?])
    }

    /// Deletes rules.
    pub fn delete_rules<'a>(&self, rules: impl IntoIterator<Item = &'a String>) -> Result<()> {
        rules.into_iter().try_for_each(|rule| self.delete("security-group-rules", rule))
    }

    /// Creates an address group and returns its id.
    pub fn address_group(&self, addresses: &[&str]) -> Result<String> {
        self.made("address-group", json!({"addresses": addresses}))
    }

    /// Adds addresses to an address group (`add_addresses`), or takes them away (`remove_addresses`).
    pub fn change_addresses(&self, group: &str, action: &str, addresses: &[&str]) -> Result<()> {
        let path = format!("/v2.0/address-groups/{group}/{action}");
        self.call(Method::PUT, &path, Some(json!({"addresses": addresses}))).map(drop)
    }

    /// Creates a port of `network` bound to `host`, with further attributes.
    pub fn port_with(&self, network: &str, host: &str, more: Value) -> Result<Port> {
        let mut port =
            json!({"network_id": network, "binding:host_id": host, "device_owner": "compute:nova"});
        merge(&mut port, more);
        Port::read(&self.call(Method::POST, "/v2.0/ports", Some(json!({"port": port})))?["port"])
    }

    /// Changes a port.
    pub fn change_port(&self, id: &str, change: Value) -> Result<()> {
        self.call(Method::PUT, &format!("/v2.0/ports/{id}"), Some(json!({"port": change}))).map(drop)
    }

    /// Deletes an object.
    pub fn delete(&self, collection: &str, id: &str) -> Result<()> {
        self.call(Method::DELETE, &format!("/v2.0/{collection}/{id}"), None).map(drop)
    }

    /// Creates an object and returns its id.
    pub fn made(&self, kind: &str, object: Value) -> Result<String> {
        let member = kind.replace('-', "_");
        let answer = self.call(Method::POST, &format!("/v2.0/{kind}s"), Some(json!({&*member: object})))?;
        id_of(&answer[&*member])
    }
}

/// Puts the members of `more` into `object`.
fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

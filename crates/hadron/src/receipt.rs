//! `hadron receipt`: where an object is in force, as a running server knows.

use crate::cli::Admin;
use anyhow::Result;
use clap::Args;
use hadron_server::admin::AdminClient;
use hyper::Method;
use serde_json::Value;
use std::fmt::Write as _;

/// What to ask for.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    admin: Admin,
    /// Object that hosts need: port, network, subnet, security group or rule, address group, router, floating IP, port forwarding, log.
    id: String,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Asks, and prints.
pub async fn run(command: Options) -> Result<()> {
    let client = AdminClient::new(&command.admin.state_dir);
    let told: Value = client.call(Method::GET, &format!("/receipts/{}", command.id), None::<&Value>).await?;
    match command.json {
        true => println!("{}", serde_json::to_string_pretty(&told)?),
        false => print!("{}", text(&told)),
    }
    Ok(())
}

fn text(told: &Value) -> String {
    let [resource, id] = ["resource", "id"].map(|member| told[member].as_str().unwrap_or_default());
    let verdict = match told["in_force"].as_bool() {
        Some(true) => "in force",
        Some(false) => "not in force everywhere yet",
        None => "in force as far as this server knows",
    };
    let mut text = format!(
        "{resource} {id}, last changed at revision {}: {verdict}, on {} of the {} hosts that need it\n",
        told["revision"], told["hosts_in_force"], told["hosts"]
    );
    for host in told["not_in_force_on"].as_array().into_iter().flatten() {
        let name = host["host"].as_str().unwrap_or_default();
        let has = match host["acknowledged_revision"].as_u64() {
            Some(revision) => format!("has everything up to revision {revision}"),
            None => "was never heard by this server".to_owned(),
        };
        let is_connected = host["connected"] == Value::Bool(true);
        let away = match (is_connected, host["status"].as_str()) {
            (true, _) => "",
            (false, Some("unknown")) => {
                "; it is connected to another server, which knows, or has been down since this one started"
            }
            (false, _) => "; it is not connected",
        };
        let _ = writeln!(text, "host {name} {has}, and needs {}{away}", host["needed_revision"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hosts_that_are_behind_are_told_with_what_they_lack() {
        let host = |name, status, acknowledged: Option<u64>, connected| json!({"host": name, "status": status, "connected": connected, "needed_revision": 9, "acknowledged_revision": acknowledged});
        let mut told = json!({"resource": "port", "id": "5f", "revision": 9, "in_force": false, "hosts": 4, "hosts_in_force": 1});
        told["not_in_force_on"] = json!([
            host("one", "behind", Some(7), true),
            host("two", "behind", Some(5), false),
            host("three", "unknown", None, false),
        ]);
        let said = text(&told);
        assert!(
            said.starts_with("port 5f, last changed at revision 9: not in force everywhere yet, on 1 of")
        );
        assert!(said.contains("host one has everything up to revision 7, and needs 9\n"), "{said}");
        assert!(said.contains("needs 9; it is not connected\n"), "{said}");
        assert!(said.contains("host three was never heard by this server, and needs 9; it is"), "{said}");
    }
}

//! `hadron status`: hosts, ports, and what is not in force and why, as a running server sees it.

use crate::cli::Status;
use anyhow::Result;
use hadron_server::admin::{AdminClient, StatusView};
use hyper::Method;
use serde_json::Value;
use std::fmt::Write as _;

/// Asks, and prints.
pub async fn run(command: Status) -> Result<()> {
    let client = AdminClient::new(&command.admin.state_dir);
    let view: StatusView = client.call(Method::GET, "/status", None::<&Value>).await?;
    match command.json {
        true => println!("{}", serde_json::to_string_pretty(&view)?),
        false => print!("{}", text(&view)),
    }
    Ok(())
}

fn text(view: &StatusView) -> String {
    let mut text = format!("revision {}\n\n", view.revision);
    let _ = writeln!(
        text,
        "{:<20} {:<10} {:<12} {:>9} {:>7} {:>7} {:>7}  LAST HEARD",
        "HOST", "CONNECTED", "VERSION", "REVISION", "BEHIND", "PORTS", "ACTIVE"
    );
    for host in &view.hosts {
        let connected = if host.connected { "yes" } else { "no" };
        let behind = if host.connected { host.behind.to_string() } else { "-".to_owned() };
        let _ = writeln!(
            text,
            "{:<20} {connected:<10} {:<12} {:>9} {behind:>7} {:>7} {:>7}  {}",
            host.name, host.version, host.revision, host.ports, host.active, host.last_heard
        );
    }
    let counts: Vec<String> = view.ports.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let _ =
        writeln!(text, "\nports: {}", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") });
    if let Some(audit) = &view.audit_log {
        let path = audit.path.display();
        let _ = writeln!(text, "audit log {path}: {} lines written, {} lost", audit.written, audit.lost);
        if let Some(trouble) = &audit.trouble {
            let _ = writeln!(text, "audit log {path} can't be written: {trouble}; make room, lines wait");
        }
    }
    if view.not_in_force.is_empty() {
        text.push_str("everything that is bound to a host is in force\n");
        return text;
    }
    text.push_str("\nnot in force\n");
    for port in &view.not_in_force {
        let name = if port.name.is_empty() { String::new() } else { format!(" {}", port.name) };
        let _ = writeln!(text, "port {}{name} on {}, {}: {}", port.id, port.host, port.status, port.why);
    }
    if view.left_out > 0 {
        let _ = writeln!(text, "… and {} more", view.left_out);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadron_server::admin::PortTrouble;

    #[test]
    fn what_is_not_in_force_is_told_with_its_reason() {
        let mut view = StatusView { revision: 7, ..StatusView::default() };
        assert!(text(&view).contains("everything that is bound"));
        view.not_in_force.push(PortTrouble {
            id: "5f".into(),
            name: "web".into(),
            host: "compute1".into(),
            status: "DOWN".into(),
            why: "its interface has not appeared".into(),
        });
        let said = text(&view);
        assert!(said.contains("port 5f web on compute1, DOWN: its interface has not appeared"), "{said}");
    }
}

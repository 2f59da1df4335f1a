//! `hadron host …`, `hadron backup`, `hadron rotate-keys`, `hadron rotate-authority` and `hadron recover-admin`: calls to a running server.

use crate::cli::{Admin, Backup, HostAction, HostCommand};
use anyhow::{Context, Result};
use hadron_server::admin::{
    AdminClient, AuthorityReply, BackupRequest, HostView, PasswordReply, TicketReply, TicketRequest,
};
use hyper::Method;
use serde_json::Value;

const NO_BODY: Option<&Value> = None;

pub async fn run(command: HostCommand) -> Result<()> {
    let client = AdminClient::new(&command.admin.state_dir);
    match command.action {
        HostAction::Ticket { name, lifetime } => {
            let reply: TicketReply =
                client.call(Method::POST, "/tickets", Some(&TicketRequest { name, lifetime })).await?;
            println!("{}", reply.ticket);
        }
        HostAction::List => print_hosts(client.call(Method::GET, "/hosts", NO_BODY).await?),
        HostAction::Remove { name, force } => {
            let path = format!("/hosts/{name}?force={force}");
            client.call::<Value>(Method::DELETE, &path, NO_BODY).await?;
        }
    }
    Ok(())
}

pub async fn backup(command: Backup) -> Result<()> {
    let path = std::path::absolute(&command.file).context("the backup's path")?;
    let client = AdminClient::new(&command.admin.state_dir);
    client.call::<Value>(Method::POST, "/backup", Some(&BackupRequest { path })).await?;
    Ok(())
}

pub async fn rotate_keys(admin: Admin) -> Result<()> {
    AdminClient::new(&admin.state_dir).call::<Value>(Method::POST, "/token-keys", NO_BODY).await?;
    Ok(())
}

pub async fn rotate_authority(admin: Admin) -> Result<()> {
    let client = AdminClient::new(&admin.state_dir);
    let reply: AuthorityReply = client.call(Method::POST, "/authority", NO_BODY).await?;
    println!(
        "new authority until {}; clients need {} anew within 30 days",
        reply.ends_at,
        reply.ca_file.display()
    );
    Ok(())
}

pub async fn recover_admin(admin: Admin) -> Result<()> {
    let client = AdminClient::new(&admin.state_dir);
    let reply: PasswordReply = client.call(Method::POST, "/administrator", NO_BODY).await?;
    println!("{}", reply.password);
    Ok(())
}

fn print_hosts(hosts: Vec<HostView>) {
    println!(
        "{:<20} {:<26} {:>6}  {:<9} {:>9}  JOINED",
        "NAME", "UNDERLAY", "PORTS", "CONNECTED", "REVISION"
    );
    for host in hosts {
        let connected = if host.connected { "yes" } else { "no" };
        println!(
            "{:<20} {:<26} {:>6}  {connected:<9} {:>9}  {}",
            host.name,
            host.underlay.to_string(),
            host.ports,
            host.revision,
            host.joined_at
        );
    }
}

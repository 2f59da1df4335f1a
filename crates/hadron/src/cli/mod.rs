//! The command line. One variant per command; the modules beside this one carry them out.

mod node;
mod server;

pub use node::{Agent, Node, bridge_mapping};
pub use server::{DnsUpdate, Keystone, PolicyFiles, Server, Store};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// The network of a cloud, from the API call to the packet.
#[derive(Parser, Debug)]
#[command(version, max_term_width = 110)]
pub struct Cli {
    /// What is logged, as `info` or `hadron_node=debug,info`.
    #[arg(long, global = true, default_value = "info", env = "HADRON_LOG")]
    pub log: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// One host with API, identity and node in one process.
    Up(Box<Up>),
    /// The control plane: API, identity and the nodes' listener.
    Server(Box<Server>),
    /// The node of a host.
    Agent(Box<Agent>),
    /// Hosts of a running server: tickets to join, list, removal.
    Host(HostCommand),
    /// What instances are told of themselves, without a Nova that tells them.
    Instance(InstanceCommand),
    /// Replaces the keys that sign the identity service's tokens; the old ones verify until their tokens have expired.
    RotateKeys(Admin),
    /// Makes a new certificate authority, which signs from now on; what the old one signed stays good until it ends.
    RotateAuthority(Admin),
    /// Gives the user admin a new random password and its rights back; its tokens end.
    RecoverAdmin(Admin),
    /// Writes a consistent copy of a running server's store.
    Backup(Backup),
    /// Makes a store from a backup, with a history of its own.
    Restore(Restore),
    /// Shows what the packet path of this host's node counts: packets by stage, drops by reason, traffic by port, what rules allowed.
    Counters(Counters),
    /// Hosts and ports of a running server: what is not in force, and why.
    Status(Status),
    /// On which of the hosts that need an object its last change is in force.
    Receipt(crate::receipt::Options),
    /// What this host's packet path does at this moment: talkers, drops, connections.
    Top(Top),
    /// Looks at this host: kernel, limits, interfaces, underlay, clock, certificate, tables, leftovers of other systems; says what is wrong, and what to do.
    Doctor(crate::doctor::Options),
    /// Tells where a packet would go and why, there and back, by the live tables of the hosts; nothing is sent or changed.
    Trace(Box<crate::trace::Options>),
    /// The rules that decide who may do what: shows them, or checks a file before a server reads it.
    Policy(PolicyCommand),
    /// Hosts as network namespaces on this machine.
    Lab(Lab),
}

#[derive(Args, Debug)]
pub struct Status {
    #[command(flatten)]
    pub admin: Admin,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct Top {
    /// Directory of the node's pinned programs and tables.
    #[arg(long, default_value = "/sys/fs/bpf/hadron")]
    pub pin_dir: PathBuf,
    /// Seconds between two looks.
    #[arg(long, default_value_t = 1.0, value_parser = interval)]
    pub interval: f64,
    /// Ends after so many.
    #[arg(long)]
    pub count: Option<u64>,
    /// Most ports and reasons that are shown.
    #[arg(long, default_value_t = 15)]
    pub lines: usize,
}

/// A tenth of a second to an hour.
fn interval(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    if (0.1..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("0.1 to 3600 seconds".to_owned()) }
}

#[derive(Args, Debug)]
pub struct Counters {
    /// Directory of the node's pinned programs and tables.
    #[arg(long, default_value = "/sys/fs/bpf/hadron")]
    pub pin_dir: PathBuf,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct InstanceCommand {
    #[command(flatten)]
    pub admin: Admin,
    #[command(subcommand)]
    pub action: InstanceAction,
}

#[derive(Subcommand, Debug)]
pub enum InstanceAction {
    /// Registers an instance, in place of what was registered before; see docs/instance-services.md for the JSON object.
    Register {
        /// `device_id` of its ports.
        id: String,
        /// File with the JSON object, - for standard input.
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Forgets an instance.
    Forget {
        /// `device_id` of its ports.
        id: String,
    },
}

#[derive(Args, Debug)]
pub struct Up {
    #[command(flatten)]
    pub server: Server,
    #[command(flatten)]
    pub node: Node,
}

#[derive(Args, Debug)]
pub struct PolicyCommand {
    #[command(subcommand)]
    pub action: PolicyAction,
}

#[derive(Subcommand, Debug)]
pub enum PolicyAction {
    /// Prints every rule in force as a policy file.
    Show {
        #[command(flatten)]
        policy: PolicyFiles,
        /// Only rules that are not the defaults.
        #[arg(long)]
        changed: bool,
    },
    /// Checks files: exit status 1 if a server would refuse them; warnings go to standard error.
    Check {
        #[command(flatten)]
        policy: PolicyFiles,
    },
    /// Tells which rules a caller passes: exit status 1 if it fails one.
    Ask {
        #[command(flatten)]
        policy: PolicyFiles,
        /// Names of rules, as `create_network`; all if none is given.
        rules: Vec<String>,
        /// A role of the caller, with what it implies; may be given several times.
        #[arg(long = "role")]
        roles: Vec<String>,
        /// Project of the caller's token.
        #[arg(long)]
        project: Option<String>,
        /// User of the caller's token.
        #[arg(long, default_value = "user")]
        user: String,
        /// An attribute of the object, as `project_id=demo`; may be given several times. Without any, the object is the caller's.
        #[arg(long = "target", value_name = "NAME=VALUE", value_parser = name_and_value)]
        target: Vec<(String, String)>,
    },
}

/// How to reach a running server as its administrator.
#[derive(Args, Debug)]
pub struct Admin {
    /// State directory of the server; its socket is in it.
    #[arg(long, default_value = "/var/lib/hadron/server", env = "HADRON_STATE_DIR")]
    pub state_dir: PathBuf,
}

#[derive(Args, Debug)]
pub struct HostCommand {
    #[command(flatten)]
    pub admin: Admin,
    #[command(subcommand)]
    pub action: HostAction,
}

#[derive(Subcommand, Debug)]
pub enum HostAction {
    /// Prints a ticket that lets one node join.
    Ticket {
        /// The host name that it is limited to.
        #[arg(long)]
        name: Option<String>,
        /// Seconds until it ends.
        #[arg(long, default_value_t = 3600)]
        lifetime: u64,
    },
    /// Lists hosts, their addresses and whether their node is connected.
    List,
    /// Removes a host: its certificate is refused from now on.
    Remove {
        /// Host name.
        name: String,
        /// Also when ports are bound to it.
        #[arg(long)]
        force: bool,
    },
}

#[derive(Args, Debug)]
pub struct Backup {
    #[command(flatten)]
    pub admin: Admin,
    /// File to write; must not exist.
    pub file: PathBuf,
}

#[derive(Args, Debug)]
pub struct Restore {
    #[command(flatten)]
    pub admin: Admin,
    /// File that `hadron backup` wrote.
    pub file: PathBuf,
}

#[derive(Args, Debug)]
pub struct Lab {
    /// Name of the lab.
    #[arg(long, default_value = "lab")]
    pub name: String,
    #[command(subcommand)]
    pub action: LabAction,
}

#[derive(Subcommand, Debug)]
pub enum LabAction {
    /// Makes hosts and an underlay between them.
    Up {
        /// Host names.
        #[arg(default_values_t = ["controller".to_owned(), "compute1".to_owned(), "compute2".to_owned()])]
        hosts: Vec<String>,
        /// Whether the underlay is IPv6.
        #[arg(long)]
        ipv6: bool,
    },
    /// Runs a program in a host.
    Exec {
        /// Host name.
        host: String,
        /// Program and arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Breaks or mends a host.
    Fault {
        /// Host name.
        host: String,
        /// What happens to it.
        kind: String,
    },
    /// Takes a lab away.
    Down,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

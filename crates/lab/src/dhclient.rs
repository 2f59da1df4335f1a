//! A real DHCP client in an instance.

use crate::deadline::poll;
use crate::error::Attempt;
use crate::instance::INTERFACE;
use crate::{LabError, Namespace, Process, Result};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

/// What the client does with a lease, inside the instance and nowhere else.
const SCRIPT: &str = include_str!("dhclient-script.sh");

/// Asks for what cloud images ask for, and asks again soon.
const CONFIGURATION: &str = "\
option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;
request subnet-mask, broadcast-address, routers, domain-name, domain-name-servers, host-name, interface-mtu,
    rfc3442-classless-static-routes;
initial-interval 1;
backoff-cutoff 2;
retry 1;
";

/// Where the script writes the address that the client is bound to.
const BOUND: &str = "dhclient.address";

struct Files {
    script: PathBuf,
    configuration: PathBuf,
    lease: PathBuf,
    pid: PathBuf,
}

impl Files {
    fn of(namespace: &Namespace) -> Self {
        let file = |name: &str| namespace.dir().join(name);
        Self {
            script: file("dhclient-script"),
            configuration: file("dhclient.conf"),
            lease: file("dhclient.leases"),
            pid: file("dhclient.pid"),
        }
    }
}

pub(crate) fn start(namespace: &Namespace) -> Result<Process> {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::of(namespace);
    let _ = std::fs::remove_file(namespace.dir().join(BOUND));
    std::fs::write(&files.script, SCRIPT).attempt("write dhclient's script")?;
    std::fs::set_permissions(&files.script, std::fs::Permissions::from_mode(0o755))
        .attempt("make dhclient's script executable")?;
    std::fs::write(&files.configuration, CONFIGURATION).attempt("write dhclient's configuration")?;
    // In the foreground and talkative.
    client(namespace, &files).args(["-d", "-v", INTERFACE]).log_name("dhclient").spawn()
}

pub(crate) fn wait_for_lease(namespace: &Namespace, client: &Process, within: Duration) -> Result<Ipv4Addr> {
    let bound = namespace.dir().join(BOUND);
    let address = poll(within, &format!("a lease for {}", namespace.name()), || {
        let text = std::fs::read_to_string(&bound).ok()?;
        text.strip_suffix('\n').map(|address| address.parse().map_err(|_| text.clone()))
    });
    match address {
        Ok(Ok(address)) => Ok(address),
        Ok(Err(text)) => Err(LabError::Unintelligible { what: "dhclient", text }),
        Err(LabError::Deadline { what, within }) => {
            Err(LabError::Deadline { what: format!("{what}; dhclient says\n{}", client.log()), within })
        }
        Err(other) => Err(other),
    }
}

pub(crate) fn release(namespace: &Namespace) -> Result<()> {
    let files = Files::of(namespace);
    client(namespace, &files).args(["-r", INTERFACE]).succeed(Duration::from_secs(20)).map(drop)
}

fn client<'a>(namespace: &'a Namespace, files: &Files) -> crate::Command<'a> {
    namespace
        .command("dhclient")
        .arg("-4")
        .arg("-cf")
        .arg(&files.configuration)
        .arg("-lf")
        .arg(&files.lease)
        .arg("-pf")
        .arg(&files.pid)
        .arg("-sf")
        .arg(&files.script)
        .arg("-e")
        .arg(format!("LAB_DIR={}", namespace.dir().display()))
}

//! What the demo does.

use crate::asking;
use crate::door;
use crate::telling::{part, step, table};
use crate::world;
use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, Process, Underlay};
use hadron_tests::cloud::{self, Cloud, PATIENCE, Port};
use hadron_tests::openstack::{OpenStack, User};
use serde_json::Value;
use std::net::IpAddr;

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const PINGS: u32 = 5;

/// The cloud with everything that the story has put into it.
pub struct Story {
    // Instances go before the cloud that carries them.
    tenants: Vec<Tenant>,
    _world: Instance,
    cloud: Cloud,
    admin: User,
}

/// A project with a network, two ports on two hosts, and two instances.
pub(crate) struct Tenant {
    pub(crate) user: User,
    pub(crate) guests: Vec<Guest>,
}

pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) port: Port,
    pub(crate) instance: Instance,
    _dhcp: Process,
}

/// Tells the story; an error is the step that did not do what it should.
pub fn tell(underlay: Underlay) -> Result<Story> {
    part("A cloud");
    let cloud = step("three hosts, a server, two nodes", || {
        let options = cloud::Options { has_physical: true, ..Default::default() };
        let cloud = Cloud::up_with("demo", underlay, &HOSTS, options)?;
        let hosts =
            cloud.lab.hosts().iter().map(|host| host.address().to_string()).collect::<Vec<_>>().join(", ");
        Ok((cloud, hosts))
    })?;
    let admin = User { name: "admin".into(), password: cloud.password.clone(), project: "admin".into() };
    step("openstack token issue", || {
        let token = OpenStack::new(&cloud, &admin).json("token issue")?;
        Ok(((), format!("expires {}", text(&token, "expires")?)))
    })?;
    let mut tenants: Vec<Tenant> = Vec::new();
    for name in ["blue", "green"] {
        part(&format!("Project {name}"));
        tenants.push(tenant(&cloud, &admin, name, tenants.first())?);
    }
    part("Two projects, the same addresses");
    isolation(&tenants)?;
    part("What an instance asks its network");
    asking::tell(&cloud, &tenants)?;
    part("A door that opens and closes");
    door::tell(&cloud, &tenants[0])?;
    part("The world");
    let world = world::tell(&cloud, &admin, &tenants[0])?;
    let story = Story { tenants, _world: world, cloud, admin };
    part("Ports and where they are");
    story.show_ports()?;
    Ok(story)
}

impl Story {
    fn show_ports(&self) -> Result<()> {
        let ports = OpenStack::new(&self.cloud, &self.admin).json("port list --long")?;
        let ports = ports.as_array().context("no list of ports")?;
        let guests =
            self.tenants.iter().flat_map(|tenant| tenant.guests.iter().map(move |guest| (tenant, guest)));
        let rows: Vec<[String; 6]> = guests
            .map(|(tenant, guest)| {
                let port = ports
                    .iter()
                    .find(|port| port["ID"] == guest.port.id.as_str())
                    .context("a port is not listed")?;
                let addresses =
                    guest.port.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                let host = if guest.name.ends_with('1') { HOSTS[0] } else { HOSTS[1] };
                Ok([
                    tenant.user.project.clone(),
                    guest.name.clone(),
                    guest.port.mac.clone(),
                    addresses,
                    host.to_owned(),
                    text(port, "Status")?.to_owned(),
                ])
            })
            .collect::<Result<_>>()?;
        table(["PROJECT", "PORT", "MAC", "ADDRESSES", "HOST", "STATUS"], &rows);
        ensure!(rows.iter().all(|row| row[5] == "ACTIVE"), "a port is not ACTIVE\n{}", self.cloud.logs());
        Ok(())
    }

    /// How to go on by hand.
    pub fn explain(&self) -> Result<()> {
        let controller = self.cloud.lab.dir().join("controller");
        println!(
            "\nUp until Ctrl-C. From another terminal, as root:\n  \
             nsenter --net={net} env OS_AUTH_URL=https://{identity}/v3 OS_USERNAME=admin OS_PASSWORD={password} OS_PROJECT_NAME=admin \
             OS_USER_DOMAIN_ID=default OS_PROJECT_DOMAIN_ID=default OS_CACERT={ca} {openstack} network list",
            net = controller.join("net").display(),
            identity = self.cloud.address(5000)?,
            password = self.cloud.password,
            ca = self.cloud.ca_path()?.display(),
            openstack = hadron_tests::openstack::program()?.display(),
        );
        Ok(())
    }
}

/// Makes a project as an operator does, its network as its member does, and its instances as a compute service does. `like` is a
/// tenant whose addresses it takes again.
fn tenant(cloud: &Cloud, admin: &User, name: &str, like: Option<&Tenant>) -> Result<Tenant> {
    let operator = OpenStack::new(cloud, admin);
    let user =
        User { name: format!("{name}-user"), password: format!("{name}-password"), project: name.to_owned() };
    step("project, user, role member", || {
        let project = operator.json(&format!("project create {name}"))?;
        operator.json(&format!("user create --project {name} --password {} {}", user.password, user.name))?;
        operator.done(&format!("role add --project {name} --user {} member", user.name))?;
        Ok(((), format!("project {}", text(&project, "id")?)))
    })?;
    let member = OpenStack::new(cloud, &user);
    step("network with an IPv4 and an IPv6 subnet, by its member", || {
        let network = member.json("network create net")?;
        member.json("subnet create --network net --subnet-range 10.0.0.0/24 v4")?;
        member.json("subnet create --network net --ip-version 6 --subnet-range fd00:10::/64 v6")?;
        Ok(((), format!("network {}, MTU {}", text(&network, "id")?, network["mtu"])))
    })?;
    let mut guests = Vec::new();
    for (index, host) in HOSTS.iter().enumerate() {
        let address = like.map(|tenant| tenant.guests[index].port.addresses.clone());
        guests.push(guest(cloud, (&operator, &member), host, &format!("{name}{}", index + 1), address)?);
    }
    let tenant = Tenant { user, guests };
    for family in ["IPv4", "IPv6"] {
        step(&format!("ping across the overlay, {family}"), || {
            let peer = tenant.guests[1].port.address(family == "IPv6")?;
            Ok(((), ping(&tenant.guests[0], peer)?))
        })?;
    }
    Ok(tenant)
}

fn guest(
    cloud: &Cloud,
    (operator, member): (&OpenStack<'_>, &OpenStack<'_>),
    host: &str,
    name: &str,
    addresses: Option<Vec<IpAddr>>,
) -> Result<Guest> {
    let port = step(&format!("port {name}, bound to {host}"), || {
        let fixed: String = addresses
            .unwrap_or_default()
            .iter()
            .map(|address| format!(" --fixed-ip ip-address={address}"))
            .collect();
        let port = member.json(&format!("port create --network net --dns-name {name}{fixed} {name}"))?;
        operator.done(&format!("port set --host {host} --device {name} {name}"))?;
        let port = Port::read(&port)?;
        let addresses = port.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        Ok((port, addresses))
    })?;
    let instance = step(&format!("instance {name} on {host}: its interface is wired"), || {
        let instance = cloud.host(host)?.instance(name, &port.id, &port.mac)?;
        cloud.wait_for_status(&port.id, "ACTIVE")?;
        Ok((instance, "port ACTIVE".to_owned()))
    })?;
    let dhcp = step(&format!("{name} asks for its address by DHCP"), || {
        let (client, leased) = instance.dhcp_lease(PATIENCE)?;
        let expected = port.address(false)?;
        ensure!(IpAddr::V4(leased) == expected, "leased {leased}, but the port has {expected}");
        instance.add_address(&format!("{}/64", port.address(true)?))?;
        Ok((client, format!("{leased}, MTU {}", instance.mtu()?)))
    })?;
    Ok(Guest { name: name.to_owned(), port, instance, _dhcp: dhcp })
}

fn ping(from: &Guest, to: IpAddr) -> Result<String> {
    let report = from.instance.ping(to).count(PINGS).run()?;
    ensure!(report.lost() == 0, "{} of {PINGS} pings to {to} were lost", report.lost());
    let median = report.median().context("no round trip")?;
    Ok(format!("{PINGS} of {PINGS} to {to}, {:.2} ms", median.as_secs_f64() * 1e3))
}

/// Each project's second instance is reached only by its own first: it is told by the MAC that answers, and by what is silent when
/// one of two instances with one address goes down.
fn isolation(tenants: &[Tenant]) -> Result<()> {
    let [blue, green] = tenants else { anyhow::bail!("two tenants are needed") };
    let address = blue.guests[1].port.address(false)?;
    ensure!(address == green.guests[1].port.address(false)?, "the projects' addresses differ");
    for tenant in tenants {
        step(&format!("who answers {} for {address}", tenant.guests[0].name), || {
            let answered = neighbour(&tenant.guests[0], address)?;
            let own = &tenant.guests[1];
            ensure!(answered == own.port.mac, "{answered} answered, but {} is {}", own.name, own.port.mac);
            Ok(((), format!("{answered}, its own {}", own.name)))
        })?;
    }
    step("green2 goes down: green1 reaches nobody, blue1 its own", || {
        let down = |state| {
            green.guests[1].instance.command("ip").args(["link", "set", "eth0", state]).succeed(PATIENCE)
        };
        down("down")?;
        let silent = green.guests[0].instance.ping(address).count(PINGS).run()?;
        let own = ping(&blue.guests[0], address)?;
        down("up")?;
        ensure!(silent.received == 0, "{} answers came from another project", silent.received);
        Ok(((), format!("green1 0 of {PINGS}; blue1 {own}")))
    })
}

fn neighbour(guest: &Guest, address: IpAddr) -> Result<String> {
    let line =
        guest.instance.command("ip").args(["neigh", "show", "to", &address.to_string()]).succeed(PATIENCE)?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "lladdr");
    Ok(words.nth(1).with_context(|| format!("no neighbour {address}: {line}"))?.to_owned())
}

pub(crate) fn text<'a>(object: &'a Value, key: &str) -> Result<&'a str> {
    object[key].as_str().with_context(|| format!("no {key} in {object}"))
}

//! Text goldens: calls in, what each host is told out. `HADRON_UPDATE_GOLDENS=1 cargo test -p hadron-project` rewrites
//! them; read the difference before committing it.
//!
//! A line of `goldens/*.txt` that begins with `>` is a call; several calls joined by `;` are one transaction. What follows
//! are the hosts' batches.

use hadron_model::*;
use hadron_project::{Limits, Projection, Settings, Subscription};
use hadron_store::{CommitInfo, Store, StoreError, Tx, Watch};
use hadron_wire::row::{self, Decoded, Place, Prefix};
use hadron_wire::{Row, RowChange, RowKey};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use uuid::Uuid;

#[test]
fn calls_give_the_expected_rows() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projection/goldens");
    let update = std::env::var_os("HADRON_UPDATE_GOLDENS").is_some();
    let mut files = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let expected = std::fs::read_to_string(&path).unwrap();
        let actual = run(&expected);
        if update {
            std::fs::write(&path, &actual).unwrap();
        } else {
            assert_eq!(actual, expected, "{} (HADRON_UPDATE_GOLDENS=1 rewrites it)", path.display());
        }
        files += 1;
    }
    assert!(files > 0, "no goldens found");
}

/// Runs the calls and comments of `script`; returns them with the rows that they give.
fn run(script: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut golden = runtime.block_on(Golden::new());
    let mut out = String::new();
    for line in script.lines().filter(|line| line.starts_with(['>', '#']) || line.is_empty()) {
        writeln!(out, "{line}").unwrap();
        if let Some(calls) = line.strip_prefix('>') {
            out += &runtime.block_on(golden.calls(calls));
        }
    }
    out
}

struct Golden {
    store: Store,
    watch: Watch,
    projection: Projection,
    subscriptions: BTreeMap<String, Subscription>,
    /// Names are unique in a script, whatever they name; the number serves as UUID too.
    numbers: BTreeMap<String, u32>,
}

impl Golden {
    async fn new() -> Self {
        let store = Store::in_memory().await;
        let projection = Projection::new(&store.snapshot(), Settings::default());
        let (watch, subscriptions, numbers) = (store.watch(), BTreeMap::new(), BTreeMap::new());
        Self { store, watch, projection, subscriptions, numbers }
    }

    async fn calls(&mut self, calls: &str) -> String {
        let numbers = &mut self.numbers;
        let write = self.store.write(CommitInfo::system(), |tx| {
            calls.split(';').for_each(|text| Call::read(text, numbers).perform(tx));
            Ok::<_, StoreError>(())
        });
        write.await.unwrap();
        let mut out = String::new();
        while let Some(commit) = self.watch.next_known() {
            let delta = self.projection.apply(&commit);
            delta.notes(&self.projection, |number, note| {
                for subscription in self.subscriptions.values_mut().filter(|own| own.host() == number) {
                    subscription.note(note, &self.projection);
                }
            });
            for host in commit.after.iter::<Host>() {
                let fresh = || self.projection.subscribe(host.number.0, None).unwrap();
                self.subscriptions.entry(host.name.clone()).or_insert_with(fresh);
            }
            self.subscriptions.retain(|name, _| commit.after.has::<Host>(name));
        }
        for (name, subscription) in &mut self.subscriptions {
            while let Some(batch) = self.projection.next_batch(subscription, Limits::default()) {
                for (what, numbers) in [
                    ("net", &batch.forget),
                    ("policy", &batch.forget_policies),
                    ("rules of set", &batch.forget_rules),
                    ("members of set", &batch.forget_members),
                    ("router", &batch.forget_routers),
                ] {
                    for number in numbers {
                        writeln!(out, "  {name} - all of {what} {number}").unwrap();
                    }
                }
                batch
                    .changes
                    .into_iter()
                    .for_each(|change| writeln!(out, "  {name} {}", text(change)).unwrap());
            }
        }
        out
    }
}

/// One call: `noun verb name key=value…`.
struct Call {
    noun: String,
    verb: String,
    name: String,
    number: u32,
    values: BTreeMap<String, String>,
    references: BTreeMap<String, u32>,
}

impl Call {
    fn read(text: &str, numbers: &mut BTreeMap<String, u32>) -> Self {
        let mut words = text.split_whitespace().map(str::to_owned);
        let [noun, verb, name] = [(); 3].map(|()| words.next().expect("noun verb name"));
        let next = numbers.len() as u32 + 1;
        let number = *numbers.entry(name.clone()).or_insert(next);
        let pairs = words
            .map(|word| word.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).expect("key=value"));
        Self { noun, verb, name, number, values: pairs.collect(), references: numbers.clone() }
    }

    fn uuid(&self, name: &str) -> Uuid {
        Uuid::from_u128(u128::from(self.references[name]) << 96)
    }

    fn value<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.values.get(key).and_then(|text| text.parse().ok())
    }

    fn perform(&self, tx: &mut Tx) {
        match (self.noun.as_str(), self.verb == "delete") {
            ("host", true) => tx.delete::<Host>(&self.name),
            ("host", false) => tx.put(self.host()),
            ("network", true) => tx.delete::<Network>(&NetworkId(self.uuid(&self.name))),
            ("network", false) => tx.put(self.network()),
            ("subnet", true) => tx.delete::<Subnet>(&SubnetId(self.uuid(&self.name))),
            ("subnet", false) => tx.put(self.subnet()),
            ("port", true) => tx.delete::<Port>(&PortId(self.uuid(&self.name))),
            ("port", false) => tx.put(self.port(tx)),
            ("group", true) => tx.delete::<SecurityGroup>(&self.group().id),
            ("group", false) => tx.put(self.group()),
            ("rule", true) => tx.delete::<SecurityGroupRule>(&SecurityGroupRuleId(self.uuid(&self.name))),
            ("rule", false) => tx.put(self.rule()),
            ("addresses", true) => tx.delete::<AddressGroup>(&AddressGroupId(self.uuid(&self.name))),
            ("addresses", false) => tx.put(self.address_group()),
            ("router", true) => tx.delete::<Router>(&self.router().id),
            ("router", false) => tx.put(self.router()),
            ("floating", true) => tx.delete::<FloatingIp>(&FloatingIpId(self.uuid(&self.name))),
            ("floating", false) => tx.put(self.floating_ip()),
            ("forwarding", true) => tx.delete::<PortForwarding>(&PortForwardingId(self.uuid(&self.name))),
            ("forwarding", false) => tx.put(self.forwarding()),
            ("log", true) => tx.delete::<PacketLog>(&PacketLogId(self.uuid(&self.name))),
            ("log", false) => tx.put(self.log()),
            ("policy", true) => tx.delete::<Policy>(&self.policy().groups),
            ("policy", false) => tx.put(self.policy()),
            (other, _) => panic!("no such noun: {other}"),
        }
    }

    fn host(&self) -> Host {
        Host {
            name: self.name.clone(),
            number: HostNumber(self.number),
            underlay: self.value("address").expect("address"),
            key_fingerprint: [0; 32],
            joined_at: Timestamp(0),
            physical_networks: Vec::new(),
        }
    }

    fn network(&self) -> Network {
        Network {
            id: NetworkId(self.uuid(&self.name)),
            number: NetworkNumber(self.number),
            project_id: String::new(),
            name: self.name.clone(),
            description: String::new(),
            admin_state_up: self.value("up").unwrap_or(true),
            was_shared: false,
            mtu: self.value("mtu").unwrap_or(1450),
            segment: self.value("vni").and_then(Vni::new).map_or(Segment::Local, Segment::Vxlan),
            port_security_enabled: true,
            availability_zone_hints: vec![],
            dns_domain: String::new(),
            privacy_addresses: self.value("privacy").unwrap_or(false),
            stamp: Stamp::default(),
        }
    }

    fn subnet(&self) -> Subnet {
        Subnet {
            id: SubnetId(self.uuid(&self.name)),
            number: SubnetNumber(self.number),
            network_id: NetworkId(self.uuid(&self.values["network"])),
            project_id: String::new(),
            name: self.name.clone(),
            description: String::new(),
            subnetpool_id: None,
            cidr: self.value("cidr").expect("cidr"),
            gateway_ip: self.value("gateway"),
            allocation_pools: vec![],
            dns_nameservers: self.value("dns").into_iter().collect(),
            host_routes: vec![],
            enable_dhcp: self.value("dhcp").unwrap_or(true),
            ipv6_ra_mode: None,
            ipv6_address_mode: None,
            service_types: vec![],
            dns_publish_fixed_ip: false,
            segment_id: None,
            stamp: Stamp::default(),
        }
    }

    fn port(&self, tx: &Tx) -> Port {
        let subnet_id = self.values.get("subnet").map(|subnet| SubnetId(self.uuid(subnet)));
        let number = self.values.get("policy").map(|name| PolicyNumber(self.references[name]));
        let policy = number.and_then(|number| Some(tx.view().policy_by_number(number)?.value.clone()));
        Port {
            id: PortId(self.uuid(&self.name)),
            number: PortNumber(self.number),
            network_id: NetworkId(self.uuid(&self.values["network"])),
            project_id: self.project(),
            name: self.name.clone(),
            description: String::new(),
            mac_address: Mac([0xfa, 0x16, 0x3e, 0, 0, self.number as u8]),
            fixed_ips: subnet_id
                .map(|subnet_id| FixedIp { subnet_id, ip_address: self.value("ip").expect("ip") })
                .into_iter()
                .collect(),
            admin_state_up: self.value("up").unwrap_or(true),
            device_id: self.values.get("router").map(|name| self.uuid(name).to_string()).unwrap_or_default(),
            device_owner: match (self.values.get("owner"), self.values.contains_key("router")) {
                (Some(owner), _) => owner.clone(),
                (None, true) => router::DEVICE_OWNER_ROUTER_INTERFACE.to_owned(),
                (None, false) => String::new(),
            },
            binding: Binding {
                host_id: self.values.get("host").cloned().unwrap_or_default(),
                ..Binding::default()
            },
            status: PortStatus::Down,
            port_security_enabled: policy.is_some(),
            security_groups: policy.as_ref().map(|policy| policy.groups.clone()).unwrap_or_default(),
            details: hadron_model::PortDetails::default(),
            inactive_bindings: vec![],
            allowed_address_pairs: self.value("pair").map(pair).into_iter().collect(),
            policy: policy.map(|policy| policy.number),
            stamp: Stamp::default(),
        }
    }

    fn group(&self) -> SecurityGroup {
        SecurityGroup {
            id: SecurityGroupId(self.uuid(&self.name)),
            number: SetNumber(self.number),
            project_id: String::new(),
            name: self.name.clone(),
            description: String::new(),
            stateful: self.value("stateful").unwrap_or(true),
            is_default: false,
            stamp: Stamp::default(),
        }
    }

    fn rule(&self) -> SecurityGroupRule {
        let remote = self.values.get("from").map(String::as_str).unwrap_or_default();
        SecurityGroupRule {
            id: SecurityGroupRuleId(self.uuid(&self.name)),
            number: RuleNumber(self.number),
            security_group_id: SecurityGroupId(self.uuid(&self.values["group"])),
            project_id: String::new(),
            direction: Direction::Ingress,
            ethertype: Ethertype::Ipv4,
            protocol: self.value("protocol"),
            port_range_min: self.value("port"),
            port_range_max: self.value("port"),
            remote: match (remote, remote.parse()) {
                ("", _) => Remote::Any,
                (_, Ok(prefix)) => Remote::Prefix(prefix),
                (name, _) if self.values.contains_key("addresses") => {
                    Remote::AddressGroup(AddressGroupId(self.uuid(name)))
                }
                (name, _) => Remote::Group(SecurityGroupId(self.uuid(name))),
            },
            description: None,
            stamp: Stamp::default(),
        }
    }

    fn address_group(&self) -> AddressGroup {
        let mut addresses: Vec<IpNet> =
            self.values["has"].split(',').map(|text| text.parse().expect("prefix")).collect();
        addresses.sort();
        AddressGroup {
            id: AddressGroupId(self.uuid(&self.name)),
            number: SetNumber(self.number),
            project_id: String::new(),
            name: self.name.clone(),
            description: String::new(),
            addresses,
            stamp: Stamp::default(),
        }
    }

    /// `gateway=PORT@NETWORK,… snat=…`
    fn gateways(&self) -> Vec<Gateway> {
        let named = self.values.get("gateway").into_iter().flat_map(|all| all.split(','));
        let gateway =
            named.map(|text| text.split_once('@').expect("port@network")).map(|(port, network)| Gateway {
                network_id: NetworkId(self.uuid(network)),
                port_id: PortId(self.uuid(port)),
                enable_snat: self.value("snat").unwrap_or(true),
            });
        gateway.collect()
    }

    /// `floating create NAME network=… address=… router=… port=… inside=…`
    fn floating_ip(&self) -> FloatingIp {
        let association = self.values.get("port").map(|port| Association {
            port_id: PortId(self.uuid(port)),
            fixed_ip_address: self.value("inside").expect("inside"),
        });
        FloatingIp {
            id: FloatingIpId(self.uuid(&self.name)),
            number: FloatingIpNumber(self.number),
            project_id: String::new(),
            description: String::new(),
            floating_network_id: NetworkId(self.uuid(&self.values["network"])),
            floating_port_id: PortId(self.uuid(&self.name)),
            floating_ip_address: self.value("address").expect("address"),
            association,
            router_id: self.values.get("router").map(|name| RouterId(self.uuid(name))),
            dns_name: String::new(),
            dns_domain: String::new(),
            stamp: Stamp::default(),
        }
    }

    /// `forwarding create NAME floating=… outside=FIRST:LAST port=… inside=… ports=FIRST:LAST`; without ports it is of ICMP.
    fn forwarding(&self) -> PortForwarding {
        let range = |key: &str| {
            let (first, last) = self.values.get(key)?.split_once(':').expect("first:last");
            PortRange::new(first.parse().expect("first"), last.parse().expect("last"))
        };
        let external = range("outside");
        PortForwarding {
            id: PortForwardingId(self.uuid(&self.name)),
            floating_ip_id: FloatingIpId(self.uuid(&self.values["floating"])),
            description: String::new(),
            protocol: if external.is_some() { ForwardedProtocol::Tcp } else { ForwardedProtocol::Icmp },
            external,
            internal_port_id: PortId(self.uuid(&self.values["port"])),
            internal_ip_address: self.value("inside").expect("inside"),
            internal: range("ports"),
            stamp: Stamp::default(),
        }
    }

    /// `router create NAME up=… routes=DESTINATION@NEXT_HOP,… gateway=PORT@NETWORK snat=…`
    fn router(&self) -> Router {
        let route = |text: &str| {
            let (destination, next_hop) = text.split_once('@').expect("destination@next hop");
            ExtraRoute {
                destination: destination.parse().expect("a prefix"),
                next_hop: next_hop.parse().expect("an address"),
            }
        };
        Router {
            id: RouterId(self.uuid(&self.name)),
            number: RouterNumber(self.number),
            project_id: String::new(),
            name: self.name.clone(),
            description: String::new(),
            admin_state_up: self.value("up").unwrap_or(true),
            gateways: self.gateways(),
            routes: self.values.get("routes").into_iter().flat_map(|all| all.split(',').map(route)).collect(),
            distributed: None,
            ha: None,
            default_route_ecmp: self.value("ecmp"),
            default_route_bfd: self.value("bfd"),
            availability_zone_hints: vec![],
            flavor_id: None,
            stamp: Stamp::default(),
        }
    }

    /// `log create NAME project=P group=G port=P event=DROP enabled=false all=true`
    fn log(&self) -> PacketLog {
        let events = self.values.get("event").map_or("ALL", String::as_str);
        PacketLog {
            id: PacketLogId(self.uuid(&self.name)),
            project_id: self.project(),
            name: self.name.clone(),
            description: String::new(),
            enabled: self.value("enabled").unwrap_or(true),
            events: LoggedEvents::ALL.into_iter().find(|known| known.as_str() == events).expect("event"),
            security_group_id: self.values.get("group").map(|name| SecurityGroupId(self.uuid(name))),
            port_id: self.values.get("port").map(|name| PortId(self.uuid(name))),
            of_every_project: self.value("all").unwrap_or(false),
            stamp: Stamp::default(),
        }
    }

    fn project(&self) -> String {
        self.values.get("project").cloned().unwrap_or_default()
    }

    /// `policy create NAME groups=a,b`
    fn policy(&self) -> Policy {
        let names = self.values.get("groups").map(String::as_str).unwrap_or_default();
        let mut groups: Vec<_> = names
            .split(',')
            .filter(|name| !name.is_empty())
            .map(|name| SecurityGroupId(self.uuid(name)))
            .collect();
        groups.sort();
        Policy { number: PolicyNumber(self.number), groups }
    }
}

fn pair(ip: IpNet) -> AddressPair {
    AddressPair { ip, has_length: true, mac: None }
}

fn text(change: bytes::Bytes) -> String {
    let Ok(Decoded::Change(RowChange { key, row })) = RowChange::decode(change) else {
        panic!("malformed row")
    };
    let sign = if row.is_some() { '+' } else { '-' };
    let key = match key {
        RowKey::Network(number) => format!("net {number}"),
        RowKey::Subnet { network, subnet } => format!("net {network} subnet {subnet}"),
        RowKey::Presence { network, host } => format!("net {network} host {host}"),
        RowKey::Location { network, port } => format!("net {network} location of port {port}"),
        RowKey::Name { network, port } => format!("net {network} name of port {port}"),
        RowKey::RouterInterface { router, port } => format!("router {router} port {port}"),
        RowKey::Route { router, destination } => format!("router {router} to {}", prefix(&destination)),
        RowKey::FloatingRelay { router, floating_ip } => {
            format!("router {router} relay of floating {floating_ip}")
        }
        RowKey::Forwarding { router, floating_ip, protocol, port } => {
            format!("router {router} floating {floating_ip} protocol {protocol} from {port}")
        }
        RowKey::PortLease { router, interface, host } => {
            format!("router {router} port {interface} lease of host {host}")
        }
        RowKey::Rule { group, rule } => format!("set {group} rule {rule}"),
        RowKey::Member { set, member } => format!("set {set} member {member}"),
        RowKey::Policy(number) => format!("policy {number}"),
        RowKey::FloatingIp(number) => format!("floating {number}"),
        RowKey::Instance(port) => format!("instance of port {port}"),
        RowKey::Port(number) => format!("port {number}"),
    };
    format!("{sign} {key}{}", row.map(|row| format!(": {}", contents(&row))).unwrap_or_default())
}

fn contents(row: &Row) -> String {
    match row {
        Row::Network(row) => {
            let segment = match (&row.physical, row.vni) {
                (Some(physical), _) => {
                    let vlan = physical.vlan.map_or(String::new(), |vlan| format!(" vlan {vlan}"));
                    let vni = row.vni.map_or(String::new(), |vni| format!(", relayed by vni {vni}"));
                    format!("on {}{vlan}{vni}", physical.network)
                }
                (None, Some(vni)) => format!("vni {vni}"),
                (None, None) => "local".to_owned(),
            };
            let unlisted = if row.unlisted_addresses { ", more addresses" } else { "" };
            format!("{segment}, mtu {}, {}{unlisted}", row.mtu, up(row.admin_up))
        }
        Row::Subnet(row) => {
            let mut text = prefix(&row.cidr);
            let _ = row.gateway.map(|gateway| write!(text, ", gateway {}", row::unmapped(gateway)));
            row.dns.iter().for_each(|dns| write!(text, ", dns {}", row::unmapped(*dns)).unwrap());
            let server =
                row.dhcp.map(|dhcp| format!(" at {} {}", row::unmapped(dhcp.address), Mac(dhcp.mac)));
            let _ = row
                .enable_dhcp
                .then(|| write!(text, ", dhcp{} for {} s", server.unwrap_or_default(), row.lease_seconds));
            text
        }
        Row::Presence(row) => format!("at {}", row::unmapped(row.underlay)),
        Row::Location(row) => {
            let place = match row.place {
                Place::Host(host) => format!("on host {host}"),
                Place::Everywhere => "everywhere".to_owned(),
            };
            format!("{}{} {place}", Mac(row.mac), addresses(row.addresses.iter().copied()))
        }
        Row::Name(row) => format!("{} in {:?}", row.name, row.domain),
        Row::RouterInterface(row) => {
            let own = |own: &row::InterfaceAddress| {
                format!(" {} of {}", row::unmapped(own.address), prefix(&own.prefix()))
            };
            let gateway = row.gateway.as_ref().map_or(String::new(), |gateway| {
                let snat = if gateway.snat { " with snat" } else { "" };
                let several = if gateway.is_one_of_several { ", one of several" } else { "" };
                format!(", outside{snat} by hosts {:?}{several}", gateway.hosts)
            });
            let addresses = row.addresses.iter().map(own).collect::<String>();
            format!("net {}, {}{addresses}{gateway}", row.network, Mac(row.mac))
        }
        Row::Route(row) => {
            let path =
                |path: &row::RoutePath| format!("{} by port {}", row::unmapped(path.gateway), path.port);
            let paths = |paths: &[row::RoutePath]| paths.iter().map(path).collect::<Vec<_>>().join(", ");
            let known = if row.others.is_empty() { "" } else { "; what is known there " };
            let watched = if row.is_watched { ", watched" } else { "" };
            format!("{}{known}{}{watched}", paths(&row.paths), paths(&row.others))
        }
        Row::Rule(row) => {
            let remote = match row.remote {
                row::Remote::Any => "anywhere".to_owned(),
                row::Remote::Prefix(remote) => prefix(&remote),
                row::Remote::Set(set) => format!("set {set}"),
            };
            let ports = row.port_min.zip(row.port_max);
            let ports = ports.map(|(min, max)| format!(" {min}-{max}")).unwrap_or_default();
            let protocol = row.protocol.map_or("any".to_owned(), |protocol| protocol.to_string());
            let stateless = if row.stateless { ", stateless" } else { "" };
            format!("{:?} {:?} protocol {protocol}{ports}, {remote}{stateless}", row.direction, row.family)
        }
        Row::Member(row) => row.prefixes.iter().map(prefix).collect::<Vec<_>>().join(" "),
        Row::Policy(row) => format!("sets {:?}", row.groups),
        Row::FloatingRelay(row) => {
            let address = row::unmapped(row.address);
            format!("{address} in net {} by port {} to host {}", row.network, row.interface, row.host)
        }
        Row::Forwarding(row) => {
            let [address, inside] = [row.address, row.inside].map(row::unmapped);
            let sort = if row.single { "one" } else { "each" };
            format!(
                "{address} in net {} by port {}, up to {}, {sort} to port {} {inside} {} on host {}",
                row.network, row.interface, row.last, row.port, row.inside_port, row.host
            )
        }
        Row::PortLease(row) => {
            let address = row::unmapped(row.address);
            format!("{address} in net {}, blocks {:?}, slots {:?}", row.network, row.blocks, row.slots)
        }
        Row::Instance(row) => {
            let facts = row.facts.as_ref().map(|facts| format!(" named {}", facts.name)).unwrap_or_default();
            format!(
                "{} of {}{}{facts}",
                row.device,
                row.project,
                addresses(row.public_addresses.iter().copied())
            )
        }
        Row::FloatingIp(row) => {
            let [address, inside] = [row.address, row.inside].map(row::unmapped);
            let (router, interface) = (row.router, row.interface);
            format!(
                "{address} in net {} by router {router} port {interface} for port {} {inside}",
                row.network, row.port
            )
        }
        Row::Port(row) => {
            let addresses = addresses(row.addresses.iter().map(|address| address.address));
            let mac = Mac(row.mac);
            let mut security = row.policy.map_or(String::new(), |policy| format!(", policy {policy}"));
            row.allowed_pairs.iter().for_each(|pair| {
                write!(security, ", also {} {}", Mac(pair.mac), prefix(&pair.prefix)).unwrap();
            });
            row.log.iter().for_each(|log| security += &log_text(log));
            format!(
                "net {}, {}, {mac}{addresses}, {}{security}, as of {}",
                row.network,
                row.interface_name,
                up(row.admin_up),
                row.revision
            )
        }
    }
}

/// A log object is named by its number, as groups are.
fn log_text(log: &row::PortLog) -> String {
    let mut text = format!(", of project {:?} logged", log.project);
    for object in &log.logs {
        let events = match (object.accepted, object.dropped) {
            (true, true) => "everything",
            (true, false) => "accepted",
            (false, true) => "dropped",
            (false, false) => "nothing",
        };
        let group = object.group.map(|group| format!(" of set {group}")).unwrap_or_default();
        write!(text, " {events}{group} for {}", Uuid::from_bytes(object.uuid).as_u128() >> 96).unwrap();
    }
    text
}

fn prefix(prefix: &Prefix) -> String {
    let (address, length) = prefix.unmapped();
    format!("{address}/{length}")
}

fn addresses(addresses: impl Iterator<Item = std::net::Ipv6Addr>) -> String {
    addresses.map(|address| format!(" {}", row::unmapped(address))).collect()
}

fn up(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

//! Calls of a script.

use hadron_model::*;
use hadron_store::Tx;
use std::collections::BTreeMap;
use uuid::Uuid;

/// One call: `noun verb name key=value…`.
pub struct Call {
    noun: String,
    verb: String,
    name: String,
    number: u32,
    values: BTreeMap<String, String>,
    references: BTreeMap<String, u32>,
}

impl Call {
    pub fn read(text: &str, numbers: &mut BTreeMap<String, u32>) -> Self {
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

    pub fn perform(&self, tx: &mut Tx) {
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

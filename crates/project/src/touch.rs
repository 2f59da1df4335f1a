//! Which rows a change of the model can touch.
//!
//! | change of | rows |
//! |---|---|
//! | network | its own; all of its locations, names and presences if its segment or its domain is another |
//! | subnet | its own |
//! | port | its own and whose it is, its name, its network's if it is the first or last with further addresses, its location, the presence of its old and new host; the subnets that it serves as DHCP port; itself as a member of its groups; its floating IPs and what is forwarded to it |
//! | security group that came, went, or has another statefulness | its rules; if it came or went also its members and the rules that name it |
//! | security group's rule | its own |
//! | address group | the members that came or went |
//! | policy | its own |
//! | packet log | those of the ports that it covers |
//! | host that came, went, or has another number, address or other physical networks | its presences, its ports and their locations |
//! | router | its routes; if it came, went, is up or down or has other gateways, also its interfaces, its floating IPs and what hangs together by it |
//! | lease of a router's ports | its own |
//! | hosts that stand for a router outside | its interface there; what they reach by it |
//! | floating IP | its own and its relays'; whose its port is; if it has another router, its forwardings |
//! | port forwarding | its own |
//! | subnet pool that has another address scope | the routers' interfaces in its subnets' networks |
//! | instance that came, went or changed | whose its ports are |
//! | router's port, subnet that it has an address in | its interface, the router's routes; if it came or went, what hangs together by it |
//! | first port of a host in a network, last one | the host's presence in all that hangs together with the network |
//! | anything else | none |

mod packet_log;
mod router;
mod security;

use crate::Interest;
use crate::reach::Reach;
use hadron_model::{
    AddressGroup, FloatingIp, Host, Network, NetworkId, Policy, Port, PortForwarding, PortId, PortNumber,
    SecurityGroupRule, Subnet, SubnetId,
};
use hadron_store::{RecordKey, Snapshot};
use hadron_wire::RowKey;
use std::collections::BTreeSet;

/// Rows, and interests of hosts, that may have changed.
#[derive(Default, Debug)]
pub(crate) struct Touched {
    pub(crate) rows: BTreeSet<RowKey>,
    /// (host number, interest)
    pub(crate) interests: BTreeSet<(u32, Interest)>,
    /// (group, set): the group's rules came to name the set, or no longer do.
    pub(crate) namings: BTreeSet<(u32, u32)>,
    /// Host numbers
    pub(crate) hosts: BTreeSet<u32>,
}

/// The DHCP ports with an address in each subnet; the first is the oldest.
#[derive(Default, Debug)]
pub(crate) struct DhcpPorts(BTreeSet<(SubnetId, PortNumber, PortId)>);

impl DhcpPorts {
    pub(crate) fn of(&self, subnet: SubnetId) -> impl Iterator<Item = (PortNumber, PortId)> {
        let first = (subnet, PortNumber(0), PortId(Default::default()));
        self.0.range(first..).take_while(move |entry| entry.0 == subnet).map(|entry| (entry.1, entry.2))
    }

    pub(crate) fn add(&mut self, port: &Port) {
        self.0.extend(served(port));
    }

    pub(crate) fn replace(&mut self, old: Option<&Port>, new: Option<&Port>) {
        for entry in old.into_iter().flat_map(served) {
            self.0.remove(&entry);
        }
        new.into_iter().for_each(|port| self.add(port));
    }
}

fn served(port: &Port) -> impl Iterator<Item = (SubnetId, PortNumber, PortId)> {
    let fixed = if port.is_distributed() && port.admin_state_up { &port.fixed_ips[..] } else { &[] };
    fixed.iter().map(|fixed| (fixed.subnet_id, port.number, port.id))
}

impl Touched {
    /// Adds what the change of `key` between the two snapshots can touch.
    pub(crate) fn add(&mut self, key: &RecordKey, before: &Snapshot, after: &Snapshot) {
        let sides = [before, after];
        match key {
            RecordKey::Network(id) => self.network(*id, sides),
            RecordKey::Subnet(id) => {
                for side in sides {
                    if let Some(subnet) = side.get::<Subnet>(id) {
                        self.subnet(subnet, side);
                        self.router_ports_on(subnet.network_id, sides);
                    }
                }
            }
            RecordKey::Router(id) => self.router(*id, sides),
            RecordKey::FloatingIp(id) => {
                self.floating_ip_changed(*id, sides);
                for side in sides {
                    let port = side.get::<FloatingIp>(id).and_then(|floating| floating.association.as_ref());
                    let port = port.and_then(|association| side.get::<Port>(&association.port_id));
                    self.rows.extend(port.map(|port| RowKey::Instance(port.number.0)));
                }
            }
            RecordKey::PortForwarding(id) => {
                let found = sides.into_iter().filter_map(|side| side.get::<PortForwarding>(id));
                found.for_each(|forwarding| self.forwarding(forwarding, sides));
            }
            RecordKey::Instance(id) => {
                for side in sides {
                    self.rows.extend(side.ports_of_device(id).map(|port| RowKey::Instance(port.number.0)));
                }
            }
            RecordKey::Port(id) => {
                for side in sides {
                    if let Some(port) = side.get::<Port>(id) {
                        self.port(port, sides);
                        self.served_subnets(port, sides);
                        self.members(port, sides);
                        self.needs_of_port(port, sides);
                        self.router_port(port, sides);
                        self.delegation(port, sides);
                        self.reach_of_port(port, sides);
                    }
                }
            }
            RecordKey::Host(name) => {
                let facts = |host: &Host| (host.number, host.underlay, host.physical_networks.clone());
                let [before, after] = sides.map(|side| side.get::<Host>(name).map(|host| facts(host)));
                if before != after {
                    sides.into_iter().for_each(|side| self.host(name, side, sides));
                }
            }
            RecordKey::SubnetPool(id) => self.subnet_pool(*id, sides),
            RecordKey::GatewayHosts(port) => self.gateway_hosts(*port, sides),
            RecordKey::PortLease(key) => self.port_lease(*key, sides),
            RecordKey::SecurityGroup(id) => self.group(*id, sides),
            RecordKey::SecurityGroupRule(id) => self.rule_by_id(*id, sides),
            RecordKey::AddressGroup(id) => self.address_group(*id, sides),
            RecordKey::Policy(groups) => self.policy(groups, sides),
            RecordKey::PacketLog(id) => self.packet_log(*id, sides),
            _ => {}
        }
    }

    /// Adds every row that a snapshot can have.
    pub(crate) fn everything(model: &Snapshot) -> Self {
        let mut touched = Self::default();
        touched.rows.extend(model.iter::<Network>().map(|network| RowKey::Network(network.number.0)));
        model.iter::<Subnet>().for_each(|subnet| touched.subnet(subnet, model));
        for port in model.iter::<Port>() {
            touched.port(port, [model, model]);
            touched.members(port, [model, model]);
            touched.router_port(port, [model, model]);
        }
        model.iter::<FloatingIp>().for_each(|floating| touched.floating_ip(floating, [model, model]));
        model.iter::<SecurityGroupRule>().for_each(|rule| touched.rule(rule, [model, model]));
        touched.rows.extend(model.iter::<Policy>().map(|policy| RowKey::Policy(policy.number.0)));
        let nothing = Snapshot::default();
        model.iter::<AddressGroup>().for_each(|group| touched.address_group(group.id, [&nothing, model]));
        for host in model.iter::<Host>() {
            touched.hosts.insert(host.number.0);
            touched.stands_for(host.number, model, [model, model]);
            for (network, _) in model.host_networks(&host.name) {
                touched.reached(&host.name, &Reach::of(model, network), [model, model]);
            }
            for (policy, _) in model.host_policies(&host.name) {
                touched.needs_of_policy(host.number.0, policy, model);
            }
        }
        touched
    }

    fn network(&mut self, id: NetworkId, sides: [&Snapshot; 2]) {
        let [before, after] = sides.map(|side| side.get::<Network>(&id));
        for network in [before, after].into_iter().flatten() {
            self.rows.insert(RowKey::Network(network.number.0));
        }
        let facts = |network: &Network| (network.segment.clone(), network.dns_domain.clone());
        if before.map(|network| facts(network)) != after.map(|network| facts(network)) {
            for side in sides {
                side.ports_of_network(id).for_each(|port| self.port(port, sides));
                side.floating_ips_of_network(id).for_each(|floating| self.floating_ip(floating, sides));
                self.presences(id, side);
            }
        }
    }

    /// Every host's presence in a network that travels otherwise.
    fn presences(&mut self, network: NetworkId, side: &Snapshot) {
        let Some(network) = side.get::<Network>(&network).map(|network| network.number.0) else { return };
        let hosts = side.iter::<Host>().map(|host| host.number.0);
        self.rows.extend(hosts.map(|host| RowKey::Presence { network, host }));
    }

    fn subnet(&mut self, subnet: &Subnet, side: &Snapshot) {
        if let Some(network) = side.get::<Network>(&subnet.network_id) {
            self.rows.insert(RowKey::Subnet { network: network.number.0, subnet: subnet.number.0 });
        }
    }

    fn port(&mut self, port: &Port, sides: [&Snapshot; 2]) {
        self.rows.insert(RowKey::Port(port.number.0));
        self.rows.insert(RowKey::Instance(port.number.0));
        for side in sides {
            side.floating_ips_of_port(port.id).for_each(|floating| self.floating_ip(floating, sides));
            side.forwardings_of_port(port.id).for_each(|forwarding| self.forwarding(forwarding, sides));
            let Some(network) = side.get::<Network>(&port.network_id) else { continue };
            let network = network.number.0;
            self.rows.insert(RowKey::Location { network, port: port.number.0 });
            self.rows.insert(RowKey::Name { network, port: port.number.0 });
            let [before, after] = sides.map(|side| side.has_unlisted_addresses(port.network_id));
            if before != after {
                self.rows.insert(RowKey::Network(network));
            }
            for host in sides.into_iter().filter_map(|side| side.get::<Host>(&port.binding.host_id)) {
                self.rows.insert(RowKey::Presence { network, host: host.number.0 });
                self.interests.insert((host.number.0, Interest::Network(network)));
            }
        }
    }

    fn served_subnets(&mut self, port: &Port, sides: [&Snapshot; 2]) {
        for (id, ..) in served(port) {
            for side in sides {
                if let Some(subnet) = side.get::<Subnet>(&id) {
                    self.subnet(subnet, side);
                }
            }
        }
    }

    fn host(&mut self, name: &str, side: &Snapshot, sides: [&Snapshot; 2]) {
        self.hosts.extend(side.get::<Host>(&name.to_owned()).map(|host| host.number.0));
        for port in side.ports_of_host(name) {
            self.port(port, sides);
            self.needs_of_port(port, sides);
        }
        for (network, _) in side.host_networks(name) {
            self.reached(name, &Reach::of(side, network), sides);
        }
        if let Some(host) = side.get::<Host>(&name.to_owned()) {
            self.stands_for(host.number, side, sides);
        }
    }
}

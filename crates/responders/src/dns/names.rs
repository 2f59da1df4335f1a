use super::Zone;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// A port's name and addresses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortNames {
    /// Its own name, in lower case; empty for names made of its addresses.
    pub name: String,
    /// Its domain, in lower case, without a dot at the end; empty for none of its own.
    pub domain: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// The names of one network, both ways.
#[derive(Clone, Debug, Default)]
pub struct Names {
    zone: Arc<Zone>,
    ports: HashMap<u32, PortNames>,
    forward: HashMap<String, BTreeSet<(u32, IpAddr)>>,
    reverse: HashMap<IpAddr, BTreeSet<(u32, String)>>,
}

impl Names {
    /// No names yet. Every port is in the zone's domain, and in its own domain beside.
    pub fn new(zone: Arc<Zone>) -> Self {
        Names { zone, ..Names::default() }
    }

    /// What all networks' names have in common.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Sets the names of a port, or takes them away.
    pub fn set(&mut self, port: u32, names: Option<PortNames>) {
        if let Some(old) = self.ports.remove(&port) {
            for (name, address) in self.entries(&old) {
                take(&mut self.forward, &name, &(port, address));
            }
            for (address, name) in self.pointers(&old) {
                take(&mut self.reverse, &address, &(port, name));
            }
        }
        let Some(names) = names.filter(|names| !names.addresses.is_empty()) else { return };
        for (name, address) in self.entries(&names) {
            self.forward.entry(name).or_default().insert((port, address));
        }
        for (address, name) in self.pointers(&names) {
            self.reverse.entry(address).or_default().insert((port, name));
        }
        self.ports.insert(port, names);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// The addresses that have a name, which is in lower case and has no dot at the end.
    pub fn addresses(&self, name: &str) -> Option<impl Iterator<Item = IpAddr>> {
        Some(self.forward.get(name)?.iter().map(|(_, address)| *address))
    }

    /// The names of an address.
    pub fn names(&self, address: IpAddr) -> Option<impl Iterator<Item = &str>> {
        Some(self.reverse.get(&address)?.iter().map(|(_, name)| name.as_str()))
    }

    /// Whether nobody else can know the name: a single label, or one in the domain of all ports.
    pub fn is_own(&self, name: &str) -> bool {
        !name.contains('.')
            || !self.zone.domain.is_empty()
                && name
                    .strip_suffix(self.zone.domain.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    fn entries(&self, port: &PortNames) -> Vec<(String, IpAddr)> {
        let mut all = Vec::new();
        for address in &port.addresses {
            let label = label(port, *address);
            for domain in [&self.zone.domain, &port.domain] {
                all.push((full(&label, domain), *address));
            }
            all.push((label, *address));
        }
        all
    }

    fn pointers(&self, port: &PortNames) -> Vec<(IpAddr, String)> {
        let domain = if port.domain.is_empty() { &self.zone.domain } else { &port.domain };
        port.addresses.iter().map(|address| (*address, full(&label(port, *address), domain))).collect()
    }
}

/// The port's name, or the one that its address makes.
fn label(port: &PortNames, address: IpAddr) -> String {
    if port.name.is_empty() {
        format!("host-{}", address.to_string().replace(['.', ':'], "-"))
    } else {
        port.name.clone()
    }
}

fn full(label: &str, domain: &str) -> String {
    if domain.is_empty() { label.to_owned() } else { format!("{label}.{domain}") }
}

fn take<K: std::hash::Hash + Eq, V: Ord>(map: &mut HashMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(all) = map.get_mut(key) {
        all.remove(value);
        if all.is_empty() {
            map.remove(key);
        }
    }
}

//! What Neutron's agents leave behind beside interfaces: network namespaces, and chains of the packet filter.

use super::Finding;
use crate::links::chains::{self, Chain};
use std::path::Path;

/// Of the namespaces that Neutron's agents make.
const NAMESPACES: [&str; 6] = ["qrouter-", "qdhcp-", "snat-", "fip-", "ovnmeta-", "qlbaas-"];

pub(super) fn examine() -> Vec<Finding> {
    let names = names_in(Path::new("/run/netns"));
    let mut findings: Vec<Finding> = namespaces(&names).into_iter().collect();
    match chains::list() {
        Ok(chains) => findings.extend(filters(&chains)),
        Err(error) => findings.push(Finding::warning(
            "leftovers",
            format!("the chains of nf_tables can't be listed: {error}"),
            "run this as root; look with nft list ruleset",
        )),
    }
    let legacy = std::fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
    findings.extend(legacy_tables(&legacy));
    if findings.is_empty() {
        findings.push(Finding::fine("leftovers", "nothing of another network system is left"));
    }
    findings
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn namespaces(names: &[String]) -> Option<Finding> {
    let is_neutrons = |name: &&String| NAMESPACES.iter().any(|prefix| name.starts_with(prefix));
    let found: Vec<&str> = names.iter().filter(is_neutrons).map(String::as_str).collect();
    (!found.is_empty()).then(|| {
        Finding::warning(
            "leftovers",
            format!("network namespaces of Neutron's agents: {}", found.join(", ")),
            "stop neutron-l3-agent, neutron-dhcp-agent and neutron-metadata-agent for good, then delete them (ip netns del): they answer for addresses that are this node's now",
        )
    })
}

fn filters(chains: &[Chain]) -> Option<Finding> {
    let is_neutrons = |chain: &&Chain| chain.name.starts_with("neutron-");
    let mut found: Vec<String> = chains
        .iter()
        .filter(is_neutrons)
        .map(|chain| format!("{} (table {})", chain.name, chain.table))
        .collect();
    found.sort();
    found.dedup();
    let first = found.first()?;
    let more = if found.len() > 1 { format!(" and {} more", found.len() - 1) } else { String::new() };
    Some(Finding::warning(
        "leftovers",
        format!("chains of Neutron's agents in the packet filter: {first}{more}"),
        "once its agents are stopped, delete the chains and the rules that lead to them (neutron-ipset-cleanup, iptables-save | grep -v neutron- | iptables-restore)",
    ))
}

/// The older packet filter does not show its chains to who only reads files.
fn legacy_tables(names: &str) -> Option<Finding> {
    let names: Vec<&str> = names.split_whitespace().collect();
    (!names.is_empty()).then(|| {
        Finding::fine(
            "leftovers",
            format!("the older iptables has tables ({}), whose chains are not looked at: iptables-legacy-save shows them", names.join(", ")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_of_agents_are_told_from_others() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = namespaces(&names(&["blue", "qdhcp-1", "qrouter-2"])).expect("two");
        assert!(found.text.ends_with(": qdhcp-1, qrouter-2"), "{found:?}");
        assert!(namespaces(&names(&["blue", "router-qrouter-"])).is_none());
        assert!(names_in(Path::new("/nowhere")).is_empty());
    }

    #[test]
    fn chains_of_agents_are_counted() {
        let chain = |name: &str| Chain { table: "filter".into(), name: name.into() };
        let chains = [chain("INPUT"), chain("neutron-openvswi-INPUT"), chain("neutron-openvswi-sg-chain")];
        let found = filters(&chains).expect("chains");
        assert!(found.text.contains("neutron-openvswi-INPUT (table filter) and 1 more"), "{found:?}");
        assert!(filters(&chains[..1]).is_none());
        assert!(legacy_tables("").is_none() && legacy_tables("filter\nnat\n").is_some());
    }
}

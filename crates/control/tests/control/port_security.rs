//! What filters ports' traffic, one by one, and ports from before it.

use crate::support::security::*;
use crate::support::*;
use hadron_control::network::{self, NetworkChange, NewNetwork};
use hadron_control::port::{self, NewPort};
use hadron_control::port_security::SecurityChange;
use hadron_control::{Error, recovery};
use hadron_model::*;
use hadron_store::backend::{Backend, Loaded, Observer, Op, Txn};
use hadron_store::{Kind, Memory, Milestone, Store};
use std::sync::{Arc, Weak};

fn name<T>(result: Result<T, Error>) -> &'static str {
    result.err().expect("a refusal").type_name()
}

fn enabled(on: bool) -> SecurityChange {
    SecurityChange { port_security_enabled: Some(on), ..SecurityChange::default() }
}

#[tokio::test]
async fn a_network_says_how_its_ports_begin() {
    let cloud = Cloud::new().await;
    let open = NewNetwork { port_security_enabled: false, ..new_network() };
    let network = cloud.write(|tx| network::create(tx, &cloud.config, &open)).await.unwrap().id;
    let port = cloud.port(&new_port(network)).await.unwrap();
    assert!(!port.port_security_enabled && port.security_groups.is_empty() && port.policy.is_none());
    assert!(cloud.port_with(network, enabled(true)).await.unwrap().port_security_enabled);
    // A group is not enough: Neutron's ML2 asks the network.
    cloud.group("web").await;
    let given = groups(&[cloud.default_group().id]);
    let refusal = "PortSecurityAndIPRequiredForSecurityGroups";
    assert_eq!(name(cloud.port_with(network, given).await), refusal);
    let change = NetworkChange { port_security_enabled: Some(true), ..NetworkChange::default() };
    cloud.write(|tx| network::update(tx, &cloud.config, network, &change, None)).await.unwrap();
    assert!(!cloud.view().get::<Port>(&port.id).unwrap().port_security_enabled, "it stays as it is");
    assert!(cloud.port(&new_port(network)).await.unwrap().port_security_enabled);
    cloud.check();
}

#[tokio::test]
async fn a_network_s_own_ports_are_trusted() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let mut new = new_subnet(network, "10.0.0.0/24");
    new.enable_dhcp = true;
    cloud.subnet(&new).await.unwrap();
    let dhcp = cloud.view().iter::<Port>().find(|port| port.is_distributed()).unwrap().value.clone();
    let router = NewPort { device_owner: "network:router_interface".into(), ..new_port(network) };
    let router = NewPort { security: enabled(true), ..router };
    for port in [dhcp, cloud.port(&router).await.unwrap()] {
        assert!(!port.port_security_enabled && port.security_groups.is_empty() && port.policy.is_none());
    }
    let given = NewPort { security: groups(&[cloud.default_group().id]), ..router };
    assert_eq!(name(cloud.port(&given).await), "PortSecurityAndIPRequiredForSecurityGroups");
    cloud.check();
}

#[tokio::test]
async fn port_security_goes_with_groups_and_pairs_only() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let port = cloud.port(&new_port(network)).await.unwrap();
    let addresses = pairs(&[pair("10.0.0.9", None)]);
    cloud.secure(port.id, addresses.clone()).await.unwrap();
    let paired = "AddressPairAndPortSecurityRequired";
    assert_eq!(name(cloud.secure(port.id, enabled(false)).await), paired);
    cloud.secure(port.id, pairs(&[])).await.unwrap();
    assert_eq!(name(cloud.secure(port.id, enabled(false)).await), "PortSecurityPortHasSecurityGroup");
    let default = cloud.default_group().id;
    let with_group = SecurityChange { security_groups: Some(vec![default]), ..off() };
    let grouped = "PortSecurityAndIPRequiredForSecurityGroups";
    assert_eq!(name(cloud.secure(port.id, with_group).await), grouped);
    let open = cloud.secure(port.id, off()).await.unwrap();
    assert!(!open.port_security_enabled && open.policy.is_none());
    assert_eq!(cloud.view().len::<Policy>(), 0, "the policy went with its last port");
    assert_eq!(name(cloud.secure(port.id, addresses.clone()).await), paired);
    assert_eq!(name(cloud.secure(port.id, groups(&[default])).await), grouped);
    assert_eq!(
        name(
            cloud
                .port_with(network, SecurityChange { port_security_enabled: Some(false), ..addresses })
                .await
        ),
        paired
    );
    // Back on, it has no group until one is given.
    let closed = cloud.secure(port.id, enabled(true)).await.unwrap();
    assert!(closed.security_groups.is_empty() && closed.policy.is_some());
    cloud.check();
}

#[tokio::test]
async fn ports_with_the_same_groups_share_a_policy() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let (one, two) = (cloud.group("one").await.id, cloud.group("two").await.id);
    let a = cloud.port_with(network, groups(&[one, two])).await.unwrap();
    let b = cloud.port_with(network, groups(&[two, one, two])).await.unwrap();
    assert_eq!((a.policy, &a.security_groups), (b.policy, &b.security_groups));
    let c = cloud.port_with(network, groups(&[])).await.unwrap();
    assert!(c.security_groups.is_empty() && c.policy.is_some() && c.policy != a.policy);
    let moved = cloud.secure(b.id, groups(&[one])).await.unwrap();
    assert!(moved.policy.is_some() && moved.policy != a.policy);
    assert_eq!(moved.stamp.revision_number, b.stamp.revision_number + 1);
    let same = cloud.secure(a.id, groups(&[two, one])).await.unwrap();
    assert_eq!(same.stamp.revision_number, a.stamp.revision_number, "nothing changed");
    assert_eq!(cloud.view().ports_of_group(one).count(), 2);
    cloud.delete_port(a.id).await.unwrap();
    assert_eq!(cloud.view().policies_of_group(two).count(), 0);
    let unknown = groups(&[SecurityGroupId::random()]);
    assert_eq!(name(cloud.secure(c.id, unknown).await), "SecurityGroupNotFound");
    cloud.check();
}

#[tokio::test]
async fn address_pairs_have_a_mac_and_a_limit_and_are_there_once() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let port = cloud.port(&new_port(network)).await.unwrap();
    let mac = Mac([2, 0, 0, 0, 0, 1]);
    let given = [pair("10.0.0.9", None), pair("10.0.0.9/32", None), pair("10.0.0.9", Some(mac))];
    let changed = cloud.secure(port.id, pairs(&given)).await.unwrap();
    let macs: Vec<_> = changed.allowed_address_pairs.iter().map(|pair| pair.mac).collect();
    assert_eq!(macs, [Some(port.mac_address), Some(port.mac_address), Some(mac)]);
    let shown: Vec<_> = changed.allowed_address_pairs.iter().map(AddressPair::ip_address).collect();
    assert_eq!(shown, ["10.0.0.9", "10.0.0.9/32", "10.0.0.9"], "as given");
    let twice = [pair("10.0.0.9", None), pair("10.0.0.9", Some(port.mac_address))];
    assert_eq!(name(cloud.secure(port.id, pairs(&twice)).await), "DuplicateAddressPairInRequest");
    let many: Vec<_> = (1..=11).map(|n| pair(&format!("10.1.0.{n}"), None)).collect();
    assert_eq!(name(cloud.secure(port.id, pairs(&many)).await), "AllowedAddressPairExhausted");
    cloud.secure(port.id, pairs(&many[1..])).await.unwrap();
    cloud.check();
}

#[tokio::test]
async fn groups_and_pairs_of_a_bulk_go_with_it() {
    let mut cloud = Cloud::new().await;
    cloud.config.quotas.port = Some(60);
    let network = cloud.network().await.id;
    let web = cloud.group("web").await.id;
    let new = vec![NewPort { security: groups(&[web]), ..new_port(network) }; 70];
    let create = |tx: &mut hadron_store::Tx, new: &NewPort| port::create(tx, &cloud.config, new);
    let refused = hadron_control::bulk::create(&cloud.store, &cloud.config, &info(), &new, create).await;
    assert_eq!(refused.unwrap_err().error.type_name(), "OverQuota");
    assert_eq!((cloud.view().len::<Port>(), cloud.view().len::<Policy>()), (0, 0));
    cloud.check();
}

/// The fields of a port that releases before security groups wrote: those up to 16, which come first.
fn as_written_before(value: &[u8]) -> Vec<u8> {
    let varint = |bytes: &[u8]| -> (u64, usize) {
        let length = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        (bytes[..length].iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f)), length)
    };
    let mut at = 0;
    while at < value.len() {
        let (key, length) = varint(&value[at..]);
        if key >> 3 > 16 {
            break;
        }
        at += length;
        let (content, length) = varint(&value[at..]);
        at += length + if key & 7 == 2 { content as usize } else { 0 };
    }
    value[..at].to_vec()
}

struct Nobody;

impl Observer for Nobody {
    fn committed(&self, _: Vec<hadron_store::backend::Observed>) {}

    fn reloaded(&self, _: hadron_store::backend::Loaded) {}
}

/// What a release before security groups would have left of the state.
async fn older_store(loaded: Loaded) -> Store {
    let new_kinds = [
        Kind::SecurityGroup,
        Kind::SecurityGroupRule,
        Kind::AddressGroup,
        Kind::DefaultRule,
        Kind::Policy,
        Kind::DefaultGroup,
        Kind::Milestone,
    ];
    let backend = Memory::new();
    for entry in loaded.entries {
        if new_kinds.iter().any(|kind| entry.key[0] == *kind as u8) {
            continue;
        }
        let value = if entry.key[0] == Kind::Port as u8 {
            as_written_before(&entry.value).into()
        } else {
            entry.value
        };
        let ops = vec![Op::Put { key: entry.key, value }];
        backend.submit(Txn::one(info(), vec![], ops)).await.unwrap();
    }
    Store::open_with(Arc::new(backend)).await.unwrap()
}

#[tokio::test]
async fn ports_from_before_security_groups_get_their_project_s_default_one_once() {
    let backend = Arc::new(Memory::new());
    let mut config = Cloud::new().await.config;
    config.quotas.security_group_rule = Some(0);
    let open =
        Cloud { store: Store::open_with(backend.clone()).await.unwrap(), config: Cloud::new().await.config };
    let network = open.network().await.id;
    let mut with_dhcp = new_subnet(network, "10.0.0.0/16");
    with_dhcp.enable_dhcp = true;
    open.subnet(&with_dhcp).await.unwrap();
    for n in 0..120 {
        // Some projects have one port, one has many, one port has no project.
        let project_id = if n < 40 { format!("project {n}") } else { "many".to_owned() };
        open.port(&NewPort { project_id, ..new_port(network) }).await.unwrap();
    }
    let observer: Arc<dyn Observer> = Arc::new(Nobody);
    let observer: Weak<dyn Observer> = Arc::downgrade(&observer);
    let store = older_store(backend.load(observer).await.unwrap()).await;
    let cloud = Cloud { store, config };
    let before = cloud.view();
    assert!(before.is_empty::<SecurityGroup>() && before.is_empty::<Milestone>());
    let unfiltered =
        before.iter::<Port>().filter(|port| port.policy.is_none() && port.security_groups.is_empty());
    assert_eq!(unfiltered.count(), 121);
    assert_eq!(
        before.iter::<Port>().filter(|port| port.port_security_enabled).count(),
        120,
        "not the DHCP port"
    );

    recovery::run(&cloud.store, &cloud.config).await.unwrap();
    cloud.check();
    let view = cloud.view();
    assert_eq!(view.len::<SecurityGroup>(), 41, "whatever the quota says");
    for port in view.iter::<Port>().filter(|port| !port.is_distributed()) {
        let default = view.default_group_of_project(&port.project_id).unwrap();
        assert_eq!(port.security_groups, [default.id]);
        let old = before.get::<Port>(&port.id).unwrap();
        assert_eq!((&port.stamp, &port.fixed_ips), (&old.stamp, &old.fixed_ips));
    }
    recovery::run(&cloud.store, &cloud.config).await.unwrap();
    assert_eq!(cloud.view().position(), view.position(), "once");
}

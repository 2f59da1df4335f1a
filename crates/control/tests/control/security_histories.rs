//! Random histories of groups, rules and ports: whatever was done in whatever order, the state is whole, and a refusal
//! changes nothing.

use crate::support::security::*;
use crate::support::*;
use hadron_control::address_group;
use hadron_control::port::{self, PortChange};
use hadron_control::port_security::SecurityChange;
use hadron_control::security_group::{self, SecurityGroupChange};
use hadron_control::security_group_rule;
use hadron_control::{Error, steps};
use hadron_model::*;
use proptest::prelude::*;

/// Something that a caller does; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Action {
    Group,
    Stateful(usize, bool),
    DropGroup(usize, bool),
    Rule { group: usize, remote: Choice, protocol: Option<u8>, port: Option<u16>, egress: bool },
    DropRule(usize),
    AddressGroup,
    Addresses { group: usize, add: bool, address: u8 },
    DropAddressGroup(usize),
    Port(Ask),
    Change(usize, Ask),
    DropPort(usize),
}

#[derive(Clone, Debug)]
enum Choice {
    Anywhere,
    Prefix(u8),
    Group(usize),
    AddressGroup(usize),
}

#[derive(Clone, Debug)]
struct Ask {
    enabled: Option<bool>,
    groups: Option<Vec<usize>>,
    pairs: Option<Vec<u8>>,
    owner: bool,
}

fn ask() -> impl Strategy<Value = Ask> {
    let few = prop::option::of(prop::collection::vec(0usize..6, 0..3));
    let pairs = prop::option::weighted(0.3, prop::collection::vec(0u8..4, 0..3));
    (prop::option::weighted(0.3, any::<bool>()), few, pairs, prop::bool::weighted(0.1))
        .prop_map(|(enabled, groups, pairs, owner)| Ask { enabled, groups, pairs, owner })
}

fn action() -> impl Strategy<Value = Action> {
    let remote = prop_oneof![
        Just(Choice::Anywhere),
        (0u8..3).prop_map(Choice::Prefix),
        (0usize..6).prop_map(Choice::Group),
        (0usize..3).prop_map(Choice::AddressGroup),
    ];
    let rule = (0usize..6, remote, prop::option::of(prop::sample::select(vec![1u8, 6, 47])), any::<bool>());
    prop_oneof![
        3 => Just(Action::Group),
        2 => (0usize..6, any::<bool>()).prop_map(|(n, on)| Action::Stateful(n, on)),
        2 => (0usize..6, any::<bool>()).prop_map(|(n, admin)| Action::DropGroup(n, admin)),
        8 => (rule, prop::option::of(1u16..4)).prop_map(|((group, remote, protocol, egress), port)| {
            Action::Rule { group, remote, protocol, port, egress }
        }),
        3 => (0usize..20).prop_map(Action::DropRule),
        1 => Just(Action::AddressGroup),
        2 => (0usize..3, any::<bool>(), 0u8..3)
            .prop_map(|(group, add, address)| Action::Addresses { group, add, address }),
        1 => (0usize..3).prop_map(Action::DropAddressGroup),
        6 => ask().prop_map(Action::Port),
        6 => (0usize..9, ask()).prop_map(|(n, ask)| Action::Change(n, ask)),
        4 => (0usize..9).prop_map(Action::DropPort),
    ]
}

struct World {
    cloud: Cloud,
    network: NetworkId,
}

impl World {
    fn nth<T: hadron_store::Record>(&self, n: usize) -> Option<T> {
        let view = self.cloud.view();
        let count = view.len::<T>();
        (count > 0).then(|| view.iter::<T>().nth(n % count).unwrap().value.clone())
    }

    fn group(&self, n: usize) -> SecurityGroupId {
        self.nth::<SecurityGroup>(n).map_or_else(SecurityGroupId::random, |group| group.id)
    }

    fn address_group(&self, n: usize) -> AddressGroupId {
        self.nth::<AddressGroup>(n).map_or_else(AddressGroupId::random, |group| group.id)
    }

    fn security(&self, ask: &Ask) -> SecurityChange {
        let pair_of = |n: &u8| pair(&format!("10.3.0.{n}"), None);
        SecurityChange {
            port_security_enabled: ask.enabled,
            security_groups: ask.groups.as_ref().map(|list| list.iter().map(|n| self.group(*n)).collect()),
            allowed_address_pairs: ask.pairs.as_ref().map(|list| list.iter().map(pair_of).collect()),
        }
    }

    fn remote(&self, choice: &Choice) -> Remote {
        match choice {
            Choice::Anywhere => Remote::Any,
            Choice::Prefix(n) => Remote::Prefix(format!("10.{n}.0.1/16").parse().unwrap()),
            Choice::Group(n) => Remote::Group(self.group(*n)),
            Choice::AddressGroup(n) => Remote::AddressGroup(self.address_group(*n)),
        }
    }

    async fn act(&self, action: &Action) -> Result<(), Error> {
        let cloud = &self.cloud;
        match action {
            Action::Group => {
                let new = new_group("g");
                cloud.write(|tx| security_group::create(tx, &cloud.config, &new)).await.map(drop)
            }
            Action::Stateful(n, on) => {
                let change = SecurityGroupChange { stateful: Some(*on), ..SecurityGroupChange::default() };
                let id = self.group(*n);
                cloud.write(|tx| security_group::update(tx, id, &change, None)).await.map(drop)
            }
            Action::DropGroup(n, admin) => cloud.delete_group(self.group(*n), *admin).await,
            Action::Rule { group, remote, protocol, port, egress } => {
                let mut new = rule(self.group(*group), self.remote(remote));
                new.matches.direction = if *egress { Direction::Egress } else { Direction::Ingress };
                new.matches.protocol = protocol.map(Protocol::numbered);
                (new.matches.port_range_min, new.matches.port_range_max) = (*port, *port);
                cloud.rule(&new).await.map(drop)
            }
            Action::DropRule(n) => {
                let Some(rule) = self.nth::<SecurityGroupRule>(*n) else { return Ok(()) };
                cloud.write(|tx| security_group_rule::delete(tx, rule.id, None)).await
            }
            Action::AddressGroup => {
                cloud.address_group(&["10.0.0.0/8"]).await;
                Ok(())
            }
            Action::Addresses { group, add, address } => {
                let (id, list) =
                    (self.address_group(*group), [format!("10.{address}.0.0/16").parse().unwrap()]);
                let change = cloud.write(|tx| match add {
                    true => address_group::add_addresses(tx, &cloud.config, id, &list, None),
                    false => address_group::remove_addresses(tx, id, &list, None),
                });
                change.await.map(drop)
            }
            Action::DropAddressGroup(n) => {
                let id = self.address_group(*n);
                cloud.write(|tx| address_group::delete(tx, id, None)).await.map(|_| ())
            }
            Action::Port(ask) => {
                let mut new = port::NewPort { security: self.security(ask), ..new_port(self.network) };
                if ask.owner {
                    new.device_owner = "network:router_gateway".to_owned();
                }
                cloud.port(&new).await.map(drop)
            }
            Action::Change(n, ask) => {
                let Some(port) = self.nth::<Port>(*n) else { return Ok(()) };
                let change = PortChange { security: self.security(ask), ..PortChange::default() };
                cloud.write(|tx| port::update(tx, &cloud.config, port.id, &change, None)).await.map(drop)
            }
            Action::DropPort(n) => match self.nth::<Port>(*n) {
                Some(port) => cloud.delete_port(port.id).await,
                None => Ok(()),
            },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_history_leaves_groups_and_policies_whole(actions in prop::collection::vec(action(), 1..70)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cloud = Cloud::new().await;
            let network = cloud.network().await.id;
            let world = World { cloud, network };
            for action in &actions {
                let before = world.cloud.view();
                if let Err(error) = world.act(action).await {
                    assert!((400..=409).contains(&error.status()), "{action:?}: {error}");
                    assert_eq!(before.position(), world.cloud.view().position(), "an error changes nothing");
                }
                world.cloud.check();
            }
            while let Some(port) = world.nth::<Port>(0) {
                world.cloud.delete_port(port.id).await.unwrap();
            }
            while let Some(group) = world.nth::<SecurityGroup>(0) {
                let delete = |tx: &mut hadron_store::Tx| security_group::delete(tx, group.id, true, None);
                steps::run(&world.cloud.store, &info(), delete).await.unwrap();
            }
            world.cloud.check();
            let view = world.cloud.view();
            assert!(view.is_empty::<Policy>() && view.is_empty::<SecurityGroupRule>() && view.is_empty::<DefaultGroup>());
        });
    }
}

//! Routers outside: who stands for them, and who may use which ports of their addresses.

use crate::support::routers::*;
use crate::support::*;
use hadron_control::agent::{self, Report};
use hadron_control::nat::{self, GATEWAYS};
use hadron_control::network::NewNetwork;
use hadron_control::router::{GatewayRequest, RouterChange};
use hadron_control::segment::Provider;
use hadron_control::{Error, host, network};
use hadron_model::agent::DOWN_AFTER_MS;
use hadron_model::nat::{MOST_BLOCKS, MOST_SLOTS, PORT_BLOCKS};
use hadron_model::{GatewayHosts, Host, NetworkId, Port, PortId, PortLease, Router, RouterId, Timestamp};
use hadron_store::{CommitInfo, Stored};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A cloud of hosts, all but the last with an interface to the physical network, and an external network there.
pub struct Scene {
    pub cloud: Cloud,
    external: NetworkId,
}

const HOSTS: u8 = 5;

pub fn name(host: u8) -> String {
    format!("host{host}")
}

impl Scene {
    pub async fn new() -> Self {
        let cloud = Cloud::new().await;
        for number in 1..=HOSTS {
            let name = name(number);
            cloud.host(&name, &format!("192.0.2.{number}")).await;
            let physical: &[String] = if number < HOSTS { &["physnet1".to_owned()] } else { &[] };
            cloud.write(|tx| host::set_physical_networks(tx, &name, physical)).await.unwrap();
        }
        let provider = Provider {
            network_type: Some("flat".to_owned()),
            physical_network: Some("physnet1".to_owned()),
            segmentation_id: None,
        };
        let new = NewNetwork { segments: vec![provider], external: true, ..new_network() };
        let external = cloud.write(|tx| network::create(tx, &cloud.config, &new)).await.unwrap().id;
        cloud.subnet(&new_subnet(external, "203.0.113.0/24")).await.unwrap();
        Self { cloud, external }
    }

    /// A router with a gateway: its id, and the port of that.
    pub async fn router(&self) -> (RouterId, PortId) {
        let id = self.cloud.router().await.id;
        let router = self.set_gateway(id, Some(through(self.external))).await;
        (id, router.gateways[0].port_id)
    }

    async fn set_gateway(&self, router: RouterId, gateway: Option<GatewayRequest>) -> Router {
        let change = RouterChange { gateway: Some(gateway), ..RouterChange::default() };
        self.cloud.change_router(router, &change).await.unwrap()
    }

    pub async fn give_back(&self, host: &str, port: PortId, slots: &[u16]) -> usize {
        let number = self.cloud.view().get::<Port>(&port).unwrap().number.0;
        self.cloud.write(|tx| Ok(nat::give_back(tx, host, number, slots))).await.unwrap()
    }

    pub fn lease_of(&self, host: &str, port: PortId) -> Option<Arc<Stored<PortLease>>> {
        let view = self.cloud.view();
        let number = view.get::<Host>(&host.to_owned()).unwrap().number;
        view.get::<PortLease>(&(port, number)).cloned()
    }

    /// Ends what ends of a host's lease, as if it had acknowledged all there is.
    async fn end(&self, host: &str, port: PortId) {
        let Some(lease) = self.lease_of(host, port) else { return };
        let over = [((port, lease.host), lease.modified)];
        let end = |tx: &mut _| {
            nat::end(tx, &over);
            Ok(())
        };
        self.cloud.write(end).await.unwrap();
    }

    pub async fn lease_slots(&self, host: &str, port: PortId, wanted: &[u16]) -> Result<usize, Error> {
        let number = self.cloud.view().get::<Port>(&port).unwrap().number.0;
        self.cloud.write(|tx| nat::lease_slots(tx, host, number, wanted)).await
    }

    pub async fn lease(&self, host: &str, port: PortId, wanted: usize) -> Result<usize, Error> {
        let number = self.cloud.view().get::<Port>(&port).unwrap().number.0;
        self.cloud.write(|tx| nat::lease(tx, host, number, wanted)).await
    }

    fn hosts(&self, port: PortId) -> Vec<u32> {
        let view = self.cloud.view();
        let stored = view.get::<GatewayHosts>(&port);
        stored.map(|stored| stored.hosts.iter().map(|host| host.0).collect()).unwrap_or_default()
    }

    /// The hosts were heard at this time, but for some.
    async fn heard(&self, at: Timestamp, but: &[u8]) {
        for number in (1..=HOSTS).filter(|number| !but.contains(number)) {
            let report =
                Report { host: name(number), availability_zone: String::new(), started_at: at, heard_at: at };
            self.cloud.write(|tx| agent::report(tx, &report)).await.unwrap();
        }
    }

    async fn choose(&self, port: PortId, now: Timestamp) -> bool {
        let info = CommitInfo { time: now, ..info() };
        let mut is_changed = false;
        let choose = |tx: &mut _| {
            is_changed = nat::choose_hosts(tx, port);
            Ok::<_, Error>(())
        };
        self.cloud.store.write(info, choose).await.unwrap();
        is_changed
    }
}

#[tokio::test]
async fn blocks_are_had_by_one_host_each() {
    let scene = Scene::new().await;
    let (_, port) = scene.router().await;
    assert_eq!(scene.lease("host1", port, 4).await.unwrap(), 4);
    assert_eq!(scene.lease("host1", port, 4).await.unwrap(), 0, "it has them");
    assert_eq!(scene.lease("host2", port, 4).await.unwrap(), 4);
    assert_eq!(scene.lease("host1", port, 8).await.unwrap(), 4);
    let view = scene.cloud.view();
    let mut seen = BTreeSet::new();
    for lease in nat::leases_of(&view, port) {
        assert!(lease.blocks.iter().all(|block| PORT_BLOCKS.contains(block) && seen.insert(*block)));
    }
    assert_eq!(seen.len(), 12);
    assert!(matches!(scene.lease("nobody", port, 1).await, Err(Error::HostUnknown(_))));
}

#[tokio::test]
async fn a_host_gets_no_more_than_a_pool_takes_and_leaves_others_half_of_the_rest() {
    let scene = Scene::new().await;
    let (_, port) = scene.router().await;
    assert_eq!(scene.lease("host1", port, 10_000).await.unwrap(), MOST_BLOCKS);
    assert_eq!(scene.lease("host1", port, 10_000).await.unwrap(), 0);
    // As if many hosts had nearly all.
    let blocks: Vec<u16> = PORT_BLOCKS.skip(MOST_BLOCKS).take(PORT_BLOCKS.len() - MOST_BLOCKS - 3).collect();
    let number = scene.cloud.view().get::<Host>(&"host2".to_owned()).unwrap().number;
    let hoard = PortLease { port_id: port, host: number, blocks, slots: Vec::new(), ending: Vec::new() };
    let hoarded = scene.cloud.write(|tx| {
        tx.put(hoard.clone());
        Ok(())
    });
    hoarded.await.unwrap();
    assert_eq!(scene.lease("host3", port, 1).await.unwrap(), 1);
    assert_eq!(scene.lease("host3", port, 4).await.unwrap(), 1, "half of two");
    assert_eq!(scene.lease("host4", port, 4).await.unwrap(), 1, "the last one");
    assert_eq!(scene.lease("host5", port, 4).await.unwrap(), 0);
}

#[tokio::test]
async fn slots_are_had_by_one_host_each() {
    let scene = Scene::new().await;
    let (router, port) = scene.router().await;
    assert_eq!(scene.lease_slots("host1", port, &[2000, 3000, 2000]).await.unwrap(), 2);
    assert_eq!(scene.lease_slots("host1", port, &[2000]).await.unwrap(), 0, "it has it");
    assert_eq!(scene.lease_slots("host2", port, &[2000, 4000, 1023]).await.unwrap(), 1);
    assert_eq!(scene.lease("host2", port, 4).await.unwrap(), 4, "blocks are had besides");
    let view = scene.cloud.view();
    let leased: Vec<_> = nat::leases_of(&view, port).map(|lease| lease.slots.clone()).collect();
    assert_eq!(leased, [vec![2000, 3000], vec![4000]]);
    let many: Vec<u16> = (10_000..11_000).collect();
    assert_eq!(scene.lease_slots("host2", port, &many).await.unwrap(), MOST_SLOTS - 1);
    assert_eq!(scene.lease_slots("host2", port, &[5000]).await.unwrap(), 0);
    let without = GatewayRequest { enable_snat: Some(false), ..through(scene.external) };
    scene.set_gateway(router, Some(without)).await;
    assert_eq!(scene.lease_slots("host1", port, &[5000]).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_given_back_is_nobody_s_until_it_has_ended() {
    let scene = Scene::new().await;
    let (_, port) = scene.router().await;
    scene.lease("host1", port, 1).await.unwrap();
    scene.lease_slots("host1", port, &[2000, 3000, 4000]).await.unwrap();
    assert_eq!(scene.give_back("host1", port, &[2000, 3000, 5000, 16]).await, 2, "only slots that it has");
    assert_eq!(scene.give_back("host1", port, &[2000]).await, 0, "once");
    assert_eq!(scene.give_back("host2", port, &[4000]).await, 0, "another one's");
    let lease = scene.lease_of("host1", port).unwrap();
    assert_eq!((lease.blocks_in_force(), lease.slots_in_force()), (vec![16], vec![4000]));
    assert_eq!(scene.lease_slots("host2", port, &[2000, 3000]).await.unwrap(), 0);
    // Who needs it again has it still, as long as it has not ended.
    assert_eq!(scene.lease_slots("host1", port, &[3000]).await.unwrap(), 1);
    assert_eq!(scene.lease_of("host1", port).unwrap().slots_in_force(), [3000, 4000]);
    // What was written again since somebody judged it stays.
    let stale = [((port, lease.host), lease.modified)];
    let end = |tx: &mut _| {
        nat::end(tx, &stale);
        Ok(())
    };
    scene.cloud.write(end).await.unwrap();
    assert_eq!(scene.lease_slots("host2", port, &[2000]).await.unwrap(), 0);
    scene.end("host1", port).await;
    let lease = scene.lease_of("host1", port).unwrap();
    assert_eq!((&lease.slots[..], &lease.ending[..]), (&[3000, 4000][..], &[][..]));
    assert_eq!(scene.lease_slots("host2", port, &[2000, 3000]).await.unwrap(), 1);
}

#[tokio::test]
async fn what_ends_makes_room() {
    let scene = Scene::new().await;
    let (_, port) = scene.router().await;
    let all: Vec<u16> = (10_000..).take(MOST_SLOTS).collect();
    assert_eq!(scene.lease_slots("host1", port, &all).await.unwrap(), MOST_SLOTS);
    // A host whose acknowledgement is missing doesn't gather slots without end.
    for (slot, granted) in (5000..).zip([1; MOST_SLOTS].into_iter().chain([0])) {
        scene.give_back("host1", port, &[slot + 5000]).await;
        assert_eq!(scene.lease_slots("host1", port, &[slot]).await.unwrap(), granted, "{slot}");
    }
    let lease = scene.lease_of("host1", port).unwrap();
    assert_eq!((lease.slots.len(), lease.slots_in_force().len()), (2 * MOST_SLOTS, MOST_SLOTS));
    scene.end("host1", port).await;
    assert_eq!(scene.lease_of("host1", port).unwrap().slots.len(), MOST_SLOTS);
}

#[tokio::test]
async fn a_lease_that_is_given_up_goes_on_if_its_host_is_back_before_it_has_ended() {
    let scene = Scene::new().await;
    let (_, port) = scene.router().await;
    scene.lease("host1", port, 4).await.unwrap();
    scene.lease_slots("host1", port, &[2000]).await.unwrap();
    let before = scene.lease_of("host1", port).unwrap();
    let give_up = |tx: &mut _| {
        nat::give_up(tx, &[(port, before.host)]);
        Ok(())
    };
    scene.cloud.write(give_up).await.unwrap();
    let lease = scene.lease_of("host1", port).unwrap();
    assert!(lease.blocks_in_force().is_empty() && lease.slots_in_force().is_empty());
    assert_eq!(scene.lease("host2", port, 4).await.unwrap(), 4);
    assert_eq!(scene.lease("host1", port, 2).await.unwrap(), 2);
    let lease = scene.lease_of("host1", port).unwrap();
    assert_eq!(lease.blocks_in_force(), before.blocks[..2], "its own, not another one's");
    scene.end("host1", port).await;
    let lease = scene.lease_of("host1", port).unwrap();
    assert_eq!((&lease.blocks[..], &lease.slots[..]), (&before.blocks[..2], &[][..]));
}

#[tokio::test]
async fn only_gateways_that_share_their_address_have_ports() {
    let scene = Scene::new().await;
    let (router, port) = scene.router().await;
    let without = GatewayRequest { enable_snat: Some(false), ..through(scene.external) };
    scene.set_gateway(router, Some(without)).await;
    assert_eq!(scene.lease("host1", port, 4).await.unwrap(), 0);
    let unknown = scene.cloud.write(|tx| nat::lease(tx, "host1", 99_999, 4)).await.unwrap();
    assert_eq!(unknown, 0);
}

#[tokio::test]
async fn many_hosts_that_lease_at_once_never_share_a_block_or_a_slot() {
    let scene = Scene::new().await;
    let (_, port) = scene.router().await;
    let hosts: Vec<String> = (1..=HOSTS).map(name).collect();
    let scene = Arc::new(scene);
    let mut leases = tokio::task::JoinSet::new();
    for (host, wanted) in hosts.into_iter().flat_map(|host| (1..6).map(move |n| (host.clone(), n * 3))) {
        let scene = scene.clone();
        leases.spawn(async move {
            scene.lease(&host, port, wanted).await?;
            scene.lease_slots(&host, port, &[2000, 2000 + wanted as u16]).await.map(drop)
        });
    }
    while let Some(done) = leases.join_next().await {
        done.unwrap().unwrap();
    }
    let view = scene.cloud.view();
    let blocks: Vec<u16> =
        nat::leases_of(&view, port).flat_map(|lease| lease.blocks.iter().copied()).collect();
    assert_eq!(blocks.len(), blocks.iter().collect::<BTreeSet<_>>().len());
    assert_eq!(blocks.len(), usize::from(HOSTS) * 15);
    let mut slots: Vec<u16> =
        nat::leases_of(&view, port).flat_map(|lease| lease.slots.iter().copied()).collect();
    slots.sort_unstable();
    assert_eq!(slots, [2000, 2003, 2006, 2009, 2012, 2015]);
}

#[tokio::test]
async fn routers_spread_over_the_hosts_that_have_a_way_outside() {
    let scene = Scene::new().await;
    let mut first = BTreeSet::new();
    for _ in 1..HOSTS {
        let (_, port) = scene.router().await;
        let hosts = scene.hosts(port);
        assert_eq!(hosts.len(), GATEWAYS);
        assert!(!hosts.contains(&u32::from(HOSTS)), "it has no interface to the physical network: {hosts:?}");
        assert!(first.insert(hosts[0]), "{first:?} and {hosts:?}");
    }
    assert!(nat::misplaced(&scene.cloud.view(), info().time).is_empty());
}

#[tokio::test]
async fn a_host_that_is_not_heard_of_stands_for_nobody_and_takes_nobody_s_place_when_it_is_back() {
    let scene = Scene::new().await;
    let (_, port) = scene.router().await;
    let [one, two, three] = scene.hosts(port)[..] else { panic!("three") };
    let then = info().time;
    scene.heard(then, &[]).await;
    assert!(!scene.choose(port, then).await);
    let later = Timestamp(then.0 + DOWN_AFTER_MS + 1);
    scene.heard(later, &[one as u8]).await;
    assert_eq!(nat::misplaced(&scene.cloud.view(), later), [port]);
    assert!(scene.choose(port, later).await);
    let hosts = scene.hosts(port);
    assert_eq!(hosts[..2], [two, three]);
    assert_ne!(hosts[2], one, "another one takes its place");
    let epoch = scene.cloud.view().get::<GatewayHosts>(&port).unwrap().epoch;
    assert_eq!(epoch, 2);
    scene.heard(later, &[]).await;
    assert!(!scene.choose(port, later).await, "who stands stays");
}

#[tokio::test]
async fn who_is_gone_stands_for_nobody_unless_all_are() {
    let scene = Scene::new().await;
    let (_, port) = scene.router().await;
    let all = scene.hosts(port);
    scene.heard(info().time, &[]).await;
    let later = Timestamp(info().time.0 + DOWN_AFTER_MS + 1);
    assert!(!scene.choose(port, later).await, "nobody is heard: the server may be cut off itself");
    let last = all[2] as u8;
    let others: Vec<u8> = (1..=HOSTS).filter(|number| *number != last).collect();
    scene.heard(later, &others).await;
    assert!(scene.choose(port, later).await);
    assert_eq!(scene.hosts(port), [u32::from(last)]);
}

#[tokio::test]
async fn what_is_of_a_gateway_goes_with_it() {
    let scene = Scene::new().await;
    let (router, port) = scene.router().await;
    scene.lease("host1", port, 4).await.unwrap();
    scene.set_gateway(router, None).await;
    assert!(scene.hosts(port).is_empty());
    let view = scene.cloud.view();
    let left: Vec<_> = view.iter::<PortLease>().map(|lease| (lease.port_id, lease.host)).collect();
    assert_eq!(left.len(), 1, "leases are cleared away by and by");
    let given_up = scene.cloud.write(|tx| {
        nat::give_up(tx, &left);
        Ok(())
    });
    given_up.await.unwrap();
    scene.end("host1", port).await;
    assert_eq!(scene.cloud.view().iter::<PortLease>().count(), 0);
    assert!(scene.cloud.view().get::<Router>(&router).unwrap().gateways.is_empty());
}

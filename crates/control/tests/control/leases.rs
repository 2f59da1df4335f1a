//! Leases of slots under any order of what hosts ask for, give back and acknowledge, with what is lost on the way: no two hosts ever translate by
//! the same one.

use crate::nat::{Scene, name};
use hadron_control::nat;
use hadron_model::{HostNumber, PortId};
use hadron_store::Revision;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const HOSTS: u8 = 3;
const SLOTS: [u16; 3] = [2000, 3000, 4000];

#[derive(Clone, Debug)]
enum Action {
    /// A host says that it wants a slot.
    Want(u8, usize),
    /// It says that it needs one no longer, even if it has it not.
    Unused(u8, usize),
    /// The server hears the next thing that a host has said.
    Hear(u8),
    /// It hears something of a stream that is over, or hears it once more.
    HearLate(u8),
    /// The server tells a host of its row as it is now.
    Tell(u8),
    /// The host puts the next row in force that it was told.
    Apply(u8),
    /// A stream ends with what is under way, and another begins: so do restarts of an agent, which has its row on disk.
    Reconnect(u8),
    /// So do all at a server's.
    Restart,
    /// The host seems to reach the router no longer.
    GiveUp(u8),
    /// A server finds that a host has acknowledged what ends.
    Judge(u8),
    /// And ends it, some time later.
    End,
}

fn action() -> impl Strategy<Value = Action> {
    let host = || 1..=HOSTS;
    let slot = || 0..SLOTS.len();
    prop_oneof![
        4 => (host(), slot()).prop_map(|(host, slot)| Action::Want(host, slot)),
        3 => (host(), slot()).prop_map(|(host, slot)| Action::Unused(host, slot)),
        8 => host().prop_map(Action::Hear),
        1 => host().prop_map(Action::HearLate),
        5 => host().prop_map(Action::Tell),
        5 => host().prop_map(Action::Apply),
        1 => host().prop_map(Action::Reconnect),
        1 => Just(Action::Restart),
        1 => host().prop_map(Action::GiveUp),
        4 => host().prop_map(Action::Judge),
        4 => Just(Action::End),
    ]
}

#[derive(Clone, Debug)]
enum Word {
    Want(u16),
    Unused(u16),
    Ack(Revision),
}

#[derive(Default)]
struct Host {
    /// What it translates by.
    row: BTreeSet<u16>,
    /// What it was told and has not put in force: revisions and slots.
    told: VecDeque<(Revision, BTreeSet<u16>)>,
    said: VecDeque<Word>,
    late: Vec<Word>,
    /// As the server knows.
    acknowledged: Revision,
}

struct World {
    scene: Scene,
    port: PortId,
    hosts: BTreeMap<u8, Host>,
    judged: Vec<((PortId, HostNumber), Revision)>,
}

impl World {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let (_, port) = scene.router().await;
        let hosts = (1..=HOSTS).map(|host| (host, Host::default())).collect();
        Self { scene, port, hosts, judged: Vec::new() }
    }

    fn host(&mut self, host: u8) -> &mut Host {
        self.hosts.get_mut(&host).unwrap()
    }

    async fn act(&mut self, action: &Action) {
        match *action {
            Action::Want(host, slot) => self.host(host).said.push_back(Word::Want(SLOTS[slot])),
            Action::Unused(host, slot) => self.host(host).said.push_back(Word::Unused(SLOTS[slot])),
            Action::Hear(host) => {
                let Some(word) = self.host(host).said.pop_front() else { return };
                self.host(host).late.push(word.clone());
                self.hear(host, word).await;
            }
            Action::HearLate(host) => match self.host(host).late.pop() {
                // What a session says counts for nothing else than itself.
                None | Some(Word::Ack(_)) => {}
                Some(word) => self.hear(host, word).await,
            },
            Action::Tell(host) => {
                let revision = self.scene.cloud.view().position().revision;
                let lease = self.scene.lease_of(&name(host), self.port);
                let slots = lease.map(|lease| lease.slots_in_force()).unwrap_or_default();
                self.host(host).told.push_back((revision, slots.into_iter().collect()));
            }
            Action::Apply(host) => {
                let host = self.host(host);
                let Some((revision, row)) = host.told.pop_front() else { return };
                host.row = row;
                host.said.push_back(Word::Ack(revision));
            }
            Action::Reconnect(host) => self.reconnect(host),
            Action::Restart => (1..=HOSTS).for_each(|host| self.reconnect(host)),
            Action::GiveUp(host) => {
                let key = (self.port, HostNumber(host.into()));
                self.write(|tx| nat::give_up(tx, &[key])).await;
            }
            Action::Judge(host) => self.judge(host),
            Action::End => {
                let judged = std::mem::take(&mut self.judged);
                self.write(|tx| nat::end(tx, &judged)).await;
            }
        }
    }

    async fn hear(&mut self, host: u8, word: Word) {
        match word {
            Word::Want(slot) => drop(self.scene.lease_slots(&name(host), self.port, &[slot]).await.unwrap()),
            Word::Unused(slot) => drop(self.scene.give_back(&name(host), self.port, &[slot]).await),
            Word::Ack(revision) => self.host(host).acknowledged = revision,
        }
    }

    fn reconnect(&mut self, host: u8) {
        let host = self.host(host);
        host.late.extend(host.said.drain(..));
        host.told.clear();
        host.acknowledged = Revision::ZERO;
    }

    fn judge(&mut self, host: u8) {
        let Some(lease) = self.scene.lease_of(&name(host), self.port) else { return };
        if !lease.ending.is_empty() && lease.modified <= self.host(host).acknowledged {
            self.judged.push(((self.port, lease.host), lease.modified));
        }
    }

    async fn write(&self, mut change: impl FnMut(&mut hadron_store::Tx)) {
        let change = |tx: &mut _| {
            change(tx);
            Ok(())
        };
        self.scene.cloud.write(change).await.unwrap();
    }

    /// What a host translates by is its own, and nobody else translates by it.
    fn check(&self) {
        let mut seen = BTreeSet::new();
        for (host, Host { row, .. }) in &self.hosts {
            let lease = self.scene.lease_of(&name(*host), self.port);
            let slots = lease.map(|lease| lease.slots.clone()).unwrap_or_default();
            for slot in row {
                assert!(slots.contains(slot), "host {host} translates by {slot}, and has {slots:?}");
                assert!(seen.insert(*slot), "two hosts translate by {slot}");
            }
        }
    }

    /// Everything arrives: nothing is ending any more.
    async fn settle(&mut self) {
        for host in 1..=HOSTS {
            while !self.hosts[&host].said.is_empty() {
                self.act(&Action::Hear(host)).await;
            }
        }
        self.judged.clear();
        for host in 1..=HOSTS {
            self.host(host).told.clear();
            for action in [Action::Tell(host), Action::Apply(host), Action::Hear(host), Action::Judge(host)] {
                self.act(&action).await;
                self.check();
            }
        }
        self.act(&Action::End).await;
        for host in 1..=HOSTS {
            let lease = self.scene.lease_of(&name(host), self.port);
            assert!(
                lease.is_none_or(|lease| lease.ending.is_empty()),
                "something of host {host}'s never ends"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_two_hosts_translate_by_one_slot(actions in prop::collection::vec(action(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for action in &actions {
                world.act(action).await;
                world.check();
            }
            world.settle().await;
        });
    }
}

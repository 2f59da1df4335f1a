//! Random policies: a few classes, sets and rules, whose prefixes, ports and addresses are those that packets have.

use super::random::Random;
use hadron_datapath::Address;
use hadron_datapath::table::*;
use std::collections::{BTreeMap, BTreeSet};

/// Ports that both packets and rules like.
pub const PORTS: [u16; 4] = [22, 80, 1000, 2000];

/// Policies that have rows; ports also name one that has none.
const POLICIES: u32 = 3;
const SETS: u32 = 4;
const CLASS: u32 = 1 << 31;

/// The tables of policies.
#[derive(Default)]
pub struct Policies {
    pub policies: BTreeMap<PolicyKey, Policy>,
    pub sets: BTreeMap<PolicySetKey, PolicySet>,
    pub classes: BTreeMap<ClassKey, Class>,
    pub members: BTreeSet<MemberKey>,
    pub member_prefixes: BTreeSet<MemberPrefixKey>,
    pub rules: BTreeMap<RuleKey, Rule>,
    pub counted: BTreeSet<u32>,
}

impl Policies {
    /// Rows about these addresses, of which there is at least one of each family.
    pub fn any(random: &mut Random, v4: &[Address], v6: &[Address]) -> Policies {
        let mut all = Policies { counted: (1..=6).collect(), ..Policies::default() };
        for policy in 1..=POLICIES {
            for way in [direction::EGRESS, direction::INGRESS] {
                all.add(random, policy, way, v4, v6);
            }
        }
        for set in 1..=SETS {
            for pool in [v4, v6] {
                all.members.extend((0..3).map(|_| MemberKey { set, address: random.pick(pool) }));
            }
            if random.one_in(2) {
                all.member_prefixes.insert(MemberPrefixKey::new(set, cut(random.pick(v4), 122), 122));
            }
        }
        all
    }

    fn add(&mut self, random: &mut Random, policy: u32, way: u32, v4: &[Address], v6: &[Address]) {
        let set_count = random.pick(&[0, 1, 2, 3, 3, 40]);
        let generation = 1 + random.below(3) as u32;
        self.policies.insert(PolicyKey { policy, direction: way }, Policy { generation, set_count });
        let any = [(Address::UNSPECIFIED_V4, 96), (Address::UNSPECIFIED, 0)];
        let narrow = (0..4).map(|_| {
            let length = random.pick(&[120, 126, 128]);
            let pool = if random.one_in(2) { v4 } else { v6 };
            (cut(random.pick(pool), length), length)
        });
        let prefixes: Vec<_> = any.into_iter().chain(narrow.collect::<Vec<_>>()).collect();
        for (class, (address, length)) in prefixes.into_iter().enumerate() {
            if random.one_in(4) {
                continue;
            }
            let class = CLASS | class as u32;
            self.classes.insert(ClassKey::new(policy, way, address, length), Class { class });
            self.add_rules(random, policy, way, class);
        }
        for slot in 0..set_count.min(3) {
            let set = 1 + random.below(SETS as usize) as u32;
            let flags = random.pick(&[1, 2, 3, 3]);
            let key = PolicySetKey { policy, direction: way, slot };
            self.sets.insert(key, PolicySet { set, flags });
            self.add_rules(random, policy, way, set);
        }
    }

    fn add_rules(&mut self, random: &mut Random, policy: u32, way: u32, source: u32) {
        for _ in 0..random.below(5) {
            let family = random.pick(&[family::IPV4, family::IPV6]);
            let protocol = random.pick(&[6, 6, 17, 1, 58, 132]);
            let port = if matches!(protocol, 1 | 58) { 0x0800 } else { random.pick(&PORTS) };
            let length =
                random.pick(&[RuleKey::FAMILY, RuleKey::PROTOCOL, RuleKey::PORT, RuleKey::PORT, 117]);
            let key = RuleKey {
                prefix_len: length,
                policy,
                direction: way,
                source,
                family,
                protocol,
                port: port.to_be_bytes(),
            };
            let flags = if random.one_in(5) { rule_flag::STATELESS } else { 0 };
            self.rules.insert(normal(key), Rule { rule: 1 + random.below(7) as u32, flags });
        }
    }

    /// Something that was allowed may be allowed no more.
    pub fn change(&mut self, random: &mut Random) {
        for row in self.policies.values_mut().filter(|_| random.one_in(2)) {
            row.generation += 1;
        }
        self.rules.retain(|_, _| !random.one_in(3));
        self.members.retain(|_| !random.one_in(4));
    }
}

/// The key with the bits behind its prefix zero, as two keys that mean the same must be one here.
fn normal(mut key: RuleKey) -> RuleKey {
    if key.prefix_len == RuleKey::FAMILY {
        key.protocol = 0;
    }
    let kept = key.prefix_len.saturating_sub(RuleKey::PROTOCOL);
    let mask = u16::MAX.checked_shl(16 - kept).unwrap_or(0);
    key.port = (u16::from_be_bytes(key.port) & mask).to_be_bytes();
    key
}

fn cut(address: Address, length: u8) -> Address {
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    Address((u128::from_be_bytes(address.0) & mask).to_be_bytes())
}

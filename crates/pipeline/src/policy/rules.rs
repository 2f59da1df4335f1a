//! The classifier: a class for the remote address, at most 32 sets that it may be in, and one look-up of rules for each.
//! Its shape and its price are in `docs/decisions/0002-policy-classifier-shape.md`.

use crate::address::Address;
use crate::env::Env;
use crate::table::{
    ClassKey, MAX_POLICY_SETS, MemberKey, MemberPrefixKey, PolicyKey, PolicySetKey, Rule, RuleKey, rule_flag,
    set_flag,
};

/// What the rules of a policy are asked.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Query {
    /// The policy.
    pub policy: u32,
    /// A constant of [`crate::table::direction`].
    pub way: u32,
    /// The other side.
    pub remote: Address,
    /// A constant of [`crate::table::family`].
    pub family: u8,
    /// IP protocol.
    pub protocol: u8,
    /// Destination port, or ICMP type and code.
    pub port: [u8; 2],
    /// Sets of the policy, once it is opened.
    pub set_count: u32,
}

const NOTHING: Rule = Rule { rule: 0, flags: 0 };

impl Rule {
    #[inline(always)]
    pub(super) fn is_stateless(self) -> bool {
        self.flags & rule_flag::STATELESS != 0
    }

    /// A rule that allows answers stands before one that doesn't.
    #[inline(always)]
    fn is_final(self) -> bool {
        self.rule != 0 && !self.is_stateless()
    }
}

/// A rule that allows it; one numbered 0 if none does. `generation` becomes that of the policy before any rule was read, so that
/// what a change meanwhile takes away is judged again.
#[inline(always)]
pub(super) fn find<E: Env>(env: &mut E, query: &mut Query, generation: &mut u32) -> Rule {
    let Some(policy) = env.policy(&PolicyKey { policy: query.policy, direction: query.way }) else {
        *generation = 0;
        return NOTHING;
    };
    *generation = policy.generation;
    query.set_count = policy.set_count;
    let word = env.find_rule(query);
    Rule { rule: word as u32, flags: (word >> 32) as u32 }
}

/// The same in one word: the rule's number in the lower half, its flags in the upper.
#[inline(always)]
pub fn find_rule<E: Env>(env: &E, query: &Query) -> u64 {
    let mut found = by_class(env, query);
    if !found.is_final() {
        found = by_sets(env, query, found);
    }
    u64::from(found.flags) << 32 | u64::from(found.rule)
}

#[inline(always)]
fn by_class<E: Env>(env: &E, query: &Query) -> Rule {
    let Some(class) = env.class(&ClassKey::new(query.policy, query.way, query.remote, 128)) else {
        return NOTHING;
    };
    let class = class.class;
    look_up(env, query, class)
}

#[inline(always)]
fn by_sets<E: Env>(env: &E, query: &Query, so_far: Rule) -> Rule {
    let mut found = so_far;
    let mut slot = 0;
    while slot < MAX_POLICY_SETS && slot < query.set_count {
        let next = by_set(env, query, slot);
        if next.rule != 0 {
            found = next;
        }
        if found.is_final() {
            return found;
        }
        slot += 1;
    }
    found
}

#[inline(never)]
fn by_set<E: Env>(env: &E, query: &Query, slot: u32) -> Rule {
    let key = PolicySetKey { policy: query.policy, direction: query.way, slot };
    let Some(row) = env.policy_set(&key) else { return NOTHING };
    let (set, flags) = (row.set, row.flags);
    if is_member(env, set, flags, query.remote) { look_up(env, query, set) } else { NOTHING }
}

#[inline(always)]
fn is_member<E: Env>(env: &E, set: u32, flags: u32, address: Address) -> bool {
    if flags & set_flag::HAS_ADDRESSES != 0 && env.is_member(&MemberKey { set, address }) {
        return true;
    }
    flags & set_flag::HAS_PREFIXES != 0 && env.is_member_prefix(&MemberPrefixKey::new(set, address, 128))
}

#[inline(always)]
fn look_up<E: Env>(env: &E, query: &Query, source: u32) -> Rule {
    let key = RuleKey {
        prefix_len: RuleKey::PORT,
        policy: query.policy,
        direction: query.way,
        source,
        family: query.family,
        protocol: query.protocol,
        port: query.port,
    };
    match env.rule(&key) {
        Some(rule) => *rule,
        None => NOTHING,
    }
}

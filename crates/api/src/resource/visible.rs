//! Whether a caller may know of what its request names.

use super::floating_ip::FloatingIps;
use super::network::Networks;
use super::port::Ports;
use super::router::Routers;
use super::subnet::Subnets;
use super::subnet_pool::SubnetPools;
use super::target::Subject;
use super::{Object, Resource};
use crate::Caller;
use crate::policy::Policy;
use crate::values::Table;
use crate::view::View;
use uuid::Uuid;

/// What a caller may know of.
#[derive(Clone, Copy)]
pub struct Sees<'a> {
    policy: &'a Policy,
    caller: &'a Caller,
    view: &'a View<'a>,
}

impl<'a> Sees<'a> {
    pub(super) fn new(policy: &'a Policy, caller: &'a Caller, view: &'a View<'a>) -> Self {
        Self { policy, caller, view }
    }

    /// The project that asks; empty without one.
    pub fn project(&self) -> &'a str {
        self.caller.project()
    }

    /// Whether there is such a network and the caller may know of it.
    pub fn network(&self, id: Uuid) -> bool {
        is_visible::<Networks>(self.policy, self.caller, self.view, id)
    }

    /// Whether there is such a subnet and the caller may know of it.
    pub fn subnet(&self, id: Uuid) -> bool {
        is_visible::<Subnets>(self.policy, self.caller, self.view, id)
    }

    /// Whether there is such a floating IP and the caller may know of it.
    pub fn floating_ip(&self, id: Uuid) -> bool {
        is_visible::<FloatingIps>(self.policy, self.caller, self.view, id)
    }

    /// Whether there is such a router and the caller may know of it.
    pub fn router(&self, id: Uuid) -> bool {
        is_visible::<Routers>(self.policy, self.caller, self.view, id)
    }

    /// Whether there is such a subnet pool and the caller may know of it.
    pub fn subnet_pool(&self, id: Uuid) -> bool {
        is_visible::<SubnetPools>(self.policy, self.caller, self.view, id)
    }

    /// Whether there is such a port and the caller may know of it.
    pub fn port(&self, id: Uuid) -> bool {
        is_visible::<Ports>(self.policy, self.caller, self.view, id)
    }
}

/// Whether there is such a network and the caller may know of it.
pub(super) fn network(policy: &Policy, caller: &Caller, view: &View<'_>, id: Uuid) -> bool {
    is_visible::<Networks>(policy, caller, view, id)
}

/// Whether there is such a subnet and the caller may know of it.
pub(super) fn subnet(policy: &Policy, caller: &Caller, view: &View<'_>, id: Uuid) -> bool {
    is_visible::<Subnets>(policy, caller, view, id)
}

fn is_visible<R: Resource>(policy: &Policy, caller: &Caller, view: &View<'_>, id: Uuid) -> bool {
    let Some(record) = view.get::<R::Record>(&R::Record::key_of(id)) else { return false };
    let table = Table { attributes: R::ATTRIBUTES, names: R::NAMES };
    let subject = Subject::<R> { table, record: Some(&record.value), values: None, view, is_bare: false };
    (R::is_within_reach(&record.value, view) || policy.is_unscoped(caller))
        && policy.check(policy.deciding(&format!("get_{}", R::POLICY_NAME)), caller, &subject)
}

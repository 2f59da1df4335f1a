//! Resources: what each is, and the machinery that all share.
//!
//! A resource is a type that implements [`Resource`]: its table of attributes, how its records are found, and its create,
//! update and delete, each a call into `hadron-control`. Everything else is written once, in [`Endpoint`]. To add one, see
//! `docs/how-to-add-a-resource.md`.

pub mod address_group;
pub mod address_scope;
pub mod agent;
mod answer;
mod auto_topology;
pub(crate) mod changed;
mod default_group;
pub mod default_rule;
pub mod default_statefulness;
mod endpoint;
pub mod floating_ip;
pub mod floating_ip_fields;
mod floating_ip_pool;
pub mod gateway;
mod loggable_resource;
pub mod network;
mod network_ip_availability;
pub mod packet_log;
pub mod port;
mod port_binding;
mod port_detail;
pub mod port_forwarding;
mod port_values;
mod quota;
pub mod rbac_policy;
pub mod router;
mod router_action;
mod rule_match;
mod scheduler;
pub mod security_group;
pub mod security_group_rule;
pub mod segment;
pub mod segment_range;
mod sharing;
pub mod subnet;
pub mod subnet_pool;
pub mod tagging;
mod target;
#[cfg(test)]
mod tests;
mod visible;
mod zone;

pub(crate) use endpoint::{Endpoint, Served, Tagged};
pub use tagging::Tagging;
pub use visible::Sees;

use crate::ApiError;
use crate::attribute::Attribute;
use crate::filter::Filters;
use crate::request::Call;
use crate::state::ApiState;
use crate::values::Values;
use crate::view::View;
use hadron_control::{Config, Error, Step};
use hadron_store::{CommitInfo, Record, Snapshot, Store, Stored, Tx};
use serde_json::Value;
use std::future::Future;
use std::sync::Arc;
use uuid::Uuid;

/// Every resource that is served, in the order in which discovery names them.
pub(crate) fn all(policy: &crate::policy::Policy) -> Vec<Box<dyn Endpoint>> {
    [
        serve::<network::Networks>(policy),
        serve::<subnet::Subnets>(policy),
        serve::<port::Ports>(policy),
        serve::<security_group::SecurityGroups>(policy),
        serve::<security_group_rule::SecurityGroupRules>(policy),
        serve::<address_group::AddressGroups>(policy),
        serve::<default_rule::DefaultRules>(policy),
        serve::<default_statefulness::DefaultStatefulnesses>(policy),
        serve::<packet_log::PacketLogs>(policy),
        vec![Box::new(loggable_resource::LoggableResources::new(policy))],
        serve::<router::Routers>(policy),
        serve::<rbac_policy::RbacPolicies>(policy),
        serve::<floating_ip::FloatingIps>(policy),
        serve::<port_forwarding::PortForwardings>(policy),
        vec![Box::new(floating_ip_pool::FloatingIpPools::new(policy))],
        serve::<subnet_pool::SubnetPools>(policy),
        serve::<address_scope::AddressScopes>(policy),
        serve::<agent::Agents>(policy),
        serve::<segment::Segments>(policy),
        serve::<segment_range::SegmentRanges>(policy),
        vec![Box::new(network_ip_availability::NetworkIpAvailabilities::new(policy))],
    ]
    .into_iter()
    .flatten()
    .chain([
        Box::new(quota::Quotas::new(policy)) as Box<dyn Endpoint>,
        Box::new(scheduler::ObjectsOfAgent::<scheduler::Dhcp>::new(policy)),
        Box::new(scheduler::AgentsOfObject::<scheduler::Dhcp>::new(policy)),
        Box::new(scheduler::ObjectsOfAgent::<scheduler::Routing>::new(policy)),
        Box::new(scheduler::AgentsOfObject::<scheduler::Routing>::new(policy)),
        Box::new(port_binding::PortBindings::new(policy)),
        Box::new(auto_topology::AutoTopologies::new(policy)),
        Box::new(zone::Derived::zones(policy)),
        Box::new(zone::Derived::service_providers(policy)),
    ])
    .collect()
}

/// A resource, and the tags of its objects if they have some.
fn serve<R: Resource>(policy: &crate::policy::Policy) -> Vec<Box<dyn Endpoint>> {
    let mut endpoints: Vec<Box<dyn Endpoint>> = vec![Box::new(Served::<R>::new(policy))];
    if let Some(tagging) = R::TAGS {
        endpoints.push(Box::new(Tagged::<R>::new(policy, tagging)));
    }
    endpoints
}

/// Whose objects a list is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope<'a> {
    /// Everybody's: an administrator or another service asks.
    All,
    /// Those of one project, and what others share.
    Project(&'a str),
}

/// What the operations of a resource know about a request.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Whether an administrator asks.
    pub is_admin: bool,
    /// The state that the request is judged in.
    pub view: &'a View<'a>,
    /// What the caller may know of.
    pub sees: Sees<'a>,
}

/// A record that belongs to a resource, by UUID.
pub trait Object: Record {
    /// Its id.
    fn id(&self) -> Uuid;
    /// The key of an id.
    fn key_of(id: Uuid) -> Self::Key;
}

/// What objects belong to, as `/v2.0/floatingips/ID` in `/v2.0/floatingips/ID/port_forwardings`.
pub struct Parent<R> {
    /// Its name for many.
    pub collection: &'static str,
    /// Its name for one.
    pub member: &'static str,
    /// Neutron's exception when there is none of an id.
    pub not_found: &'static str,
    /// Which one a record belongs to.
    pub of: fn(&R) -> Uuid,
    /// Whether there is one of an id and the caller may know of it.
    pub is_visible: fn(Sees<'_>, Uuid) -> bool,
    /// The project of the one of an id, if there is one.
    pub project: for<'a> fn(&'a Snapshot, Uuid) -> Option<&'a str>,
}

/// A kind of object of the API.
pub trait Resource: Sized + Send + Sync + 'static {
    /// The record behind it.
    type Record: Object + hadron_control::bulk::Made;
    /// What a new one is made of.
    type New: Send + Sync + 'static;
    /// What a change is made of.
    type Change: Send + Sync + 'static;

    /// Its name for one, as in `{"network": …}`.
    const MEMBER: &'static str;
    /// Its name for many, as in `/v2.0/networks`.
    const COLLECTION: &'static str;
    /// Neutron's exception when there is none of an id.
    const NOT_FOUND: &'static str;
    /// Its attributes.
    const ATTRIBUTES: &'static [Attribute<Self::Record>];
    /// Their names.
    const NAMES: &'static [&'static str];
    /// Its name in rules of policy, as in `create_network`.
    const POLICY_NAME: &'static str = Self::MEMBER;
    /// What its objects belong to, if they stand below that.
    const PARENT: Option<Parent<Self::Record>> = None;
    /// Whether many can be created at once.
    const IS_BULK: bool = true;
    /// Whether requests create its objects.
    const IS_CREATED: bool = true;
    /// Whether hosts need its objects, so that each has a receipt.
    const IS_ON_HOSTS: bool = false;
    /// How its objects are tagged, if they can be.
    const TAGS: Option<Tagging<Self::Record>> = None;
    /// What can be done with an object beside changing its attributes, as paths behind the object's and names of policy rules.
    const ACTIONS: &'static [&'static str] = &[];

    /// Records among which are all that a list asks for, by id. The more the filters narrow it the better, but the caller
    /// applies them again, and policy.
    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<Self::Record>>>;

    /// Whether the caller's project could know of the record, whatever policy lets it see: it is the project's own, or shared
    /// with it. Rules of an operator, and deprecated defaults, let everybody see what is within reach.
    fn is_within_reach(_record: &Self::Record, _view: &View<'_>) -> bool {
        true
    }

    /// Makes what every list has to show, before one is made.
    fn settle(_state: &ApiState, _call: &Call, _filters: &Filters) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// What must hold before policy can judge a new object: what it belongs to exists and may be known to the caller.
    fn check_parents(
        request: Request<'_>,
        is_network_visible: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<(), ApiError>;

    /// Makes a new object of checked values.
    fn prepare_new(
        request: Request<'_>,
        is_subnet_visible: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<Self::New, ApiError>;

    /// What must hold of objects that are to be created at once.
    fn check_many(_news: &[Self::New]) -> Result<(), Error> {
        Ok(())
    }

    /// Makes the change of an action of a request's body.
    fn prepare_action(_request: Request<'_>, _action: &str, _body: &Value) -> Result<Self::Change, ApiError> {
        Err(ApiError::not_found())
    }

    /// Does an action that is answered with something else than the object; `None` for one that changes the object.
    fn act(
        _tx: &mut Tx,
        _config: &Config,
        _id: Uuid,
        _change: &Self::Change,
        _revision: Option<u64>,
    ) -> Option<Result<Value, Error>> {
        None
    }

    /// Makes a change of checked values.
    fn prepare_change(
        request: Request<'_>,
        is_subnet_visible: &dyn Fn(Uuid) -> bool,
        old: &Self::Record,
        values: &Values,
    ) -> Result<Self::Change, ApiError>;

    /// Creates.
    fn create(tx: &mut Tx, config: &Config, new: &Self::New) -> Result<Self::Record, Error>;

    /// Completes the creation of `made` by what may not have fitted its transaction.
    fn complete(
        _store: &Store,
        _config: &Config,
        _info: &CommitInfo,
        _made: &Self::Record,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Changes.
    fn update(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        change: &Self::Change,
        revision: Option<u64>,
    ) -> Result<Self::Record, Error>;

    /// Deletes; `is_admin` tells whether an administrator asks.
    fn delete(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        is_admin: bool,
        revision: Option<u64>,
    ) -> Result<Step<()>, Error>;
}

/// The names of a table, for `Resource::NAMES`.
pub const fn names<R, const N: usize>(table: &[Attribute<R>]) -> [&'static str; N] {
    assert!(table.len() == N, "one name for each attribute");
    let mut names = [""; N];
    let mut index = 0;
    while index < N {
        names[index] = table[index].name;
        index += 1;
    }
    names
}

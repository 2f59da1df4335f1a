//! What is shared with whom. Each answer takes logarithmic time to find and is then linear in what it lists.

use super::{Record1, Snapshot};
use hadron_model::{
    Access, AddressGroupId, AddressScopeId, NetworkId, RbacPolicy, SecurityGroupId, Shareable, SubnetPoolId,
    Target,
};
use uuid::Uuid;

/// The lowest identity, where a range begins.
const NIL: Uuid = Uuid::nil();

impl Snapshot {
    /// The policy that permits a target this access to an object.
    pub fn rbac_policy(
        &self,
        object: Shareable,
        access: Access,
        target: &Target,
    ) -> Option<&Record1<RbacPolicy>> {
        let id = self.indexes.sharing.policies.get(&(object, access, target.clone()))?;
        self.find::<RbacPolicy>(id)
    }

    /// The policies of an object: access by access, that for everyone first.
    pub fn rbac_policies_of_object(&self, object: Shareable) -> impl Iterator<Item = &Record1<RbacPolicy>> {
        let first = (object, Access::Shared, Target::Everyone);
        let policies = self.indexes.sharing.policies.range(first..);
        policies.take_while(move |(key, _)| key.0 == object).filter_map(|(_, id)| self.find::<RbacPolicy>(id))
    }

    /// The policy by which a project has this access to an object: that for everyone, or its own.
    pub fn rbac_grant(
        &self,
        object: Shareable,
        access: Access,
        project: &str,
    ) -> Option<&Record1<RbacPolicy>> {
        let first = (object, access, Target::Everyone);
        let (key, id) = self.indexes.sharing.policies.range(first..).next()?;
        if (key.0, key.1) != (object, access) {
            return None;
        }
        match &key.2 {
            Target::Everyone => self.find::<RbacPolicy>(id),
            Target::Project(_) => self.rbac_policy(object, access, &Target::Project(project.to_owned())),
        }
    }

    /// Whether a policy lets the project see and use the object. To its owner it need not be shared.
    pub fn is_shared_with(&self, object: Shareable, project: &str) -> bool {
        self.rbac_grant(object, Access::Shared, project).is_some()
    }

    /// Whether a policy lets any project reach the outside through the network (`router:external`).
    pub fn is_external(&self, network: NetworkId) -> bool {
        let first = (Shareable::Network(network), Access::External, Target::Everyone);
        let next = self.indexes.sharing.policies.range(first..).next();
        next.is_some_and(|(key, _)| (key.0, key.1) == (Shareable::Network(network), Access::External))
    }

    /// A project's policies, by id.
    pub fn rbac_policies_of_project(&self, project: &str) -> impl Iterator<Item = &Record1<RbacPolicy>> {
        let ids = self.indexes.projects.get(project).into_iter().flat_map(|owned| owned.rbac_policies.iter());
        ids.filter_map(|id| self.find::<RbacPolicy>(id))
    }

    /// How many policies a project has.
    pub fn count_rbac_policies_of_project(&self, project: &str) -> usize {
        self.indexes.projects.get(project).map_or(0, |owned| owned.rbac_policies.len())
    }

    /// The networks to which policies give the project, or everyone, this access; some may come twice.
    pub fn networks_granted(&self, project: &str, access: Access) -> impl Iterator<Item = NetworkId> {
        self.granted(project, access, Shareable::Network(NetworkId(NIL)), |object| match object {
            Shareable::Network(id) => Some(id),
            _ => None,
        })
    }

    /// The subnet pools that are shared with the project, or everyone; some may come twice.
    pub fn subnet_pools_granted(&self, project: &str) -> impl Iterator<Item = SubnetPoolId> {
        let first = Shareable::SubnetPool(SubnetPoolId(NIL));
        self.granted(project, Access::Shared, first, |object| match object {
            Shareable::SubnetPool(id) => Some(id),
            _ => None,
        })
    }

    /// The address scopes that are shared with the project, or everyone; some may come twice.
    pub fn address_scopes_granted(&self, project: &str) -> impl Iterator<Item = AddressScopeId> {
        let first = Shareable::AddressScope(AddressScopeId(NIL));
        self.granted(project, Access::Shared, first, |object| match object {
            Shareable::AddressScope(id) => Some(id),
            _ => None,
        })
    }

    /// The address groups that are shared with the project, or everyone; some may come twice.
    pub fn address_groups_granted(&self, project: &str) -> impl Iterator<Item = AddressGroupId> {
        let first = Shareable::AddressGroup(AddressGroupId(NIL));
        self.granted(project, Access::Shared, first, |object| match object {
            Shareable::AddressGroup(id) => Some(id),
            _ => None,
        })
    }

    /// The security groups that are shared with the project, or everyone; some may come twice.
    pub fn security_groups_granted(&self, project: &str) -> impl Iterator<Item = SecurityGroupId> {
        let first = Shareable::SecurityGroup(SecurityGroupId(NIL));
        self.granted(project, Access::Shared, first, |object| match object {
            Shareable::SecurityGroup(id) => Some(id),
            _ => None,
        })
    }

    /// The objects of one kind, from `first` on, to which the project or everyone has access.
    fn granted<T>(
        &self,
        project: &str,
        access: Access,
        first: Shareable,
        of_kind: fn(Shareable) -> Option<T>,
    ) -> impl Iterator<Item = T> {
        let targets = [Target::Everyone, Target::Project(project.to_owned())];
        targets.into_iter().flat_map(move |target| {
            let keys = self.indexes.sharing.granted.range((target.clone(), access, first)..);
            let same = keys.take_while(move |key| (&key.0, key.1) == (&target, access));
            same.map_while(move |key| of_kind(key.2))
        })
    }
}

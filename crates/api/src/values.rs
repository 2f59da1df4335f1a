//! What a caller gives for an object: taken from JSON, completed, converted and checked by the resource's table.

use crate::attribute::{Attribute, Convert, Default, Fault, Mask, Validate};
use crate::validate::{mac_of, parse_address, parse_prefix, parse_uuid, show, to_integer};
use crate::{ApiError, Caller};
use hadron_model::{HostRoute, IpNet, Mac};
use serde_json::{Map, Value};
use std::net::IpAddr;
use uuid::Uuid;

/// Values by their place in a resource's table; `None` is not specified.
#[derive(Clone, PartialEq, Debug)]
pub struct Values {
    names: &'static [&'static str],
    values: Vec<Option<Value>>,
    /// Those that the caller gave.
    pub(crate) given: Mask,
    /// What the object belongs to, if its address names that.
    pub(crate) parent: Option<Uuid>,
}

/// What is being asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A new object.
    Create,
    /// A change.
    Update,
}

/// Names of a resource's attributes, with its table.
pub(crate) struct Table<R: 'static> {
    pub(crate) attributes: &'static [Attribute<R>],
    pub(crate) names: &'static [&'static str],
}

impl<R> Clone for Table<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Table<R> {}

impl<R> Table<R> {
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }
}

impl Values {
    /// Reads an object from a request's body, in the order in which Neutron finds faults: owner, unknown attributes, missing
    /// and forbidden ones, then conversion and check of each.
    pub(crate) fn read<R>(
        table: Table<R>,
        mut object: Map<String, Value>,
        purpose: Purpose,
        caller: &Caller,
        may_name_owner: bool,
    ) -> Result<Self, ApiError> {
        name_owner(&mut object, purpose, caller, may_name_owner)?;
        if table.place("tenant_id").is_none() && table.place("project_id").is_some() {
            object.remove("tenant_id");
        }
        let unknown: Vec<&str> =
            object.keys().map(String::as_str).filter(|name| table.place(name).is_none()).collect();
        if !unknown.is_empty() {
            return Err(ApiError::bad_request(format!("unrecognized attribute(s): {}", unknown.join(", "))));
        }
        let mut values = vec![None; table.attributes.len()];
        let mut given = Mask::EMPTY;
        for (index, attribute) in table.attributes.iter().enumerate() {
            let value = object.remove(attribute.name);
            if value.is_some() {
                given = given.with(index);
            }
            values[index] = match purpose {
                Purpose::Create => on_create(attribute, value)?,
                Purpose::Update => on_update(attribute, value)?,
            };
        }
        for (attribute, slot) in table.attributes.iter().zip(&mut values) {
            let Some(value) = slot.take() else { continue };
            let value = attribute.convert.apply(value)?;
            if !(value.is_null() && attribute.convert == Convert::Mac) {
                check(attribute.name, attribute.validate, &value)?;
            }
            *slot = Some(value);
        }
        Ok(Self { names: table.names, values, given, parent: None })
    }

    /// The value of an attribute; `None` if it is not specified.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let index = self.names.iter().position(|known| *known == name)?;
        self.values[index].as_ref()
    }

    /// Whether the caller gave it, be it the default.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.names.iter().position(|known| *known == name).is_some_and(|index| self.given.has(index))
    }

    pub(crate) fn at(&self, index: usize) -> Option<&Value> {
        self.values[index].as_ref()
    }

    /// A text; `None` if it is not specified or not a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.as_str().map(str::to_owned)
    }

    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(to_integer)
    }

    pub(crate) fn uuid(&self, name: &str) -> Option<Uuid> {
        self.get(name)?.as_str().and_then(parse_uuid)
    }

    pub(crate) fn prefix(&self, name: &str) -> Option<IpNet> {
        self.get(name)?.as_str().and_then(parse_prefix)
    }

    /// A list of UUIDs.
    pub(crate) fn uuids(&self, name: &str) -> Option<Vec<Uuid>> {
        let list = self.get(name)?.as_array()?;
        Some(list.iter().filter_map(|value| value.as_str().and_then(parse_uuid)).collect())
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<&str>> {
        let list = self.get(name)?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).collect())
    }

    /// A list of prefixes.
    pub(crate) fn prefixes(&self, name: &str) -> Option<Vec<IpNet>> {
        let list = self.get(name)?.as_array()?;
        Some(list.iter().filter_map(|value| value.as_str().and_then(parse_prefix)).collect())
    }

    pub(crate) fn mac(&self, name: &str) -> Option<Mac> {
        self.get(name).and_then(mac_of)
    }

    /// An address or null.
    pub(crate) fn address(&self, name: &str) -> Option<Option<IpAddr>> {
        self.get(name).map(|value| value.as_str().and_then(parse_address))
    }

    pub(crate) fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        let list = self.get(name)?.as_array()?;
        Some(list.iter().filter_map(|value| value.as_str().and_then(parse_address)).collect())
    }

    pub(crate) fn pools(&self, name: &str) -> Option<Vec<(IpAddr, IpAddr)>> {
        let list = self.get(name)?.as_array()?;
        let end = |pool: &Value, key: &str| pool.get(key)?.as_str().and_then(parse_address);
        Some(list.iter().filter_map(|pool| Some((end(pool, "start")?, end(pool, "end")?))).collect())
    }

    pub(crate) fn routes(&self, name: &str) -> Option<Vec<HostRoute>> {
        Some(routes_of(self.get(name)?.as_array()?))
    }
}

/// The routes of a checked list.
pub(crate) fn routes_of(list: &[Value]) -> Vec<HostRoute> {
    let route = |route: &Value| {
        Some(HostRoute {
            destination: route.get("destination")?.as_str().and_then(parse_prefix)?,
            nexthop: route.get("nexthop")?.as_str().and_then(parse_address)?,
        })
    };
    list.iter().filter_map(route).collect()
}

fn on_create<R>(attribute: &Attribute<R>, value: Option<Value>) -> Result<Option<Value>, ApiError> {
    match value {
        Some(_) if !attribute.post => {
            Err(ApiError::bad_request(format!("attribute '{}' can't be given on create", attribute.name)))
        }
        Some(value) => Ok(Some(value)),
        None if attribute.post && attribute.default == Default::Required => {
            Err(ApiError::bad_request(format!("attribute '{}' is required", attribute.name)))
        }
        None if attribute.post => Ok(attribute.default.value()),
        None => Ok(None),
    }
}

fn on_update<R>(attribute: &Attribute<R>, value: Option<Value>) -> Result<Option<Value>, ApiError> {
    if value.is_some() && !attribute.put {
        return Err(ApiError::bad_request(format!("attribute '{}' is read-only", attribute.name)));
    }
    Ok(value)
}

/// Checks a value by its name.
pub(crate) fn check(name: &str, validate: Validate, value: &Value) -> Result<(), ApiError> {
    validate.check(value).map_err(|fault| match fault {
        Fault::Reason(reason) => ApiError::bad_request(format!("invalid value for {name}: {reason}")),
        Fault::Error(error) => error,
    })
}

/// Fills in `project_id` and `tenant_id`, which are one, and refuses an owner that the caller may not name.
fn name_owner(
    object: &mut Map<String, Value>,
    purpose: Purpose,
    caller: &Caller,
    may_name_owner: bool,
) -> Result<(), ApiError> {
    let project = match (object.get("project_id"), object.get("tenant_id")) {
        (Some(a), Some(b)) if a != b => {
            return Err(ApiError::bad_request("'project_id' and 'tenant_id' do not match"));
        }
        (Some(project), _) | (None, Some(project)) => Some(project.clone()),
        (None, None) => None,
    };
    if let Some(project) = project {
        if project.as_str() != caller.project_id.as_deref() && !may_name_owner {
            return Err(ApiError::bad_request(format!(
                "project_id '{}' is not the caller's own, which only an administrator may name",
                show(&project)
            )));
        }
        object.insert("project_id".to_owned(), project.clone());
        object.insert("tenant_id".to_owned(), project);
    } else if purpose == Purpose::Create {
        let Some(project) = &caller.project_id else {
            return Err(ApiError::bad_request("project_id is required with a token that names no project"));
        };
        object.insert("project_id".to_owned(), project.as_str().into());
        object.insert("tenant_id".to_owned(), project.as_str().into());
    }
    Ok(())
}

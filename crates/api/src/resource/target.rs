//! An object as policy sees it.

use super::Resource;
use crate::attribute::Default;
use crate::field::Field;
use crate::policy::Target;
use crate::validate::parse_uuid;
use crate::values::{Table, Values};
use crate::view::View;
use hadron_model::{Network, NetworkId, SecurityGroup, SecurityGroupId, Shareable};
use serde_json::Value;
use std::borrow::Cow;
use uuid::Uuid;

/// A record, a request for a new object, or a record with changes on top.
pub(super) struct Subject<'a, R: Resource> {
    pub(super) table: Table<R::Record>,
    pub(super) record: Option<&'a R::Record>,
    pub(super) values: Option<&'a Values>,
    pub(super) view: &'a View<'a>,
    /// Whether it has only the attributes that policy needs to judge any request.
    pub(super) is_bare: bool,
}

impl<'a, R: Resource> Subject<'a, R> {
    /// The id in an attribute, as asked for or else as it is.
    fn id_in(&self, attribute: &str) -> Option<Uuid> {
        let index = self.table.place(attribute)?;
        match self.values.and_then(|values| values.at(index)) {
            Some(value) => value.as_str().and_then(parse_uuid),
            None => {
                self.record.and_then(|record| id_of((self.table.attributes[index].read)(record, self.view)))
            }
        }
    }

    /// The network that it belongs to.
    fn network(&self) -> Option<&'a Network> {
        self.view.get::<Network>(&NetworkId(self.id_in("network_id")?)).map(|network| &network.value)
    }

    /// The project of what it belongs to.
    fn parent_project(&self) -> Option<&'a str> {
        let parent = R::PARENT?;
        let of_record = self.record.map(|record| (parent.of)(record));
        (parent.project)(self.view, of_record.or_else(|| self.values?.parent)?)
    }

    /// The security group that it belongs to.
    fn security_group(&self) -> Option<&'a SecurityGroup> {
        let id = SecurityGroupId(self.id_in("security_group_id")?);
        self.view.get::<SecurityGroup>(&id).map(|group| &group.value)
    }
}

impl<R: Resource> Target for Subject<'_, R> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(index) = self.table.place(name) {
            let attribute = &self.table.attributes[index];
            if self.is_bare && !attribute.required_by_policy && attribute.default != Default::Required {
                return None;
            }
            if let Some(value) = self.values.and_then(|values| values.at(index)) {
                return text_of_value(value);
            }
            if let Some(record) = self.record {
                return text_of_field((self.table.attributes[index].read)(record, self.view)?);
            }
        }
        match name {
            "network:project_id" | "network:tenant_id" => Some(Cow::Borrowed(&self.network()?.project_id)),
            "security_group:project_id" | "security_group:tenant_id" => {
                Some(Cow::Borrowed(&self.security_group()?.project_id))
            }
            "shared" => {
                let network = Shareable::Network(self.network()?.id);
                Some(Cow::Borrowed(boolean(self.view.is_shared_with(network, self.view.project()))))
            }
            "ext_parent:project_id" | "ext_parent:tenant_id" => Some(Cow::Borrowed(self.parent_project()?)),
            _ => None,
        }
    }
}

fn id_of(field: Option<Field<'_>>) -> Option<Uuid> {
    match field {
        Some(Field::Id(id)) => Some(id),
        _ => None,
    }
}

fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

fn text_of_value(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(value) => Some(Cow::Borrowed(boolean(*value))),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

fn text_of_field(field: Field<'_>) -> Option<Cow<'_, str>> {
    match field {
        Field::Text(text) => Some(Cow::Borrowed(text)),
        Field::Bool(value) => Some(Cow::Borrowed(boolean(value))),
        other => {
            let mut text = String::new();
            other.write_text(&mut text).then_some(Cow::Owned(text))
        }
    }
}

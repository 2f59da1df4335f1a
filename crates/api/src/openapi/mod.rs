//! The published description of the API, OpenAPI 3.1, made of the tables by which requests are judged.
//!
//! It is served at `/v2.0/openapi.json`, without a token, and stands in `spec/openapi.json`; a test holds the two together.

mod schema;

use crate::description::{Column, Description, Operation, OperationKind, descriptions};
use crate::error::json_response;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

/// The description.
pub fn document() -> Value {
    let descriptions = descriptions();
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas = schema::shared();
    for description in &descriptions {
        for operation in &description.operations {
            let path = paths.entry(format!("/v2.0{}", operation.path)).or_insert_with(|| json!({}));
            path[operation.method.to_lowercase()] = of_operation(description, operation);
        }
        if let Some(columns) = &description.attributes {
            schemas.extend(of_attributes(description, columns));
        }
    }
    paths.insert(
        "/v2.0/extensions".to_owned(),
        json!({"get": plain("list_extensions", "Which extensions work here")}),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Networking API v2.0",
            "version": "2.0",
            "description": "What this server answers, made of the tables by which it judges requests.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Refused": {"description": "Not done, and why.", "content": content("#/components/schemas/NeutronError")},
                "Unauthenticated": {
                    "description": "There is no valid token, or none can be validated now.",
                    "content": content("#/components/schemas/IdentityError"),
                },
                "Unavailable": {
                    "description": "Not now: tokens can't be validated, or the store takes no writes.",
                    "content": {"application/json": {"schema": {"anyOf": [
                        {"$ref": "#/components/schemas/IdentityError"}, {"$ref": "#/components/schemas/NeutronError"},
                    ]}}},
                },
            },
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    })
}

/// The description as an answer.
pub(crate) fn answer() -> Response<Body> {
    json_response(StatusCode::OK, DOCUMENT.clone())
}

fn content(schema: &str) -> Value {
    json!({"application/json": {"schema": {"$ref": schema}}})
}

/// `security_group` as `SecurityGroup`.
fn type_name(member: &str) -> String {
    member.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// An operation of which no more is told than its statuses.
fn plain(name: &str, summary: &str) -> Value {
    json!({"operationId": name, "summary": summary, "responses": responses("200", json!({"description": "Done."}))})
}

fn responses(success: &str, answer: Value) -> Value {
    json!({
        success: answer,
        "401": {"$ref": "#/components/responses/Unauthenticated"},
        "4XX": {"$ref": "#/components/responses/Refused"},
        "501": {"$ref": "#/components/responses/Refused"},
        "503": {"$ref": "#/components/responses/Unavailable"},
    })
}

fn of_operation(description: &Description, operation: &Operation) -> Value {
    let name = type_name(description.member);
    let (member, collection) = (description.member, description.collection);
    let schema = format!("#/components/schemas/{name}");
    let has_table = description.attributes.is_some();
    let one = json!({"type": "object", "required": [member], "properties": {member: {"$ref": schema}}});
    let many = json!({"type": "object", "required": [collection],
        "properties": {collection: {"type": "array", "items": {"$ref": schema}}}});
    let told = |text: &str, schema: &Value| json!({"description": text, "content": {"application/json": {"schema": schema}}});
    let verb = format!("{:?}", operation.kind).to_lowercase();
    let mut described = match operation.kind {
        OperationKind::List if has_table => {
            json!({"responses": responses("200", told("The objects.", &listed(collection, &schema)))})
        }
        OperationKind::Show if has_table => json!({"responses": responses("200", told("The object.", &one))}),
        OperationKind::Create if has_table => {
            let both = if description.is_bulk { json!({"anyOf": [one, many]}) } else { one };
            json!({"responses": responses("201", told("What was made.", &both)), "requestBody": requested(description, &format!("New{name}"), true)})
        }
        OperationKind::Update if has_table => {
            json!({"responses": responses("200", told("The object as it is now.", &one)), "requestBody": requested(description, &format!("{name}Change"), false)})
        }
        OperationKind::Delete => json!({"responses": responses("204", json!({"description": "Gone."}))}),
        _ => json!({"responses": responses("2XX", json!({"description": "Done."}))}),
    };
    let mut parts = operation.path.rsplit('/').map(|part| part.trim_matches(['{', '}']));
    let last = match parts.next().unwrap_or_default() {
        "id" => format!("{}_id", parts.next().unwrap_or_default()),
        other => other.to_owned(),
    };
    described["operationId"] = match operation.kind {
        OperationKind::Other => format!("{}_{member}_{last}", operation.method.to_lowercase()).into(),
        _ => format!("{verb}_{member}").into(),
    };
    described["tags"] = json!([collection]);
    let parameters = parameters(description, operation);
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    described
}

fn listed(collection: &str, schema: &str) -> Value {
    let links = format!("{collection}_links");
    json!({
        "type": "object",
        "required": [collection],
        "properties": {
            collection: {"type": "array", "items": {"$ref": schema}},
            links: {"type": "array", "items": {"$ref": "#/components/schemas/Link"}},
        },
        "additionalProperties": false,
    })
}

fn requested(description: &Description, schema: &str, is_create: bool) -> Value {
    let (member, collection) = (description.member, description.collection);
    let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
    let one = json!({"type": "object", "required": [member], "properties": {member: schema}});
    let many = json!({"type": "object", "required": [collection],
        "properties": {collection: {"type": "array", "minItems": 1, "items": schema}}});
    let schema = if is_create && description.is_bulk { json!({"anyOf": [one, many]}) } else { one };
    json!({"required": true, "content": {"application/json": {"schema": schema}}})
}

fn parameters(description: &Description, operation: &Operation) -> Vec<Value> {
    let in_path = |name: &&str| operation.path.contains(&format!("{{{name}}}"));
    let text = json!({"type": "string"});
    let mut all: Vec<Value> = ["parent", "id", "tag"]
        .into_iter()
        .filter(in_path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}))
        .collect();
    let Some(columns) = &description.attributes else { return all };
    let repeated = json!({"type": "array", "items": text});
    if operation.kind == OperationKind::List {
        let filters = columns.iter().filter(|column| column.filter);
        all.extend(filters.map(|column| json!({"name": column.name, "in": "query", "schema": repeated})));
        for name in ["sort_key", "sort_dir"] {
            all.push(json!({"name": name, "in": "query", "schema": repeated}));
        }
        for (name, schema) in [
            ("limit", json!({"type": "integer", "minimum": 0})),
            ("marker", text.clone()),
            ("page_reverse", json!({"type": "boolean"})),
        ] {
            all.push(json!({"name": name, "in": "query", "schema": schema}));
        }
    }
    if matches!(operation.kind, OperationKind::List | OperationKind::Show) {
        all.push(json!({"name": "fields", "in": "query", "schema": repeated}));
    }
    if matches!(operation.kind, OperationKind::Update | OperationKind::Delete) {
        all.push(json!({"name": "If-Match", "in": "header", "schema": text}));
    }
    all
}

fn of_attributes(description: &Description, columns: &[Column]) -> [(String, Value); 3] {
    let name = type_name(description.member);
    let object = |choose: &dyn Fn(&Column) -> bool, of: fn(&Column) -> Value| -> Value {
        let properties: Map<String, Value> = columns
            .iter()
            .filter(|column| choose(column))
            .map(|column| {
                let mut schema = of(column);
                if !column.extensions.is_empty() {
                    schema["x-extensions"] = json!(column.extensions);
                }
                (column.name.to_owned(), schema)
            })
            .collect();
        json!({"type": "object", "properties": properties, "additionalProperties": false})
    };
    let shown = object(&|column| column.visible, schema::shown);
    let mut new = object(&|column| column.post, schema::given);
    // The owner is the caller's project when it is not named.
    let is_required =
        |column: &&Column| column.is_required() && !matches!(column.name, "tenant_id" | "project_id");
    let required: Vec<&str> = columns.iter().filter(is_required).map(|column| column.name).collect();
    if !required.is_empty() {
        new["required"] = json!(required);
    }
    let change = object(&|column| column.put, schema::given);
    [(name.clone(), shown), (format!("New{name}"), new), (format!("{name}Change"), change)]
}

#[cfg(test)]
mod tests;

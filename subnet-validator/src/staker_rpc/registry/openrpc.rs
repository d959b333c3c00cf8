//! The OpenRPC document: version 1.2.6 with schemas of draft 7, which the tools of that specification read.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Method;
use crate::staker_rpc::error;
use crate::staker_rpc::state::AsOf;
use crate::staker_rpc::topics::Subscription;

/// The document of these methods and subscriptions.
pub(in crate::staker_rpc) fn document(methods: &[Method], subscriptions: &[Subscription]) -> Value {
    let mut generators = Generators::new();
    let mut entries: Vec<Value> = methods.iter().map(|method| entry(method, &mut generators)).collect();
    for subscription in subscriptions {
        entries.extend(subscription_entries(subscription, &mut generators.written));
    }
    entries.push(json!({
        "name": "rpc.discover",
        "summary": "This document.",
        "params": [],
        "result": { "name": "document", "schema": { "type": "object" } },
    }));
    entries.push(json!({
        "name": "rpc_methods",
        "summary": "The names of all methods there are.",
        "params": [],
        "result": { "name": "methods", "schema": {
            "type": "object",
            "required": ["methods"],
            "properties": { "methods": { "type": "array", "items": { "type": "string" } } },
        } },
    }));
    entries.sort_by(|one, other| one["name"].as_str().cmp(&other["name"].as_str()));
    let errors: Map<String, Value> = error::ALL
        .iter()
        .map(|(number, code, about)| {
            ((*code).to_owned(), json!({ "code": number, "message": about, "data": { "code": code } }))
        })
        .collect();
    let mut document = json!({
        "openrpc": "1.2.6",
        "info": {
            "title": "Staker JSON-RPC of a subnet validator",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What this validator knows and does, read only. Amounts are decimal strings; every answer about the \
                            subnet names its finalised block in `asOf`.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "methods": entries,
        "components": { "schemas": generators.take_definitions(), "errors": errors },
    });
    forget_formats(&mut document);
    document
}

/// Takes out `format`, whose values (`uint32` and the like) are Rust's and not draft 7's: strict readers refuse unknown ones.
fn forget_formats(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("type") {
                fields.remove("format");
            }
            fields.values_mut().for_each(forget_formats);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_formats),
        _ => {}
    }
}

/// Generators of draft 7 whose definitions lie where OpenRPC has them: what is read may lack what has a default, what is
/// written lacks nothing.
pub(super) struct Generators {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Generators {
    pub(super) fn new() -> Self {
        let draft = SchemaSettings::draft07;
        Self { read: generator(draft().for_deserialize()), written: generator(draft().for_serialize()) }
    }

    fn take_definitions(&mut self) -> Map<String, Value> {
        let mut definitions = self.read.take_definitions(true);
        definitions.extend(self.written.take_definitions(true));
        definitions
    }
}

fn generator(settings: SchemaSettings) -> SchemaGenerator {
    settings.with(|settings| settings.definitions_path = "/components/schemas".into()).into_generator()
}

fn entry(method: &Method, generators: &mut Generators) -> Value {
    let generator = &mut generators.written;
    let result = (method.result)(generator).to_value();
    let schema = if method.has_block {
        json!({
            "type": "object",
            "required": ["asOf", "data"],
            "properties": { "asOf": generator.subschema_for::<AsOf>(), "data": result },
        })
    } else {
        result
    };
    json!({
        "name": method.name,
        "summary": method.about,
        "paramStructure": "either",
        "params": params(method, generators),
        "result": { "name": "result", "schema": schema },
        "errors": error::ALL.map(|(_, code, _)| json!({ "$ref": format!("#/components/errors/{code}") })),
    })
}

/// One entry for each parameter, in the order of a list.
pub(super) fn params(method: &Method, generators: &mut Generators) -> Vec<Value> {
    let schema = (method.params)(&mut generators.read).to_value();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let param = |name: &&str| {
        let of = schema["properties"][*name].clone();
        json!({
            "name": name,
            "description": of["description"],
            "required": required.iter().any(|required| required == *name),
            "schema": of,
        })
    };
    method.order.iter().map(param).collect()
}

fn subscription_entries(subscription: &Subscription, generator: &mut SchemaGenerator) -> [Value; 2] {
    let Subscription { subscribe, unsubscribe, notification, about, .. } = subscription;
    let data = (subscription.result)(generator).to_value();
    let as_of = generator.subschema_for::<AsOf>().to_value();
    let about = format!(
        "{about} Notifications are named `{notification}`; their `params.result` is `{{asOf, data}}`."
    );
    [
        json!({
            "name": subscribe,
            "summary": about,
            "params": [],
            "result": { "name": "subscription", "schema": { "type": ["string", "integer"] } },
            "x-notification": {
                "name": notification,
                "schema": {
                    "type": "object",
                    "required": ["asOf", "data"],
                    "properties": { "asOf": as_of, "data": data },
                },
            },
        }),
        json!({
            "name": unsubscribe,
            "summary": format!("Ends a subscription of `{subscribe}`."),
            "params": [{
                "name": "subscription",
                "required": true,
                "schema": { "type": ["string", "integer"] },
            }],
            "result": { "name": "ended", "schema": { "type": "boolean" } },
        }),
    ]
}

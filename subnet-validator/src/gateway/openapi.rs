//! `GET /openapi.json`: what this gateway answers, as an OpenAPI 3.1 document.
//!
//! The document is written out in [`schemas`], by hand: its types are OpenAI's and Anthropic's, most of which this gateway passes on
//! without reading them. A test holds its paths to the table of routes.

mod schemas;

use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

use super::routes::{self, Access};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| written().to_string());

pub(super) async fn document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

fn written() -> Value {
    let mut paths = Map::new();
    for route in routes::all() {
        let path = path(route.path);
        let mut operation = schemas::operation(route.method, &path);
        if route.access == Access::Key {
            operation["security"] = json!([{ "key": [] }]);
        }
        let parameters: Vec<Value> = parameters(&path).map(parameter).collect();
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[route.method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Serverless inference gateway",
            "description": "OpenAI-compatible inference, served by the miners of a Bittensor subnet.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas::components(),
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// axum's `{*id}` is OpenAPI's `{id}`.
fn path(route: &str) -> String {
    route.replace("{*", "{")
}

fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn parameter(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } })
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENT, path, routes};
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_in_the_document_and_every_path_of_the_document_is_a_route() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        let routes: BTreeSet<(String, String)> =
            routes::all().iter().map(|route| (path(route.path), route.method.to_owned())).collect();
        let documented: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
                methods.map(move |method| (path.clone(), method.clone()))
            })
            .collect();
        assert_eq!(documented, routes);
    }

    #[test]
    fn every_operation_says_what_it_does_and_every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 10), "{path}");
                assert!(operation["operationId"].is_string(), "{path}");
            }
        }
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for piece in DOCUMENT.split("\"#/components/schemas/").skip(1) {
            let name = piece.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}

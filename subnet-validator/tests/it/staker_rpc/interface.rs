//! The methods there are, and that the documents made from them are true.

use std::path::Path;

use serde_json::{Value, json};

use super::rpc;

#[tokio::test]
async fn the_methods_there_are_can_be_listed_and_are_those_of_the_document() {
    let rpc = rpc(0).await;
    let methods = rpc.call("rpc_methods", json!([])).await["result"]["methods"].clone();
    let methods: Vec<&str> = methods.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for name in ["rpc.discover", "rpc_methods", "subnet_v1_info", "subnet_v1_scoreExplain", "system_health"] {
        assert!(methods.contains(&name), "{name} is missing");
    }
    let document = rpc.call("rpc.discover", json!([])).await["result"].clone();
    assert_eq!(
        (&document["openrpc"], &document),
        (&json!("1.2.6"), &subnet_validator::staker_rpc::openrpc())
    );
    let described =
        document["methods"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap());
    assert_eq!(described.collect::<Vec<_>>(), methods);
}

#[tokio::test]
async fn every_method_can_be_called_and_answers_by_its_schema_or_says_what_is_missing() {
    let rpc = rpc(3).await;
    let document = subnet_validator::staker_rpc::openrpc();
    let mut answered = 0;
    for entry in document["methods"].as_array().unwrap() {
        let name = entry["name"].as_str().unwrap();
        // Subscriptions exist on WebSockets only.
        if name.contains("ubscribe") {
            continue;
        }
        let needs = entry["params"].as_array().unwrap().iter().any(|param| param["required"] == true);
        let answer = rpc.call(name, json!([])).await;
        if needs {
            assert_eq!(answer["error"]["code"], -32602, "{name}: {answer}");
            continue;
        }
        assert!(answer["error"].is_null(), "{name}: {answer}");
        fits(&document, &entry["result"]["schema"], &answer["result"], name);
        answered += 1;
    }
    assert!(answered >= 18, "only {answered} were called");
}

/// Checks the parts of draft 7 that our schemas use, and that every field is described.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").unwrap();
        return fits(document, &document["components"]["schemas"][name], value, at);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[key].as_array() {
            let choice = choices.iter().find(|choice| (choice["type"] == "null") == value.is_null());
            return fits(document, choice.unwrap_or_else(|| panic!("{at}: {value}")), value, at);
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        Value::Null => return,
        kind => vec![kind.clone()],
    };
    assert!(kinds.contains(&json!(kind)), "{at} is {kind}, not {kinds:?}");
    match value {
        Value::Array(items) => items.iter().for_each(|item| fits(document, &schema["items"], item, at)),
        Value::Object(fields) if schema["properties"].is_object() => {
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(fields.contains_key(required.as_str().unwrap()), "{at} lacks {required}");
            }
            for (name, field) in fields {
                let property = &schema["properties"][name];
                assert!(!property.is_null(), "{at}.{name} is not described");
                fits(document, property, field, &format!("{at}.{name}"));
            }
        }
        _ => {}
    }
}

#[test]
fn every_field_and_parameter_is_explained() {
    let page = subnet_validator::staker_rpc::reference();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let bare: Vec<&str> = rows.filter(|line| line.trim_end().ends_with("|  |")).collect();
    assert!(bare.is_empty(), "without explanation: {bare:#?}");
}

#[test]
fn the_reference_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/json-rpc.md");
    let page = subnet_validator::staker_rpc::reference();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/reference/json-rpc.md is old: run this test with UPDATE_REFERENCE=1");
}

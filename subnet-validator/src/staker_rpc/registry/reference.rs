//! The reference page of the JSON-RPC, written from the list of methods and the schemas of their answers. A field's explanation,
//! its formula included, is the comment that stands at the field in the program.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Method, openrpc};
use crate::staker_rpc::error;
use crate::staker_rpc::topics::Subscription;

/// Fields of fields of fields: no answer is deeper.
const DEPTH_MAX: usize = 6;

/// The page in Markdown.
pub(in crate::staker_rpc) fn page(methods: &[Method], subscriptions: &[Subscription]) -> String {
    let document = openrpc::document(methods, subscriptions);
    let mut generators = openrpc::Generators::new();
    let mut page = String::from(INTRODUCTION);
    let _ = writeln!(page, "\n## Errors\n\n| number | `data.code` | meaning |\n|---|---|---|");
    for (number, code, about) in error::ALL {
        let _ = writeln!(page, "| {number} | `{code}` | {about} |");
    }
    let _ = writeln!(page, "\n## `asOf`\n\n| field | type | what it is |\n|---|---|---|");
    fields(&mut page, &document, &document["components"]["schemas"]["AsOf"], "", 0);
    let _ = writeln!(page, "\n## Methods");
    for method in methods {
        let _ = writeln!(page, "\n### `{}`\n\n{}\n", method.name, method.about);
        let params = openrpc::params(method, &mut generators);
        if params.is_empty() {
            let _ = writeln!(page, "No parameters.");
        } else {
            let _ = writeln!(page, "| parameter | type | what it is |\n|---|---|---|");
            for param in &params {
                let name = param["name"].as_str().unwrap_or_default();
                row(&mut page, &document, name, &param["schema"]);
            }
        }
        let known = document["methods"].as_array().into_iter().flatten();
        let Some(entry) = known.into_iter().find(|entry| entry["name"] == method.name) else { continue };
        let schema = &entry["result"]["schema"];
        let schema = if method.has_block { &schema["properties"]["data"] } else { schema };
        let _ = writeln!(
            page,
            "\n| field of {} | type | what it is |\n|---|---|---|",
            if method.has_block { "`data`" } else { "the result" }
        );
        fields(&mut page, &document, schema, "", 0);
    }
    let _ = writeln!(page, "\n## Subscriptions\n\nOver WebSocket only. {SLOW}");
    for subscription in subscriptions {
        let Subscription { subscribe, unsubscribe, notification, about, .. } = subscription;
        let _ = writeln!(
            page,
            "\n### `{subscribe}`\n\n{about} Notifications are named `{notification}`; `{unsubscribe}` ends it.\n"
        );
        let known = document["methods"].as_array().into_iter().flatten();
        let Some(entry) = known.into_iter().find(|entry| entry["name"] == *subscribe) else { continue };
        let _ = writeln!(page, "| field of `data` | type | what it is |\n|---|---|---|");
        fields(&mut page, &document, &entry["x-notification"]["schema"]["properties"]["data"], "", 0);
    }
    page
}

const INTRODUCTION: &str = "# Staker JSON-RPC\n\n\
<!-- Written by the test `the_reference_page_is_current`; set UPDATE_REFERENCE=1 to write it again. -->\n\n\
JSON-RPC 2.0 by HTTP (`POST /`) and WebSocket, on `staker_rpc.bind` (port 9064 by default), next to the page. Everything is read\n\
only. `rpc.discover` and `GET /openrpc.json` give the same list as an OpenRPC document; `GET /health` answers 200, or 503 when no\n\
finalised block was read for `staker_rpc.stale_after_ms`.\n\n\
- Parameters are an object or a list in the order given here.\n\
- Every answer about the subnet is `{asOf, data}`; chain facts are those of the finalised block in `asOf`.\n\
- Amounts are decimal strings: rao (10^-9) of TAO or alpha, or thousandths of a compute unit. Fractions are decimal strings with\n  \
six decimals, rounded down. Times are milliseconds since 1970.\n\
- Lists come in pages of at most 100: give `nextCursor` as `cursor` to go on; it is null at the end.\n\
- Limits, all in `[staker_rpc]` of the configuration: calls of one address each second, connections, subscriptions, calls in a\n  \
batch (10), sizes of request and answer.\n";

const SLOW: &str = "The first notification comes at once. A reader that is too slow to take its notifications is dropped: the last \
                    one it gets holds `error` with the reason.";

/// Rows for the fields of a schema, and for those below.
fn fields(page: &mut String, document: &Value, schema: &Value, path: &str, depth: usize) {
    let schema = resolve(document, schema);
    if depth > DEPTH_MAX {
        return;
    }
    if let Some(items) = schema.get("items") {
        return fields(page, document, items, path, depth);
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        return fields(page, document, values, &format!("{path}*."), depth);
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, property) in properties {
        let list = if is_list(document, property) { "[]" } else { "" };
        let name = format!("{path}{name}{list}");
        row(page, document, &name, property);
        fields(page, document, property, &format!("{name}."), depth + 1);
    }
}

fn row(page: &mut String, document: &Value, name: &str, schema: &Value) {
    let own = schema["description"].as_str();
    let of_type = || resolve(document, schema)["description"].as_str();
    let about = own.or_else(of_type).unwrap_or_default().replace('\n', " ").replace('|', "\\|");
    let _ = writeln!(page, "| `{name}` | {} | {about} |", kind(document, schema));
}

fn is_list(document: &Value, schema: &Value) -> bool {
    resolve(document, schema).get("items").is_some()
}

/// Follows references, also of something that may be null.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = |schema: &'a Value| {
        let name = schema["$ref"].as_str()?.rsplit('/').next()?;
        document["components"]["schemas"].get(name)
    };
    let of_list = |key: &str| {
        let alternatives = schema[key].as_array()?;
        alternatives.iter().find(|one| one["type"] != "null").map(|one| resolve(document, one))
    };
    target(schema)
        .map(|found| resolve(document, found))
        .or_else(|| of_list("anyOf"))
        .or_else(|| of_list("allOf"))
        .unwrap_or(schema)
}

/// The type in words.
fn kind(document: &Value, schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        let found = resolve(document, schema);
        let is_text = found["type"] == "string" && found.get("enum").is_none();
        return if is_text { name.to_lowercase() } else { kind(document, found) };
    }
    if let Some(alternatives) = schema["anyOf"].as_array() {
        let kinds: Vec<String> = alternatives.iter().map(|one| kind(document, one)).collect();
        return kinds.join(" or ");
    }
    if let Some(all) = schema["allOf"].as_array().and_then(|all| all.first()) {
        return kind(document, all);
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        let values = alternatives.iter().flat_map(|one| one.get("const").or_else(|| one["enum"].get(0)));
        return values.map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(items) = schema.get("items") {
        return format!("list of {}", kind(document, items));
    }
    match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".into(),
    }
}

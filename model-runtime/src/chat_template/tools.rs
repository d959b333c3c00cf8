//! Tools for templates that know none: what they are is told in the system's message, calls and results become texts.

use serde_json::{Value, json};

/// The messages with tools, calls and results written out, in the form of Hermes' function calling prompt.
pub(super) fn in_words(messages: &[Value], tools: &[Value]) -> Vec<Value> {
    let mut written: Vec<Value> = messages.iter().map(message).collect();
    if tools.is_empty() {
        return written;
    }
    let instructions = instructions(tools);
    match written.first_mut().filter(|first| first["role"] == "system") {
        Some(system) => {
            let before = system["content"].as_str().unwrap_or_default();
            system["content"] = format!("{before}\n\n{instructions}").into();
        }
        None => written.insert(0, json!({ "role": "system", "content": instructions })),
    }
    written
}

fn instructions(tools: &[Value]) -> String {
    let functions: Vec<String> =
        tools.iter().map(|tool| tool.get("function").unwrap_or(tool).to_string()).collect();
    format!(
        "You may call functions to help the user. These are the functions, one JSON object a line:\n<tools>\n{}\n</tools>\n\
         To call one, answer with a JSON object of its name and arguments inside of these tags, and nothing else:\n\
         <tool_call>\n{{\"name\": \"the name\", \"arguments\": {{}}}}\n</tool_call>",
        functions.join("\n")
    )
}

fn message(message: &Value) -> Value {
    let content = message["content"].as_str().unwrap_or_default();
    if message["role"] == "tool" {
        return json!({ "role": "user", "content": format!("<tool_response>\n{content}\n</tool_response>") });
    }
    let Some(calls) = message["tool_calls"].as_array().filter(|calls| !calls.is_empty()) else {
        return message.clone();
    };
    let calls = calls.iter().map(|call| {
        let function = &call["function"];
        let call = json!({ "name": function["name"], "arguments": function["arguments"] });
        format!("<tool_call>\n{call}\n</tool_call>")
    });
    let texts: Vec<String> =
        std::iter::once(content.to_owned()).filter(|text| !text.is_empty()).chain(calls).collect();
    json!({ "role": message["role"], "content": texts.join("\n") })
}

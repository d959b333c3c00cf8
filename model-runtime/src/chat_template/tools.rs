//! Tools for templates that know none: what they are is told in the system's message, calls and results become texts.

use serde_json::{Value, json};

/// The messages with tools, calls and results written out, in the form of Hermes' function calling prompt.
pub(super) fn in_words(messages: &[Value], tools: &[Value]) -> Vec<Value> {
    let mut written = turns(messages);
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

/// A message for each turn. Results become what the user says: several in a row are one turn, and so is what the user says after them, since
/// templates without tools ask for turns that alternate.
fn turns(messages: &[Value]) -> Vec<Value> {
    let mut written: Vec<Value> = Vec::with_capacity(messages.len());
    let mut after_result = false;
    for original in messages {
        let turn = message(original);
        let is_result = original["role"] == "tool";
        match written.last_mut().filter(|_| after_result && turn["role"] == "user") {
            Some(last) => {
                let texts =
                    [&last["content"], &turn["content"]].map(|text| text.as_str().unwrap_or_default());
                last["content"] = texts.join("\n").into();
            }
            None => written.push(turn),
        }
        after_result = is_result;
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

//! Operations and the shapes of their bodies. Unknown fields are allowed everywhere, as the gateway allows them.

use serde_json::{Value, json};

/// What is at a path.
pub(super) fn operation(method: &str, path: &str) -> Value {
    match (method, path) {
        ("get", "/v1/models") => read("list_models", "The models on offer, loaded or not", "ModelList"),
        ("get", "/v1/models/{id}") => read("get_model", "One model on offer, by its id", "Model"),
        ("post", "/v1/chat/completions") => {
            let text = "Answers to a conversation, whole or as server-sent events";
            call("create_chat_completion", text, "ChatRequest", "ChatCompletion", true)
        }
        ("post", "/v1/completions") => {
            let text = "Texts that go on from prompts, whole or as server-sent events";
            call("create_completion", text, "CompletionRequest", "TextCompletion", true)
        }
        ("post", "/v1/embeddings") => {
            call("create_embedding", "Vectors of texts", "EmbeddingRequest", "EmbeddingList", false)
        }
        ("post", "/tokenize") => {
            call("tokenize", "The tokens of a text or a conversation", "TokenizeRequest", "Tokenized", false)
        }
        ("post", "/detokenize") => {
            call("detokenize", "The text of tokens", "DetokenizeRequest", "Detokenized", false)
        }
        ("post", "/v1/responses") => {
            let text = "A response without memory, whole or as server-sent events";
            call("create_response", text, "ResponsesRequest", "Response", true)
        }
        ("post", "/v1/messages") => {
            let text = "A message in Anthropic's form, whole or as server-sent events";
            call("create_message", text, "MessagesRequest", "Message", true)
        }
        ("post", "/v1/messages/count_tokens") => {
            let text = "How many tokens a message's prompt has";
            call("count_message_tokens", text, "CountTokensRequest", "TokenCount", false)
        }
        ("post", "/v1/warmup") => {
            call("warm_up", "Asks miners to bring up a model", "WarmUpRequest", "Object", false)
        }
        ("get", protocol::demand::EVENTS_TARGET) => plain(
            "demand_events",
            "What models are wanted, as server-sent events; for miners, signed by them",
        ),
        ("post", protocol::demand::INVENTORY_TARGET) => {
            plain("push_inventory", "A miner's inventory, signed by it")
        }
        ("get", "/v1/usage") => read("usage", "What the caller has used and may use", "Object"),
        ("get", "/v1/admin/usage") => {
            read("all_usage", "The same of every account, for administrators", "Object")
        }
        ("get", protocol::catalogue_document::TARGET) => {
            read("catalogue", "What this validator pays for and where the weights are, signed", "Object")
        }
        ("get", "/audit/v1/epochs") => read("list_epochs", "The bundles that auditors can fetch", "Object"),
        ("get", "/audit/v1/epochs/{epoch}/{file}") => plain("get_epoch_file", "One file of a bundle"),
        ("get", "/audit/v1/shards/{shard}/{file}") => {
            plain("get_shard_file", "What another gateway of this validator wrote of its leaves")
        }
        ("get", "/audit/v1/shards/{shard}/parts/{hour}/{miner}/{file}") => {
            plain("get_shard_part", "Leaves of one hour and miner of another gateway of this validator")
        }
        ("get", "/audit/v1/parts/{hour}/{miner}/{file}") => {
            plain("get_part", "Receipts of one hour and miner, as Parquet")
        }
        ("get", "/health") => read("health", "Whether some miner can serve", "Object"),
        ("get", "/metrics") => plain("metrics", "Counters and gauges in Prometheus' text form"),
        ("get", "/openapi.json") => read("openapi", "This document, in OpenAPI 3.1", "Object"),
        _ => json!({ "responses": {} }),
    }
}

fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn refused() -> Value {
    json!({ "description": "Refused or failed", "content": { "application/json": { "schema": named("Error") } } })
}

fn read(id: &str, summary: &str, answer: &str) -> Value {
    let content = json!({ "application/json": { "schema": named(answer) } });
    json!({
        "operationId": id,
        "summary": summary,
        "responses": { "200": { "description": "OK", "content": content }, "default": refused() },
    })
}

fn plain(id: &str, summary: &str) -> Value {
    json!({
        "operationId": id,
        "summary": summary,
        "responses": { "200": { "description": "OK" }, "default": refused() },
    })
}

fn call(id: &str, summary: &str, request: &str, answer: &str, streams: bool) -> Value {
    let mut operation = read(id, summary, answer);
    operation["requestBody"] =
        json!({ "required": true, "content": { "application/json": { "schema": named(request) } } });
    if streams {
        let events = json!({ "schema": { "type": "string" } });
        operation["responses"]["200"]["content"]["text/event-stream"] = events;
    }
    operation
}

/// An object with these required and these other properties.
fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn between(least: f64, most: f64) -> Value {
    json!({ "type": ["number", "null"], "minimum": least, "maximum": most })
}

fn count(least: u32) -> Value {
    json!({ "type": ["integer", "null"], "minimum": least, "maximum": u32::MAX })
}

fn flag() -> Value {
    json!({ "type": ["boolean", "null"] })
}

fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

fn some_list(of: Value) -> Value {
    json!({ "type": "array", "minItems": 1, "items": of })
}

fn form_choices() -> Value {
    let texts = json!({ "type": "string", "minLength": 1 });
    json!({ "type": ["array", "null"], "minItems": 1, "maxItems": protocol::openai::FORM_CHOICES_MAX, "items": texts })
}

/// The fields that chat and text completions share, and more.
fn with_sampling(mut properties: Value) -> Value {
    let stop = json!({ "oneOf": [text(), { "type": "array", "maxItems": protocol::openai::STOPS_MAX, "items": text() }, { "type": "null" }] });
    for (name, schema) in [
        ("temperature", between(0.0, 2.0)),
        ("top_p", between(0.0, 1.0)),
        ("top_k", json!({ "type": ["integer", "null"], "minimum": -1 })),
        ("min_p", between(0.0, 1.0)),
        ("seed", json!({ "type": ["integer", "null"] })),
        ("frequency_penalty", between(-2.0, 2.0)),
        ("presence_penalty", between(-2.0, 2.0)),
        ("repetition_penalty", between(0.0, 10.0)),
        ("logit_bias", json!({ "type": ["object", "null"], "additionalProperties": { "type": "number" } })),
        ("stop", stop),
        ("stop_token_ids", json!({ "type": ["array", "null"], "items": { "type": "integer" } })),
        ("min_tokens", count(0)),
        ("ignore_eos", flag()),
        (
            "cache_salt",
            json!({ "type": ["string", "null"], "minLength": 1, "maxLength": protocol::openai::SALT_BYTES_MAX }),
        ),
        ("skip_special_tokens", flag()),
        ("return_token_ids", flag()),
        ("n", json!({ "type": ["integer", "null"], "minimum": 1, "maximum": protocol::openai::CHOICES_MAX })),
        ("stream", flag()),
        (
            "stream_options",
            json!({ "type": ["object", "null"], "properties": {
            "include_usage": flag(), "continuous_usage_stats": flag() } }),
        ),
        ("max_tokens", count(1)),
        ("response_format", json!({ "oneOf": [{ "type": "null" }, named("ResponseFormat")] })),
        ("guided_json", json!({ "type": ["object", "boolean", "string", "null"] })),
        ("guided_regex", json!({ "type": ["string", "null"] })),
        ("guided_choice", form_choices()),
        (
            "guided_grammar",
            json!({ "type": ["string", "null"], "description": "in Lark, as llguidance reads it" }),
        ),
        (
            "structured_outputs",
            json!({ "type": ["object", "null"], "description": "one of these, instead of a guided_* field", "properties": {
            "json": { "type": ["object", "boolean", "string", "null"] }, "regex": { "type": ["string", "null"] },
            "choice": form_choices(), "grammar": { "type": ["string", "null"] }, "json_object": flag() } }),
        ),
    ] {
        properties[name] = schema;
    }
    properties
}

/// All named shapes.
pub(super) fn components() -> Value {
    let message = object(
        &["role", "content"],
        json!({
            "role": { "enum": ["system", "developer", "user", "assistant", "tool"] },
            "content": { "oneOf": [text(), list(named("TextPart"))] },
            "name": text(), "tool_call_id": text(), "reasoning_content": text(),
            "tool_calls": list(named("ToolCall")),
        }),
    );
    let function = object(
        &["name"],
        json!({ "name": text(), "description": text(), "parameters": { "type": "object" } }),
    );
    let model = object(
        &["id", "object", "created", "owned_by"],
        json!({ "id": text(), "object": { "const": "model" }, "created": { "type": "integer" }, "owned_by": text() }),
    );
    let chat = with_sampling(json!({
        "model": text(), "messages": some_list(named("ChatMessage")), "max_completion_tokens": count(1),
        "logprobs": flag(), "top_logprobs": { "type": ["integer", "null"], "minimum": 0, "maximum": 20 },
        "tools": { "type": ["array", "null"], "items": named("Tool") },
        "tool_choice": {}, "parallel_tool_calls": flag(), "reasoning_effort": { "type": ["string", "null"] },
        "chat_template_kwargs": { "type": ["object", "null"] },
    }));
    let prompt = json!({ "oneOf": [text(), some_list(text()), some_list(json!({ "type": "integer", "minimum": 0 })),
        some_list(some_list(json!({ "type": "integer", "minimum": 0 })))] });
    let completion = with_sampling(json!({
        "model": text(), "prompt": prompt, "echo": flag(), "best_of": count(1),
        "suffix": { "type": ["string", "null"] }, "logprobs": { "type": ["integer", "null"], "minimum": 0, "maximum": 5 },
    }));
    let usage = object(
        &["prompt_tokens", "total_tokens"],
        json!({ "prompt_tokens": count(0), "completion_tokens": count(0), "total_tokens": count(0) }),
    );
    let answer = |kind: &str| {
        object(
            &["id", "object", "created", "model", "choices", "usage"],
            json!({ "id": text(), "object": { "const": kind }, "created": { "type": "integer" }, "model": text(),
                "choices": some_list(named("Object")), "usage": named("Usage") }),
        )
    };
    let blocks = json!({ "oneOf": [text(), list(named("TextPart"))] });
    let anthropic_message =
        object(&["role", "content"], json!({ "role": { "enum": ["user", "assistant"] }, "content": blocks }));
    let anthropic = json!({
        "model": text(), "messages": some_list(named("AnthropicMessage")), "system": blocks,
        "tools": list(object(&["name", "input_schema"], json!({ "name": text(), "input_schema": { "type": "object" } }))),
    });
    let mut messages = anthropic.clone();
    for (name, schema) in [
        ("max_tokens", json!({ "type": "integer", "minimum": 1 })),
        ("temperature", between(0.0, 1.0)),
        ("top_p", between(0.0, 1.0)),
        (
            "stop_sequences",
            json!({ "type": "array", "maxItems": protocol::openai::STOPS_MAX, "items": text() }),
        ),
        ("stream", json!({ "type": "boolean" })),
    ] {
        messages[name] = schema;
    }
    let responses = json!({
        "model": text(), "input": { "oneOf": [text(), some_list(named("ChatMessage"))] }, "instructions": { "type": ["string", "null"] },
        "max_output_tokens": count(1), "temperature": between(0.0, 2.0), "top_p": between(0.0, 1.0), "stream": flag(),
        "parallel_tool_calls": flag(),
    });
    json!({
        "Object": { "type": "object" },
        "Error": object(&["error"], json!({ "error": object(&["message", "type"], json!({
            "message": text(), "type": text(), "param": { "type": ["string", "null"] }, "code": { "type": ["string", "null"] } })) })),
        "Usage": usage,
        "Model": model,
        "ModelList": object(&["object", "data"], json!({ "object": { "const": "list" }, "data": list(named("Model")) })),
        "TextPart": object(&["type", "text"], json!({ "type": { "const": "text" }, "text": text() })),
        "ToolCall": object(&["id", "function"], json!({ "id": text(), "type": { "const": "function" },
            "function": object(&["name", "arguments"], json!({ "name": text(), "arguments": text() })) })),
        "Tool": object(&["type", "function"], json!({ "type": { "const": "function" }, "function": function })),
        "ResponseFormat": object(&["type"], json!({ "type": { "enum": ["text", "json_object", "json_schema"] },
            "json_schema": { "type": "object" } })),
        "ChatMessage": message,
        "ChatRequest": object(&["model", "messages"], chat),
        "ChatCompletion": answer("chat.completion"),
        "CompletionRequest": object(&["model", "prompt"], completion),
        "TextCompletion": answer("text_completion"),
        "EmbeddingRequest": object(&["model", "input"], json!({ "model": text(), "input": { "oneOf": [text(), some_list(text())] },
            "encoding_format": { "enum": ["float", "base64"] }, "dimensions": count(1) })),
        "EmbeddingList": object(&["object", "data", "model", "usage"], json!({ "object": { "const": "list" },
            "data": list(named("Object")), "model": text(), "usage": named("Usage") })),
        "TokenizeRequest": object(&["model"], json!({ "model": text(), "prompt": text(), "messages": some_list(named("ChatMessage")),
            "add_special_tokens": flag(), "return_token_strs": flag() })),
        "Tokenized": object(&["count", "max_model_len", "tokens"], json!({ "count": count(0), "max_model_len": count(0),
            "tokens": list(json!({ "type": "integer" })), "token_strs": list(text()) })),
        "DetokenizeRequest": object(&["model", "tokens"], json!({ "model": text(),
            "tokens": list(json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })) })),
        "Detokenized": object(&["prompt"], json!({ "prompt": text() })),
        "ResponsesRequest": object(&["model", "input"], responses),
        "Response": object(&["id", "object", "status", "output"], json!({ "id": text(), "object": { "const": "response" },
            "status": text(), "output": list(named("Object")) })),
        "AnthropicMessage": anthropic_message,
        "MessagesRequest": object(&["model", "messages", "max_tokens"], messages),
        "CountTokensRequest": object(&["model", "messages"], anthropic),
        "Message": object(&["id", "type", "role", "content"], json!({ "id": text(), "type": { "const": "message" },
            "role": { "const": "assistant" }, "content": list(named("Object")) })),
        "WarmUpRequest": object(&["model"], json!({ "model": text() })),
        "TokenCount": object(&["input_tokens"], json!({ "input_tokens": count(0) })),
    })
}

//! The wire format as clients write and read it.

use serde_json::{Value, json};

use super::*;

fn parse(body: Value) -> ChatRequest {
    serde_json::from_value(body).unwrap()
}

fn with(field: &str, value: Value) -> ChatRequest {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body[field] = value;
    parse(body)
}

fn param(request: ChatRequest) -> String {
    request.validate().unwrap_err().param.unwrap()
}

#[test]
fn a_full_request_of_the_python_client_is_read() {
    let request = parse(json!({
        "model": "SmolLM2-135M-Instruct",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Say "}, {"type": "text", "text": "hi"}], "name": "ann"},
            {"role": "assistant", "content": null, "refusal": null},
        ],
        "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false},
        "max_tokens": 5, "max_completion_tokens": 16, "temperature": 0.7, "top_p": 0.9, "seed": -1, "stop": ["\n\n", "END"], "n": 1,
        "logprobs": false, "response_format": {"type": "text"}, "tools": [], "tool_choice": "none",
        "user": "u", "metadata": {"a": "b"}, "top_k": 40, "a_field_of_the_future": {"x": [1, 2]},
    }));
    let valid = request.validate().unwrap();
    let messages: Vec<_> =
        valid.messages.iter().map(|message| (message.role.as_str(), message.content.as_str())).collect();
    assert_eq!(messages, [("system", "Be brief."), ("user", "Say hi"), ("assistant", "")]);
    assert_eq!(valid.model.as_str(), "SmolLM2-135M-Instruct");
    assert!(valid.stream && valid.include_usage);
    assert_eq!((valid.completion_tokens_max, valid.seed), (Some(16), Some(u64::MAX)));
    assert_eq!((valid.temperature, valid.top_p), (Some(0.7), Some(0.9)));
    assert_eq!(valid.stop, ["\n\n", "END"]);
}

#[test]
fn a_small_request_has_the_defaults_and_null_is_absent() {
    let minimal = parse(json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}));
    let nulls = parse(json!({
        "model": "m", "messages": [{"role": "user", "content": "hi", "name": null}],
        "stream": null, "stream_options": null, "max_tokens": null, "max_completion_tokens": null, "temperature": null,
        "top_p": null, "seed": null, "stop": null, "n": null, "logprobs": null, "response_format": null, "tools": null,
    }));
    assert_eq!(minimal, nulls);
    let valid = minimal.validate().unwrap();
    assert!(!valid.stream && !valid.include_usage && valid.stop.is_empty());
    assert_eq!(
        (valid.completion_tokens_max, valid.temperature, valid.top_p, valid.seed),
        (None, None, None, None)
    );
}

#[test]
fn each_value_out_of_range_names_its_parameter() {
    for (field, value) in [
        ("model", json!("")),
        ("model", json!("a model")),
        ("messages", json!([])),
        ("messages", json!(vec![json!({"role": "user", "content": "hi"}); MESSAGES_MAX + 1])),
        ("max_tokens", json!(0)),
        ("max_tokens", json!(-1)),
        ("max_completion_tokens", json!(0)),
        ("max_completion_tokens", json!(4_294_967_296_u64)),
        ("temperature", json!(-0.1)),
        ("temperature", json!(2.01)),
        ("top_p", json!(0)),
        ("top_p", json!(1.01)),
        ("n", json!(0)),
        ("n", json!(2)),
        ("stop", json!(["a", "b", "c", "d", "e"])),
        ("stop", json!("")),
        ("stop", json!("x".repeat(STOP_BYTES_MAX + 1))),
        ("logprobs", json!(true)),
        ("response_format", json!({"type": "json_schema", "json_schema": {}})),
        ("tools", json!([{"type": "function"}])),
    ] {
        assert_eq!(param(with(field, value.clone())), field, "{value}");
    }
}

#[test]
fn values_at_the_edge_are_accepted() {
    for (field, value) in [
        ("messages", json!(vec![json!({"role": "user", "content": "hi"}); MESSAGES_MAX])),
        ("max_tokens", json!(1)),
        ("max_completion_tokens", json!(u32::MAX)),
        ("temperature", json!(0)),
        ("temperature", json!(2)),
        ("top_p", json!(1)),
        ("stop", json!(["a", "b", "c", "d"])),
        ("stop", json!("x".repeat(STOP_BYTES_MAX))),
    ] {
        assert!(with(field, value.clone()).validate().is_ok(), "{field} {value}");
    }
}

#[test]
fn a_bad_message_is_named_by_its_index() {
    let good = json!({"role": "user", "content": "hi"});
    for (bad, field) in [
        (json!({"role": "robot", "content": "hi"}), "role"),
        (json!({"role": "user"}), "content"),
        (
            json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}),
            "content",
        ),
        (json!({"role": "user", "content": [{"type": "text"}]}), "content"),
    ] {
        assert_eq!(param(with("messages", json!([good, bad]))), format!("messages[1].{field}"), "{bad}");
    }
}

#[test]
fn usage_is_included_only_in_a_stream() {
    let valid = with("stream_options", json!({"include_usage": true})).validate().unwrap();
    assert!(!valid.include_usage);
}

#[test]
fn an_error_has_all_four_keys() {
    let body = ErrorBody::from(with("n", json!(2)).validate().unwrap_err());
    let expected = json!({"error": {
        "message": "n must be 1: several answers to one request are not supported",
        "type": "invalid_request_error", "param": "n", "code": null,
    }});
    assert_eq!(serde_json::to_value(&body).unwrap(), expected);
    let body = ErrorBody::new("invalid_request_error", "no such model")
        .with_param("model")
        .with_code("model_not_found");
    let text = r#"{"error":{"message":"no such model","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#;
    assert_eq!(serde_json::to_string(&body).unwrap(), text);
    assert_eq!(serde_json::from_str::<ErrorBody>(text).unwrap(), body);
}

fn head() -> StreamHead {
    StreamHead { id: "chatcmpl-1".to_owned(), created: 7, model: "m".to_owned() }
}

#[test]
fn chunks_are_written_as_every_client_expects_them() {
    let rest = r#""object":"chat.completion.chunk","created":7,"model":"m""#;
    let chunks = [
        (
            ChatChunk::first(&head()),
            r#""choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]"#,
        ),
        (
            ChatChunk::text(&head(), "Hi"),
            r#""choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]"#,
        ),
        (
            ChatChunk::finish(&head(), FinishReason::Length),
            r#""choices":[{"index":0,"delta":{},"finish_reason":"length"}]"#,
        ),
        (
            ChatChunk::usage(&head(), Usage::new(3, 4)),
            r#""choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}"#,
        ),
    ];
    for (chunk, choices) in chunks {
        let text = format!(r#"{{"id":"chatcmpl-1",{rest},{choices}}}"#);
        assert_eq!(serde_json::to_string(&chunk).unwrap(), text);
        assert_eq!(serde_json::from_str::<ChatChunk>(&text).unwrap(), chunk);
    }
}

#[test]
fn a_whole_answer_and_a_list_of_models_are_written_as_clients_expect_them() {
    let completion = ChatCompletion::new(head(), "Hi", FinishReason::Stop, Usage::new(3, 1));
    let expected = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "logprobs": null, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    });
    assert_eq!(serde_json::to_value(&completion).unwrap(), expected);
    assert_eq!(serde_json::from_value::<ChatCompletion>(expected).unwrap(), completion);
    let list = ModelList::new(vec![ModelObject::new("m", 7, "subnet")]);
    let expected = json!({"object": "list", "data": [{"id": "m", "object": "model", "created": 7, "owned_by": "subnet"}]});
    assert_eq!(serde_json::to_value(&list).unwrap(), expected);
    assert_eq!(serde_json::from_value::<ModelList>(expected).unwrap(), list);
}

#[test]
fn a_receipts_reason_has_a_name_here_unless_the_answer_failed() {
    use crate::receipt::FinishReason as Signed;
    assert_eq!(FinishReason::from_receipt(Signed::Stop), Some(FinishReason::Stop));
    assert_eq!(FinishReason::from_receipt(Signed::Length), Some(FinishReason::Length));
    assert_eq!(FinishReason::from_receipt(Signed::Cancelled), None);
    assert_eq!(FinishReason::from_receipt(Signed::Error), None);
}

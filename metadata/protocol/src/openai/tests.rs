//! The wire format as clients write and read it.

use serde_json::{Value, json};

use super::*;

/// From bytes, as requests come: serde_json reads numbers another way there than from values.
fn read<T: serde::de::DeserializeOwned>(body: &Value) -> T {
    serde_json::from_slice(body.to_string().as_bytes()).unwrap()
}

fn parse(body: Value) -> ChatRequest {
    read(&body)
}

#[test]
fn numbers_are_read_however_they_are_written() {
    let body = br#"{"model": "m", "messages": [{"role": "user", "content": "a"}], "temperature": 7e-1, "top_p": 0.90,
        "logit_bias": {"5": -1e1}, "max_tokens": 9}"#;
    let valid = serde_json::from_slice::<ChatRequest>(body).unwrap().validate().unwrap();
    assert_eq!((valid.sampling.temperature, valid.sampling.top_p), (Some(0.7), Some(0.9)));
    assert_eq!(valid.sampling.logit_bias, [(5, -10.0)].into());
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
    assert!(valid.stream.on && valid.stream.include_usage);
    let ValidSampling { seed, temperature, top_p, top_k, stop, .. } = valid.sampling;
    assert_eq!((valid.completion_tokens_max, seed), (Some(16), Some(u64::MAX)));
    assert_eq!((temperature, top_p, top_k), (Some(0.7), Some(0.9), Some(40)));
    assert_eq!(stop, ["\n\n", "END"]);
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
    assert_eq!((valid.stream, valid.choices), (Streaming::default(), 1));
    assert_eq!((valid.completion_tokens_max, valid.sampling), (None, ValidSampling::default()));
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
        ("n", json!(CHOICES_MAX + 1)),
        ("top_k", json!(-2)),
        ("min_p", json!(1.1)),
        ("frequency_penalty", json!(2.1)),
        ("presence_penalty", json!(-2.1)),
        ("repetition_penalty", json!(0)),
        ("logit_bias", json!({"1": 101})),
        ("logit_bias", json!({"one": 1})),
        ("min_tokens", json!(-1)),
        ("stop_token_ids", json!([-1])),
        ("top_logprobs", json!(3)),
        ("continue_final_message", json!(true)),
        ("stop", json!(vec!["a"; STOPS_MAX + 1])),
        ("stop", json!("")),
        ("stop", json!("x".repeat(STOP_BYTES_MAX + 1))),
        ("response_format", json!({"type": "json_schema", "json_schema": {}})),
        ("response_format", json!({"type": "xml"})),
        ("guided_json", json!("{")),
        ("guided_json", json!([1])),
        ("guided_choice", json!([])),
        ("guided_choice", json!(["a", ""])),
        ("guided_choice", json!(vec!["a"; FORM_CHOICES_MAX + 1])),
        ("guided_grammar", json!("root ::= \"a\"")),
        ("structured_outputs", json!({"structural_tag": "{}"})),
        ("structured_outputs", json!({"regex": "a", "choice": ["a"]})),
        ("tool_choice", json!("required")),
        ("tool_choice", json!("perhaps")),
        ("tool_choice", json!({"type": "function", "function": {"name": "absent"}})),
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
    assert_eq!(valid.stream, Streaming::default());
}

#[test]
fn an_error_has_all_four_keys() {
    let body = ErrorBody::from(with("n", json!(0)).validate().unwrap_err());
    let expected = json!({"error": {
        "message": "n must be between 1 and 4294967295",
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

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}})
}

#[test]
fn tools_and_their_choice_are_read_and_a_bad_tool_is_named_by_its_index() {
    for (choice, expected) in [
        (Value::Null, ToolChoice::Auto),
        (json!("auto"), ToolChoice::Auto),
        (json!("none"), ToolChoice::None),
        (json!("required"), ToolChoice::Required),
        (json!({"type": "function", "function": {"name": "b"}}), ToolChoice::Named("b".into())),
    ] {
        let mut request = with("tools", json!([tool("a"), tool("b")]));
        request.tool_choice = Some(choice);
        let valid = request.validate().unwrap();
        assert_eq!((valid.tool_choice, valid.tools.len()), (expected, 2));
    }
    assert_eq!(with("tools", json!([])).validate().unwrap().tool_choice, ToolChoice::None);
    assert_eq!(param(with("tools", json!([tool("a"), tool("a b")]))), "tools[1].function.name");
    assert_eq!(param(with("tools", json!([{"type": "web_search"}]))), "tools[0].type");
}

#[test]
fn a_required_call_has_the_schema_of_the_tools_it_may_choose_from() {
    let tools: Vec<Tool> = serde_json::from_value(json!([tool("a"), tool("b")])).unwrap();
    let schema = ToolChoice::Named("b".into()).required_call(&tools).unwrap();
    assert_eq!(schema["properties"]["name"], json!({"const": "b"}));
    let schema = ToolChoice::Required.required_call(&tools).unwrap();
    assert_eq!(schema["anyOf"].as_array().unwrap().len(), 2);
    assert_eq!(ToolChoice::Auto.required_call(&tools), None);
}

#[test]
fn a_call_is_streamed_as_its_name_and_then_its_arguments() {
    let [begin, rest] = Delta::call(1, ToolCall::new("call_1", "f", "{\"a\":1}"));
    assert_eq!(
        serde_json::to_value(&begin).unwrap(),
        json!({"tool_calls": [{"index": 1, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}]})
    );
    assert_eq!(
        serde_json::to_value(&rest).unwrap(),
        json!({"tool_calls": [{"index": 1, "function": {"arguments": "{\"a\":1}"}}]})
    );
}

fn completion(field: &str, value: Value) -> CompletionRequest {
    let mut body = json!({"model": "m", "prompt": "Once"});
    body[field] = value;
    read(&body)
}

#[test]
fn prompts_of_all_four_forms_are_read() {
    for (prompt, expected) in [
        (json!("a"), vec![PromptText::Text("a".into())]),
        (json!(["a", "b"]), vec![PromptText::Text("a".into()), PromptText::Text("b".into())]),
        (json!([1, 2]), vec![PromptText::Tokens(vec![1, 2])]),
        (json!([[1], [2]]), vec![PromptText::Tokens(vec![1]), PromptText::Tokens(vec![2])]),
    ] {
        let valid = completion("prompt", prompt).validate().unwrap();
        assert_eq!((valid.prompts, valid.completion_tokens_max), (expected, 16));
    }
}

#[test]
fn a_text_completion_out_of_range_names_its_parameter() {
    for (field, value) in [
        ("prompt", Value::Null),
        ("prompt", json!("")),
        ("prompt", json!([])),
        ("prompt", json!(["a", ""])),
        ("n", json!(17)),
        ("best_of", json!(2)),
        ("suffix", json!("end")),
        ("logprobs", json!(6)),
        ("max_tokens", json!(0)),
        ("temperature", json!(3)),
    ] {
        assert_eq!(completion(field, value.clone()).validate().unwrap_err().param.unwrap(), field, "{value}");
    }
    let many = completion("prompt", json!(vec!["a"; 33]));
    let many = CompletionRequest { n: Some(2), ..many };
    assert_eq!(many.validate().unwrap_err().param.as_deref(), Some("n"));
}

#[test]
fn embeddings_take_texts_and_refuse_what_means_nothing_by_name() {
    let request = |body: Value| read::<EmbeddingRequest>(&body).validate();
    let valid =
        request(json!({"model": "m", "input": "a", "encoding_format": "base64", "user": "u"})).unwrap();
    assert_eq!((valid.texts, valid.base64), (vec!["a".to_owned()], true));
    for (field, value) in [
        ("input", json!([])),
        ("input", json!([""])),
        ("input", json!([1, 2])),
        ("input", json!([[1]])),
        ("encoding_format", json!("hex")),
        ("dimensions", json!(0)),
    ] {
        let mut body = json!({"model": "m", "input": "a"});
        body[field] = value.clone();
        assert_eq!(request(body).unwrap_err().param.as_deref(), Some(field), "{value}");
    }
}

#[test]
fn vectors_are_numbers_or_base64_of_little_endian_floats() {
    let list =
        EmbeddingList::new("m", vec![Vector::new(vec![1.0, -0.5], false), Vector::new(vec![1.0], true)], 7);
    let expected = json!({
        "object": "list", "model": "m", "usage": {"prompt_tokens": 7, "total_tokens": 7},
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1.0, -0.5]},
            {"object": "embedding", "index": 1, "embedding": "AACAPw=="},
        ],
    });
    assert_eq!(serde_json::to_value(&list).unwrap(), expected);
}

#[test]
fn forms_by_the_names_of_other_servers_are_read_in_chats_and_completions() {
    let schema = json!({"type": "object"});
    for (field, value, form) in [
        ("guided_json", schema.clone(), AnswerForm::JsonSchema(schema.clone())),
        ("guided_json", json!(schema.to_string()), AnswerForm::JsonSchema(schema.clone())),
        ("guided_regex", json!("[a-c]+"), AnswerForm::Regex("[a-c]+".to_owned())),
        ("guided_choice", json!(["yes", "no"]), AnswerForm::Choice(vec!["yes".to_owned(), "no".to_owned()])),
        ("guided_grammar", json!("start: \"a\""), AnswerForm::Lark("start: \"a\"".to_owned())),
        ("structured_outputs", json!({"json": schema}), AnswerForm::JsonSchema(schema.clone())),
        ("structured_outputs", json!({"regex": "a"}), AnswerForm::Regex("a".to_owned())),
        ("structured_outputs", json!({"choice": ["a"]}), AnswerForm::Choice(vec!["a".to_owned()])),
        ("structured_outputs", json!({"grammar": "start: A"}), AnswerForm::Lark("start: A".to_owned())),
        ("structured_outputs", json!({"json_object": true}), AnswerForm::JsonObject),
    ] {
        let chat = with(field, value.clone()).validate().unwrap();
        assert_eq!((&chat.form, chat.form_param), (&form, field), "{value}");
        let completion = completion(field, value.clone()).validate().unwrap();
        assert_eq!((&completion.form, completion.form_param), (&form, field), "{value}");
    }
    for (field, value) in [
        ("structured_outputs", json!({})),
        ("structured_outputs", json!({"json_object": false})),
        ("guided_json", json!(null)),
        ("guided_decoding_backend", json!("xgrammar")),
    ] {
        assert_eq!(with(field, value).validate().unwrap().form, AnswerForm::Text, "{field}");
    }
}

#[test]
fn two_forms_at_once_are_refused() {
    let body = |more: Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parse(body)
    };
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    for (more, at_fault) in [
        (json!({"guided_regex": "a", "guided_choice": ["a"]}), "guided_choice"),
        (json!({"response_format": {"type": "json_object"}, "guided_json": {}}), "guided_json"),
        (json!({"guided_regex": "a", "structured_outputs": {"regex": "a"}}), "structured_outputs"),
        (json!({"guided_regex": "a", "tools": tools, "tool_choice": "required"}), "guided_regex"),
    ] {
        assert_eq!(param(body(more.clone())), at_fault, "{more}");
    }
    let text = json!({"response_format": {"type": "text"}, "guided_regex": "a", "tools": tools});
    assert_eq!(body(text).validate().unwrap().form, AnswerForm::Regex("a".to_owned()));
}

#[test]
fn fields_that_would_change_the_answer_and_are_not_here_are_refused_by_name() {
    for (field, value) in [
        ("use_beam_search", json!(true)),
        ("prompt_logprobs", json!(0)),
        ("include_stop_str_in_output", json!(true)),
        ("allowed_token_ids", json!([1])),
        ("bad_words", json!(["a"])),
        ("truncate_prompt_tokens", json!(5)),
        ("logits_processors", json!(["x"])),
        ("chat_template", json!("{{ messages }}")),
        ("documents", json!([{}])),
        ("echo", json!(true)),
        ("add_special_tokens", json!(true)),
        ("add_generation_prompt", json!(false)),
        ("cache_salt", json!("")),
        ("cache_salt", json!("x".repeat(SALT_BYTES_MAX + 1))),
    ] {
        assert_eq!(param(with(field, value)), field);
    }
    for (field, value) in [
        ("use_beam_search", json!(false)),
        ("prompt_logprobs", json!(null)),
        ("allowed_token_ids", json!([])),
        ("chat_template", json!("")),
        ("add_generation_prompt", json!(true)),
        ("skip_special_tokens", json!(true)),
    ] {
        assert_eq!(with(field, value).validate().unwrap().sampling, ValidSampling::default(), "{field}");
    }
    let text = json!({"model": "m", "prompt": "a", "add_special_tokens": false});
    let refused = read::<CompletionRequest>(&text).validate().unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("add_special_tokens"));
    let text = json!({"model": "m", "prompt": "a", "bad_words": ["b"]});
    assert_eq!(read::<CompletionRequest>(&text).validate().unwrap_err().param.as_deref(), Some("bad_words"));
}

#[test]
fn salts_special_tokens_and_named_tokens_are_read() {
    let body = json!({"model": "m", "prompt": "a", "cache_salt": "s", "skip_special_tokens": false, "return_token_ids": true});
    let sampling = read::<CompletionRequest>(&body).validate().unwrap().sampling;
    assert_eq!(sampling.cache_salt.as_deref(), Some("s"));
    assert!(sampling.shows_special && sampling.names_tokens);
}

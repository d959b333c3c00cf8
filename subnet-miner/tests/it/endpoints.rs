//! What can be ordered beside a single chat answer, on the echo model, a tiny encoder, and the real default model.

use std::num::NonZeroU32;
use std::path::PathBuf;

use protocol::digest::Hasher;
use protocol::openai::{ChatChunk, ChatCompletion, Endpoint, FinishReason, TextCompletion};
use protocol::receipt::{self, SignedReceipt};
use serde_json::{Value, json};
use subnet_miner::axon::Limits;
use subnet_miner::models::ModelLocation;

use crate::fixture::{Fixture, MODEL, in_time, refusal};

const SMOLLM2: &str = "SmolLM2-135M-Instruct";

async fn smollm2() -> Fixture {
    smollm2_within(Limits::default()).await
}

async fn smollm2_within(limits: Limits) -> Fixture {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let user = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let cache = variable("SUBNET64_CACHE").or_else(|| Some(user()?.join("subnet64"))).expect("HOME is set");
    let path = cache.join("models").join("SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(path.exists(), "{} is missing: run scripts/get-model", path.display());
    Fixture::serving([(SMOLLM2.parse().unwrap(), ModelLocation::Gguf(path))].into(), limits).await
}

async fn whole(fixture: &Fixture, endpoint: Endpoint, body: &Value) -> (Value, SignedReceipt) {
    let response = in_time(fixture.ask(endpoint, body).send()).await.unwrap();
    let status = response.status();
    let receipt = response.headers().get(receipt::HEADER).map(|value| value.to_str().unwrap().to_owned());
    let body: Value = in_time(response.json()).await.unwrap();
    assert_eq!(status, 200, "{body}");
    (body, SignedReceipt::from_header(&receipt.unwrap()).unwrap())
}

async fn chunks(fixture: &Fixture, endpoint: Endpoint, body: &Value) -> Vec<Value> {
    let response = in_time(fixture.ask(endpoint, body).send()).await.unwrap();
    assert_eq!(response.status(), 200);
    let text = in_time(response.text()).await.unwrap();
    assert!(text.contains("event: receipt"), "{text}");
    let data = text.split_terminator("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.map(|json| serde_json::from_str(json).unwrap()).collect()
}

async fn refused(fixture: &Fixture, endpoint: Endpoint, body: &Value) -> (u16, String) {
    refusal(in_time(fixture.ask(endpoint, body).send()).await.unwrap()).await
}

fn chat(model: &str, text: &str, more: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": text}], "temperature": 0});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Without the model's own end, so that only a limit ends it.
fn endless(more: Value) -> Value {
    let mut body = chat(SMOLLM2, "Count.", json!({"max_tokens": 8_000, "ignore_eos": true}));
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn an_answer_that_takes_too_long_ends_at_a_length_with_its_usage_and_its_receipt() {
    let fixture =
        smollm2_within(Limits { answer_ms_max: NonZeroU32::new(2_500).unwrap(), ..Limits::default() }).await;
    let (answer, signed) = whole(&fixture, Endpoint::Chat, &endless(json!({}))).await;
    let completion: ChatCompletion = serde_json::from_value(answer).unwrap();
    assert_eq!(completion.choices[0].finish_reason, Some(FinishReason::Length));
    let receipt = signed.receipt;
    assert_eq!(receipt.finish_reason, receipt::FinishReason::Length);
    assert_eq!(receipt.completion_tokens, completion.usage.completion_tokens);
    assert!((1..8_000).contains(&receipt.completion_tokens), "{receipt:?}");
    assert!(receipt.fingerprint.is_some(), "what was generated can be executed again");

    let events = chunks(&fixture, Endpoint::Chat, &endless(json!({"stream": true, "n": 2}))).await;
    let ends = events.iter().filter_map(|event| event["choices"][0]["finish_reason"].as_str());
    assert_eq!(ends.collect::<Vec<_>>(), ["length", "length"]);
}

#[tokio::test]
async fn a_stream_that_has_nothing_to_send_says_that_it_is_still_at_it() {
    let limits = Limits { silence_ms_max: NonZeroU32::new(1).unwrap(), ..Limits::default() };
    let fixture = smollm2_within(limits).await;
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {
        "text": {"type": "string"}}, "required": ["text"]}}});
    // A forced call is held back until it is whole.
    let more = json!({"stream": true, "max_tokens": 24, "tools": [tool],
        "tool_choice": {"type": "function", "function": {"name": "f"}}});
    let response =
        in_time(fixture.ask(Endpoint::Chat, &chat(SMOLLM2, "Call f.", more)).send()).await.unwrap();
    let text = in_time(response.text()).await.unwrap();
    assert!(text.contains(": still at it\n\n"), "{text}");
    let data = text.split_terminator("\n\n").filter_map(|event| event.strip_prefix("data: "));
    let mut hasher = Hasher::new();
    data.for_each(|json| hasher.update(format!("{json}\n").as_bytes()));
    let receipt = text.rsplit_once("event: receipt\ndata: ").unwrap().1.trim();
    let receipt = SignedReceipt::from_header(receipt).unwrap().receipt;
    assert_eq!(receipt.output_sha256, hasher.finish(), "comments are not part of the answer");
}

#[tokio::test]
async fn several_answers_are_one_call_with_one_prompt_and_one_receipt() {
    let fixture = Fixture::start().await;
    let body = chat(MODEL, "one two three", json!({"n": 3}));
    let (answer, receipt) = whole(&fixture, Endpoint::Chat, &body).await;
    let completion: ChatCompletion = serde_json::from_value(answer).unwrap();
    let texts: Vec<_> = completion.choices.iter().map(|choice| choice.message.content.as_deref()).collect();
    assert_eq!(texts, [Some("one two three"); 3]);
    assert_eq!(completion.choices.iter().map(|choice| choice.index).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(completion.usage.prompt_tokens, 3);
    assert_eq!(receipt.receipt.prompt_tokens, 3);
    assert_eq!(receipt.receipt.completion_tokens, completion.usage.completion_tokens);
    assert!(completion.usage.completion_tokens >= 9);
}

#[tokio::test]
async fn each_streamed_answer_begins_and_ends_once_and_usage_can_be_in_every_chunk() {
    let fixture = Fixture::start().await;
    let options = json!({"include_usage": true, "continuous_usage_stats": true});
    let body = chat(MODEL, "a b", json!({"n": 2, "stream": true, "stream_options": options}));
    let chunks = chunks(&fixture, Endpoint::Chat, &body).await;
    assert!(chunks.iter().all(|chunk| chunk["usage"].is_object()));
    let chunks: Vec<ChatChunk> =
        chunks.into_iter().map(|chunk| serde_json::from_value(chunk).unwrap()).collect();
    for index in 0..2 {
        let of_choice =
            || chunks.iter().flat_map(|chunk| &chunk.choices).filter(move |choice| choice.index == index);
        assert_eq!(of_choice().filter(|choice| choice.delta.role.is_some()).count(), 1);
        assert_eq!(of_choice().filter(|choice| choice.finish_reason.is_some()).count(), 1);
        let text: String = of_choice().filter_map(|choice| choice.delta.content.clone()).collect();
        assert_eq!(text, "a b");
    }
    assert!(chunks.last().unwrap().choices.is_empty());
}

#[tokio::test]
async fn text_completions_answer_every_prompt_and_can_repeat_it() {
    let fixture = Fixture::start().await;
    let body =
        json!({"model": MODEL, "prompt": ["x y", "z"], "n": 2, "echo": true, "logprobs": null, "user": "u"});
    let (answer, receipt) = whole(&fixture, Endpoint::Completion, &body).await;
    let completion: TextCompletion = serde_json::from_value(answer).unwrap();
    let texts: Vec<_> = completion.choices.iter().map(|choice| choice.text.as_str()).collect();
    assert_eq!(texts, ["x yx y", "x yx y", "zz", "zz"]);
    assert_eq!((completion.object.as_str(), receipt.receipt.prompt_tokens), ("text_completion", 3));
    let body = json!({"model": MODEL, "prompt": "x y", "stream": true, "max_tokens": 1});
    let chunks = chunks(&fixture, Endpoint::Completion, &body).await;
    let text: String = chunks.iter().map(|chunk| chunk["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(text, "x");
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn a_ticket_orders_only_the_endpoint_of_its_kind() {
    let fixture = Fixture::start().await;
    let body = serde_json::to_vec(&json!({"model": MODEL, "prompt": "x"})).unwrap();
    let chat_ticket = fixture.signed_ticket(&body);
    let response = in_time(fixture.ask_with(Endpoint::Completion, &body, &chat_ticket).send()).await.unwrap();
    assert_eq!(refusal(response).await, (400, "ticket_wrong_kind".to_owned()));
}

#[tokio::test]
async fn embeddings_are_the_encoders_vectors_in_both_encodings() {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../model-runtime/tests/vectors/embeddings/tiny");
    let cases: Vec<Value> =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let locations = [("tiny".parse().unwrap(), ModelLocation::Gguf(folder))].into();
    let fixture = Fixture::serving(locations, Limits::default()).await;
    let cases: Vec<&Value> = cases.iter().filter(|case| case["text"] != "").collect();
    let texts: Vec<&str> = cases.iter().map(|case| case["text"].as_str().unwrap()).collect();

    let (answer, receipt) =
        whole(&fixture, Endpoint::Embedding, &json!({"model": "tiny", "input": texts})).await;
    for (object, case) in answer["data"].as_array().unwrap().iter().zip(&cases) {
        let numbers = |value: &Value| -> Vec<f64> {
            value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
        };
        let (found, expected) = (numbers(&object["embedding"]), numbers(&case["vector"]));
        assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-4), "{}", case["text"]);
    }
    let tokens: u64 = cases.iter().map(|case| case["tokens"].as_u64().unwrap()).sum();
    assert_eq!(answer["usage"], json!({"prompt_tokens": tokens, "total_tokens": tokens}));
    assert_eq!((u64::from(receipt.receipt.prompt_tokens), receipt.receipt.completion_tokens), (tokens, 0));

    let base64 = json!({"model": "tiny", "input": texts[0], "encoding_format": "base64"});
    let (answer, _) = whole(&fixture, Endpoint::Embedding, &base64).await;
    let width = cases[0]["vector"].as_array().unwrap().len();
    assert_eq!(answer["data"][0]["embedding"].as_str().unwrap().len(), (4 * width).div_ceil(3) * 4);

    let narrower = json!({"model": "tiny", "input": "a", "dimensions": 2});
    assert_eq!(
        refused(&fixture, Endpoint::Embedding, &narrower).await,
        (400, "invalid_dimensions".to_owned())
    );
    let said = chat("tiny", "hello", json!({}));
    assert_eq!(refused(&fixture, Endpoint::Chat, &said).await, (400, "wrong_model".to_owned()));
}

#[tokio::test]
async fn a_model_of_text_makes_no_embeddings_and_the_echo_has_no_vocabulary() {
    let fixture = Fixture::start().await;
    let body = json!({"model": MODEL, "input": "a"});
    assert_eq!(refused(&fixture, Endpoint::Embedding, &body).await, (400, "wrong_model".to_owned()));
    let body = json!({"model": MODEL, "prompt": "a"});
    assert_eq!(refused(&fixture, Endpoint::Tokenize, &body).await, (400, "wrong_model".to_owned()));
}

#[tokio::test]
async fn a_real_model_keeps_to_the_forms_that_other_servers_have() {
    let fixture = smollm2().await;
    let ask = |more: Value| chat(SMOLLM2, "Is snow white? Say yes or no.", more);
    for (more, right) in [
        (json!({"guided_choice": ["affirmative (yes)", "negative"]}), &["affirmative (yes)", "negative"][..]),
        (json!({"guided_regex": "(ja|nein)\\."}), &["ja.", "nein."]),
        (json!({"guided_grammar": "start: \"si\" | \"no\" \"!\""}), &["si", "no!"]),
        (json!({"guided_json": {"enum": [17, 23]}}), &["17", "23"]),
        (json!({"structured_outputs": {"choice": ["oui", "non"]}}), &["oui", "non"]),
    ] {
        let (answer, _) = whole(&fixture, Endpoint::Chat, &ask(more.clone())).await;
        let choice = &answer["choices"][0];
        let content = choice["message"]["content"].as_str().unwrap();
        assert!(right.contains(&content), "{more}: {content:?}");
        assert_eq!(choice["finish_reason"], "stop", "{more}");
    }
    let body = json!({"model": SMOLLM2, "prompt": "Snow is", "max_tokens": 8, "guided_choice": [" white", " black"]});
    let (answer, _) = whole(&fixture, Endpoint::Completion, &body).await;
    assert!([" white", " black"].contains(&answer["choices"][0]["text"].as_str().unwrap()), "{answer}");

    let broken = ask(json!({"guided_regex": "a("}));
    assert_eq!(refused(&fixture, Endpoint::Chat, &broken).await, (400, "invalid_schema".to_owned()));
    let two = ask(json!({"guided_regex": "a", "guided_choice": ["a"]}));
    assert_eq!(refused(&fixture, Endpoint::Chat, &two).await.0, 400);
}

#[tokio::test]
async fn a_real_model_keeps_to_schemas_and_calls_what_it_must_call() {
    let fixture = smollm2().await;
    let schema = json!({
        "type": "object", "required": ["color", "count"], "additionalProperties": false,
        "properties": {"color": {"enum": ["red", "green"]}, "count": {"type": "integer", "minimum": 0, "maximum": 99}},
    });
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": true}});
    let body = chat(SMOLLM2, "Pick a color.", json!({"response_format": format, "max_tokens": 64}));
    let (answer, _) = whole(&fixture, Endpoint::Chat, &body).await;
    let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let object: Value = serde_json::from_str(content).unwrap();
    assert!(
        object["count"].is_u64() && ["red", "green"].contains(&object["color"].as_str().unwrap()),
        "{object}"
    );

    let impossible =
        json!({"type": "json_schema", "json_schema": {"schema": {"type": "array", "uniqueItems": true}}});
    let body = chat(SMOLLM2, "Hi", json!({"response_format": impossible}));
    assert_eq!(refused(&fixture, Endpoint::Chat, &body).await, (400, "invalid_schema".to_owned()));

    let city = json!({"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"], "additionalProperties": false});
    let tools = json!([
        {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}, "additionalProperties": false}}},
        {"type": "function", "function": {"name": "weather", "description": "The weather of a city", "parameters": city}},
    ]);
    let named = json!({"type": "function", "function": {"name": "weather"}});
    let ask = |choice: Value, stream: bool| {
        chat(
            SMOLLM2,
            "What is the weather in Rome?",
            json!({"tools": tools, "tool_choice": choice, "stream": stream, "max_tokens": 96}),
        )
    };
    let (answer, _) = whole(&fixture, Endpoint::Chat, &ask(named.clone(), false)).await;
    let choice = &answer["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &Value::Null)
    );
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("weather")));
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["city"].is_string(), "{arguments}");

    let chunks = chunks(&fixture, Endpoint::Chat, &ask(json!("required"), true)).await;
    let chunks: Vec<ChatChunk> =
        chunks.into_iter().map(|chunk| serde_json::from_value(chunk).unwrap()).collect();
    let calls: Vec<_> =
        chunks.iter().flat_map(|chunk| &chunk.choices).flat_map(|choice| &choice.delta.tool_calls).collect();
    let [begin, rest] = &calls[..] else { panic!("{} pieces of a call", calls.len()) };
    assert!(begin.id.is_some() && rest.id.is_none());
    assert!(["time", "weather"].contains(&begin.function.name.as_deref().unwrap()));
    assert!(serde_json::from_str::<Value>(rest.function.arguments.as_deref().unwrap()).unwrap().is_object());
    assert_eq!(chunks.last().unwrap().choices[0].finish_reason, Some(FinishReason::ToolCalls));
}

#[tokio::test]
async fn a_real_model_tells_probabilities_and_tokens_and_finds_prompts_in_its_cache() {
    let fixture = smollm2().await;
    let long = "The sea is wide and the night is long. ".repeat(12);
    let body = chat(SMOLLM2, &long, json!({"logprobs": true, "top_logprobs": 2, "max_tokens": 4}));
    let (answer, _) = whole(&fixture, Endpoint::Chat, &body).await;
    let told = answer["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(told.len(), 4);
    let text: String = told.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(answer["choices"][0]["message"]["content"], text.as_str());
    for token in told {
        assert_eq!(token["top_logprobs"].as_array().unwrap().len(), 2);
        assert_eq!(token["top_logprobs"][0]["token"], token["token"], "greedy takes the likeliest");
        assert!(token["logprob"].as_f64().unwrap() <= 0.0);
    }
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    let (again, _) = whole(&fixture, Endpoint::Chat, &body).await;
    assert!(
        again["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap() > 64,
        "{}",
        again["usage"]
    );
    assert_eq!(again["choices"], answer["choices"]);

    let ask = json!({"model": SMOLLM2, "prompt": "Hello, wide world!", "return_token_strs": true});
    let (tokens, receipt) = whole(&fixture, Endpoint::Tokenize, &ask).await;
    assert_eq!(tokens["count"].as_u64().unwrap() as usize, tokens["tokens"].as_array().unwrap().len());
    assert_eq!((receipt.receipt.prompt_tokens, receipt.receipt.completion_tokens), (0, 0));
    let ask = json!({"model": SMOLLM2, "tokens": tokens["tokens"]});
    let (back, _) = whole(&fixture, Endpoint::Detokenize, &ask).await;
    assert_eq!(back["prompt"], "Hello, wide world!");
    let unknown = json!({"model": SMOLLM2, "tokens": [4_000_000_000_u32]});
    assert_eq!(refused(&fixture, Endpoint::Detokenize, &unknown).await, (400, "invalid_prompt".to_owned()));

    let biased = json!({"model": SMOLLM2, "prompt": "One two three", "max_tokens": 3, "temperature": 0,
        "logit_bias": {tokens["tokens"][0].to_string(): 100}, "logprobs": 1});
    let (answer, _) = whole(&fixture, Endpoint::Completion, &biased).await;
    assert_eq!(answer["choices"][0]["text"], "HelloHelloHello");
    assert_eq!(answer["choices"][0]["logprobs"]["text_offset"], json!([0, 5, 10]));
}

#[tokio::test]
async fn a_real_model_keeps_salted_prompts_apart_names_tokens_and_shows_those_that_steer_it() {
    let fixture = smollm2().await;
    let long = "The sea is wide and the night is long. ".repeat(12);
    let cached = async |salt: Value| {
        let body = chat(SMOLLM2, &long, json!({"max_tokens": 1, "cache_salt": salt}));
        let (answer, _) = whole(&fixture, Endpoint::Chat, &body).await;
        answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap()
    };
    assert_eq!(
        (cached(json!("ann")).await, cached(json!("bob")).await, cached(json!(null)).await),
        (0, 0, 0)
    );
    assert!(cached(json!("ann")).await > 64 && cached(json!("bob")).await > 64);

    let ids = |value: &Value| -> Vec<u64> {
        value.as_array().map(|ids| ids.iter().map(|id| id.as_u64().unwrap()).collect()).unwrap_or_default()
    };
    let body = chat(SMOLLM2, "Name a river.", json!({"max_tokens": 5, "return_token_ids": true, "n": 2}));
    let (answer, receipt) = whole(&fixture, Endpoint::Chat, &body).await;
    assert_eq!(ids(&answer["prompt_token_ids"]).len(), receipt.receipt.prompt_tokens as usize);
    let choices = answer["choices"].as_array().unwrap();
    let named: usize = choices.iter().map(|choice| ids(&choice["token_ids"]).len()).sum();
    assert_eq!(named, receipt.receipt.completion_tokens as usize);
    let mut streamed = body;
    streamed["stream"] = true.into();
    let chunks = chunks(&fixture, Endpoint::Chat, &streamed).await;
    assert_eq!(chunks[0]["prompt_token_ids"], answer["prompt_token_ids"]);
    assert!(chunks[1..].iter().all(|chunk| chunk.get("prompt_token_ids").is_none()));
    for choice in choices {
        let pieces = chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap());
        let of_choice = pieces.filter(|piece| piece["index"] == choice["index"]);
        let streamed: Vec<u64> = of_choice.flat_map(|piece| ids(&piece["token_ids"])).collect();
        assert_eq!(streamed, ids(&choice["token_ids"]));
    }

    // <|im_start|>, which the bias makes the only answer.
    let steered = |more: Value| {
        let mut body = json!({"model": SMOLLM2, "prompt": [[504, 7], [504]], "max_tokens": 2, "temperature": 0,
            "logit_bias": {"1": 100}, "return_token_ids": true});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let (answer, _) = whole(&fixture, Endpoint::Completion, &steered(json!({}))).await;
    assert_eq!(
        (&answer["choices"][0]["text"], &answer["choices"][0]["token_ids"]),
        (&json!(""), &json!([1, 1]))
    );
    assert_eq!(answer["choices"][0]["prompt_token_ids"], json!([504, 7]));
    assert_eq!(answer["choices"][1]["prompt_token_ids"], json!([504]));
    let (answer, _) =
        whole(&fixture, Endpoint::Completion, &steered(json!({"skip_special_tokens": false}))).await;
    assert_eq!(answer["choices"][0]["text"], "<|im_start|><|im_start|>");
    let (plain, _) = whole(&fixture, Endpoint::Completion, &steered(json!({"return_token_ids": null}))).await;
    assert!(plain["choices"][0].get("token_ids").is_none());
}

//! A user's requests, as any HTTP client makes them.

use serde_json::{Value, json};

use crate::nodes::ValidatorNode;

/// A whole answer of the gateway or of the JSON-RPC server.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The JSON body; null when there is none.
    pub body: Value,
    /// Seconds of the `retry-after` header.
    pub retry_after_s: Option<u64>,
}

impl Answer {
    /// The OpenAI error object's `code`, or an empty text.
    pub fn error_code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// The OpenAI error object's message, or an empty text.
    pub fn error_message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }
}

/// A streamed answer, taken apart.
#[derive(Debug, Default)]
pub struct Streamed {
    /// The text of all chunks.
    pub text: String,
    /// The JSON of all chunks in order.
    pub chunks: Vec<Value>,
    /// Whether the stream ended with `[DONE]`.
    pub done: bool,
}

/// A streamed answer while it comes.
#[derive(Debug)]
pub struct OpenStream {
    response: reqwest::Response,
    buffer: String,
}

impl OpenStream {
    /// The next event or comment as it was sent; nothing at the end, or where the stream breaks.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let event = event.to_owned();
                self.buffer = rest.to_owned();
                return Some(event);
            }
            let piece = self.response.chunk().await.ok()??;
            self.buffer.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// Everything up to the end.
    pub async fn rest(mut self) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

impl ValidatorNode {
    /// Where its gateway listens.
    pub fn gateway_url(&self) -> String {
        self.gateway("")
    }

    /// Opens a streamed chat of up to so many tokens.
    ///
    /// # Panics
    /// When the gateway does not answer 200.
    pub async fn open_chat(&self, model: &str, content: &str, tokens_max: u32) -> OpenStream {
        let body = json!({
            "model": model, "max_tokens": tokens_max, "temperature": 0, "stream": true,
            "messages": [{"role": "user", "content": content}],
        });
        let request = reqwest::Client::new().post(self.gateway("/v1/chat/completions"));
        let response = request.bearer_auth(self.api_key()).json(&body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        OpenStream { response, buffer: String::new() }
    }

    fn gateway(&self, path: &str) -> String {
        format!("http://{}{path}", self.validator().gateway_addr())
    }

    /// `GET` of the gateway.
    pub async fn get(&self, path: &str) -> Answer {
        answer(client().get(self.gateway(path)).bearer_auth(self.api_key())).await
    }

    /// A chat request's whole answer.
    pub async fn chat(&self, model: &str, content: &str) -> Answer {
        let body = json!({
            "model": model, "max_tokens": 24, "temperature": 0, "messages": [{"role": "user", "content": content}],
        });
        self.post("/v1/chat/completions", body.to_string()).await
    }

    /// `POST` of any body to the gateway.
    pub async fn post(&self, path: &str, body: String) -> Answer {
        let request = client().post(self.gateway(path)).bearer_auth(self.api_key());
        answer(request.header("content-type", "application/json").body(body)).await
    }

    /// A chat request, streamed.
    ///
    /// # Panics
    /// When the gateway does not answer 200 with server-sent events.
    pub async fn chat_streamed(&self, model: &str, content: &str) -> Streamed {
        let body = json!({
            "model": model, "max_tokens": 24, "temperature": 0, "stream": true,
            "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": content}],
        });
        let url = self.gateway("/v1/chat/completions");
        let response = client().post(url).bearer_auth(self.api_key()).json(&body).send().await.unwrap();
        let status = response.status();
        let kind = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        assert_eq!(status.as_u16(), 200, "{text}");
        assert!(kind.unwrap().starts_with("text/event-stream"));
        let mut streamed = Streamed::default();
        for event in text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")) {
            if event == "[DONE]" {
                streamed.done = true;
                continue;
            }
            let chunk: Value = serde_json::from_str(event).unwrap();
            if let Some(piece) = chunk["choices"][0]["delta"]["content"].as_str() {
                streamed.text.push_str(piece);
            }
            streamed.chunks.push(chunk);
        }
        streamed
    }

    /// A call of the staker JSON-RPC; gives `result`.
    ///
    /// # Panics
    /// When the server answers with an error.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let url = format!("http://{}", self.validator().rpc_addr());
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply = answer(client().post(url).json(&body)).await;
        assert!(reply.body["error"].is_null(), "{method}: {}", reply.body["error"]);
        reply.body["result"].clone()
    }
}

/// A client that speaks plain HTTP; it wants a provider of cryptography all the same.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let retry_after_s = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok());
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
    Answer { status, body, retry_after_s }
}

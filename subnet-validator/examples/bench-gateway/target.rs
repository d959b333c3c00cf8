//! Something that answers chat completions, and asking it.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::miner::ENDLESS;

/// After which a call counts as unanswered.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Something that answers chat completions.
#[derive(Clone)]
pub struct Target {
    pub path: &'static str,
    pub url: String,
    key: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Target {
    pub fn new(path: &'static str, url: String, key: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Self { path, url, key: key.to_owned(), http }
    }

    /// Whether it answers at all, so that no time is spent on measuring refusals.
    pub async fn check(&self) -> Result<(), String> {
        let told = self.post(body(false, "check")).await.map_err(|error| {
            format!("the {} at {} is not there ({error}): start it, or leave it out", self.path, self.url)
        })?;
        let (status, answer) = told;
        if status == 200 {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&answer);
        let words: String = words.chars().take(200).collect();
        Err(format!(
            "the {} answers with status {status}: {words}; look at its key and its models",
            self.path
        ))
    }

    /// One call: whether it was answered, and how many events came.
    pub async fn ask(&self, streamed: bool) -> (bool, usize) {
        let Ok((status, body)) = self.post(body(streamed, "user")).await else { return (false, 0) };
        let events = if streamed { body.windows(6).filter(|window| *window == b"data: ").count() } else { 0 };
        (status == 200, events)
    }

    /// The body of an answer that does not end by itself.
    pub async fn begin_endless(&self) -> Result<Incoming, String> {
        let request = self.request(body(true, ENDLESS));
        let answer = tokio::time::timeout(PATIENCE, self.http.request(request));
        let answer = answer.await.map_err(|_| "an endless answer did not begin".to_owned())?;
        Ok(answer.map_err(|error| format!("an endless answer did not begin: {error}"))?.into_body())
    }

    async fn post(&self, body: Bytes) -> Result<(u16, Bytes), String> {
        let answered = async {
            let answer = self.http.request(self.request(body)).await.map_err(|error| error.to_string())?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(PATIENCE, answered).await.map_err(|_| "it did not answer in time".to_owned())?
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        Request::post(format!("{}/chat/completions", self.url))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.key))
            .body(Full::new(body))
            .unwrap()
    }
}

fn body(streamed: bool, user: &str) -> Bytes {
    let body = serde_json::json!({
        "model": "echo",
        "stream": streamed,
        "user": user,
        "messages": [{"role": "user", "content": "Say something short."}],
    });
    body.to_string().into()
}

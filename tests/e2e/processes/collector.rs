//! A collector of traces: takes OTLP requests (protobuf over HTTP) and reads the fields that the tests compare.
//! Field numbers are those of opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto, version 1.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;

/// A span as it arrived.
#[derive(Debug, Clone)]
pub struct Span {
    pub service: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub attributes: Vec<(String, String)>,
}

impl Span {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The collector. Serves until the test's runtime ends.
pub struct Collector {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    pub async fn start() -> Self {
        let requests: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let taken = Arc::clone(&requests);
        let take = move |body: Bytes| async move { taken.lock().unwrap().push(body) };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that has arrived.
    pub fn spans(&self) -> Vec<Span> {
        self.requests.lock().unwrap().iter().flat_map(|body| of_request(body)).collect()
    }
}

fn of_request(body: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource_spans in parts(body, 1) {
        let resource = parts(resource_spans, 1).next().unwrap_or_default();
        let service = attributes(resource, 1).into_iter().find(|(key, _)| key == "service.name");
        let service = service.map(|(_, name)| name).unwrap_or_default();
        for span in parts(resource_spans, 2).flat_map(|scope| parts(scope, 2)) {
            let hex = |field| parts(span, field).next().unwrap_or_default().iter();
            let hex = |field| hex(field).map(|byte| format!("{byte:02x}")).collect();
            spans.push(Span {
                service: service.clone(),
                name: text(parts(span, 5).next()),
                trace: hex(1),
                id: hex(2),
                parent: hex(4),
                attributes: attributes(span, 9),
            });
        }
    }
    spans
}

fn attributes(message: &[u8], field: u64) -> Vec<(String, String)> {
    let value = |pair| text(parts(pair, 2).next().and_then(|value| parts(value, 1).next()));
    parts(message, field).map(|pair| (text(parts(pair, 1).next()), value(pair))).collect()
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap()
}

/// The messages, texts or bytes in this field of a message, in order.
fn parts(message: &[u8], field: u64) -> impl Iterator<Item = &[u8]> {
    let mut rest = message;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let key = varint(&mut rest);
            let part = match key & 7 {
                0 => {
                    varint(&mut rest);
                    continue;
                }
                1 => take(&mut rest, 8),
                2 => {
                    let length = varint(&mut rest);
                    take(&mut rest, usize::try_from(length).unwrap())
                }
                5 => take(&mut rest, 4),
                other => panic!("wire type {other}"),
            };
            if key >> 3 == field && key & 7 == 2 {
                return Some(part);
            }
        }
        None
    })
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (part, after) = rest.split_at(length);
    *rest = after;
    part
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

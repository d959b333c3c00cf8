//! Talking to one miner's axon: the signed request, the answer's head, its inventory.
//!
//! Every attempt is its own ticket and its own nonce; nothing is ever sent twice. Redirects are not followed: a miner that wants
//! to be elsewhere publishes another axon.

pub mod error;
pub mod exchange;
mod link;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chain_client::TlsKey;
use chain_client::cli::logging::traces::{TRACEPARENT, traceparent};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use protocol::account::AccountId;
use protocol::btauth;
use protocol::cancel::{self, CancelRequest};
use protocol::digest::Digest;
use protocol::inventory::{Inventory, SignedInventory};
use protocol::openai::Endpoint;
use protocol::receipt::{self, SignedReceipt};
use protocol::signing::Keypair;
use protocol::ticket::{self, SignedTicket};

use self::error::{AttemptError, InventoryError, refusal};
use self::link::Connector;
use crate::clock::Clock;
use crate::config::FleetConfig;

/// Carries the user's request id to the miner.
const REQUEST_ID: &str = "x-request-id";

/// Sends requests to miners under the validator's hotkey.
pub struct AxonClient {
    http: Client<Connector, Full<Bytes>>,
    hotkey: Keypair,
    clock: Arc<Clock>,
    limits: FleetConfig,
}

/// Whom to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axon {
    /// The miner's hotkey: the request is bound to it.
    pub hotkey: AccountId,
    /// Where it listens.
    pub address: AxonAddress,
}

/// Where a miner listens, and what it must show there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AxonAddress {
    /// Address and port.
    pub socket: SocketAddr,
    /// SHA-256 of the one certificate that it may serve TLS with; nothing: it speaks plain HTTP.
    pub certificate: Option<Digest>,
}

/// What to ask.
#[derive(Debug)]
pub struct Order<'call> {
    /// What is asked for.
    pub endpoint: Endpoint,
    /// The request body, as the user sent it.
    pub body: Bytes,
    /// Its SHA-256, the one in the ticket.
    pub body_sha256: Digest,
    /// The order.
    pub ticket: &'call SignedTicket,
    /// The user's request id.
    pub request_id: &'call str,
}

impl AxonClient {
    /// A client with its own connection pool.
    #[must_use]
    pub fn new(hotkey: Keypair, clock: Arc<Clock>, limits: FleetConfig) -> Self {
        let connector = Connector::new(Duration::from_millis(limits.connect_timeout_ms));
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Below the six seconds after which a miner closes an idle connection, so that none is used as it closes.
            .pool_idle_timeout(Duration::from_secs(5))
            .http1_max_buf_size(limits.event_bytes_max.max(64 << 10))
            .build(connector);
        Self { http, hotkey, clock, limits }
    }

    /// Sends an order and returns the answer's head. Anything but success is an error, with the miner's words if it gave any.
    pub async fn order(&self, axon: Axon, order: Order<'_>) -> Result<Response<Incoming>, AttemptError> {
        let target = order.endpoint.path();
        let parts = btauth::RequestParts { method: "POST", target, body_sha256: order.body_sha256 };
        let mut request = Request::new(Full::new(order.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = axon.address.uri(target);
        let headers = request.headers_mut();
        for (name, value) in btauth::sign(&self.hotkey, &parts, &axon.hotkey, self.clock.nonce_ns()) {
            headers.insert(name, header_value(&value)?);
        }
        headers.insert(HOST, header_value(&axon.address.socket.to_string())?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ticket::HEADER, header_value(&order.ticket.to_header())?);
        headers.insert(REQUEST_ID, header_value(order.request_id)?);
        if let Some(traceparent) = traceparent() {
            headers.insert(TRACEPARENT, header_value(&traceparent)?);
        }

        let answer = self.http.request(request).await.map_err(AttemptError::Connection)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let words = self.body(answer, 64 << 10).await.unwrap_or_default();
        Err(refusal(status, &words))
    }

    /// Tells the miner to end the answer to a ticket. Its receipt ends the answer's own stream.
    pub async fn cancel(&self, axon: Axon, ticket_hash: Digest) -> Result<(), AttemptError> {
        let body = serde_json::to_vec(&CancelRequest { ticket_hash });
        let body = Bytes::from(body.map_err(|_| AttemptError::UnsendableHeader)?);
        let parts =
            btauth::RequestParts { method: "POST", target: cancel::TARGET, body_sha256: Digest::of(&body) };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = axon.address.uri(cancel::TARGET);
        let headers = request.headers_mut();
        for (name, value) in btauth::sign(&self.hotkey, &parts, &axon.hotkey, self.clock.nonce_ns()) {
            headers.insert(name, header_value(&value)?);
        }
        headers.insert(HOST, header_value(&axon.address.socket.to_string())?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self.http.request(request).await.map_err(AttemptError::Connection)?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(AttemptError::Failed { status: status.as_u16() }) }
    }

    /// Reads a whole answer.
    pub async fn whole(&self, answer: Response<Incoming>) -> Result<(Bytes, SignedReceipt), AttemptError> {
        let receipt = answer.headers().get(receipt::HEADER).and_then(|value| value.to_str().ok());
        let receipt = receipt.ok_or(AttemptError::NoReceipt)?.to_owned();
        let receipt = SignedReceipt::from_header(&receipt).map_err(|_| AttemptError::UnreadableReceipt)?;
        let body = self.body(answer, self.limits.answer_bytes_max).await?;
        Ok((body, receipt))
    }

    /// Asks what the miner runs, and checks that it says so itself and lately.
    pub async fn inventory(&self, axon: Axon, netuid: u16) -> Result<Inventory, InventoryError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = axon.address.uri("/inventory");
        let poll = async {
            let answer =
                self.http.request(request).await.map_err(|error| InventoryError::NoAnswer(error.into()))?;
            Limited::new(answer.into_body(), self.limits.inventory_bytes_max)
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes)
                .map_err(InventoryError::NoAnswer)
        };
        let deadline = Duration::from_millis(self.limits.inventory_timeout_ms);
        let bytes = tokio::time::timeout(deadline, poll).await.map_err(|_| InventoryError::Timeout)??;
        let signed: SignedInventory = serde_json::from_slice(&bytes).map_err(InventoryError::Unreadable)?;
        let inventory = signed
            .verify(self.clock.now_ms(), self.limits.inventory_max_age_ms, &axon.hotkey)
            .map_err(InventoryError::Refused)?;
        if inventory.netuid != netuid {
            return Err(InventoryError::OtherSubnet { netuid: inventory.netuid });
        }
        Ok(inventory)
    }

    async fn body(&self, answer: Response<Incoming>, bytes_max: usize) -> Result<Bytes, AttemptError> {
        let body = Limited::new(answer.into_body(), bytes_max).collect().await.map_err(AttemptError::Body)?;
        Ok(body.to_bytes())
    }
}

impl AxonAddress {
    /// What a miner has published, if this validator may use it: a key that it cannot compare with a certificate is none, and is not
    /// taken for leave to speak in the clear.
    #[must_use]
    pub fn published(socket: SocketAddr, tls_key: Option<&TlsKey>, require_tls: bool) -> Option<Self> {
        let certificate = match tls_key {
            None if require_tls => return None,
            None => None,
            Some(key) => Some(key.certificate_sha256()?),
        };
        Some(Self { socket, certificate })
    }

    /// The address of a target, with the certificate's hash as its user where there is one: so the connector takes it.
    fn uri(&self, target: &str) -> http::Uri {
        let socket = self.socket;
        let text = match &self.certificate {
            None => format!("http://{socket}{target}"),
            Some(certificate) => format!("https://{}@{socket}{target}", hex::encode(certificate.0)),
        };
        text.parse().expect("an address and a plain path make a URI")
    }
}

impl From<SocketAddr> for AxonAddress {
    fn from(socket: SocketAddr) -> Self {
        Self { socket, certificate: None }
    }
}

fn header_value(text: &str) -> Result<HeaderValue, AttemptError> {
    HeaderValue::from_str(text).map_err(|_| AttemptError::UnsendableHeader)
}

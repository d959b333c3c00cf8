//! Connections: who may open how many, and which requests are JSON-RPC, the page, or neither.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CONTENT_TYPE, ORIGIN, RETRY_AFTER, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use jsonrpsee::core::http_helpers::Body;
use jsonrpsee::core::middleware::RpcServiceBuilder;
use jsonrpsee::server::{BatchRequestConfig, Methods, Server, ServerConfig, StopHandle, ws};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::Service;

use super::config::StakerRpcConfig;
use super::limits::{CallLimit, Limited};
use super::page;
use super::state::State;
use crate::connections::{Client, Connections, Unread};
use crate::tls::Tls;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is served on every connection.
pub(super) struct Front {
    pub(super) state: Arc<State>,
    pub(super) methods: Methods,
    /// The OpenRPC document.
    pub(super) document: Bytes,
    /// The certificate; plain HTTP without one.
    pub(super) tls: Option<Arc<Tls>>,
}

/// Accepts connections until stopped; those open then may end their calls.
pub(super) async fn run(listener: TcpListener, front: Front, stop: StopHandle) {
    let Front { state, methods, document, tls } = front;
    let config = state.config.clone();
    let patience = Patience {
        handshake: Duration::from_millis(config.handshake_timeout_ms),
        head: Duration::from_millis(config.header_read_timeout_ms),
        unread: Duration::from_millis(config.unread_timeout_ms),
    };
    let limit = CallLimit::new(&config, Arc::clone(&state.clock));
    let per_call = limit.clone();
    let middleware =
        RpcServiceBuilder::new().layer_fn(move |service| Limited { service, limit: per_call.clone() });
    let builder =
        Server::builder().set_config(of(&config)).set_rpc_middleware(middleware).to_service_builder();
    let (connections, places) =
        (Connections::default(), Arc::new(Semaphore::new(config.connections_max as usize)));
    loop {
        let accepted = tokio::select! {
            () = stop.clone().shutdown() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                // Out of file descriptors, most likely: let others close first.
                tokio::task::yield_now().await;
                continue;
            }
        };
        let client = Client::from(peer.ip());
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::debug!("a connection was refused: too many are open");
            continue;
        };
        let Some(open) = connections.open(client, config.connections_per_client_max) else {
            tracing::debug!("a connection was refused: too many of one client are open");
            continue;
        };
        let (state, methods, document) = (Arc::clone(&state), methods.clone(), document.clone());
        let (builder, limit, stopping) = (builder.clone(), limit.clone(), stop.clone());
        let counted = Arc::new((place, open));
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            let is_call = request.method() == Method::POST || ws::is_upgrade_request(&request);
            // A WebSocket outlives the service of the request that opened it.
            request.extensions_mut().insert(Arc::clone(&counted));
            request.extensions_mut().insert(client);
            let (state, limit, document) = (Arc::clone(&state), limit.clone(), document.clone());
            let mut calls = is_call.then(|| builder.clone().build(methods.clone(), stopping.clone()));
            async move {
                let origin = allowed_origin(&state.config, request.headers());
                let mut response = match &mut calls {
                    Some(calls) => calls.call(request).await?,
                    None => other(&state, &limit, client, &document, &request)
                        .map(|body| Body::new(Full::new(body))),
                };
                if let Some(origin) = origin {
                    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                }
                response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
                Ok::<_, BoxError>(response)
            }
        });
        spawn(stream, peer, (tls.clone(), patience), service, stop.clone());
    }
}

/// How long a client is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    handshake: Duration,
    /// For the head of its first request, and of the next one on a connection that is kept.
    head: Duration,
    /// For it to take a byte that is sent.
    unread: Duration,
}

fn spawn<S>(
    stream: TcpStream,
    peer: SocketAddr,
    (tls, patience): (Option<Arc<Tls>>, Patience),
    service: S,
    stop: StopHandle,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection is lost already");
    }
    tokio::spawn(async move {
        let served = match tls {
            None => serve(stream, service, patience, stop).await,
            Some(tls) => match tls.accept(stream, patience.handshake).await {
                Ok(stream) => serve(stream, service, patience, stop).await,
                Err(error) => Err(error.into()),
            },
        };
        if let Err(error) = served {
            tracing::debug!(%peer, error = error.to_string(), "a staker's connection broke");
        }
    });
}

/// Serves one connection until it ends, or, once stopped, until the request in progress is answered.
async fn serve<S>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    service: S,
    patience: Patience,
    stop: StopHandle,
) -> Result<(), BoxError>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .serve_connection(
            TokioIo::new(Unread::new(stream, patience.unread)),
            TowerToHyperService::new(service),
        )
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        () = stop.shutdown() => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}

fn of(config: &StakerRpcConfig) -> ServerConfig {
    ServerConfig::builder()
        .max_connections(config.connections_max)
        .max_request_body_size(config.body_bytes_max)
        .max_response_body_size(config.response_bytes_max)
        .max_subscriptions_per_connection(config.subscriptions_per_connection_max)
        .set_message_buffer_capacity(u32::try_from(config.notifications_max.get()).unwrap_or(u32::MAX))
        .set_batch_request_config(BatchRequestConfig::Limit(config.batch_calls_max))
        .enable_ws_ping(Default::default())
        .set_tcp_no_delay(true)
        .build()
}

/// What is answered besides JSON-RPC.
fn other(
    state: &State,
    limit: &CallLimit,
    client: Client,
    document: &Bytes,
    request: &Request<Incoming>,
) -> Response<Bytes> {
    let (path, headers) = (request.uri().path(), request.headers());
    if request.method() == Method::OPTIONS {
        return preflight();
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "calls are made by POST or WebSocket\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
        return response;
    }
    // Whoever watches the validator asks for its health often and from one place.
    if path == "/health" {
        return health(state);
    }
    if let Err(retry_after_ms) = limit.take(client, 1) {
        let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "too many requests from this address\n");
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_ms.div_ceil(1_000)));
        return response;
    }
    if path == "/openrpc.json" {
        return json(StatusCode::OK, document.clone());
    }
    let file = state.config.page.then(|| page::file(path, headers)).flatten();
    file.unwrap_or_else(|| plain(StatusCode::NOT_FOUND, "nothing here; calls are made by POST to /\n"))
}

/// 200 while the chain is followed, 503 when it has gone quiet.
fn health(state: &State) -> Response<Bytes> {
    let stale = state.is_stale();
    let body = serde_json::json!({
        "status": if stale { "stale" } else { "ok" },
        "block": state.chain.borrow().block.number,
        "staleSeconds": state.age_ms() / 1_000,
        "receipts": state.ledger.head().size,
    });
    let status = if stale { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    json(status, body.to_string().into())
}

fn preflight() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    response
}

fn allowed_origin(config: &StakerRpcConfig, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let allowed =
        config.cors_origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes());
    allowed.then(|| origin.clone())
}

fn plain(status: StatusCode, text: &'static str) -> Response<Bytes> {
    with_type(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn json(status: StatusCode, body: Bytes) -> Response<Bytes> {
    with_type(status, "application/json", body)
}

fn with_type(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

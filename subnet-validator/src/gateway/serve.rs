//! Accepting connections under limits. `axum::serve` has no timeout for a request's head, so hyper is driven here.

pub mod cors;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::GatewayConfig;
use crate::connections::{Connections, Unread};
use crate::tls::Tls;

/// Largest request head, in bytes.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// Limits on connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    connections_max: usize,
    connections_per_address_max: u32,
    header_read_timeout: Duration,
    unread_timeout: Duration,
    drain_timeout: Duration,
}

impl Limits {
    pub(super) fn new(config: &GatewayConfig) -> Self {
        Self {
            connections_max: config.connections_max.min(Semaphore::MAX_PERMITS),
            connections_per_address_max: config.connections_per_address_max,
            header_read_timeout: Duration::from_millis(config.header_read_timeout_ms),
            unread_timeout: Duration::from_millis(config.unread_timeout_ms),
            drain_timeout: Duration::from_millis(config.drain_timeout_ms),
        }
    }
}

/// Serves until stopped, then lets open calls end, up to the drain limit.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    let by_address = Connections::default();
    let mut connections = JoinSet::new();
    loop {
        let accept = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let Some(open) = by_address.open(peer.ip().into(), limits.connections_per_address_max) else {
                    tracing::debug!(address = %peer.ip(), "a connection was refused: too many of one address are open");
                    continue;
                };
                let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
                connections.spawn(async move {
                    accepted_connection(stream, router, limits, tls, stop).await;
                    drop((permit, open));
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: some will be free again in a moment.
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_timeout, drained).await.is_err() {
        tracing::warn!("calls still open after the drain time are cut off");
    }
}

/// The handshake counts as part of the wait for a request's head.
async fn accepted_connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "cannot set TCP_NODELAY");
    }
    let Some(tls) = tls else { return connection(stream, router, limits, stop).await };
    let shaken = tokio::select! {
        shaken = tls.accept(stream, limits.header_read_timeout) => shaken,
        () = stop.cancelled() => return,
    };
    match shaken {
        Ok(stream) => connection(stream, router, limits, stop).await,
        Err(error) => {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a client did not get through the TLS handshake"
            );
        }
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(
            TokioIo::new(Unread::new(stream, limits.unread_timeout)),
            TowerToHyperService::new(router),
        );
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}

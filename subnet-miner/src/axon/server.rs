//! The listener: hyper with the limits that axum's own server lacks (time and size of a request's head, connections).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use chain_client::cli::tls::Tls;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::limits::Limits;

/// What handlers may know of the connection a request came over.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// The client's address; of IPv6 the /64 network, which one client owns whole.
    pub address: IpAddr,
    /// Cancelling this drops the connection, for a client that reads too slowly to be told anything.
    pub hang_up: CancellationToken,
}

pub(super) struct Server {
    pub listener: TcpListener,
    pub router: Router,
    pub limits: Limits,
    /// The certificate, if TLS is spoken.
    pub tls: Option<Arc<Tls>>,
    /// Ends the accept loop and lets open connections finish their request.
    pub stop: CancellationToken,
    /// Drops open connections at once.
    pub hang_up: CancellationToken,
    /// Connections still open.
    pub connections: TaskTracker,
}

impl Server {
    /// Accepts until stopped.
    pub async fn run(self) {
        let seats = Arc::new(Semaphore::new(self.limits.connections_max.get()));
        let addresses = Addresses::default();
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(self.limits.head_ms_max.get().into()))
            .max_header_size(self.limits.head_bytes_max.get())
            .max_headers(self.limits.head_fields_max.get());
        loop {
            // With every seat taken, clients wait in the kernel's queue.
            let seat = tokio::select! {
                seat = Arc::clone(&seats).acquire_owned() => seat.expect("the semaphore is never closed"),
                () = self.stop.cancelled() => break,
            };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.stop.cancelled() => break,
            };
            let (stream, client) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: closing connections frees some.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let address = network(client);
            let Some(held) = addresses.hold(address, self.limits.connections_per_address_max.get()) else {
                tracing::debug!(%address, "too many connections from one address");
                continue;
            };
            let peer = Peer { address, hang_up: self.hang_up.child_token() };
            // The handshake counts as a part of the wait for a request's head.
            let wait = Duration::from_millis(self.limits.head_ms_max.get().into());
            let (builder, router, stop) = (builder.clone(), self.router.clone(), self.stop.clone());
            let tls = self.tls.clone();
            self.connections.spawn(async move {
                shake(stream, tls, wait, Connected { builder, peer, router, stop }).await;
                drop((seat, held));
            });
        }
        self.connections.close();
    }
}

/// What a connection is served with.
struct Connected {
    builder: http1::Builder,
    peer: Peer,
    router: Router,
    stop: CancellationToken,
}

async fn shake(stream: TcpStream, tls: Option<Arc<Tls>>, wait: Duration, connected: Connected) {
    // Tokens are small and should leave at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let Some(tls) = tls else { return serve(stream, connected).await };
    let shaken = tokio::select! {
        shaken = tls.accept(stream, wait) => shaken,
        () = connected.stop.cancelled() => return,
    };
    match shaken {
        Ok(stream) => serve(stream, connected).await,
        Err(error) => tracing::debug!(%error, "a caller did not get through the TLS handshake"),
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, connected: Connected) {
    let Connected { builder, peer, router, stop } = connected;
    let Peer { address, hang_up } = peer.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.clone().oneshot(request)
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = hang_up.cancelled() => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = hang_up.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%address, %error, "a connection ended early");
    }
}

fn network(client: SocketAddr) -> IpAddr {
    match client.ip().to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// How many connections each address holds.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<BTreeMap<IpAddr, u32>>>);

struct Held {
    address: IpAddr,
    addresses: Addresses,
}

impl Addresses {
    fn hold(&self, address: IpAddr, max: u32) -> Option<Held> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Held { address, addresses: self.clone() })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut counts = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_hold_only_so_many_connections() {
        let addresses = Addresses::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        let first = addresses.hold(address, 1);
        assert!(first.is_some());
        assert!(addresses.hold(address, 1).is_none());
        assert!(addresses.hold(IpAddr::from([192, 0, 2, 2]), 1).is_some());
        drop(first);
        assert!(addresses.hold(address, 1).is_some());
        assert!(addresses.0.lock().unwrap().is_empty());
    }

    #[test]
    fn one_ipv6_network_counts_as_one_address() {
        let of = |text: &str| network(SocketAddr::new(text.parse().unwrap(), 1));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), IpAddr::from([192, 0, 2, 1]));
    }
}

//! Accepting connections, as the gate's door says, and serving each for as long as its fate lets it.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use jsonrpsee::{
    core::{BoxError, middleware::RpcServiceBuilder},
    server::{
        HttpRequest, HttpResponse, Methods, ServerConfig, StopHandle, TowerServiceBuilder,
        serve_with_graceful_shutdown,
    },
};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, sleep_until},
};
use tower::Service as _;

use crate::faults::{
    Faults,
    gate::{Connection, Door},
    traffic::{LimitExceeded, Throttled},
};

/// How long to wait with listening again when someone else took the port meanwhile.
const LISTEN_AGAIN: Duration = Duration::from_millis(50);

/// A response to come.
type Answer = Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send>>;

/// A connection being served.
type Serving = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// What every connection is served.
#[derive(Clone)]
pub(super) struct Served {
    pub methods: Methods,
    pub config: ServerConfig,
    pub faults: Arc<Faults>,
    pub stop: StopHandle,
}

/// Accepts until the server is told to stop.
pub(super) async fn accept(listener: TcpListener, address: SocketAddr, served: Served) {
    let Served { methods, config, faults, stop } = served;
    let gate = faults.gate.clone();
    let services = jsonrpsee::server::Server::builder().set_config(config).to_service_builder();
    let mut door = gate.door();
    let mut listener = Some(listener);
    let stopped = stop.clone().shutdown();
    tokio::pin!(stopped);
    loop {
        let state = *door.borrow_and_update();
        match state {
            Door::Closed(_) => {
                listener = None;
                gate.set_listening(false);
            }
            Door::Open | Door::Mute(_) if listener.is_none() => {
                listener = listen_again(address).await;
                gate.set_listening(listener.is_some());
            }
            Door::Open | Door::Mute(_) => {}
        }
        let accepted = tokio::select! {
            () = &mut stopped => return,
            _ = door.changed() => continue,
            () = expire(state) => {
                gate.open_after(state);
                continue;
            }
            accepted = next(listener.as_ref()) => accepted,
        };
        let Some(connection) = accepted.and_then(|stream| gate.admit(stream)) else { continue };
        tokio::spawn(serve(connection, faults.clone(), services.clone(), methods.clone(), stop.clone()));
    }
}

/// The next connection. Without a listener there is none, and it is soon tried to have one again.
async fn next(listener: Option<&TcpListener>) -> Option<TcpStream> {
    let Some(listener) = listener else {
        sleep(LISTEN_AGAIN).await;
        return None;
    };
    match listener.accept().await {
        Ok((stream, _)) => stream.set_nodelay(true).is_ok().then_some(stream),
        Err(error) => {
            // Most often there are too many open files; trying again at once would only burn time.
            tracing::warn!(%error, "could not accept a connection");
            sleep(LISTEN_AGAIN).await;
            None
        }
    }
}

async fn listen_again(address: SocketAddr) -> Option<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::warn!(%error, %address, "could not listen again yet");
            None
        }
    }
}

async fn expire(door: Door) {
    match door {
        Door::Open => std::future::pending().await,
        Door::Mute(until) | Door::Closed(until) => sleep_until(until.max(Instant::now())).await,
    }
}

async fn serve(
    mut connection: Connection,
    faults: Arc<Faults>,
    services: TowerServiceBuilder<tower::layer::util::Identity, tower::layer::util::Identity>,
    methods: Methods,
    stop: StopHandle,
) {
    if connection.is_silent() {
        drop(stop);
        // Nothing is read from it until it is reset.
        let _ = connection.read_u8().await;
        return;
    }
    let id = connection.id();
    let traffic = faults.traffic.clone();
    let layer = RpcServiceBuilder::new().layer_fn(move |inner| Throttled { inner, traffic: traffic.clone() });
    let service = services.set_rpc_middleware(layer).build(methods, stop.clone());
    let service = tower::service_fn(move |mut request: HttpRequest<hyper::body::Incoming>| {
        // The methods learn who asks, to spare them.
        request.extensions_mut().insert(id);
        let mut service = service.clone();
        let answered = service.call(request);
        let answer: Answer = Box::pin(async move {
            let mut response = answered.await;
            if let Ok(response) = &mut response
                && response.extensions_mut().remove::<LimitExceeded>().is_some()
            {
                *response.status_mut() = hyper::StatusCode::TOO_MANY_REQUESTS;
            }
            response
        });
        answer
    });
    let serving: Serving = Box::pin(serve_with_graceful_shutdown(connection, service, stop.shutdown()));
    if let Err(error) = serving.await {
        tracing::debug!(%error, "a connection ended");
    }
}

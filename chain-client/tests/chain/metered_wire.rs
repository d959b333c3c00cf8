//! A wire between client and chain that counts what goes over it: bytes both ways, and the names of the JSON-RPC calls.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, spawn};

use crate::support::any_port;

/// What has gone over a wire so far.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    pub bytes_sent: usize,
    pub bytes_received: usize,
    /// In the order sent, without the client's pings.
    pub methods: Vec<String>,
}

/// Carries connections until dropped.
pub struct MeteredWire {
    address: SocketAddr,
    meter: Arc<Mutex<Meter>>,
    carrying: AbortHandle,
}

impl Meter {
    pub fn bytes(&self) -> usize {
        self.bytes_sent + self.bytes_received
    }

    /// What went over the wire after `earlier` was taken.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            bytes_sent: self.bytes_sent - earlier.bytes_sent,
            bytes_received: self.bytes_received - earlier.bytes_received,
            methods: self.methods[earlier.methods.len()..].to_vec(),
        }
    }
}

impl MeteredWire {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let meter = Arc::new(Mutex::new(Meter::default()));
        let carrying = spawn(carry(listener, target, Arc::clone(&meter))).abort_handle();
        Self { address, meter, carrying }
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub fn meter(&self) -> Meter {
        self.meter.lock().unwrap().clone()
    }
}

impl Drop for MeteredWire {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

async fn carry(listener: TcpListener, target: SocketAddr, meter: Arc<Mutex<Meter>>) {
    while let Ok((near, _)) = listener.accept().await {
        let far = TcpStream::connect(target).await.unwrap();
        let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
        spawn(requests(near_read, far_write, Arc::clone(&meter)));
        spawn(answers(far_read, near_write, Arc::clone(&meter)));
    }
}

/// The client's side: the HTTP upgrade, then WebSocket frames, which the client masks.
async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, meter: Arc<Mutex<Meter>>) {
    let (mut seen, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    let mut upgraded = false;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        seen.extend_from_slice(&buffer[..length]);
        {
            let mut meter = meter.lock().unwrap();
            meter.bytes_sent += length;
            if !upgraded && let Some(end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                seen.drain(..end + 4);
                upgraded = true;
            }
            while upgraded && let Some((payload, rest)) = frame(&seen) {
                let request: Result<serde_json::Value, _> = serde_json::from_slice(&payload);
                let method = request.ok().and_then(|request| Some(request["method"].as_str()?.to_owned()));
                meter.methods.extend(method);
                seen = rest;
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, meter: Arc<Mutex<Meter>>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        meter.lock().unwrap().bytes_received += length;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// The first whole frame's payload, unmasked, and the bytes behind it.
fn frame(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (length, head) = match bytes.get(1)? & 0x7f {
        126 => (u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into(), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
        length => (usize::from(length), 2),
    };
    let mask = bytes.get(head..head + 4)?;
    let payload = bytes.get(head + 4..head + 4 + length)?;
    let unmasked = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some((unmasked, bytes[head + 4 + length..].to_vec()))
}

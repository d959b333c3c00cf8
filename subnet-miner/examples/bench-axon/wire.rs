//! One connection: a request as bytes out, an answer's status back.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

pub struct Wire {
    from: IpAddr,
    to: SocketAddr,
    stream: Option<TcpStream>,
    bytes: Vec<u8>,
}

impl Wire {
    pub fn new(from: IpAddr, to: SocketAddr) -> Self {
        Self { from, to, stream: None, bytes: Vec::with_capacity(4_096) }
    }

    /// The answer's status; nothing if the connection was closed before it, and the next request begins another.
    pub async fn ask(&mut self, request: &[u8]) -> Option<u16> {
        let answered = self.exchange(request).await;
        if answered.is_err() {
            self.stream = None;
        }
        let (status, closes) = answered.ok()?;
        if closes {
            self.stream = None;
        }
        Some(status)
    }

    async fn exchange(&mut self, request: &[u8]) -> std::io::Result<(u16, bool)> {
        if self.stream.is_none() {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(self.from, 0))?;
            let stream = socket.connect(self.to).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().expect("it was just opened");
        stream.write_all(request).await?;
        self.bytes.clear();
        loop {
            if stream.read_buf(&mut self.bytes).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some(end) = self.bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&self.bytes[..end]).to_ascii_lowercase();
            let field = |name: &str| {
                head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned)
            };
            let length: usize = field("content-length:").and_then(|text| text.parse().ok()).unwrap_or(0);
            if self.bytes.len() >= end + 4 + length {
                let status = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
                return Ok((status, field("connection:").as_deref() == Some("close")));
            }
        }
    }
}

/// Where the load comes from: an address of loopback.
pub fn address(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

/// A runtime for the load, with one thread that is named so.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(crate::cpu::LOAD)
        .enable_all()
        .build()
        .unwrap()
}

/// A share of sorted times, in microseconds.
pub fn percentile(sorted_us: &[u64], percent: usize) -> u64 {
    let last = sorted_us.len().saturating_sub(1);
    sorted_us.get(last * percent / 100).copied().unwrap_or(0)
}

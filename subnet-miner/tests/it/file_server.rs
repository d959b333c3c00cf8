//! An HTTP server that serves one file, and misbehaves as told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use protocol::catalogue::Model;
use protocol::catalogue_document::{Modality, Offer, WeightFile};
use protocol::digest::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a request is answered with.
#[derive(Clone, Debug)]
pub enum Act {
    /// The file, from the byte that was asked for on.
    Serve,
    /// The same, and the connection is cut at this byte of the file.
    CutAt(usize),
    /// The same, and then nothing more, with the connection left open.
    StallAt(usize),
    /// The whole file whatever was asked for.
    IgnoreRange,
    /// Other bytes of the same length.
    Other,
    /// A `content-length` that is not the file's.
    Announce(usize),
    /// Bytes without end or length.
    Endless,
    /// An error.
    Status(u16),
}

/// The server. Stops when dropped.
pub struct FileServer {
    address: SocketAddr,
    /// The `range` of each request, in order.
    ranges: Arc<Mutex<Vec<Option<usize>>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl FileServer {
    /// Serves `content`; the requests get the acts one after the other, and the last act again and again.
    pub async fn start(content: Vec<u8>, acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ranges);
        let serving = tokio::spawn(async move {
            let content = Arc::new(content);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (content, acts, seen) = (Arc::clone(&content), acts.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    // Clients that hang up early are what these tests are about.
                    let _ = answer(stream, &content, &acts, &seen).await;
                });
            }
        });
        Self { address, ranges, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}/model.gguf", self.address)
    }

    /// From which byte on each request asked.
    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.ranges.lock().unwrap().clone()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    mut stream: TcpStream,
    content: &[u8],
    acts: &[Act],
    seen: &Mutex<Vec<Option<usize>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let range =
        head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
    let act = {
        let mut seen = seen.lock().unwrap();
        seen.push(range);
        acts[(seen.len() - 1).min(acts.len() - 1)].clone()
    };
    let from = if matches!(act, Act::IgnoreRange) { 0 } else { range.unwrap_or(0) };
    let all = content.len();
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let span =
        if from > 0 { format!("content-range: bytes {from}-{}/{all}\r\n", all - 1) } else { String::new() };
    let head = |length: usize| {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\n{span}content-length: {length}\r\n\r\n")
    };
    match act {
        Act::Serve | Act::IgnoreRange => {
            stream.write_all(head(all - from).as_bytes()).await?;
            stream.write_all(&content[from..]).await?;
        }
        Act::CutAt(at) | Act::StallAt(at) => {
            stream.write_all(head(all - from).as_bytes()).await?;
            stream.write_all(&content[from..at]).await?;
            stream.flush().await?;
            if matches!(act, Act::StallAt(_)) {
                std::future::pending::<()>().await;
            }
        }
        Act::Other => {
            stream.write_all(head(all - from).as_bytes()).await?;
            stream.write_all(&vec![0xAA; all - from]).await?;
        }
        Act::Announce(length) => {
            stream.write_all(head(length).as_bytes()).await?;
            stream.write_all(&content[from..]).await?;
        }
        Act::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await?;
            loop {
                stream.write_all(&[7; 4_096]).await?;
            }
        }
        Act::Status(status) => {
            let head = format!("HTTP/1.1 {status} Sorry\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
    }
    stream.shutdown().await
}

/// Bytes that differ from place to place.
pub fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// A file of that content.
pub fn file(name: &str, content: &[u8], sources: &[String]) -> WeightFile {
    WeightFile {
        name: name.to_owned(),
        bytes: content.len() as u64,
        sha256: Digest::of(content),
        sources: sources.to_vec(),
        root: None,
    }
}

/// A model of these files.
pub fn offer(id: &str, files: Vec<WeightFile>) -> Offer {
    let weights_digest = files.first().map_or(Digest::ZERO, |file| file.sha256);
    Offer {
        model: Model {
            id: id.parse().unwrap(),
            weights_digest,
            prompt_multiplier: 1_000,
            completion_multiplier: 1_000,
            memory_bytes: 1 << 20,
        },
        modality: Modality::Text,
        files,
    }
}

//! Something that answers at once, and nothing else: no method is looked at, nothing is read, counted or checked. What is slower beside it
//! than alone is slower because of the load.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How large its answers are, so that the load reads as much as from the real server.
pub struct Answers {
    answer_bytes: usize,
    note_bytes: usize,
    /// Between two notifications of one subscriber.
    note_interval: Duration,
}

/// The same, written out.
struct Written {
    answer: Vec<u8>,
    note: Vec<u8>,
    note_interval: Duration,
}

impl Answers {
    pub fn asked(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut answers =
            Self { answer_bytes: 1_000, note_bytes: 500, note_interval: Duration::from_millis(300) };
        while let (Some(flag), Some(value)) = (arguments.next(), arguments.next()) {
            let value: usize = value.parse().unwrap();
            match flag.as_str() {
                "--answer-bytes" => answers.answer_bytes = value,
                "--note-bytes" => answers.note_bytes = value,
                "--note-ms" => answers.note_interval = Duration::from_millis(value.max(1) as u64),
                _ => panic!("no such flag: {flag}"),
            }
        }
        answers
    }

    fn written(&self) -> Written {
        let body = filled(r#"{"jsonrpc":"2.0","id":1,"result":"#, self.answer_bytes);
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        // Text frames of more than 125 bytes have their length in the next two.
        let text = filled(r#"{"jsonrpc":"2.0","subscription":1,"result":"#, self.note_bytes.max(200));
        let mut note = vec![0x81, 126];
        note.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        note.extend_from_slice(text.as_bytes());
        Written { answer: answer.into_bytes(), note, note_interval: self.note_interval }
    }
}

/// A JSON object that begins so and has this length.
fn filled(begin: &str, bytes: usize) -> String {
    let fill = bytes.saturating_sub(begin.len() + 3);
    format!("{begin}\"{}\"}}", "x".repeat(fill))
}

/// Prints its address and serves until it is ended.
pub async fn serve(answers: Answers) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr().unwrap()).unwrap();
    out.flush().unwrap();
    let written = Arc::new(answers.written());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let written = Arc::clone(&written);
        // An error says that the other side has gone.
        tokio::spawn(async move { connection(stream, &written).await.unwrap_or_default() });
    }
}

async fn connection(stream: TcpStream, written: &Written) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let (mut length, mut subscribes) = (0, false);
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            subscribes |= line.starts_with("upgrade:");
            if line == "\r\n" {
                break;
            }
        }
        if subscribes {
            return notify(stream.into_inner(), written).await;
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        stream.get_mut().write_all(&written.answer).await?;
    }
}

async fn notify(mut stream: TcpStream, written: &Written) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\r\n").await?;
    let mut ticks = tokio::time::interval(written.note_interval);
    loop {
        ticks.tick().await;
        stream.write_all(&written.note).await?;
    }
}

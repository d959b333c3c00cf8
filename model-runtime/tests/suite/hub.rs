//! `scripts/get-model hf:...` against a hub on this machine that breaks off, lies, and continues.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use sha2::{Digest as _, Sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// Bytes after which the hub hangs up on the first download of a large file.
const BREAK_BYTES: usize = 70_000;

/// A hub with one model. It ends with the test's process.
struct Hub {
    address: String,
    /// Method, path and range of all requests.
    requests: Arc<Mutex<Vec<String>>>,
    cache: tempfile::TempDir,
}

#[derive(Clone)]
struct Files {
    files: BTreeMap<&'static str, Vec<u8>>,
    /// Sends other bytes than its digests are of.
    lies: bool,
}

impl Hub {
    fn start(lies: bool) -> Self {
        let weights: Vec<u8> = (0..200_000_u32).map(|i| ((i * 31) >> 3) as u8).collect();
        let files = BTreeMap::from([
            ("config.json", b"{}\n".to_vec()),
            ("model.safetensors", weights),
            ("pickled.bin", vec![1]),
        ]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (log, files) = (requests.clone(), Files { files, lies });
        thread::spawn(move || listener.incoming().flatten().for_each(|stream| files.answer(stream, &log)));
        Self { address, requests, cache: tempfile::tempdir().unwrap() }
    }

    fn get(&self, name: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/get-model");
        let mut command = Command::new("python3");
        command.arg(script).arg(name).env("HF_ENDPOINT", format!("http://{}", self.address));
        command
            .env("SUBNET64_CACHE", self.cache.path())
            .env_remove("HF_TOKEN")
            .env("NO_PROXY", "*")
            .output()
            .unwrap()
    }

    fn folder(&self) -> PathBuf {
        self.cache.path().join("models/owner--tiny")
    }

    fn downloads(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|line| line.starts_with("GET /owner")).cloned().collect()
    }
}

impl Files {
    fn answer(&self, stream: TcpStream, log: &Mutex<Vec<String>>) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        let request = lines.next().unwrap_or_default();
        let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let range = headers
            .iter()
            .find_map(|line| line.strip_prefix("Range: bytes=")?.strip_suffix('-')?.parse().ok());
        let line = request.trim_end_matches(" HTTP/1.1").to_owned();
        let is_first = !log.lock().unwrap().iter().any(|before| before.starts_with(&line));
        log.lock().unwrap().push(format!("{line} {}", range.unwrap_or(0)));
        let (method, path) = line.split_once(' ').unwrap_or_default();
        let sent = match path.strip_prefix("/api/models/owner/tiny/revision/") {
            Some("main") => self.list(stream),
            Some(_) => respond(stream, "404 Not Found", "", b""),
            None => {
                let name = path.strip_prefix(&format!("/owner/tiny/resolve/{COMMIT}/")).unwrap_or_default();
                let bytes = &self.files[name];
                if method == "HEAD" { head(stream, bytes) } else { self.send(stream, bytes, range, is_first) }
            }
        };
        // A client that hung up is no failure of the hub.
        drop(sent);
    }

    fn list(&self, stream: TcpStream) -> std::io::Result<()> {
        let names: Vec<_> = self.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
        let body = serde_json::json!({ "sha": COMMIT, "siblings": names }).to_string();
        respond(stream, "200 OK", "", body.as_bytes())
    }

    fn send(
        &self,
        stream: TcpStream,
        bytes: &[u8],
        range: Option<usize>,
        is_first: bool,
    ) -> std::io::Result<()> {
        let mut bytes = bytes.to_vec();
        if self.lies {
            bytes[0] ^= 1;
        }
        let rest = &bytes[range.unwrap_or(0)..];
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        if is_first && rest.len() > BREAK_BYTES {
            return respond_part(stream, status, rest.len(), &rest[..BREAK_BYTES]);
        }
        respond(stream, status, "", rest)
    }
}

/// Large files have a SHA-256, small ones git's SHA-1; of the small one here it is known.
fn head(stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    // `printf '{}\n' | git hash-object --stdin`
    const CONFIG: &str = "0967ef424bce6791893e9a57bb952f80fd536e93";
    let digest = if bytes.len() < 10 { CONFIG.to_owned() } else { hex::encode(Sha256::digest(bytes)) };
    let extra =
        format!("X-Linked-Etag: \"{digest}\"\r\nX-Linked-Size: {}\r\nLocation: /elsewhere\r\n", bytes.len());
    respond(stream, "302 Found", &extra, b"")
}

fn respond(stream: TcpStream, status: &str, extra: &str, body: &[u8]) -> std::io::Result<()> {
    respond_with(stream, status, extra, body.len(), body)
}

/// Promises more than it sends.
fn respond_part(stream: TcpStream, status: &str, promised: usize, body: &[u8]) -> std::io::Result<()> {
    respond_with(stream, status, "", promised, body)
}

fn respond_with(
    mut stream: TcpStream,
    status: &str,
    extra: &str,
    length: usize,
    body: &[u8],
) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{extra}\r\n")?;
    stream.write_all(body)
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_download_that_breaks_off_is_continued_and_checked() {
    let hub = Hub::start(false);
    let output = hub.get("hf:owner/tiny");
    assert!(output.status.success(), "{}", error(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), hub.folder().to_str().unwrap());
    let weights = std::fs::read(hub.folder().join("model.safetensors")).unwrap();
    assert_eq!((weights.len(), weights[8]), (200_000, 31));
    assert!(hub.folder().join("config.json").is_file() && !hub.folder().join("pickled.bin").exists());
    let of_weights: Vec<_> =
        hub.downloads().into_iter().filter(|line| line.contains("safetensors")).collect();
    assert_eq!(of_weights.len(), 2, "{of_weights:?}");
    assert!(of_weights[1].ends_with(&format!(" {BREAK_BYTES}")), "it began anew: {of_weights:?}");
    // A second run finds everything.
    let before = hub.downloads().len();
    assert!(hub.get("hf:owner/tiny").status.success());
    assert_eq!(hub.downloads().len(), before);
}

#[test]
fn bytes_of_another_digest_are_not_kept() {
    let hub = Hub::start(true);
    let output = hub.get("hf:owner/tiny:model.safetensors");
    assert!(!output.status.success());
    assert!(error(&output).contains("does not have the digest"), "{}", error(&output));
    assert_eq!(std::fs::read_dir(hub.folder()).unwrap().count(), 0);
}

#[test]
fn names_the_hub_does_not_know_are_explained() {
    let hub = Hub::start(false);
    assert!(error(&hub.get("hf:owner/tiny@other")).contains("answered 404"));
    assert!(error(&hub.get("hf:owner/tiny:no.gguf")).contains("has no no.gguf"));
    assert!(error(&hub.get("hf:../tiny")).contains("not of the form"), "{}", error(&hub.get("hf:../tiny")));
    assert!(error(&hub.get("nonsense")).contains("there is no model"));
}

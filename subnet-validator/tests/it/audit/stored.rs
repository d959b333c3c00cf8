//! Bundles in object storage: a folder, and a server that speaks S3 and checks what it is sent.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as Target, State};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use http::header::{AUTHORIZATION, ETAG, RANGE};
use http::{HeaderMap, Method, StatusCode, Uri};
use protocol::digest::Digest;
use subnet_validator::audit::fetch::{FetchError, fetch_from_store};
use subnet_validator::audit::review::{ReviewOptions, review, review_with};
use subnet_validator::audit::shelf::Shelf;
use subnet_validator::audit::store::{Store, StoreConfig, StoreError};

use super::bundle;
use crate::heads::{head, serve};
use crate::support::validator;
use subnet_validator::audit::export::export;

const ACCESS: &str = "AKIATEST";
const SECRET: &str = "a secret of the bucket";

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut padded = [0; 64];
    if key.len() > 64 {
        padded[..32].copy_from_slice(&Digest::of(key).0);
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| padded.map(|byte| byte ^ with);
    let inner = Digest::of(&[&pad(0x36)[..], message].concat());
    Digest::of(&[&pad(0x5c)[..], &inner.0].concat()).0
}

/// Objects by path, and how often the server pretends to be overloaded.
#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Bytes>,
    busy: u32,
    puts: Vec<String>,
}

type Shared = Arc<Mutex<Bucket>>;

/// Signature version 4, computed again from Amazon's description of it.
fn is_signed(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().trim().to_owned());
    let Some(given) = text(AUTHORIZATION.as_str()) else { return false };
    let field = |name: &str| {
        let rest = given.split_once(&format!("{name}=")).unwrap().1;
        rest.split(',').next().unwrap().trim().to_owned()
    };
    let (credential, names) = (field("Credential"), field("SignedHeaders"));
    let (access, scope) = credential.split_once('/').unwrap();
    let payload = text("x-amz-content-sha256").unwrap();
    let hash = hex::encode(Digest::of(body).0);
    let signed = |name: &str| format!("{name}:{}\n", text(name).unwrap());
    let listed: String = names.split(';').map(signed).collect();
    let request = format!(
        "{method}\n{}\n{}\n{listed}\n{names}\n{payload}",
        uri.path(),
        uri.query().unwrap_or_default()
    );
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        text("x-amz-date").unwrap(),
        hex::encode(Digest::of(request.as_bytes()).0)
    );
    let key = scope
        .split('/')
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, part| hmac(&key, part.as_bytes()).to_vec());
    let signature = hex::encode(hmac(&key, to_sign.as_bytes()));
    access == ACCESS && (payload == hash || payload == "UNSIGNED-PAYLOAD") && field("Signature") == signature
}

async fn answer(
    State(bucket): State<Shared>,
    Target(path): Target<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_signed(&method, &uri, &headers, &body) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut bucket = bucket.lock().unwrap();
    if bucket.busy > 0 {
        bucket.busy -= 1;
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if method == Method::PUT {
        bucket.puts.push(path.clone());
        bucket.objects.insert(path, body);
        return [(ETAG, "\"1\"")].into_response();
    }
    let Some(object) = bucket.objects.get(&path) else { return StatusCode::NOT_FOUND.into_response() };
    let from = headers.get(RANGE).map(|range| {
        let range = range.to_str().unwrap().strip_prefix("bytes=").unwrap();
        range.split('-').next().unwrap().parse::<usize>().unwrap()
    });
    let modified = ("last-modified", "Sun, 22 Nov 2026 12:00:00 GMT".to_owned());
    let tag = ("etag", "\"1\"".to_owned());
    match from {
        None => ([modified, tag], object.clone()).into_response(),
        Some(from) => {
            let range = ("content-range", format!("bytes {from}-{}/{}", object.len() - 1, object.len()));
            (StatusCode::PARTIAL_CONTENT, [modified, tag, range], object.slice(from..)).into_response()
        }
    }
}

/// A server with one bucket; its address.
async fn s3() -> (Shared, String) {
    let bucket = Shared::default();
    let routes = Router::new().route("/bucket/{*path}", put(answer).get(answer).head(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let routes = routes.with_state(Arc::clone(&bucket));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (bucket, endpoint)
}

fn keys(folder: &Path, secret: &str, mode: u32) -> String {
    let path = folder.join("keys.toml");
    fs::write(&path, format!("access_key_id = \"{ACCESS}\"\nsecret_access_key = \"{secret}\"\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

/// Sends two tempos, fetches them, and reviews straight from the store.
async fn there_and_back(config: &StoreConfig) {
    let root = tempfile::tempdir().unwrap();
    let (ledger, folder) = bundle(root.path()).await;
    let store = Store::open(config).unwrap();
    let first = store.put_bundle(&folder, 2).await.unwrap();
    assert_eq!(first.objects, 3 + 4 + 2, "three parts, four small files, the manifest and the list");
    let fetched = root.path().join("fetched");
    fetch_from_store(store.clone(), None, &fetched, |_, _| ()).await.unwrap();
    let here = review(&folder, None, |_, _| ()).unwrap();
    assert_eq!(review(&fetched, None, |_, _| ()).unwrap(), here);

    serve(&ledger, "//Bob", 3, 10..12).await;
    head(&ledger, 3).await;
    let to = folder.clone();
    let exported = ledger.read(move |reader| Ok(export(reader, &validator(), None, &to, |_, _| ()))).await;
    exported.unwrap().unwrap();
    let second = store.put_bundle(&folder, 3).await.unwrap();
    assert_eq!(second.objects, 1 + 4 + 2, "the one new part");
    let got = fetch_from_store(store.clone(), Some(3), &fetched, |_, _| ()).await.unwrap();
    assert!(got.bytes_new < got.bytes);
    let shelf = Shelf::Store(store);
    let reviewed = tokio::task::spawn_blocking(move || {
        let newest = shelf.clone().bundle(None).unwrap();
        assert!(shelf.bundle(Some(9)).is_err());
        review_with(&newest, ReviewOptions::default(), |_, _| ()).unwrap()
    });
    let reviewed = reviewed.await.unwrap();
    assert_eq!((reviewed.head.epoch_index, reviewed.replayed.leaves), (3, 11));
    assert_eq!(reviewed, review(&fetched, None, |_, _| ()).unwrap());
}

#[tokio::test]
async fn bundles_go_into_a_folder_and_are_reviewed_from_there() {
    let root = tempfile::tempdir().unwrap();
    let url = format!("file://{}", root.path().join("store").display());
    there_and_back(&StoreConfig { url, ..StoreConfig::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bundles_go_into_s3_with_signed_requests_that_are_repeated_when_it_is_busy() {
    let root = tempfile::tempdir().unwrap();
    let (bucket, endpoint) = s3().await;
    bucket.lock().unwrap().busy = 2;
    let config = StoreConfig {
        url: "s3://bucket/audits/alice".into(),
        endpoint,
        credentials_file: keys(root.path(), SECRET, 0o600),
        ..StoreConfig::default()
    };
    there_and_back(&config).await;
    let puts = bucket.lock().unwrap().puts.clone();
    let at = |end: &str| puts.iter().position(|put| put.ends_with(end)).unwrap();
    let parts = puts.iter().rposition(|put| put.starts_with("audits/alice/parts/hour=")).unwrap();
    assert!(at("2/manifest.json") < at("index.json") && parts < at("3/manifest.json"), "{puts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_keys_and_keys_that_others_can_read_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let (_bucket, endpoint) = s3().await;
    let config = |mode, secret| StoreConfig {
        url: "s3://bucket".into(),
        endpoint: endpoint.clone(),
        credentials_file: keys(root.path(), secret, mode),
        ..StoreConfig::default()
    };
    assert!(matches!(Store::open(&config(0o644, SECRET)), Err(StoreError::Exposed(_))));
    let store = Store::open(&config(0o600, "another secret")).unwrap();
    let refused = fetch_from_store(store, None, &root.path().join("fetched"), |_, _| ()).await;
    assert!(matches!(refused, Err(FetchError::Store(StoreError::Storage(_)))), "{refused:?}");
    for url in ["s3://", "file://relative", "ftp://host/"] {
        let config = StoreConfig { url: url.into(), ..StoreConfig::default() };
        assert!(matches!(Store::open(&config), Err(StoreError::Url(_))), "{url}");
    }
}

//! The files of bundles, in whole or from any byte on: for auditors, and for the head gateway of the same validator.

use std::io;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, StatusCode};
use protocol::manifest::parts_of;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use super::error::GatewayError;
use crate::audit::publish;
use crate::audit::shard::papers_folder;

/// Bytes read from a file at a time.
const PIECE_BYTES: usize = 64 << 10;

/// One of the files of a tempo.
pub(super) async fn tempo_file(
    bundles: &Path,
    (epoch, name): (u64, &str),
    headers: &HeaderMap,
) -> Result<Response, GatewayError> {
    let place = is_plain(name).then(|| publish::bundle(bundles, epoch).join(name));
    serve(place.ok_or(GatewayError::NoBundle)?, headers).await
}

/// What the gateway of a shard wrote of it last.
pub(crate) async fn shard_file(
    bundles: &Path,
    (shard, name): (u8, &str),
    headers: &HeaderMap,
) -> Result<Response, GatewayError> {
    let place = is_plain(name).then(|| papers_folder(bundles, shard).join(name));
    serve(place.ok_or(GatewayError::NoBundle)?, headers).await
}

/// Leaves of one hour and miner of a shard.
pub(crate) async fn part(
    bundles: &Path,
    (shard, names): (u8, [&str; 3]),
    headers: &HeaderMap,
) -> Result<Response, GatewayError> {
    let plain = names.into_iter().all(is_plain);
    let place = plain.then(|| bundles.join(parts_of(shard)).join(names.join("/")));
    serve(place.ok_or(GatewayError::NoBundle)?, headers).await
}

async fn serve(place: PathBuf, headers: &HeaderMap) -> Result<Response, GatewayError> {
    let json = place.extension().is_some_and(|extension| extension == "json");
    let mut file = File::open(place).await.map_err(|_| GatewayError::NoBundle)?;
    let bytes = file.metadata().await.map_err(|_| GatewayError::NoBundle)?.len();
    let from = match headers.get(RANGE) {
        None => None,
        Some(range) => {
            let from = range.to_str().ok().and_then(first_byte).filter(|from| *from < bytes);
            Some(from.ok_or(GatewayError::Range { bytes })?)
        }
    };
    let start = from.unwrap_or(0);
    file.seek(SeekFrom::Start(start)).await.map_err(|_| GatewayError::NoBundle)?;
    let body = Body::from_stream(stream::try_unfold(file, piece));
    let kind = if json { "application/json" } else { "application/octet-stream" };
    let head = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_LENGTH, (bytes - start).to_string()),
        (ACCEPT_RANGES, "bytes".to_owned()),
    ];
    Ok(match from {
        None => (head, body).into_response(),
        Some(from) => {
            let range = format!("bytes {from}-{}/{bytes}", bytes - 1);
            (StatusCode::PARTIAL_CONTENT, head, [(CONTENT_RANGE, range)], body).into_response()
        }
    })
}

/// Whether a name leads to no other folder.
fn is_plain(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'='));
    plain && !name.starts_with('.')
}

/// The first byte of `bytes=N-`; other forms of ranges are not served.
fn first_byte(range: &str) -> Option<u64> {
    range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

async fn piece(mut file: File) -> io::Result<Option<(Bytes, File)>> {
    let mut buffer = vec![0; PIECE_BYTES];
    let read = file.read(&mut buffer).await?;
    buffer.truncate(read);
    Ok((read > 0).then(|| (buffer.into(), file)))
}

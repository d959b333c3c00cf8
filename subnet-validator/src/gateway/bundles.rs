//! `GET /audit/v1/...`: the bundles that auditors fetch, open to everybody, in whole or from any byte on.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State as Handed};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, StatusCode};
use protocol::manifest::parts_of;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use super::State;
use super::error::GatewayError;
use crate::audit::fetch::Epochs;
use crate::audit::publish;
use crate::audit::shard::papers_folder;

/// Bytes read from a file at a time.
const PIECE_BYTES: usize = 64 << 10;

pub(super) async fn list(Handed(state): Handed<Arc<State>>) -> Result<Json<Epochs>, GatewayError> {
    let folder = state.bundles.clone();
    let epochs = tokio::task::spawn_blocking(move || publish::epochs(&folder)).await;
    match epochs {
        Ok(Ok(epochs)) => Ok(Json(Epochs { epochs })),
        _ => Err(GatewayError::NoBundle),
    }
}

pub(super) async fn file(
    Handed(state): Handed<Arc<State>>,
    Path((epoch, name)): Path<(u64, String)>,
    headers: HeaderMap,
) -> Result<Response, GatewayError> {
    let place = is_plain(&name).then(|| publish::bundle(&state.bundles, epoch).join(name));
    serve(place.ok_or(GatewayError::NoBundle)?, &headers).await
}

/// Leaves of one hour and miner, which several tempos' bundles share.
pub(super) async fn part(
    handed: Handed<Arc<State>>,
    Path((hour, miner, name)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, GatewayError> {
    part_of_shard(handed, Path((0, hour, miner, name)), headers).await
}

/// The same of another shard.
pub(super) async fn part_of_shard(
    Handed(state): Handed<Arc<State>>,
    Path((shard, hour, miner, name)): Path<(u8, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, GatewayError> {
    let plain = [&hour, &miner, &name].into_iter().all(|name| is_plain(name));
    let place = plain.then(|| state.bundles.join(parts_of(shard)).join(hour).join(miner).join(name));
    serve(place.ok_or(GatewayError::NoBundle)?, &headers).await
}

/// What the gateway of another shard wrote of it last, beside its parts.
pub(super) async fn shard_file(
    Handed(state): Handed<Arc<State>>,
    Path((shard, name)): Path<(u8, String)>,
    headers: HeaderMap,
) -> Result<Response, GatewayError> {
    let place = is_plain(&name).then(|| papers_folder(&state.bundles, shard).join(name));
    serve(place.ok_or(GatewayError::NoBundle)?, &headers).await
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

//! One file from one HTTP server, in as many tries as it takes.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use http::header::{ACCEPT_ENCODING, CONTENT_RANGE, RANGE};
use protocol::catalogue_document::WeightFile;
use reqwest::{Response, StatusCode, Url};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::error::disk;
use super::objects::Checked;
use super::{FetchError, Inner, SourceError};

/// Whose fault it is that a file did not come: the next source may do better, but not with our disk.
#[derive(Debug)]
pub(super) enum Failure {
    Source(SourceError),
    Disk(FetchError),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Disk(error)
    }
}

/// How one try ended.
enum Try {
    /// Every byte is there.
    Whole,
    /// Worth another try, from where it stopped.
    Again(SourceError),
}

/// Goes on with the partial file until it is whole, then checks it.
pub(super) async fn from_http(inner: &Inner, file: &WeightFile, url: Url) -> Result<(), Failure> {
    let path = inner.objects.partial(&file.sha256);
    let config = &inner.config;
    let mut pause = Duration::from_millis(config.retry_ms);
    let mut tries_left = config.tries_max.get();
    // What is there may come from another source, which may have lied.
    let mut only_ours = length(&path).await == 0;
    loop {
        let failed = match attempt(inner, file, &url, &path).await? {
            Try::Whole => match inner.objects.admit(file).await? {
                Checked::Good => return Ok(()),
                Checked::Other(found) if only_ours => return Err(SourceError::Content { found }.into()),
                // The partial file is gone now; this source gets its chance from the first byte on.
                Checked::Other(found) => {
                    only_ours = true;
                    SourceError::Content { found }
                }
            },
            Try::Again(error) => error,
        };
        tries_left -= 1;
        if tries_left == 0 {
            return Err(failed.into());
        }
        tracing::debug!(file = %file.name, error = %failed, tries_left, "trying again");
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2);
    }
}

async fn attempt(inner: &Inner, file: &WeightFile, url: &Url, path: &Path) -> Result<Try, Failure> {
    let mut have = length(path).await;
    if have > file.bytes {
        truncate(path).await?;
        have = 0;
    }
    if have == file.bytes {
        return Ok(Try::Whole);
    }
    // A server that compresses would send other bytes than those that the digest is of.
    let request = inner.http.get(url.clone()).header(ACCEPT_ENCODING, "identity");
    let request = if have > 0 { request.header(RANGE, format!("bytes={have}-")) } else { request };
    let answer =
        tokio::time::timeout(Duration::from_millis(inner.config.answer_ms_max), request.send()).await;
    let response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Ok(Try::Again(SourceError::Connection(error))),
        Err(_) => return Ok(Try::Again(SourceError::BrokeOff { at: have })),
    };
    let status = response.status();
    let from = match status {
        StatusCode::PARTIAL_CONTENT if range_start(&response) == Some(have) => have,
        StatusCode::OK => 0,
        // What we have is no beginning of what it has.
        StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT if have > 0 => {
            truncate(path).await?;
            return Ok(Try::Again(SourceError::Status { status: status.as_u16() }));
        }
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Ok(Try::Again(SourceError::Status { status: status.as_u16() }));
        }
        _ => return Err(SourceError::Status { status: status.as_u16() }.into()),
    };
    if let Some(rest) = response.content_length()
        && from.saturating_add(rest) != file.bytes
    {
        return Err(SourceError::Length { found: from.saturating_add(rest), expected: file.bytes }.into());
    }
    let opened =
        OpenOptions::new().create(true).append(true).open(path).await.map_err(disk("write", path))?;
    if from == 0 {
        opened.set_len(0).await.map_err(disk("empty", path))?;
    }
    let written = write(inner, file, response, opened, from, path).await;
    if let Err(Failure::Source(SourceError::TooLong { .. })) = written {
        // Not the beginning of the right file.
        truncate(path).await?;
    }
    written
}

async fn write(
    inner: &Inner,
    file: &WeightFile,
    response: Response,
    mut to: File,
    from: u64,
    path: &Path,
) -> Result<Try, Failure> {
    let mut shown = inner.progress.begin(&file.name, file.bytes, from);
    let mut at = from;
    let mut body = response.bytes_stream();
    let broken = loop {
        let piece = match body.next().await {
            None => break None,
            Some(Err(error)) => break Some(error),
            Some(Ok(piece)) => piece,
        };
        if at.saturating_add(piece.len() as u64) > file.bytes {
            return Err(SourceError::TooLong { expected: file.bytes }.into());
        }
        to.write_all(&piece).await.map_err(disk("write", path))?;
        at += piece.len() as u64;
        shown.at(at);
    };
    to.flush().await.map_err(disk("write", path))?;
    to.sync_all().await.map_err(disk("write", path))?;
    Ok(match broken {
        _ if at == file.bytes => Try::Whole,
        Some(error) => Try::Again(SourceError::Connection(error)),
        None => Try::Again(SourceError::BrokeOff { at }),
    })
}

/// The first byte of `bytes FIRST-LAST/ALL`.
fn range_start(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

async fn length(path: &Path) -> u64 {
    tokio::fs::metadata(path).await.map_or(0, |metadata| metadata.len())
}

async fn truncate(path: &Path) -> Result<(), FetchError> {
    tokio::fs::remove_file(path).await.map_err(disk("remove", path))
}

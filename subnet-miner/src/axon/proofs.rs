//! What validators ask for and bring beside calls: the fingerprint that a receipt names, and their countersigned copies.
//!
//! `GET /fingerprints/{digest}` answers the SCALE bytes; `POST /countersigned` takes a SCALE list of records and keeps those that are
//! whole: they prove to anybody that the calls belong into the validator's log. Both are signed requests of permitted validators.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::HeaderValue;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use protocol::countersigned::CopyList;
use protocol::digest::Digest;

use super::AxonState;
use super::error::AxonError;

pub(super) async fn fingerprint(
    State(state): State<AxonState>,
    Path(digest): Path<String>,
    request: Request,
) -> Result<Response, AxonError> {
    let inner = &state.0;
    let (parts, _) = request.into_parts();
    let raw = inner.admission.headers(&parts.headers)?;
    inner.admission.admit(&raw, &parts, Digest::of(b"")).await?;
    let digest: Digest = digest.parse().map_err(|_| AxonError::NoFingerprint)?;
    let found = inner.receipts.fingerprint(digest).await.map_err(|error| {
        tracing::error!(%error, "a fingerprint could not be read");
        AxonError::Storage
    })?;
    let mut response = Response::new(found.ok_or(AxonError::NoFingerprint)?.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}

pub(super) async fn countersigned(
    State(state): State<AxonState>,
    request: Request,
) -> Result<StatusCode, AxonError> {
    let inner = &state.0;
    let (parts, body) = request.into_parts();
    let raw = inner.admission.headers(&parts.headers)?;
    let body = inner.bodies.read(&parts.headers, body).await?;
    let caller = inner.admission.admit(&raw, &parts, Digest::of(&body.bytes)).await?;
    let copies = CopyList::from_bytes(&body.bytes).map_err(AxonError::Copies)?;
    let calls = copies.verify(&caller.hotkey(), &inner.hotkey.public()).map_err(AxonError::Copies)?;
    inner.receipts.keep_countersigned(calls).await.map_err(|error| {
        tracing::error!(%error, "countersigned copies could not be written");
        AxonError::Storage
    })?;
    Ok(StatusCode::NO_CONTENT)
}

//! Reading a request's body within its limits of size and time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::error::GatewayError;

/// The whole body, of at most so many bytes, if it arrives within this time.
pub(super) async fn read(body: Body, body_bytes_max: usize, wait_ms: u64) -> Result<Bytes, GatewayError> {
    let collected = Limited::new(body, body_bytes_max).collect();
    match tokio::time::timeout(Duration::from_millis(wait_ms), collected).await {
        Err(_) => Err(GatewayError::BodyTimeout),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(GatewayError::BodyTooLarge { body_bytes_max })
        }
        Ok(Err(_)) => Err(GatewayError::BodyBroken),
    }
}

//! Reading a request's body within its limits of size, time and memory shared by all requests.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::AxonError;
use super::limits::Limits;

/// Memory for bodies, shared by all requests.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    memory: Arc<Semaphore>,
    bytes_max: u32,
    wait: Duration,
}

/// A body in memory, which is given back when this is dropped.
#[derive(Debug)]
pub(super) struct HeldBody {
    pub bytes: Bytes,
    _memory: OwnedSemaphorePermit,
}

impl Bodies {
    pub fn new(limits: &Limits) -> Self {
        let memory = limits.bodies_bytes_max.max(limits.body_bytes_max).get();
        Self {
            memory: Arc::new(Semaphore::new(memory as usize)),
            bytes_max: limits.body_bytes_max.get(),
            wait: Duration::from_millis(limits.body_ms_max.get().into()),
        }
    }

    /// Reads a body whose declared length, if any, is checked before a byte is read.
    pub async fn read(&self, headers: &HeaderMap, body: Body) -> Result<HeldBody, AxonError> {
        let bytes_max = self.bytes_max;
        let too_large = AxonError::BodyTooLarge { bytes_max };
        let size = match headers.get(http::header::CONTENT_LENGTH) {
            Some(declared) => match declared.to_str().ok().and_then(|text| text.parse::<u64>().ok()) {
                Some(bytes) => {
                    u32::try_from(bytes).ok().filter(|bytes| *bytes <= bytes_max).ok_or(too_large)?
                }
                None => return Err(AxonError::BodyBroken),
            },
            None => bytes_max,
        };
        let memory = Arc::clone(&self.memory).try_acquire_many_owned(size).map_err(|_| AxonError::Busy)?;
        let collected = tokio::time::timeout(self.wait, Limited::new(body, size as usize).collect())
            .await
            .map_err(|_| AxonError::BodyTimeout)?;
        match collected {
            Ok(collected) => Ok(HeldBody { bytes: collected.to_bytes(), _memory: memory }),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err(AxonError::BodyTooLarge { bytes_max })
            }
            Err(_) => Err(AxonError::BodyBroken),
        }
    }
}
